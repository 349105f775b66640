//! Linters and formatters of the files that tasks read: `lint` and `format`. A language without files has no task.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use graph::{Input, Task, Title};

use super::{Error, Handle, Place, binaries};

/// What yamllint goes by where the project has no configuration of its own: mistakes, not taste.
const YAML_RULES: &str = "{extends: relaxed, rules: {line-length: disable}}";

/// The files that yamllint takes its configuration from.
const YAML_CONFIGURATIONS: [&str; 3] = [".yamllint", ".yamllint.yaml", ".yamllint.yml"];

pub(super) fn add(place: &mut Place<'_>) -> Result<(), Error> {
    let root = place.project.root.clone();
    let texts = texts(place);
    let written_in = |endings: &[&str]| -> Vec<PathBuf> {
        let ends =
            |path: &&PathBuf| path.extension().is_some_and(|ending| endings.iter().any(|one| ending == *one));
        texts.iter().filter(ends).cloned().collect()
    };

    let (mut linters, mut formatters) = (Vec::new(), Vec::new());
    let rust = binaries::all_sources(&root)?;
    if !rust.is_empty() {
        let clippy =
            ["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
        linters.push(add_task(place, "lint:rust", "cargo", &clippy, rust.clone()));
        formatters.push(add_task(place, "format:rust", "cargo", &["fmt", "--all"], rust));
    }
    let shell = ["--external-sources", "--source-path=SCRIPTDIR"];
    linters.extend(add_linter(place, "shell", "shellcheck", &shell, &written_in(&["sh", "bash"])));
    let own_rules = YAML_CONFIGURATIONS.iter().any(|name| root.join(name).is_file());
    let yaml = if own_rules { &["--strict"][..] } else { &["--strict", "-d", YAML_RULES] };
    linters.extend(add_linter(place, "yaml", "yamllint", yaml, &written_in(&["yaml", "yml"])));
    linters.extend(add_linter(place, "salt", "salt-lint", &[], &written_in(&["sls"])));
    place.group("lint", "Run the linters.", linters);
    place.group("format", "Format the sources.", formatters);
    Ok(())
}

/// The project's own files that tasks or the project model read, relative to it, each once.
fn texts(place: &Place<'_>) -> Vec<PathBuf> {
    let project = place.project;
    let inputs = place.tasks.iter().flat_map(|task| &task.inputs).filter_map(|input| match input {
        Input::File(path) | Input::Named { path, .. } => Some(path),
        _ => None,
    });
    let mut texts: Vec<PathBuf> = inputs
        .chain(&project.sources)
        .filter(|path| !path.starts_with(&project.settings.build_root))
        .filter_map(|path| path.strip_prefix(&project.root).ok().map(Path::to_path_buf))
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

/// Adds a linter, if there are files for it.
fn add_linter(
    place: &mut Place<'_>,
    language: &str,
    program: &'static str,
    arguments: &[&str],
    files: &[PathBuf],
) -> Option<Handle> {
    if files.is_empty() {
        return None;
    }
    let arguments: Vec<OsString> =
        arguments.iter().map(OsString::from).chain(files.iter().map(OsString::from)).collect();
    let inputs = files.iter().map(Input::file).collect();
    Some(add_task(place, &format!("lint:{language}"), program, &arguments, inputs))
}

/// Adds the task `name` (`lint:shell`), which runs `program` in the project's folder and has no output.
fn add_task<A: Into<OsString> + Clone>(
    place: &mut Place<'_>,
    name: &str,
    program: &'static str,
    arguments: &[A],
    mut inputs: Vec<Input>,
) -> Handle {
    let project = Arc::clone(place.project);
    let arguments: Vec<OsString> = arguments.iter().cloned().map(Into::into).collect();
    let found = project.settings.program(program);
    // Another version of the program may judge otherwise.
    inputs.extend(found.iter().map(Input::file));
    inputs.push(Input::value("arguments", arguments.join(" ".as_ref()).to_string_lossy()));
    let (group, language) = name.split_once(':').unwrap_or((name, ""));
    let doc = match group {
        "format" => format!("Format what is written in {language}."),
        _ => format!("Run {program} on what is written in {language}."),
    };
    let after = vec![place.check_for(program)];
    let program = found.unwrap_or_else(|| program.into());
    place.push(Task {
        name: name.into(),
        doc,
        title: Title::new(group.to_ascii_uppercase(), language),
        inputs,
        after,
        action: Some(Box::new(move |context| {
            context.run(Command::new(&program).args(&arguments).current_dir(&project.root))?;
            Ok(())
        })),
        ..Task::default()
    })
}
