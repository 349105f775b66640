//! Programs that tasks start: `check_for`, with a task for each, so that a missing program is reported before anything needs it.

use graph::{ActionError, Task, TaskInput, Title};

use super::TaskBuilder;
use crate::project::{Settings, program_variable};

/// How each program is installed, for the message that it is missing.
const SOURCES: [(&str, &str); 7] = [
    ("cargo", "rustup installs it"),
    ("rpmbuild", "install the system's package rpm-build, on Debian rpm"),
    ("rpmlint", "install the system's package of that name"),
    ("salt-lint", "install it with `pip install salt-lint`"),
    ("shellcheck", "install the system's package of that name"),
    ("unshare", "install the system's package util-linux"),
    ("yamllint", "install the system's package of that name, or use `pip install yamllint`"),
];

impl TaskBuilder<'_> {
    /// The name of the task that checks for `program`, for [`Task::after`] of a task that starts it.
    pub(super) fn check_for(&mut self, program: &'static str) -> String {
        self.programs.insert(program);
        format!("check_for:{program}")
    }
}

/// Adds the checks that tasks added before depend on.
pub(super) fn add(builder: &mut TaskBuilder<'_>) {
    let mut checks = Vec::new();
    for program in std::mem::take(&mut builder.programs) {
        let settings = &builder.project.settings;
        let found = settings.program(program);
        let missing = found.is_none().then(|| missing(settings, program));
        let shown = found.map_or("nowhere".into(), |path| path.to_string_lossy().into_owned());
        let name = builder.check_for(program);
        checks.push(builder.push(Task {
            name,
            doc: format!("Check for the program {program}."),
            title: Title::new("CHECK CMD", program),
            inputs: vec![TaskInput::value("found", shown)],
            action: Some(Box::new(move |_| {
                missing.as_ref().map_or(Ok(()), |text| Err(ActionError::failed(text)))
            })),
            ..Task::default()
        }));
    }
    builder.group("check_for", "Check for the programs that tasks start.", checks);
}

fn missing(settings: &Settings, program: &str) -> String {
    let variable = program_variable(program);
    if let Some(named) = settings.programs.get(&variable) {
        return format!(
            "{variable} names `{}`, which is not a program on the search path",
            content::printable_path(named)
        );
    }
    let source = SOURCES.iter().find(|(name, _)| *name == program).map(|(_, source)| format!("{source}, "));
    let source = source.unwrap_or_default();
    format!("`{program}` is not on the search path: {source}or set {variable} to its path")
}
