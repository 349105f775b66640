//! A candidate that becomes a release.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tests::daemon::free_port;
use tests::{peer, registry, sealift};

use crate::project::Project;

/// A project with its version in everything: an image, an RPM, a Debian package, a file; and the tag of a candidate.
fn project() -> Project {
    let project = Project::new();
    project.write(
        "sealift.yaml",
        "apiVersion: sealift.dev/v1alpha1\n\
         kind: Platform\n\
         metadata: {name: Example, versionFrom: {git: tag}}\n\
         spec:\n  \
           evidence: {provenance: true}\n  \
           images: {build: [images/hello]}\n  \
           packages:\n    \
             - {name: base, release: '8', build: [packages/hello]}\n    \
             - {name: base, family: debian, release: bookworm, build: [packages/hello]}\n  \
           files:\n    \
             - {from: salt, to: salt}\n    \
             - {from: scripts, to: .}\n",
    );
    project.write(
        "images/hello/image.yaml",
        "files: [{from: '{{ build_root }}/root/hello.sh', to: /hello, mode: '0755'}]\nentrypoint: [/hello]\n\
         labels: {version: '{{ version }}'}\n",
    );
    project.write(
        "packages/hello/package.yaml",
        "{name: hello, version: '{{ version }}', release: '1', arch: noarch, summary: Says hello, license: MIT,\n\
         packager: 'A <a@site.invalid>', files: [{from: hello.sh, to: /usr/bin/hello, mode: '0755'}]}\n",
    );
    project.write("CHANGELOG.md", "# Changes\n\n## 1.2.0 - 2026-11-30\n\n- New.\n");
    project.commit();
    tag(&project, "v1.2.0-rc0");
    project
}

fn git(project: &Project, arguments: &[&str]) {
    let author = ["-c", "user.name=Test", "-c", "user.email=test@localhost"];
    peer::run(Command::new("git").args(author).args(arguments).current_dir(project.path("")));
}

fn tag(project: &Project, name: &str) {
    git(project, &["tag", "-a", "-m", "A candidate", name]);
}

/// Runs `sealift` without `SOURCE_DATE_EPOCH`, which must exit with `code`; its output and its errors.
fn run(project: &Project, code: i32, words: &[&str]) -> (String, String) {
    let mut command = project.command();
    let output = command.env_remove("SOURCE_DATE_EPOCH").args(["-q"]).args(words).output().unwrap();
    let (found, out, err) = sealift::told(&output);
    assert_eq!(found, code, "{words:?}\n{out}{err}");
    (out, err)
}

/// The tag of the release, if it exists: who created it, its message and its commit.
fn tagged(project: &Project) -> String {
    let form = "--format=%(taggername), %(contents:subject), %(*objectname)";
    let mut command = Command::new("git");
    let command = command.args(["for-each-ref", form, "refs/tags/v1.2.0"]).current_dir(project.path(""));
    String::from_utf8(peer::run(command).stdout).unwrap().trim_end().to_owned()
}

/// The ISO of the candidate.
fn candidate(project: &Project) -> PathBuf {
    run(project, 0, &["run"]);
    let iso = project.path("rc0.iso");
    fs::copy(project.path("_build/example.iso"), &iso).unwrap();
    iso
}

const PROMOTE: [&str; 5] = ["release", "promote", "v1.2.0-rc0", "--candidate", "rc0.iso"];

#[test]
fn a_release_differs_from_its_candidate_only_in_the_version() {
    let project = project();
    candidate(&project);
    // The commit of the candidate counts, and not what is checked out.
    project.write("sealift.yaml", "kind: [\n");
    git(&project, &["commit", "-qam", "The next release"]);
    let key = sealift::repository().join("trust/src/tests/data/ed.pk8.pem");
    let public_key = key.with_file_name("ed.pub");
    let signing = ["--into", "releases", "--key", key.to_str().unwrap(), "-o", "json"];
    let words = [&PROMOTE[..], &signing].concat();
    let report: Value = serde_json::from_str(&run(&project, 0, &words).0).unwrap();
    let explained: Vec<&str> =
        report["explained"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(
        explained,
        [
            "attestations/provenance.json",
            "hello.sh",
            "images/hello/1.2.0",
            "packages/debian/bookworm/example-base/pool/main/h/hello/hello_1.2.0-1_all.deb",
            "packages/redhat/8/example-base-el8/noarch/hello-1.2.0-1.noarch.rpm",
            "product.txt",
        ]
    );
    assert_eq!((&report["ok"], &report["differences"]), (&true.into(), &Value::Array(Vec::new())));
    let id = "SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs";
    let by = json!({"method": "key", "keyId": id, "algorithm": "Ed25519", "subject": null, "issuer": null});
    assert_eq!(report["signer"], by);
    // A dry run says who would sign.
    let public = public_key.to_str().unwrap();
    for (signing, expected) in [
        (&["--sign-command", "false", "--public-key", public][..], {
            let mut by = by.clone();
            by["method"] = "command".into();
            by
        }),
        (&[], Value::Null),
    ] {
        let words = [&PROMOTE[..], &["--dry-run", "-o", "json"], signing].concat();
        let planned: Value = serde_json::from_str(&run(&project, 0, &words).0).unwrap();
        assert_eq!((&planned["signer"], &planned["bundle"]), (&expected, &Value::Null));
    }
    let release = "releases/example-1.2.0.iso";
    run(&project, 0, &["archive", "verify", release, "--key", public_key.to_str().unwrap()]);
    // Again, as after a kill: the same bytes, and nothing is in the way. The signature stays, so nothing is signed.
    let bytes = fs::read(project.path(release)).unwrap();
    let by = ["--into", "releases", "--sign-command", "false", "--public-key", public];
    let (text, _) = run(&project, 0, &[&PROMOTE[..], &by].concat());
    assert!(text.contains("kept releases/example-1.2.0.iso.sigstore.json: Example 1.2.0, "), "{text}");
    assert!(bytes == fs::read(project.path(release)).unwrap());
    // The tag of the release builds the same.
    git(&project, &["tag", "-a", "-m", "1.2.0", "v1.2.0", "v1.2.0-rc0^{commit}"]);
    run(&project, 0, &["archive", "reproduce", release, "--source", "."]);
    // As the candidate does, whose commit has two tags now. It can be promoted once more.
    run(&project, 0, &["archive", "reproduce", "rc0.iso", "--source", "."]);
    fs::remove_file(project.path(release)).unwrap();
    run(&project, 0, &words);
    assert!(bytes == fs::read(project.path(release)).unwrap());
    git(&project, &["tag", "-d", "v1.2.0"]);
    // Without the ISO of the candidate.
    run(&project, 0, &["release", "promote", "v1.2.0-rc0", "--into", "again"]);
    assert!(bytes == fs::read(project.path("again/example-1.2.0.iso")).unwrap());
    git(&project, &["clone", "-q", "--bare", ".", "bare"]);
    run(&project, 0, &["archive", "reproduce", release, "--source", "bare"]);
    fs::write(project.path(release), "another").unwrap();
    let (_, err) = run(&project, 3, &words);
    assert!(err.contains("releases/example-1.2.0.iso exists, and is another ISO"), "{err}");
}

#[test]
fn a_release_is_pushed_published_and_tagged_and_a_failure_is_repaired_by_the_same_command() {
    if peer::find("docker-registry").is_none() {
        return;
    }
    let project = project();
    candidate(&project);
    let scratch = tempfile::tempdir().unwrap();
    let port = free_port();
    let host = format!("127.0.0.1:{port}");
    let (push, publish) = (format!("{host}/platform"), format!("oci://{host}/archives/example"));
    let key = sealift::repository().join("trust/src/tests/data/ed.pk8.pem");
    let key = ["--key", key.to_str().unwrap()];
    let promote = |code, words: &[&str]| {
        let to = ["--push", &push, "--publish", &publish, "--tag", "--plain-http", &host];
        run(&project, code, &[&PROMOTE[..], &to, &key, words].concat())
    };
    // Before anything is built.
    for (words, reason) in [
        (["--push", "nodots/a"], "`nodots/a` is not a registry"),
        (["--publish", "registry.example/a"], "expected oci://HOST[:PORT]/REPOSITORY[:TAG]"),
        (["--project", "."], "git does not know who creates the tag"),
    ] {
        let mut command = project.command();
        command.env("HOME", scratch.path()).env("EMAIL", "").args(PROMOTE).args(words).arg("--tag");
        let (code, _, err) = sealift::told(&command.output().unwrap());
        assert!(code == 3 && err.contains(reason) && !err.contains("task"), "{code}: {err}");
    }
    git(&project, &["config", "user.name", "Jane"]);
    git(&project, &["config", "user.email", "jane@example.org"]);
    let (out, _) = promote(0, &["--dry-run"]);
    let would = format!(
        " (Ed25519)\nwould push its images to {push}\nwould publish it at {publish}\n\
         would create the tag v1.2.0\n"
    );
    assert!(out.ends_with(&would), "{out}");
    let signed = "would write ./example-1.2.0.iso\nwould sign it with the key SHA256:";
    assert!(out.contains(signed), "{out}");
    // No registry: the ISO is written, and there is no tag.
    let (_, err) = promote(2, &[]);
    assert!(err.contains(&host), "{err}");
    assert!(project.path("example-1.2.0.iso.sigstore.json").exists());
    assert_eq!(tagged(&project), "");

    let _registry = registry::start(scratch.path(), port).unwrap();
    let report: Value = serde_json::from_str(&promote(0, &["-o", "json"]).0).unwrap();
    assert_eq!(report["pushed"]["images"][0]["reference"], format!("{push}/example-1.2.0/hello:1.2.0"));
    assert_eq!(report["published"]["reference"], format!("{host}/archives/example:1.2.0"));
    assert_eq!(report["published"]["attached"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["tagged"], true);
    assert_eq!(tagged(&project), format!("Jane, 1.2.0, {}", report["commit"].as_str().unwrap()));
    let (out, _) = promote(0, &[]);
    for line in [
        "hello:1.2.0  sha256:",
        "  already present\n",
        "the tag v1.2.0 exists\nnext: git push origin v1.2.0\n",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    // Another archive has the tag.
    let other = format!("{publish}:1.1.0");
    run(&project, 0, &["archive", "publish", "rc0.iso", "--to", &other, "--plain-http", &host]);
    let (_, err) = run(&project, 3, &[&PROMOTE[..], &["--publish", &other, "--plain-http", &host]].concat());
    assert!(
        err.contains("1.1.0 already exists") && err.contains("./example-1.2.0.iso --to URL --replace"),
        "{err}"
    );
}

#[test]
fn a_candidate_with_other_content_is_not_promoted() {
    let project = project();
    let iso = candidate(&project);
    run(&project, 0, &["iso", "extract", "rc0.iso", "--into", "tree"]);
    let tree = project.path("tree");
    peer::run(Command::new("chmod").args(["-R", "u+w"]).arg(&tree));
    let top = tree.join("salt/top.sls");
    let good = fs::read(&top).unwrap();
    let pack = || {
        archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
        let _ = fs::remove_file(&iso);
        run(&project, 0, &["iso", "create", "tree", "--file", "rc0.iso", "--volume-id", "Example 1.2.0-rc0"]);
    };
    fs::write(&top, "tested: {}\n").unwrap();
    fs::write(tree.join("more"), "").unwrap();
    fs::set_permissions(tree.join("hello.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    pack();
    git(&project, &["config", "user.name", "Jane"]);
    git(&project, &["config", "user.email", "jane@example.org"]);
    // Nothing is pushed or tagged: no registry has the port.
    let carried = ["--push", "127.0.0.1:1/a", "--publish", "oci://127.0.0.1:1/a", "--tag"];
    let (out, _) = run(&project, 1, &[&PROMOTE[..], &carried].concat());
    assert_eq!(
        out,
        "1.2.0 differs from 1.2.0-rc0 in more than its version: 3 differences\n  \
           hello.sh: only one is executable\n  \
           more: only the candidate has it\n  \
           salt/top.sls: its content differs\n"
    );
    assert!(!project.path("example-1.2.0.iso").exists());
    assert_eq!(tagged(&project), "");
    fs::remove_file(tree.join("more")).unwrap();
    fs::set_permissions(tree.join("hello.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    pack();
    let allowed = ["--allow", "./salt/", "--allow", "hello.s*", "--dry-run"];
    let (out, err) = run(&project, 0, &[&PROMOTE[..], &allowed].concat());
    assert!(err.contains("no difference matches --allow hello.s*") && !err.contains("salt"), "{err}");
    assert!(
        out.contains("  allowed: salt/top.sls: its content differs\nwould write ./example-1.2.0.iso\n"),
        "{out}"
    );
    assert!(!project.path("example-1.2.0.iso").exists());

    // Damage is found before anything is compared.
    let mut damaged = fs::read(&iso).unwrap();
    let place = damaged.windows(9).position(|bytes| bytes == b"tested: {").unwrap();
    damaged[place] ^= 1;
    fs::write(&iso, damaged).unwrap();
    let (_, err) = run(&project, 1, &[&PROMOTE[..], &["--allow", "salt"]].concat());
    assert!(err.contains("rc0.iso is damaged: "), "{err}");

    // An ISO of another commit or version is not the candidate.
    fs::write(&top, good).unwrap();
    let provenance = tree.join("attestations/provenance.json");
    let text = fs::read_to_string(&provenance).unwrap();
    let at = text.find("gitCommit\": \"").unwrap() + 13;
    fs::write(&provenance, format!("{}{}{}", &text[..at], "0".repeat(40), &text[at + 40..])).unwrap();
    pack();
    let (_, err) = run(&project, 1, &PROMOTE);
    assert!(err.contains("rc0.iso was not built from the commit of v1.2.0-rc0"), "{err}");
    for (words, reason) in [
        (["release", "promote", "v1.2.0"], "`v1.2.0` is not the tag of a candidate"),
        (["release", "promote", "v1.3.0-rc0"], "it has no commit v1.3.0-rc0"),
    ] {
        let code = if reason.starts_with('`') { 3 } else { 2 };
        let output = project.command().args(words).output().unwrap();
        let (found, _, err) = sealift::told(&output);
        assert!(err.contains(reason), "{err}");
        assert!(found == code || found == 3, "{found}: {err}");
    }
}

#[test]
fn errors_name_files_as_the_commit_has_them() {
    let project = project();
    let good = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let tasks = "spec:\n  tasks:\n    fails:\n      script: ls \"$PWD/nothing\" {{ build_root }}/none\n      \
                 outputs: ['{{ build_root }}/made']\n";
    let commit = |text: &str, name: &str| {
        project.write("sealift.yaml", text);
        git(&project, &["commit", "-qam", name]);
        tag(&project, name);
    };
    commit(&good.replace("spec:\n", "spec:\n  evidence: [\n"), "v1.2.0-rc1");
    let made = good
        .replace("spec:\n", tasks)
        .replace("files:\n", "files:\n    - {from: '{{ build_root }}/made', to: made}\n");
    commit(&made, "v1.2.0-rc2");
    project.write("sealift.yaml", &good);
    for (tag, parts) in [
        ("v1.2.0-rc1", &["error: at v1.2.0-rc1: sealift.yaml:"][..]),
        (
            "v1.2.0-rc2",
            &[
                "error: at v1.2.0-rc2: the build in . failed:\n",
                "help: run it alone: sealift run --project . --build-root _build fails",
                "_build/none",
            ],
        ),
    ] {
        let mut command = project.command();
        let output =
            command.env_remove("SOURCE_DATE_EPOCH").args(["release", "promote", tag]).output().unwrap();
        let (code, out, err) = sealift::told(&output);
        assert!(code != 0 && parts.iter().all(|part| err.contains(part)), "{code}: {out}{err}");
        assert!(!err.contains("rebuild"), "{err}");
    }
}
