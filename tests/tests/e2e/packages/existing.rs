//! RPMs that exist, in the repository of a project, compared with what createrepo_c says about the same files.

use std::fs;
use std::process::Command;

use tests::{peer, sealift};

use super::metadata::read;
use super::{DATE, build_own};

#[test]
fn existing_packages_are_in_the_repository_byte_for_byte_with_the_metadata_of_createrepo_c() {
    let Some(createrepo) = peer::find("createrepo_c") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let project = scratch.path().join("project");
    let (one, two) = (project.join("rpms"), project.join("vendor/deep"));
    for folder in [&one, &two, &project.join("packages/hello")] {
        fs::create_dir_all(folder).unwrap();
    }
    let first = build_own("2.11.0-dev", scratch.path(), &one);
    let second = build_own("2.11.0", scratch.path(), &two);
    fs::write(
        project.join("packages/hello/package.yaml"),
        "{name: hello, version: '1', release: '1', arch: noarch, summary: Hello, license: MIT}\n",
    )
    .unwrap();
    fs::write(
        project.join("sealift.yaml"),
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\nspec:\n  packages:\n    \
         - {name: r, release: '8', build: [packages/hello], rpms: ['rpms/*.rpm', 'vendor/**/*.rpm']}\n",
    )
    .unwrap();
    let run = || {
        let mut command = sealift::command(&project);
        command.env("SOURCE_DATE_EPOCH", DATE.to_string()).args(["run", "packaging"]);
        sealift::told(&command.output().unwrap())
    };
    let (code, out, err) = run();
    assert_eq!(code, 0, "{out}{err}");

    let ours = project.join("_build/root/packages/redhat/8/example-r-el8");
    for package in [&first, &second] {
        let arch = package.to_str().unwrap().rsplit('.').nth(1).unwrap();
        let copy = ours.join(arch).join(package.file_name().unwrap());
        assert!(fs::read(&copy).unwrap() == fs::read(package).unwrap(), "{}", copy.display());
    }
    let theirs = scratch.path().join("theirs");
    peer::run(Command::new("cp").arg("-a").arg(&ours).arg(&theirs));
    fs::remove_dir_all(theirs.join("repodata")).unwrap();
    let mut command = Command::new(createrepo);
    command.args(["--quiet", "--no-database", "--simple-md-filenames", "--compress-type=gz"]);
    peer::run(command.arg(&theirs));
    for name in ["primary", "filelists", "other"] {
        let (ours, theirs) = (read(&ours, name), read(&theirs, name));
        assert_eq!(ours.len(), 3);
        assert!(ours.keys().eq(theirs.keys()), "{name}: the same packages");
        let locations = |fields: &Vec<String>| -> Vec<String> {
            fields.iter().filter(|field| field.contains("location")).cloned().collect()
        };
        assert!(ours.values().map(locations).eq(theirs.values().map(locations)), "{name}: the same places");
    }

    // What is wrong inside a package is found when it is read, and names the file.
    let mut bytes = fs::read(&second).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&second, bytes).unwrap();
    let (code, out, err) = run();
    let (name, text) = (second.file_name().unwrap().to_str().unwrap(), format!("{out}{err}"));
    assert!(code == 2 && text.contains(name) && text.contains("not a usable RPM package"), "{code}: {text}");
}
