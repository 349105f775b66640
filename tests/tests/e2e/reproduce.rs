//! Building an archive again from its sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::{peer, sealift};

use crate::project::{Project, SALT};
use crate::signed_archives;

/// A project in a repository, whose archive says what it was built from.
fn project() -> Project {
    let project = Project::new();
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let evidence = "spec:\n  evidence: {provenance: true}\n  variables: {channel: stable, token: {env: TOKEN, default: none}}\n";
    project.write("sealift.yaml", &text.replace("spec:\n", evidence));
    project.write("salt/channel.in", "{{ channel }} {{ token }}\n");
    project.commit();
    project
}

/// Runs `sealift` without `SOURCE_DATE_EPOCH`, which must exit with `code`; what it prints.
fn run(project: &Project, code: i32, words: &[&str]) -> String {
    let output = project.command().env_remove("SOURCE_DATE_EPOCH").args(words).output().unwrap();
    let (found, out, err) = sealift::told(&output);
    assert_eq!(found, code, "{words:?}\n{out}{err}");
    out + &err
}

fn reproduce(project: &Project, code: i32, more: &[&str]) -> String {
    run(project, code, &[&["archive", "reproduce", "site.iso", "--source", "."], more].concat())
}

fn build(project: &Project, more: &[&str]) {
    run(project, 0, &[&["run"], more].concat());
    fs::copy(project.path("_build/example.iso"), project.path("site.iso")).unwrap();
}

#[test]
fn an_archive_is_built_again_with_the_parameters_of_its_first_build() {
    let project = project();
    build(&project, &["--set", "channel=beta"]);
    // Neither changes of the folder nor settings of the environment count.
    project.write(SALT, "changed: {}\n");
    project.write(".env", "SEALIFT_PROFILE=none\nPROJECT_NAME=Other\n");
    let words = ["archive", "reproduce", "site.iso", "--source", "salt", "-o", "json"];
    let mut command = project.command();
    let output = command.env("PROJECT_NAME", "Other").args(words).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], &report["differences"]), (&true.into(), &Value::Null), "{report}");
    assert!(!project.path(".cache/rebuild").exists(), "nothing is left");
    // Kept for a look, and only in a new folder.
    reproduce(&project, 0, &["--keep", "again"]);
    assert!(project.path("again/build/root/salt/channel").exists());
    let refused = reproduce(&project, 3, &["--keep", "again"]);
    assert!(refused.contains("again is not empty"), "{refused}");
    // One byte that no list of files has.
    let mut bytes = fs::read(project.path("site.iso")).unwrap();
    bytes[0] ^= 1;
    fs::write(project.path("site.iso"), bytes).unwrap();
    let differs = reproduce(&project, 1, &[]);
    assert!(differs.contains("site.iso is not what the commit "), "{differs}");
}

#[test]
fn what_differs_from_the_sources_is_named() {
    let project = project();
    // As an attacker would: the archive has another file and claims the commit.
    build(&project, &[]);
    let (tree, iso) = (project.path("tree"), project.path("site.iso"));
    run(&project, 0, &["iso", "extract", "site.iso", "--into", "tree"]);
    peer::run(Command::new("chmod").args(["-R", "u+w"]).arg(&tree));
    fs::write(tree.join(SALT), "backdoor: {}\n").unwrap();
    archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
    fs::remove_file(&iso).unwrap();
    run(&project, 0, &["iso", "create", "tree", "--file", "site.iso", "--volume-id", "Example 1.2.3"]);
    let text = reproduce(&project, 1, &[]);
    assert!(text.contains("1 other file differs:\n  salt/top.sls"), "{text}");
}

#[test]
fn an_archive_that_nobody_can_build_again_is_refused_with_the_reason() {
    let project = project();
    let with_token = |words: &[&str]| {
        let output = project.command().env("TOKEN", "secret").args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    with_token(&["run"]);
    fs::copy(project.path("_build/example.iso"), project.path("site.iso")).unwrap();
    let iso = fs::read(project.path("site.iso")).unwrap();
    let list = fs::read_to_string(project.path("_build/root/attestations/provenance.json")).unwrap();
    assert!(list.contains("\"TOKEN\"") && !list.contains("secret"), "{list}");
    let text = reproduce(&project, 3, &[]);
    assert!(
        text.contains("the build of site.iso reads TOKEN from the environment, where it is not set"),
        "{text}"
    );
    // It was built with the date that the tests set.
    with_token(&["archive", "reproduce", "site.iso", "--source", "."]);
    assert!(iso == fs::read(project.path("site.iso")).unwrap());

    project.write(SALT, "changed: {}\n");
    build(&project, &[]);
    let text = reproduce(&project, 3, &[]);
    assert!(text.contains("site.iso was built from files that differ from the commit "), "{text}");
    project.write(
        "sealift.yaml",
        &fs::read_to_string(project.path("sealift.yaml")).unwrap().replace("true", "false"),
    );
    build(&project, &[]);
    let text = reproduce(&project, 3, &[]);
    assert!(text.contains("site.iso does not say what it was built from"), "{text}");
    let text = run(&project, 3, &["archive", "reproduce", "_build/root", "--source", "."]);
    assert!(text.contains("_build/root is not an ISO"), "{text}");
}

/// A provenance is input from outside: it chooses no program and no folder of this machine.
#[test]
fn a_hostile_provenance_runs_nothing() {
    let project = project();
    build(&project, &[]);
    run(&project, 0, &["iso", "extract", "site.iso", "--into", "tree"]);
    let tree = project.path("tree");
    peer::run(Command::new("chmod").args(["-R", "u+w"]).arg(&tree));
    let path = tree.join("attestations/provenance.json");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, reason) in [
        (
            "\"settings\": {}",
            "\"settings\": {\"GIT_BIN\": \"/evil\"}",
            "site.iso was built with the setting GIT_BIN, which is unknown",
        ),
        (
            "\"project\": \"\"",
            "\"project\": \"../..\"",
            "site.iso: the folder of its project: \"../..\" is not a path inside an archive",
        ),
        (
            "\"profiles\": []",
            "\"profiles\": [\"a\\u0000b\"]",
            "site.iso was built with a text that has a NUL, which no program gets",
        ),
        ("\"gitCommit\": \"", "\"gitCommit\": \"--upload-pack=/evil", "was not built from a commit"),
        ("\"profiles\": []", "\"profiles\": [\"--help\"]", "no profile `--help`"),
    ] {
        assert!(good.contains(from), "{good}");
        fs::write(&path, good.replace(from, to)).unwrap();
        let _ = fs::remove_file(project.path("site.iso"));
        run(&project, 0, &["iso", "create", "tree", "--file", "site.iso", "--volume-id", "Example 1.2.3"]);
        let output = project
            .command()
            .env_remove("SOURCE_DATE_EPOCH")
            .args(["-q", "archive", "reproduce", "site.iso", "--source", "."])
            .output()
            .unwrap();
        let (code, out, err) = sealift::told(&output);
        assert!(code != 0 && err.contains(reason), "{reason}: {code} {out}{err}");
    }
}

/// The predicate is what in-toto's library reads; the signed statement is what its peers verify.
#[test]
fn python_reads_the_provenance_and_verifies_its_signature() {
    let Some(python) = signed_archives::python() else { return };
    let project = project();
    build(&project, &[]);
    for name in ["ed.pk8.pem", "ed.pub"] {
        let data = sealift::repository().join("trust/src/tests/data");
        fs::copy(data.join(name), project.path(name)).unwrap();
    }
    let sign = ["archive", "sign", "site.iso", "--key", "ed.pk8.pem", "--builder-id", "https://ci.example/1"];
    run(&project, 0, &sign);
    let bundle = fs::read(project.path("site.iso.provenance.sigstore.json")).unwrap();
    run(&project, 0, &sign);
    assert!(bundle == fs::read(project.path("site.iso.provenance.sigstore.json")).unwrap());
    run(&project, 0, &["archive", "verify", "site.iso", "--key", "ed.pub"]);
    let folder: &Path = &project.path("");
    let words = ["-c", signed_archives::READ, "site.iso.provenance.sigstore.json", "ed.pub"];
    let statement = peer::run(Command::new(&python).current_dir(folder).args(words)).stdout;
    let statement: Value = serde_json::from_slice(&statement).unwrap();
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let subjects: Vec<&str> =
        statement["subject"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(subjects, ["site.iso", "SHA256SUMS"]);
    let parse = "import json, sys\n\
                 from google.protobuf import json_format\n\
                 from in_toto_attestation.predicates.provenance.v1 import provenance_pb2\n\
                 read = json_format.Parse(sys.argv[1], provenance_pb2.Provenance())\n\
                 print(read.run_details.builder.id, read.build_definition.resolved_dependencies[0].name)";
    let words = ["-c", parse, &statement["predicate"].to_string()];
    let read = peer::run(Command::new(&python).args(words)).stdout;
    assert_eq!(String::from_utf8_lossy(&read).trim(), "https://ci.example/1 source");
}
