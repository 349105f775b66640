//! Inputs that are not in the project file: versions of tools, and files that a dependency file or a list names.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use content::LinkPolicy;
use graph::{ActionError, Discover, TaskInput};

use super::command;
use crate::project::{DiscoveredInputs, OwnOutput, OwnTask, Project, Tool};

/// How long a program may take to print its version.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of a version that are read.
const PROBE_MAX: u64 = 64 << 10;
/// The most bytes of a dependency file or a list.
const LIST_MAX: u64 = 64 << 20;

/// What the inputs of a task are that its tools and its lists name, if it has such.
pub(super) fn discover(project: &Arc<Project>, task: &OwnTask) -> Option<Discover> {
    if task.tools.is_empty() && task.discovered.is_none() {
        return None;
    }
    let (project, tools) = (Arc::clone(project), task.tools.clone());
    let (discovered, outputs) = (task.discovered.clone(), task.outputs.clone());
    let directory =
        task.command.as_ref().map_or_else(|| project.root.clone(), |command| command.directory.clone());
    Some(Box::new(move |_| {
        let mut inputs = Vec::new();
        for tool in &tools {
            inputs.push(TaskInput::value(format!("tool {}", tool.name), version(&project, tool)?));
        }
        if let Some(discovered) = &discovered {
            inputs.extend(files(&project, discovered, &directory, &outputs)?);
        }
        Ok(inputs)
    }))
}

/// What the tool says of its version.
fn version(project: &Project, tool: &Tool) -> Result<String, ActionError> {
    let name = &tool.name;
    let failed = |reason: String| ActionError::broken(format!("the version of the tool `{name}`: {reason}"));
    let Some((program, arguments)) = command::program(project, &tool.version) else {
        return Ok(String::new());
    };
    let shown = tool.version.join(" ");
    let mut command = Command::new(&program);
    command.args(arguments).current_dir(&project.root).env_clear().env("LC_ALL", "C.UTF-8");
    command.envs(project.settings.environment.get("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(format!("cannot run `{shown}`: {error}")))?;
    let (sender, parts) = mpsc::channel();
    let pipes: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for (index, pipe) in pipes.into_iter().enumerate() {
        let (sender, Some(pipe)) = (sender.clone(), pipe) else { continue };
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = pipe.take(PROBE_MAX).read_to_end(&mut text);
            let _ = sender.send((index, text));
        });
    }
    drop(sender);
    let mut text = [Vec::new(), Vec::new()];
    for _ in 0..2 {
        match parts.recv_timeout(PROBE_TIMEOUT) {
            Ok((index, part)) => text.get_mut(index).map(|text| *text = part).unwrap_or_default(),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("`{shown}` takes longer than {} s", PROBE_TIMEOUT.as_secs())));
            }
        }
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&text.concat()).trim().to_owned();
    if !status.success() {
        let first = content::printable(text.lines().next().unwrap_or_default()).to_string();
        return Err(failed(format!("`{shown}` ended with {status}: {first}")));
    }
    Ok(text)
}

/// The files that a dependency file or a list names.
fn files(
    project: &Project,
    discovered: &DiscoveredInputs,
    directory: &Path,
    outputs: &[OwnOutput],
) -> Result<Vec<TaskInput>, ActionError> {
    let path = discovered.path();
    let text = match content::open_text(path, LinkPolicy::Follow, LIST_MAX) {
        Ok(text) => text,
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(vec![TaskInput::value("discovered inputs", "not known before the first run")]);
        }
        Err(error) => return Err(error.into()),
    };
    let named = match discovered {
        DiscoveredInputs::Depfile(_) => prerequisites(&text),
        DiscoveredInputs::List(_) => {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        }
    };
    let own = |path: &Path| {
        outputs.iter().any(|output| path == output.path || output.is_folder && path.starts_with(&output.path))
    };
    let mut files: Vec<PathBuf> = named.iter().map(|name| directory.join(name)).collect();
    files.sort();
    files.dedup();
    let mut inputs = Vec::new();
    for file in files.into_iter().filter(|file| !own(file)) {
        let known = file.strip_prefix(&project.root).unwrap_or(&file);
        inputs.push(match file.metadata() {
            Ok(found) if found.is_dir() => TaskInput::folder(&file),
            Ok(_) => TaskInput::file(&file),
            Err(_) => TaskInput::value(format!("file {}", known.display()), "missing"),
        });
    }
    Ok(inputs)
}

/// The prerequisites of the rules of a makefile, as compilers write them: words may have `\ `, `\#` and `$$`; a line that ends
/// in `\` is continued.
fn prerequisites(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut word, mut after_colon) = (String::new(), false);
    let mut characters = text.chars().peekable();
    let end = |word: &mut String, after_colon: &mut bool, found: &mut Vec<String>| {
        if word.is_empty() {
            return;
        }
        let text = std::mem::take(word);
        if *after_colon {
            found.push(text);
        } else if text.ends_with(':') {
            *after_colon = true;
        }
    };
    while let Some(c) = characters.next() {
        match (c, characters.peek().copied()) {
            ('\\', Some('\n')) => {
                characters.next();
                end(&mut word, &mut after_colon, &mut found);
            }
            ('\\', Some('\r')) => {
                characters.next();
                characters.next_if_eq(&'\n');
                end(&mut word, &mut after_colon, &mut found);
            }
            ('\\', Some(escaped @ (' ' | '#' | ':' | '\\'))) if escaped != '\\' => {
                characters.next();
                word.push(escaped);
            }
            ('$', Some('$')) => {
                characters.next();
                word.push('$');
            }
            (':', next) if !after_colon && next.is_none_or(char::is_whitespace) => {
                word.push(':');
                end(&mut word, &mut after_colon, &mut found);
            }
            ('\n', _) => {
                end(&mut word, &mut after_colon, &mut found);
                after_colon = false;
            }
            (c, _) if c.is_whitespace() => end(&mut word, &mut after_colon, &mut found),
            (c, _) => word.push(c),
        }
    }
    end(&mut word, &mut after_colon, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_file_names_the_prerequisites_of_its_rules() {
        for (text, expected) in [
            ("a.o: a.c a.h\n", &["a.c", "a.h"][..]),
            ("a.o: a.c \\\n  inc/a.h\n\ninc/a.h:\n", &["a.c", "inc/a.h"]),
            ("a.o b.o: with\\ blank.h cash$$.h \\#x\n", &["with blank.h", "cash$.h", "#x"]),
            ("a.o : c:/x.h\n", &["c:/x.h"]),
            ("a.o: a.c", &["a.c"]),
            ("a.o: a.c \\\r\n b.h\r\n", &["a.c", "b.h"]),
            ("", &[]),
            ("no rule\n", &[]),
            ("a\\", &[]),
        ] {
            assert_eq!(prerequisites(text), expected, "{text:?}");
        }
    }
}
