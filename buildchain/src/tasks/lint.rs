//! Linters and formatters of the files that tasks read: `lint` and `format`. A language without files has no task.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use graph::{Task, TaskInput, Title};

use super::own::OwnTasks;
use super::{Error, TaskBuilder, TaskHandle, binaries};

/// What yamllint goes by where the project has no configuration of its own: mistakes, not taste.
const YAML_RULES: &str = "{extends: relaxed, rules: {line-length: disable}}";

/// The files that yamllint takes its configuration from.
const YAML_CONFIGURATIONS: [&str; 3] = [".yamllint", ".yamllint.yaml", ".yamllint.yml"];

/// Adds the linters and formatters, and the groups that also have those of the project.
pub(super) fn add(builder: &mut TaskBuilder<'_>, own: &OwnTasks) -> Result<(), Error> {
    let root = builder.project.root.clone();
    let texts = texts(builder);
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
        linters.push(add_task(builder, "lint:rust", "cargo", &clippy, rust.clone()));
        formatters.push(add_task(builder, "format:rust", "cargo", &["fmt", "--all"], rust));
    }
    let shell = ["--external-sources", "--source-path=SCRIPTDIR"];
    linters.extend(add_linter(builder, "shell", "shellcheck", &shell, &written_in(&["sh", "bash"])));
    let own_rules = YAML_CONFIGURATIONS.iter().any(|name| root.join(name).is_file());
    let yaml = if own_rules { &["--strict"][..] } else { &["--strict", "-d", YAML_RULES] };
    linters.extend(add_linter(builder, "yaml", "yamllint", yaml, &written_in(&["yaml", "yml"])));
    linters.extend(add_linter(builder, "salt", "salt-lint", &[], &written_in(&["sls"])));
    linters.extend(own.members("lint"));
    formatters.extend(own.members("format"));
    builder.group("lint", "Run the linters.", linters);
    builder.group("format", "Format the sources.", formatters);
    Ok(())
}

/// The project's own files that tasks or the project model read, relative to it, each once.
fn texts(builder: &TaskBuilder<'_>) -> Vec<PathBuf> {
    let project = builder.project;
    let inputs = builder.tasks.iter().flat_map(|task| &task.inputs).filter_map(|input| match input {
        TaskInput::File(path) | TaskInput::Named { path, .. } => Some(path),
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
    builder: &mut TaskBuilder<'_>,
    language: &str,
    program: &'static str,
    arguments: &[&str],
    files: &[PathBuf],
) -> Option<TaskHandle> {
    if files.is_empty() {
        return None;
    }
    let arguments: Vec<OsString> =
        arguments.iter().map(OsString::from).chain(files.iter().map(OsString::from)).collect();
    let inputs = files.iter().map(TaskInput::file).collect();
    Some(add_task(builder, &format!("lint:{language}"), program, &arguments, inputs))
}

/// Adds the task `name` (`lint:shell`), which runs `program` in the project's folder and has no output.
fn add_task<A: Into<OsString> + Clone>(
    builder: &mut TaskBuilder<'_>,
    name: &str,
    program: &'static str,
    arguments: &[A],
    mut inputs: Vec<TaskInput>,
) -> TaskHandle {
    let project = Arc::clone(builder.project);
    let arguments: Vec<OsString> = arguments.iter().cloned().map(Into::into).collect();
    let found = project.settings.program(program);
    // Another version of the program may judge otherwise.
    inputs.extend(found.iter().map(TaskInput::file));
    inputs.push(TaskInput::value("arguments", arguments.join(" ".as_ref()).to_string_lossy()));
    let (group, language) = name.split_once(':').unwrap_or((name, ""));
    let doc = match group {
        "format" => format!("Format the {language} sources."),
        _ => format!("Run {program} on the {language} sources."),
    };
    let after = vec![builder.check_for(program)];
    let program = found.unwrap_or_else(|| program.into());
    builder.push(Task {
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
