//! Debian packages of definitions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

const DATE: i64 = 1_700_000_000;

const TOOL: &str = "
name: my_Tool
version: 1.2.3-rc.1
release: 1.el8
epoch: 2
arch: x86_64
summary: A tool.
license: Apache-2.0
vendor: Example
url: https://site.invalid
description: |
  What it does.

    - in detail
files:
  - {from: tool, to: /usr/bin/tool, mode: '0755'}
  - {from: conf, to: /etc/tool.conf, kind: config, owner: tool}
directories: [{path: /var/lib/tool, mode: '0750', owner: tool}]
symlinks: [{path: /usr/bin/t, target: tool}]
requires: ['glibc >= 2.28']
scriptlets: {post: 'echo installed $1', postun: ':'}
changelog:
  - {date: 2026-01-02, author: 'A <a@site.invalid>', version: 1.2.3-rc.1-1, text: \"- First.\\n  More.\\n- Second.\"}
";

fn definition(more: &str) -> RpmDefinition {
    serde_saphyr::from_str(&format!("{TOOL}{more}")).unwrap()
}

fn scripts(definition: &RpmDefinition) -> Result<Vec<(&'static str, String)>, Mistake> {
    super::scripts::scripts(definition).into_iter().collect()
}

fn sources(base: &Path) {
    fs::write(base.join("tool"), vec![7; 100_000]).unwrap();
    fs::write(base.join("conf"), "a = 1\n").unwrap();
}

fn built(more: &str) -> (DebPackage, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    let (bytes, built) = build_in_memory(&definition(more), folder.path(), DATE).unwrap();
    assert_eq!(built.path.to_str(), Some(file_name(&definition(more)).unwrap().as_str()));
    (DebPackage::read(bytes.as_slice(), &built.path, true).unwrap(), built.warnings)
}

#[test]
fn the_control_file_says_what_the_definition_says() {
    let (package, warnings) =
        built("deb: {depends: ['libc6 (>= 2.28)', 'mailx | bsd-mailx'], section: utils}\n");
    assert_eq!(package.identity.to_string(), "my-tool_2:1.2.3~rc.1-1.el8_amd64");
    assert_eq!(warnings, [""; 0]);
    let mut text = Vec::new();
    package.control.write(&mut text).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "Package: my-tool\nVersion: 2:1.2.3~rc.1-1.el8\nArchitecture: amd64\nMaintainer: A <a@site.invalid>\nInstalled-Size: 111\n\
         Depends: libc6 (>= 2.28), mailx | bsd-mailx\nSection: utils\nPriority: optional\nHomepage: https://site.invalid\n\
         Description: A tool\n What it does.\n .\n   - in detail\n"
    );
    assert_eq!(
        package.paths.unwrap(),
        [
            "etc/tool.conf",
            "usr/bin/t",
            "usr/bin/tool",
            "usr/share/doc/my-tool/changelog.Debian.gz",
            "usr/share/doc/my-tool/copyright"
        ]
    );
}

fn minimal(more: &str) -> RpmDefinition {
    let head = "{name: tool, version: '1', release: '1', arch: x86_64, summary: A tool, license: MIT,\n";
    serde_saphyr::from_str(&format!("{head}packager: A <a@site.invalid>, {more}}}")).unwrap()
}

#[test]
fn what_the_debian_package_lacks_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    // Tests can be linked statically; this one needs the C library.
    std::os::unix::fs::symlink("/bin/sh", folder.path().join("program")).unwrap();
    fs::write(folder.path().join("script"), "#!/usr/bin/python3\n").unwrap();
    fs::write(folder.path().join("shell"), "#!/bin/sh\n").unwrap();
    let file = |name: &str| format!("files: [{{from: {name}, to: /usr/bin/{name}, mode: '0755'}}]");
    for (more, said) in [
        (
            "requires: [a], conflicts: [b]".to_owned(),
            Some("`requires`, `conflicts`, which are names of RPMs"),
        ),
        ("conflicts: [b], deb: {}".to_owned(), None),
        ("requires: [a], deb: {depends: []}".to_owned(), None),
        (file("program"), Some(".so.")),
        (file("script"), Some("such as /usr/bin/python3, which /usr/bin/script needs")),
        (file("shell"), None),
        (format!("{}, deb: {{depends: [libc6]}}", file("program")), None),
        ("scriptlets: {verify: x}".to_owned(), Some("scriptlet `verify`")),
        ("scriptlets: {verify: x}, deb: {scripts: {}}".to_owned(), Some("scriptlet `verify`")),
        ("scriptlets: {pretrans: x}".to_owned(), Some("around transactions")),
    ] {
        let warnings = super::control::warnings(&minimal(&more), folder.path()).unwrap();
        assert_eq!(warnings.len(), usize::from(said.is_some()), "{more}: {warnings:?}");
        assert!(said.is_none_or(|said| warnings[0].contains(said)), "{more}: {warnings:?}");
    }
}

#[test]
fn a_definition_without_a_description_has_one_that_differs_from_the_summary() {
    let definition = minimal("description: null");
    let stanza = super::control::control(&definition, &Identity::of(&definition).unwrap(), 1);
    let expected = "A tool\n This package installs version 1 of tool.\n .\n The license of tool is MIT.";
    assert_eq!(stanza.get("Description"), Some(expected));
}

#[test]
fn the_package_can_be_another_one_than_the_rpm() {
    let deb = "deb: {name: other, version: '5', architecture: arm64, maintainer: 'B <b@site.invalid>', depends: []}\n";
    assert_eq!(built(deb).0.identity.to_string(), "other_5_arm64");
    assert_eq!(built(deb).0.control.get("Maintainer"), Some("B <b@site.invalid>"));
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sources(one.path());
    sources(two.path());
    fs::File::options()
        .write(true)
        .open(two.path().join("tool"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    for compression in ["gzip:9", "xz", "zstd", "none"] {
        let more = format!("compression: {compression}\n");
        let build = |base: &Path| build(&definition(&more), base, DATE, &base.join("out")).unwrap();
        let (first, second) = (build(one.path()), build(two.path()));
        assert!(first.path.ends_with("out/my-tool_1.2.3~rc.1-1.el8_amd64.deb"), "{first:?}");
        assert_eq!(fs::read(first.path).unwrap(), fs::read(second.path).unwrap(), "{compression}");
    }
    let out = one.path().join("out");
    let other = definition("compression: none\n");
    assert_eq!(build(&other, one.path(), DATE, &out).unwrap().warnings.len(), 1, "only of the requirements");
    let later = build(&other, one.path(), DATE + 1, &out).unwrap();
    assert!(later.warnings[1].contains("increase `release:`"), "{:?}", later.warnings);
}

#[test]
fn scripts_get_the_numbers_of_rpm() {
    let texts = scripts(&definition("")).unwrap();
    let names: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["preinst", "postinst", "postrm"]);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, &texts[1].1).unwrap();
    for (arguments, said) in [
        (&["configure"][..], "installed 1\n"),
        (&["configure", ""], "installed 1\n"),
        (&["configure", "1.0"], "installed 2\n"),
        (&["abort-upgrade", "1.0"], ""),
        (&["triggered", "x"], ""),
    ] {
        let output = std::process::Command::new("/bin/sh").arg(&script).args(arguments).output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), said, "{arguments:?}");
    }
    let own = definition("deb: {scripts: {prerm: \"#!/bin/sh\\nset -e\\n\"}}\n");
    assert_eq!(scripts(&own).unwrap(), [("prerm", "#!/bin/sh\nset -e\n".to_owned())]);
}

#[test]
fn a_scriptlet_ends_as_its_shell_ends_it() {
    for (interpreter, text, code, printed) in [
        ("/bin/sh", "false\necho all", 0, "all\n"),
        ("/bin/sh", "echo all\nfalse", 1, "all\n"),
        ("/bin/sh", "set -e\nfalse\necho all", 1, ""),
        ("/bin/sh -e", "false\necho all", 1, ""),
        ("/bin/sh", "exit 3", 3, ""),
        ("/bin/sh", "echo $1 \\", 0, "1\n"),
    ] {
        let definition = minimal(&format!("scriptlets: {{interpreter: {interpreter}, post: {text:?}}}"));
        let [_, (_, script)] = &scripts(&definition).unwrap()[..] else { panic!("two scripts") };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postinst");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let output = std::process::Command::new(&path).arg("configure").output().unwrap();
        let found = (output.status.code(), String::from_utf8(output.stdout).unwrap());
        assert_eq!(found, (Some(code), printed.to_owned()), "{interpreter}: {text}");
    }
}

#[test]
fn what_a_debian_package_cannot_hold_is_a_mistake_of_the_definition() {
    for (more, field) in [
        ("deb: {name: A}\n", "deb.name"),
        (&format!("deb: {{name: {}}}\n", "a".repeat(240)), "deb.name"),
        ("deb: {version: 'a b'}\n", "deb.version"),
        ("deb: {version: v1}\n", "deb.version"),
        ("deb: {architecture: 'a b'}\n", "deb.architecture"),
        ("deb: {maintainer: me}\n", "deb.maintainer"),
        ("deb: {section: 'a b'}\n", "deb.section"),
        ("deb: {conflicts: ['aa | bb']}\n", "deb.conflicts[0]"),
        ("deb: {scripts: {preinst: 'echo'}}\n", "deb.scripts.preinst"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        sources(folder.path());
        let error = build_in_memory(&definition(more), folder.path(), DATE).unwrap_err().to_string();
        assert!(error.contains(&format!(": {field}: expected ")), "{more}: {error}");
    }
    let lua = TOOL.replace("scriptlets: {", "scriptlets: {interpreter: <lua>, ");
    let lua: RpmDefinition = serde_saphyr::from_str(&lua).unwrap();
    let error = scripts(&lua).unwrap_err().to_string();
    assert!(error.contains("expected a shell"), "{error}");
    let error = serde_saphyr::from_str::<RpmDefinition>(&format!("{TOOL}deb: {{depends: ['a >= 1']}}\n"));
    assert!(error.unwrap_err().to_string().contains("a Debian package such as"));
}
