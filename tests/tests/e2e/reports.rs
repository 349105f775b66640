//! The reports of runs, and failures to write them.

use std::fs::{self, File};

use serde_json::Value;

use super::project::{Project, SALT};

#[test]
fn a_trace_and_a_junit_report_are_there_whole() {
    let project = Project::new();
    project.write("junit.xml", "of the last run");
    let (code, out, err) =
        project.sealift(&["run", "salt_tree", "--trace", "trace.json", "--junit", "junit.xml"]);
    assert_eq!(code, 0, "{out}{err}");
    let trace: Value = serde_json::from_slice(&fs::read(project.path("trace.json")).unwrap()).unwrap();
    let names: Vec<&str> =
        trace["traceEvents"].as_array().unwrap().iter().filter_map(|event| event["name"].as_str()).collect();
    assert!(names.iter().any(|name| name.contains("salt/top.sls")), "{names:?}");
    let junit = fs::read_to_string(project.path("junit.xml")).unwrap();
    assert!(junit.starts_with("<?xml") && junit.ends_with("</testsuites>\n"), "{junit}");
    assert!(junit.contains("<testsuite name=\"example\"") && junit.contains("failures=\"0\""), "{junit}");
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let project = Project::new();
    for form in ["console", "json", "json-lines"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = project.command();
        let output = command.args(["run", "salt_tree", "--reporter", form]).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && err.contains("cannot write the report"), "{form}: {err}");
    }
    let (code, _, err) = project.sealift(&["run", "salt_tree", "--junit", "nowhere/junit.xml"]);
    assert!(code == 2 && err.contains("cannot create nowhere/junit.xml"), "{code}: {err}");
    // The tasks themselves have succeeded.
    let (code, out, _) = project.sealift(&["explain", "salt_tree"]);
    assert!(code == 0 && out == "everything is up to date\n", "{code}: {out}");
}

#[test]
fn a_cache_that_cannot_be_kept_small_is_a_warning() {
    let project = Project::new();
    // The file with its checksum cannot be written: a folder is in its place.
    fs::create_dir_all(project.path(".cache/outputs/size/x")).unwrap();
    let (code, out, err) = project.sealift(&["run", "salt_tree", "--cache-size", "1G"]);
    assert!(code == 0 && out.contains("warning: cannot "), "{code}: {out}{err}");
    assert!(project.path("_build/root/salt/top.sls").exists());
}

#[test]
fn packages_without_metadata_are_a_warning_of_every_run_in_every_form() {
    let project = Project::new();
    project.write("scripts/packages/redhat/8/site/a.rpm", "");
    let expected = "packages/redhat/8/site: 1 RPM package without metadata (no repodata/repomd.xml): dnf cannot find it; run \
                    `sealift package index scripts/packages/redhat/8/site` before the archive is built";
    // The second run has nothing to do.
    for _ in 0..2 {
        let (code, _, err) = project.sealift(&["run", "salt_tree"]);
        assert!(code == 0 && err.contains(&format!("warning: {expected}\n")), "{code}: {err}");
    }
    let (_, out, _) = project.sealift(&["run", "salt_tree", "--reporter", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["err"], format!("{expected}\n"));
    let (_, out, _) = project.sealift(&["run", "salt_tree", "--reporter", "json-lines"]);
    let mut lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(lines.any(|line| line["event"] == "warned" && line["text"] == expected), "{out}");
}

#[test]
fn the_command_that_runs_a_failure_alone_can_be_typed() {
    let project = Project::new();
    project.write("salt/odd 100%, [it's].sls.in", "{{ nothing }}\n");
    let (code, out, _) = project.sealift(&["run", "--build-root", "out put", "salt_tree"]);
    assert_eq!(code, 2, "{out}");
    assert_eq!(out.matches("unknown name `nothing`").count(), 1, "a failure is printed once: {out}");
    assert!(out.contains("salt_tree:salt/odd") && !out.contains("_deploy_salt_tree"), "{out}");
    let alone = out.lines().find_map(|line| line.strip_prefix("help: run it alone: ")).unwrap();
    assert!(alone.starts_with("sealift run --build-root 'out put' "), "{alone}");
    project.write("salt/odd 100%, [it's].sls.in", "name: {{ name }}\n");
    let mut shell = std::process::Command::new("sh");
    let path = format!("{}:/usr/bin:/bin", tests::sealift::binary().parent().unwrap().display());
    shell
        .args(["-c", alone])
        .current_dir(project.path(""))
        .env("PATH", path)
        .env("SEALIFT_CACHE", project.path(".cache"));
    tests::peer::run(&mut shell);
    let rendered = fs::read_to_string(project.path("out put/root/salt/odd 100%, [it's].sls")).unwrap();
    assert_eq!(rendered, "name: Example\n");
}

#[test]
fn a_build_ends_with_what_it_made_and_what_to_type_next() {
    let project = Project::new();
    let (code, _, err) = project.sealift(&["run"]);
    assert_eq!(code, 0, "{err}");
    let iso = fs::read(project.path("_build/example.iso")).unwrap();
    let sha256 = fs::read_to_string(project.path("_build/SHA256SUM")).unwrap()[..64].to_owned();
    assert!(
        err.contains("done: _build/example.iso, ") && err.contains(&format!("SHA-256 {sha256}\n")),
        "{err}"
    );
    let next = err.lines().find_map(|line| line.trim_start().strip_prefix("next: sealift ")).unwrap();
    let (code, out, _) = project.sealift(&next.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 0, "{next}: {out}");

    // From another folder, the path is valid too.
    let mut command = project.command();
    let (code, out, err) =
        tests::sealift::told(&command.arg("run").current_dir(project.path("salt")).output().unwrap());
    assert!(code == 0 && out.lines().all(|line| line.starts_with("-- ")), "{out}");
    let (first, rest) = err.split_once('\n').unwrap();
    assert!(first.starts_with("done: ../_build/example.iso is up to date, "), "{err}");
    assert!(
        rest.starts_with(&format!("  SHA-256 {sha256}\n")) && rest.contains("\n  next: sealift archive "),
        "{err}"
    );
    let (code, _, err) = project.sealift(&["run", "--quiet"]);
    assert!(code == 0 && err.is_empty(), "{err}");

    let (code, out, err) = project.sealift(&["run", "--reporter", "json"]);
    assert!(code == 0 && err.is_empty(), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let path = project.path("_build/example.iso");
    let next = "sealift archive verify _build/example.iso";
    assert_eq!(
        report["artifacts"],
        serde_json::json!([{"path": path, "size": iso.len(), "sha256": sha256, "next": next}])
    );
    assert_eq!(report["counts"]["ran"], 0);

    // A run of other tasks, and one that failed, report no ISO.
    for (tasks, code) in [("salt_tree", 0), ("iso", 2)] {
        if code != 0 {
            project.write("salt/wrong.sls.in", "{{ nothing }}\n");
        }
        let (ended, _, err) = project.sealift(&["run", tasks]);
        assert!(ended == code && !err.contains("example.iso"), "{tasks}: {err}");
        let summary = if code == 0 { "done: 2 tasks up to date, in " } else { "error: 1 task failed: " };
        assert!(err.contains(summary), "{tasks}: {err}");
    }
}

#[test]
fn what_is_forgotten_ignored_or_asked_for_always_runs_or_does_not() {
    let project = Project::new();
    let sealift = |arguments: &[&str]| -> (i32, String) {
        let (code, out, err) = project.sealift(arguments);
        (code, out + &err)
    };
    let ran = |arguments: &[&str]| -> bool {
        let (code, out) = sealift(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}");
        out.contains(".  COPY           _build/root/salt/top.sls")
    };
    let (_, all) = sealift(&["list", "--all", "--private"]);
    let mut names = all.lines().filter_map(|line| line.split_whitespace().next());
    let top = names.find(|name| name.ends_with("salt/top.sls")).unwrap();
    assert!(ran(&["run", "salt_tree"]) && !ran(&["run", "salt_tree"]));
    assert!(ran(&["run", "--always", "salt_tree"]));
    assert_eq!(sealift(&["forget", top]), (0, format!("forgetting {top}\n")));
    assert!(ran(&["run", "--cache-size", "0", "salt_tree"]));

    assert_eq!(sealift(&["ignore", top]), (0, format!("ignoring {top}\n")));
    project.write(SALT, "base: {}\n");
    let (code, out) = sealift(&["run", "salt_tree"]);
    assert!(code == 0 && out.contains("!! COPY           _build/root/salt/top.sls"), "{code}: {out}");
    sealift(&["forget", top]);

    // Existing outputs count as results; missing ones cannot.
    assert_eq!(sealift(&["reset-dep", top]), (0, format!("processed {top}\n")));
    assert!(!ran(&["run", top]));
    fs::remove_file(project.path("_build/root/salt/top.sls")).unwrap();
    let (code, out) = sealift(&["reset-dep", top]);
    assert!(code == 1 && out.starts_with(&format!("failed {top} (")), "{code}: {out}");
}

/// A name that would write lines of its own and act on the terminal if it were printed as it is.
const EVIL: &str = "a\nXX FORGED\u{1b}[2J\r\u{9b}2J\u{202e}\u{7f}";

#[test]
fn no_name_in_a_project_forges_a_line_of_a_report() {
    let project = Project::new();
    let yaml = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write(&format!("salt/{EVIL}.sls"), "a\n");
    project.write(&format!("salt/{EVIL} rendered.in"), "{{ name }}\n");
    project.write(&format!("docs/{EVIL}.md"), "# A\n");
    let escaped = EVIL.chars().fold(String::new(), |text, c| match c {
        c if c.is_ascii() && !c.is_control() => text + &c.to_string(),
        c => text + &format!("\\u{:04x}", u32::from(c)),
    });
    let odd = yaml
        .replace("exclude: ['*.md']", &format!("exclude: ['*.md', \"{escaped}\"]"))
        .replace("spec:\n", &format!("spec:\n  documentation: [\"docs/{escaped}.md\"]\n"));
    project.write("sealift.yaml", &odd);
    let check = |what: &[&str]| {
        let (code, out, err) = project.sealift(what);
        for text in [&out, &err] {
            let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(acts), "{what:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("XX FORGED")), "{what:?}: {text}");
        }
        (code, out + &err)
    };
    let all = |code: i32, commands: &[&[&str]]| {
        for command in commands {
            let (found, said) = check(command);
            assert!(found == code && said.contains("FORGED"), "{command:?}: {found}: {said}");
        }
    };
    all(
        0,
        &[
            &["run", "--dry-run"],
            &["run", "--dry-run", "--reporter", "json"],
            &["run", "--dry-run", "--reporter", "yaml"],
            &["list", "--all", "--private", "--deps"],
            &["list", "--all", "--private", "--deps", "-o", "json"],
            &["explain"],
            &["explain", "-o", "yaml"],
            &["graph", "--output", "dot"],
            &["graph", "--output", "mermaid"],
            &["graph", "--output", "svg"],
            &["graph", "--output", "json"],
            &["run", "--reporter", "json-lines", "salt_tree"],
            &["run", "--trace", "-", "--junit", "-", "--always", "--reporter", "json", "salt_tree"],
            &["run", "--verbose", "--always"],
            &["clean", "--dry-run"],
            &["clean", "--dry-run", "-o", "json"],
        ],
    );
    // Stale outputs, failed tasks, and names in errors.
    fs::write(project.path("_build/root/salt").join(EVIL), "").unwrap();
    all(0, &[&["run"]]);
    project.write(&format!("salt/{EVIL} rendered.in"), "{{ nothing }}\n");
    all(2, &[&["run", "salt_tree"], &["run", "salt_tree", "--reporter", "json"]]);
    all(1, &[&["info", "salt_tree:*"], &["info", "salt_tree:*", "-o", "json"]]);
    all(0, &[&["clean"]]);
    for (from, to) in [
        ("salt, to: salt}", format!("\"{escaped}\", to: salt}}")),
        ("salt, to: salt}", format!("salt, to: \"../{escaped}\"}}")),
        ("name: base", format!("name: \"{escaped}\"")),
        ("images/hello]", format!("\"{escaped}\"]")),
        ("images/hello]", format!("{{folder: images/hello, name: \"{escaped}\"}}]")),
        ("images/hello]", format!("{{folder: images/hello, tags: [\"{escaped}\"]}}]")),
        ("images/hello]", format!("images/hello], pull: [{{name: a, tag: '1', source: \"{escaped}\"}}]")),
        ("Example", format!("\"{escaped}\"")),
        ("kind: Platform", format!("kind: \"{escaped}\"")),
        ("spec:", format!("\"{escaped}\": 1\nspec:")),
        ("1.2.3", format!("\"{escaped}\"")),
    ] {
        project.write("sealift.yaml", &yaml.replace(from, &to));
        all(3, &[&["list"], &["run", "--reporter", "json"]]);
    }
    fs::rename(project.path("salt").join(format!("{EVIL}.sls")), project.path("x")).unwrap();
    project.write("sealift.yaml", &yaml);
    std::os::unix::fs::symlink("/nowhere\nXX FORGED", project.path("salt").join(EVIL)).unwrap();
    all(3, &[&["list"]]);
}
