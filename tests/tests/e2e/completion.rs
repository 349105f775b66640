//! Completion in the shells themselves.

use std::fs;
use std::process::Command;

use tests::{peer, sealift};

use crate::project::Project;

/// Writes the script of `shell` into the project; returns its path.
fn script(project: &Project, shell: &str) -> String {
    let (code, out, err) = project.sealift(&["completion", shell]);
    assert_eq!(code, 0, "{err}");
    project.write(&format!("completion.{shell}"), &out);
    project.path(&format!("completion.{shell}")).display().to_string()
}

/// Names that mean something to a shell, in a project of their own.
const ODD: [&str; 5] = ["it's", "$HOME", "a;b", "(x)&y", "q\"`\\"];

/// A project with a task for each odd name.
fn odd_project() -> Project {
    let project = Project::new();
    for name in ODD {
        project.write(&format!("salt/odd/{name}"), "");
    }
    project
}

/// The output of `shell`, run in the project with `sealift` on its path.
fn printed(project: &Project, shell: &mut Command) -> Vec<String> {
    let folder = sealift::binary().parent().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(
        [project.path("bin")].into_iter().chain([folder.to_path_buf()]).chain(std::env::split_paths(&path)),
    );
    fs::create_dir_all(project.path("bin")).unwrap();
    let link = project.path("bin/sealift");
    if !link.exists() {
        std::os::unix::fs::symlink(sealift::binary(), link).unwrap();
    }
    shell.current_dir(project.path("")).env("PATH", path.unwrap()).env("HOME", project.path(""));
    let output = peer::run(shell);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Incomplete lines, with some of the words that must and must not be offered.
const CASES: [(&str, &[&str], &[&str]); 6] = [
    ("sealift ru", &["run"], &["list"]),
    ("sealift archive ver", &["verify"], &["run"]),
    ("sealift run --keep", &[], &["--always"]),
    ("sealift run --dry", &["--dry-run"], &["--always"]),
    ("sealift run po", &["populate_iso"], &["images", "_iso_build"]),
    ("sealift explain _iso_b", &["_iso_build"], &["iso"]),
];

fn hold(shell: &str, complete: impl Fn(&str) -> Vec<String>) {
    for (line, offered, not) in CASES {
        let found = complete(line);
        for name in offered {
            assert!(found.iter().any(|one| one == name), "{shell}: `{line}` offers {found:?}, not {name}");
        }
        for name in not {
            assert!(!found.iter().any(|one| one == name), "{shell}: `{line}` offers {name}");
        }
    }
}

#[test]
fn bash_completes_commands_and_tasks() {
    let Some(bash) = peer::find("bash") else { return };
    let project = Project::new();
    let script = script(&project, "bash");
    // As readline calls it: the line, and its words split at blanks and colons.
    let complete = |line: &str| {
        let words =
            line.replace(':', " : ").split(' ').map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let ask = format!(
            "source {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE='{line}'; \
             COMP_POINT=${{#COMP_LINE}}; _sealift; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        printed(&project, Command::new(&bash).args(["--norc", "--noprofile", "-c", &ask]))
    };
    hold("bash", complete);
    // Bash puts what it gets behind the last colon.
    assert_eq!(complete("sealift run _image_build:he"), ["hello"]);
    assert_eq!(complete("sealift run --reporter=json-"), ["json-lines"]);
    let (_, out, _) = sealift::told(
        &Command::new(&bash).args(["-c", &format!("source {script}; complete -p sealift")]).output().unwrap(),
    );
    assert_eq!(out, "complete -o nosort -F _sealift sealift\n");
}

#[test]
fn zsh_completes_commands_and_tasks() {
    let Some(zsh) = peer::find("zsh") else { return };
    let project = Project::new();
    let script = script(&project, "zsh");
    let complete = |line: &str| {
        let words = line.split(' ').map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        // `compadd` works only inside the line editor; its arguments matter here.
        let ask = format!(
            "autoload -Uz compinit; compinit -u -D; source {script}; compadd() {{ local name=${{argv[-1]}}; \
             print -rl -- ${{(P)name}} }}; words=({words}); CURRENT=${{#words}}; _sealift || :"
        );
        printed(&project, Command::new(&zsh).args(["-f", "-c", &ask]))
    };
    hold("zsh", complete);
    assert_eq!(complete("sealift run _image_build:he"), ["_image_build:hello"]);
}

#[test]
fn fish_completes_commands_and_tasks() {
    let Some(fish) = peer::find("fish") else { return };
    let project = Project::new();
    let script = script(&project, "fish");
    let complete = |line: &str| -> Vec<String> {
        let ask = format!("source {script}; complete --do-complete '{line}'");
        let lines = printed(&project, Command::new(&fish).args(["--no-config", "-c", &ask]));
        lines.iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    hold("fish", complete);
    assert_eq!(complete("sealift run _image_build:he"), ["_image_build:hello"]);
}

#[test]
fn outside_of_a_project_there_are_commands_and_no_complaints() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = sealift::run(folder.path(), &["complete", "1", "--", "sealift", "verif"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    let (code, out, err) = sealift::run(folder.path(), &["complete", "2", "--", "sealift", "run"]);
    assert!(code == 0 && err.is_empty() && !out.contains("populate_iso"), "{code}: {out}{err}");
    for shell in ["elvish", "powershell"] {
        let (code, out, _) = sealift::run(folder.path(), &["completion", shell]);
        assert!(code == 0 && !out.contains("populate") && out.contains("archive"), "{shell}");
    }
}

/// The best of several measurements, since the machine may be busy.
#[test]
fn names_of_tasks_come_with_their_titles() {
    let project = Project::new();
    let (_, out, _) = project.sealift(&["complete", "2", "--", "sealift", "run", "popul"]);
    assert!(out.starts_with("populate_iso\t"), "{out}");
}

/// Each shell must read a completed word as the original name.
#[test]
fn names_that_mean_something_to_a_shell_are_quoted() {
    let project = odd_project();
    let tasks = ODD.map(|name| format!("_deploy_salt_tree:salt/odd/{name}"));
    if let Some(bash) = peer::find("bash") {
        let script = script(&project, "bash");
        let complete = |line: &str| {
            let ask = format!(
                "source {script}; COMP_LINE=$LINE; COMP_POINT=${{#COMP_LINE}}; _sealift; printf '%s\\n' \"${{COMPREPLY[@]}}\""
            );
            let mut command = Command::new(&bash);
            printed(&project, command.args(["--norc", "--noprofile", "-c", &ask]).env("LINE", line))
        };
        let read = |word: &str| -> Vec<String> {
            let ask = format!("printf '%s\\n' {word}");
            printed(&project, Command::new(&bash).args(["--norc", "--noprofile", "-c", &ask]))
        };
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        let whole = sorted(tasks.to_vec());
        // Bash inserts a completion after the last colon.
        let found = complete("sealift run _deploy_salt_tree:salt/odd/");
        assert!(found.iter().all(|name| name.starts_with("salt/odd/")), "{found:?}");
        let reread = found.iter().flat_map(|name| read(&format!("_deploy_salt_tree:{name}"))).collect();
        assert_eq!(sorted(reread), whole);
        // Inside quotes, it inserts it after the quote and closes the quote.
        for quote in ["'", "\""] {
            let found = complete(&format!("sealift run {quote}_deploy_salt_tree:salt/odd/"));
            let reread = found.iter().flat_map(|name| read(&format!("{quote}{name}{quote}"))).collect();
            assert_eq!(sorted(reread), whole, "{quote}");
        }
        // Quotes and backslashes in the typed text are understood.
        for typed in [
            "_deploy_salt_tree:salt/odd/it\\'",
            "_deploy_salt_tree:salt/odd/\"it'\"",
            "'_deploy_salt_tree:salt/odd/it'\\'",
        ] {
            let found = complete(&format!("sealift run {typed}"));
            assert_eq!(found.len(), 1, "{typed}: {found:?}");
        }
        assert_eq!(complete("sealift 'run' \"sal"), ["salt_tree"]);
    }
    if let Some(zsh) = peer::find("zsh") {
        let script = script(&project, "zsh");
        // Zsh quotes the arguments of `compadd`.
        let ask = format!(
            "autoload -Uz compinit; compinit -u -D; source {script}; compadd() {{ local name=${{argv[-1]}}; \
             print -rl -- ${{(P)name}} }}; words=(sealift \"'run'\" \"'_deploy_salt_tree:salt/odd/it\"); CURRENT=3; _sealift || :"
        );
        assert_eq!(printed(&project, Command::new(&zsh).args(["-f", "-c", &ask])), [tasks[0].as_str()]);
    }
    if let Some(fish) = peer::find("fish") {
        let script = script(&project, "fish");
        for typed in [
            "_deploy_salt_tree:salt/odd/it\\'",
            "'_deploy_salt_tree:salt/odd/it",
            "\"_deploy_salt_tree:salt/odd/it",
        ] {
            let ask = format!("source {script}; complete --do-complete \"$LINE\"");
            let mut command = Command::new(&fish);
            command.args(["--no-config", "-c", &ask]).env("LINE", format!("sealift run {typed}"));
            let lines = printed(&project, &mut command);
            assert!(lines.len() == 1 && lines[0].contains("it"), "{typed}: {lines:?}");
        }
    }
}
