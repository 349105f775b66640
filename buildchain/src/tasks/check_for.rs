//! Programs that tasks start: `check_for`, one sub-task each, so that a missing one is named before anything needs it.

use std::collections::BTreeSet;

use graph::{ActionError, Input, Task, Title};

use super::Place;
use crate::project::{Settings, program_variable};

/// Where each program comes from, for the message that it is missing.
const SOURCES: [(&str, &str); 4] = [
    ("cargo", "rustup brings it"),
    ("salt-lint", "`pip install salt-lint` brings it"),
    ("shellcheck", "the system's package of that name brings it"),
    ("yamllint", "the system's package of that name, or `pip install yamllint`, brings it"),
];

/// The task that checks for `program`, for [`Task::after`] of a task that starts it.
pub(super) fn task(program: &str) -> String {
    format!("check_for:{program}")
}

/// Adds a check for each program that a task added before waits for.
pub(super) fn add(place: &mut Place<'_>) {
    let programs: BTreeSet<String> = place
        .tasks
        .iter()
        .flat_map(|task| &task.after)
        .filter_map(|name| name.strip_prefix("check_for:").map(str::to_owned))
        .collect();
    for program in programs {
        let settings = &place.project.settings;
        let found = settings.program(&program);
        let missing = found.is_none().then(|| missing(settings, &program));
        let shown = found.map_or("nowhere".into(), |path| path.to_string_lossy().into_owned());
        place.push(Task {
            name: task(&program),
            doc: format!("Check for the program {program}."),
            title: Title::new("CHECK CMD", &program),
            inputs: vec![Input::value("found", shown)],
            action: Some(Box::new(move |_| {
                missing.as_ref().map_or(Ok(()), |text| Err(ActionError::failed(text)))
            })),
            ..Task::default()
        });
    }
    place.group("check_for", "Check for the programs that tasks start.", &["check_for:"]);
}

fn missing(settings: &Settings, program: &str) -> String {
    let variable = program_variable(program);
    if let Some(named) = settings.programs.get(&variable) {
        return format!(
            "{variable} names `{}`, which is no program on the search path",
            content::printable_path(named)
        );
    }
    let source = SOURCES.iter().find(|(name, _)| *name == program).map(|(_, source)| format!("{source}; "));
    let source = source.unwrap_or_default();
    format!("`{program}` is not on the search path: {source}{variable} may name another place")
}
