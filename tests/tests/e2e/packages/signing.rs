//! Packages and repositories that we sign, checked by rpm, gpg and dnf.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::dnf::System;
use tests::signing_key::SigningKey;
use tests::{peer, sealift};

use super::DATE;
use crate::project::Project;

const DEFINITION: &str = "{name: greeting, version: '1.0', release: '1', arch: noarch, summary: A test, license: MIT, \
                          files: [{from: hello, to: /usr/share/greeting}]}";

/// A folder with the definition of a package and its file.
fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("package.yaml"), DEFINITION).unwrap();
    fs::write(scratch.path().join("hello"), "hello\n").unwrap();
    scratch
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = sealift::run(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

/// Has dnf install the package from a repository with all checks of signatures; what it prints.
fn dnf(system: &System, repository: &Path, key: &Path) -> (bool, String) {
    let file = format!(
        "[test]\nname=test\nbaseurl=file://{}\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{}\n",
        repository.display(),
        key.display()
    );
    fs::write(system.root.join("repos/test.repo"), file).unwrap();
    let output = system.command(&["install", "--refresh", "greeting"]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// A system of its own, which has no key yet.
fn system(folder: &Path, name: &str) -> Option<System> {
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    System::new(&folder, "")
}

#[test]
fn rpm_gpg_and_dnf_accept_what_each_kind_of_key_signs() {
    let scratch = scratch();
    let folder = scratch.path();
    let (Some(rpm), Some(gpg)) = (peer::find("rpm"), peer::find("gpg")) else { return };
    let (Some(rsa), Some(ed)) = (SigningKey::new(folder, "rsa2048"), SigningKey::new(folder, "ed25519"))
    else {
        return;
    };
    succeeds(folder, &["package", "build", "package.yaml", "--into", "plain", "--source-date", "1700000000"]);
    let plain = fs::read(folder.join("plain/greeting-1.0-1.noarch.rpm")).unwrap();
    for (name, key) in [("rsa", &rsa), ("ed", &ed)] {
        fs::write(folder.join(format!("{name}.pub")), key.public()).unwrap();
        fs::write(folder.join(format!("{name}.sec")), key.gpg(folder, &["--armor", "--export-secret-keys"]))
            .unwrap();
        let home = key.home().display().to_string();
        let command = format!("gpg --homedir {home} --batch --detach-sign");
        let public = format!("{name}.pub");
        let (secret, revision) = (format!("{name}.sec"), DATE.to_string());
        for (kind, options) in [
            ("file", vec!["--sign-key", &secret]),
            ("gpg", vec!["--sign-gpg", "site@example.invalid"]),
            ("command", vec!["--sign-command", &command, "--public-key", &public]),
        ] {
            let mut bytes = Vec::new();
            for round in ["one", "two"] {
                let into = format!("{name}-{kind}-{round}");
                let run = |arguments: &[&str]| {
                    let mut command = sealift::command(folder);
                    let output =
                        command.env("GNUPGHOME", key.home()).args(arguments).args(&options).output().unwrap();
                    let (code, out, err) = sealift::told(&output);
                    assert_eq!(code, 0, "{arguments:?} {options:?}: {out}{err}");
                };
                run(&["package", "sign", "plain/greeting-1.0-1.noarch.rpm", "--into", &into]);
                run(&["package", "index", &into, "--revision", &revision]);
                let repository = folder.join(&into);
                let package = fs::read(repository.join("greeting-1.0-1.noarch.rpm")).unwrap();
                assert!(package.ends_with(&plain[plain.len() - 200..]) && package != plain);
                let metadata = repository.join("repodata");
                bytes.push((package, fs::read(metadata.join("repomd.xml.asc")).unwrap()));
            }
            // A command has the clock of this machine, and may be in the same second.
            assert!(bytes[0] == bytes[1] || kind == "command", "{name} {kind}: two signatures differ");
            let repository = folder.join(format!("{name}-{kind}-one"));
            let metadata = repository.join("repodata");
            let database = folder.join(format!("{name}-{kind}-rpmdb"));
            let of_rpm = || {
                let mut command = Command::new(&rpm);
                command.arg("--dbpath").arg(&database).args(["--define", "_pkgverify_level all"]);
                command
            };
            peer::run(of_rpm().arg("--import").arg(metadata.join("repomd.xml.key")));
            peer::run(of_rpm().arg("-K").arg(repository.join("greeting-1.0-1.noarch.rpm")));
            let mut verify = Command::new(&gpg);
            verify.arg("--homedir").arg(key.home()).args(["--batch", "--verify"]);
            peer::run(verify.arg(metadata.join("repomd.xml.asc")).arg(metadata.join("repomd.xml")));
            let Some(system) = system(folder, &format!("{name}-{kind}-system")) else { return };
            let (installed, said) = dnf(&system, &repository, &metadata.join("repomd.xml.key"));
            assert!(installed, "{name} {kind}: {said}");
        }
    }
}

/// A name, what is done to the repository, and the fault that is found then.
type Case<'a> = (&'a str, &'a dyn Fn(), Option<&'a str>);

#[test]
fn altered_files_other_keys_and_expired_keys_are_refused_by_dnf_and_by_us() {
    let scratch = scratch();
    let folder = scratch.path();
    let (Some(key), Some(other)) = (SigningKey::new(folder, "ed25519"), SigningKey::new(folder, "rsa2048"))
    else {
        return;
    };
    let Some(old) = SigningKey::expiring(folder, "1y") else { return };
    for (name, key) in [("key", &key), ("other", &other), ("old", &old)] {
        fs::write(folder.join(name), key.gpg(folder, &["--armor", "--export-secret-keys"])).unwrap();
    }
    let repository = folder.join("repository");
    let package = repository.join("greeting-1.0-1.noarch.rpm");
    let shipped = repository.join("RPM-GPG-KEY-test");
    let publish = |package_key: &str, metadata_key: &str, date: &str| {
        let _ = fs::remove_dir_all(&repository);
        succeeds(
            folder,
            &["package", "build", "package.yaml", "--into", "repository", "--source-date", date],
        );
        let name = package.to_str().unwrap();
        succeeds(folder, &["package", "sign", name, "--sign-key", package_key, "--source-date", date]);
        succeeds(folder, &["package", "index", "repository", "--sign-key", metadata_key, "--revision", date]);
        fs::copy(repository.join("repodata/repomd.xml.key"), &shipped).unwrap();
    };
    let now = DATE.to_string();
    let today = now.as_str();
    // Without a date, neither packages nor metadata are signed with a key that has expired.
    publish("key", "key", today);
    for arguments in [["package", "sign", package.to_str().unwrap()], ["package", "index", "repository"]] {
        let (code, _, err) = sealift::run(folder, &[&arguments[..], &["--sign-key", "old"]].concat());
        assert!(
            code == 2 && err.contains("cannot sign: the key ") && err.contains("expired on 2020"),
            "{err}"
        );
    }
    let edit = |path: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    let repomd = repository.join("repodata/repomd.xml");
    let cases: [Case<'_>; 6] = [
        ("intact", &|| publish("key", "key", today), None),
        (
            "altered-metadata",
            &|| {
                publish("key", "key", today);
                edit(&repomd, &|bytes| bytes.extend_from_slice(b"<!-- -->"));
            },
            Some("it was altered after the key "),
        ),
        (
            "altered-package",
            &|| {
                publish("key", "key", today);
                // The summary, in the header; the metadata are made for it.
                edit(&package, &|bytes| {
                    let place = bytes.windows(6).rposition(|window| window == b"A test").unwrap();
                    bytes[place] = b'B';
                });
            },
            Some("SHA256HEADER: expected the header's SHA-256 "),
        ),
        ("other-key", &|| publish("other", "key", today), Some("it is signed by the key ")),
        (
            "other-key-of-metadata",
            &|| {
                publish("key", "other", today);
                fs::write(&shipped, key.public()).unwrap();
            },
            Some("it is signed by the key "),
        ),
        (
            "expired-key",
            &|| publish("old", "old", "1556668800"),
            Some(" that signed it expired on 2020-01-01"),
        ),
    ];
    for (name, make, expected) in cases {
        make();
        let (code, out, err) = sealift::run(folder, &["package", "check", "repository"]);
        match expected {
            None => assert_eq!(code, 0, "{name}: {out}{err}"),
            Some(expected) => assert!(code == 1 && out.contains(expected), "{name}: {code} {out}{err}"),
        }
        let Some(system) = system(folder, name) else { return };
        let (installed, said) = dnf(&system, &repository, &shipped);
        assert_eq!(installed, expected.is_none(), "{name}: {said}");
    }
}

const PROJECT: &str = "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\nspec:\n  \
                       packages: [{name: base, release: \"8\", build: [greeting], rpms: [plain/other-1.0-1.noarch.rpm]}]\n  \
                       signing: {publicKey: keys/public.asc";
const REPOSITORY: &str = "_build/root/packages/redhat/8/example-base-el8";

#[test]
fn a_project_signs_its_packages_and_repositories_and_dnf_installs_from_its_archive() {
    let project = Project::new();
    let folder = project.path("");
    let Some(key) = SigningKey::new(&folder, "rsa2048") else { return };
    project.write("greeting/package.yaml", &DEFINITION.replace("from: hello", "from: greeting/hello"));
    project.write("greeting/hello", "hello\n");
    project.write(
        "other.yaml",
        "{name: other, version: '1.0', release: '1', arch: noarch, summary: A test, license: MIT}",
    );
    succeeds(&folder, &["package", "build", "other.yaml", "--into", "plain"]);
    project.write("keys/public.asc", std::str::from_utf8(&key.public()).unwrap());
    let secret = String::from_utf8(key.gpg(&folder, &["--armor", "--export-secret-keys"])).unwrap();
    project.write("secret.asc", &secret);
    project.write("sealift.yaml", &format!("{PROJECT}}}\n"));

    let with = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = project.command();
        sealift::told(&command.envs(variables.iter().copied()).args(arguments).output().unwrap())
    };
    // Without the secret key: the error says what to do.
    let (code, out, err) = project.sealift(&["run", "packaging"]);
    let said = format!("{out}{err}");
    assert!(code == 2 && said.contains("set SEALIFT_SIGNING_KEY to its file; or build without"), "{said}");
    assert_eq!(said.matches("cannot sign: the secret key is missing").count(), 1, "{said}");
    let without = with(&[("SEALIFT_SIGN", "no")], &["run", "packaging"]);
    assert_eq!(without.0, 0, "{}", without.2);
    assert!(without.2.contains("not signed, because SEALIFT_SIGN is `no`"), "{}", without.2);
    assert!(!project.path(REPOSITORY).join("repodata/repomd.xml.asc").exists());

    let with_key = [("SEALIFT_SIGNING_KEY", "secret.asc")];
    let build = |arguments: &[&str]| {
        let (code, out, err) = with(&with_key, arguments);
        assert_eq!(code, 0, "{out}{err}");
        format!("{out}{err}")
    };
    build(&["run", "iso"]);
    let repository = project.path(REPOSITORY);
    let signed: Vec<PathBuf> = ["greeting", "other"]
        .iter()
        .map(|name| repository.join(format!("noarch/{name}-1.0-1.noarch.rpm")))
        .collect();
    let keys = packages::openpgp::Keys::read(&key.public()).unwrap();
    for package in &signed {
        packages::repository::verify_package(package, Some(&keys), packages::openpgp::ValidAt::Signing)
            .unwrap();
    }
    assert_eq!(fs::read(repository.join("RPM-GPG-KEY-example")).unwrap(), key.public());
    let iso = fs::read(project.path("_build/example.iso")).unwrap();
    let times = || signed.iter().map(|path| path.metadata().unwrap().modified().unwrap()).collect::<Vec<_>>();
    let before = times();
    // Another file signs only the package that has it.
    project.write("greeting/hello", "hi\n");
    build(&["run", "packaging"]);
    let after = times();
    assert!(before[0] != after[0] && before[1] == after[1], "{before:?} {after:?}");
    project.write("greeting/hello", "hello\n");
    fs::remove_dir_all(project.path("_build")).unwrap();
    build(&["run", "iso"]);
    assert!(fs::read(project.path("_build/example.iso")).unwrap() == iso, "two builds differ");

    let verify = |expected: i32, part: &str| {
        let (code, out, err) = project.sealift(&["archive", "verify", "_build/root"]);
        assert!(code == expected && out.contains(part), "{code} {out}{err}");
    };
    verify(0, "");
    // dnf installs from the archive, as its configuration says.
    let configure =
        ["repository", "dnf-config", "--folders", "_build/root", "--release", "8", "--root", "client"];
    succeeds(&folder, &configure);
    let written = fs::read_to_string(project.path("client/etc/yum.repos.d/sealift.repo")).unwrap();
    for line in ["gpgcheck=1", "repo_gpgcheck=1"] {
        assert!(written.lines().any(|found| found == line), "{written}");
    }
    if let Some(system) = System::new(&folder, "") {
        let keys = format!("gpgkey=file://{}/etc/pki", project.path("client").display());
        fs::write(system.root.join("repos/test.repo"), written.replace("gpgkey=file:///etc/pki", &keys))
            .unwrap();
        system.run(&["install", "greeting", "other"]);
    }

    // Metadata that were replaced, with sums that fit.
    packages::repository::index(&repository, DATE + 1).unwrap();
    key.sign_metadata(&repository);
    let Some(forged) = SigningKey::new(&folder, "ed25519") else { return };
    forged.sign_metadata(&repository);
    verify(1, "repodata/repomd.xml: invalid: its signature does not count: it is signed by the key ");
}
