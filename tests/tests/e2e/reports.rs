//! What a run leaves for others to read, and what becomes of it when it cannot be written.

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
    assert!(code == 2 && err.contains("cannot write nowhere/junit.xml"), "{code}: {err}");
    // The tasks themselves have succeeded.
    let (code, out, _) = project.sealift(&["explain", "salt_tree"]);
    assert!(code == 0 && out == "everything is up to date\n", "{code}: {out}");
}

#[test]
fn a_cache_that_cannot_be_kept_small_is_a_warning() {
    let project = Project::new();
    // The note of its size cannot be written: a folder stands there.
    fs::create_dir_all(project.path(".cache/outputs/size/x")).unwrap();
    let (code, out, err) = project.sealift(&["run", "salt_tree", "--cache-size", "1G"]);
    assert!(code == 0 && out.contains("warning: cannot "), "{code}: {out}{err}");
    assert!(project.path("_build/root/salt/top.sls").exists());
}

#[test]
fn the_command_that_runs_a_failure_alone_can_be_typed() {
    let project = Project::new();
    project.write("salt/odd 100%, [it's].sls.in", "{{ nothing }}\n");
    let (code, out, _) = project.sealift(&["run", "--build-root", "out put", "salt_tree"]);
    assert_eq!(code, 2, "{out}");
    let alone = out.lines().find_map(|line| line.strip_prefix("to run it alone: ")).unwrap();
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

    // What is there now is taken for the result; what is not there cannot be.
    assert_eq!(sealift(&["reset-dep", top]), (0, format!("processed {top}\n")));
    assert!(!ran(&["run", top]));
    fs::remove_file(project.path("_build/root/salt/top.sls")).unwrap();
    let (code, out) = sealift(&["reset-dep", top]);
    assert!(code == 1 && out.starts_with(&format!("failed {top} (")), "{code}: {out}");
}
