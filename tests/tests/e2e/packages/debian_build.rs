//! Debian packages that are built from definitions, judged by dpkg and lintian.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::user::is_root;
use tests::{peer, sealift};

const DEFINITION: &str = r#"
name: hello
version: 1.0.0-rc.1
release: "1"
arch: noarch
summary: Say hello to whoever asks
license: Apache-2.0
vendor: Example
url: https://site.invalid
description: |
  It says hello.

  There is nothing more to it.
files:
  - {from: src/hello, to: /usr/bin/hello, mode: "0755"}
  - {from: src/hello.conf, to: /etc/hello.conf, kind: config}
  - {from: src/hello.1.gz, to: /usr/share/man/man1/hello.1.gz}
directories: [{path: /var/lib/hello}]
symlinks: [{path: /usr/share/man/man1/hi.1.gz, target: hello.1.gz}]
scriptlets:
  post: echo "configured $1"
  preun: |
    false
    echo "going $1"
changelog:
  - {date: 2026-01-03, author: "A <a@site.invalid>", version: 1.0.0-rc.1-1, text: "- Second version."}
  - {date: 2026-01-02, author: "A <a@site.invalid>", version: 0.9-1, text: "- First version.\n  In more words."}
deb: {depends: [], suggests: ["mailx | bsd-mailx"], section: utils}
"#;

const PAGE: &str = ".TH HELLO 1 \"2026-01-02\" \"hello 1.0\" \"User Commands\"\n.SH NAME\nhello \\- say hello\n.SH SYNOPSIS\n\
                    .B hello\n.SH DESCRIPTION\nIt says hello.\n";

fn project(folder: &Path) {
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("src/hello"), "#!/bin/sh\necho hello\n").unwrap();
    fs::write(folder.join("src/hello.conf"), "a = 1\n").unwrap();
    fs::write(folder.join("src/hello.1"), PAGE).unwrap();
    peer::run(Command::new("gzip").args(["-9n", "src/hello.1"]).current_dir(folder));
    fs::write(folder.join("package.yaml"), DEFINITION).unwrap();
}

#[test]
fn dpkg_installs_what_lintian_finds_no_fault_with() {
    let (Some(dpkg), Some(lintian)) = (peer::find("dpkg"), peer::find("lintian")) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    project(folder);
    let build = |into: &str| {
        let (code, out, err) =
            sealift::run(folder, &["package", "build", "package.yaml", "--format", "deb", "--into", into]);
        assert_eq!((code, out, err.as_str()), (0, format!("{into}/hello_1.0.0~rc.1-1_all.deb\n"), ""));
        folder.join(into).join("hello_1.0.0~rc.1-1_all.deb")
    };
    let package = build("out");
    assert_eq!(fs::read(build("again")).unwrap(), fs::read(&package).unwrap(), "two builds are equal");

    let mut command = Command::new(lintian);
    command.args(["--allow-root", "--fail-on", "error,warning,info,pedantic"]).arg(&package);
    let judged = peer::run(&mut command);
    let said = String::from_utf8_lossy(&judged.stdout).into_owned();
    assert!(!said.contains(" hello: "), "{said}");

    let described = peer::run(Command::new("dpkg-deb").args(["--field"]).arg(&package));
    let described = String::from_utf8(described.stdout).unwrap();
    for field in ["Version: 1.0.0~rc.1-1", "Architecture: all", "Suggests: mailx | bsd-mailx"] {
        assert!(described.lines().any(|line| line == field), "{field}: {described}");
    }

    if !is_root() {
        return peer::skip("only root can install the package");
    }
    let root = folder.join("root");
    for place in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(place)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let dpkg = |arguments: &[&str]| {
        let mut command = Command::new(&dpkg);
        command.arg(format!("--root={}", root.display())).arg("--force-script-chrootless").args(arguments);
        String::from_utf8(peer::run(&mut command).stdout).unwrap()
    };
    let installed = dpkg(&["--install", package.to_str().unwrap()]);
    assert!(installed.contains("\nconfigured 1\n"), "{installed}");
    assert_eq!(dpkg(&["--verify", "hello"]), "");
    assert!(root.join("usr/share/man/man1/hi.1.gz").exists());
    assert_eq!(fs::read_to_string(root.join("usr/bin/hello")).unwrap(), "#!/bin/sh\necho hello\n");
    let upgraded = dpkg(&["--install", package.to_str().unwrap()]);
    assert!(upgraded.contains("\nconfigured 2\n") && upgraded.contains("going 1\n"), "{upgraded}");
    let removed = dpkg(&["--remove", "hello"]);
    assert!(removed.contains("going 0\n"), "{removed}");
    assert!(root.join("etc/hello.conf").exists(), "configuration stays");
    // dpkg names the old version to postinst here, too; rpm counts this as a first installation.
    let again = dpkg(&["--install", package.to_str().unwrap()]);
    assert!(again.contains("\nconfigured 1\n"), "{again}");
    let upgraded = dpkg(&["--install", package.to_str().unwrap()]);
    assert!(upgraded.contains("\nconfigured 2\n"), "{upgraded}");
    assert_eq!(fs::read_dir(root.join("var/lib/misc")).unwrap().count(), 0);
}

#[test]
fn a_package_for_a_release_has_the_values_of_its_overrides() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let overrides = "overrides: {deb: {release: '2'}, deb-bookworm: {version: 1.1}, el8: {release: '8'}}\n";
    let head = "name: hello\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\npackager: A <a@b>\n";
    fs::write(folder.join("package.yaml"), format!("{head}{overrides}")).unwrap();
    for (arguments, name) in [
        ("--format deb", "hello_1-2_all.deb"),
        ("--format deb --release bookworm", "hello_1.1-2_all.deb"),
        ("--format deb --release trixie", "hello_1-2_all.deb"),
        ("--release el8", "hello-1-8.noarch.rpm"),
        ("--format srpm --release 8", "hello-1-8.src.rpm"),
        ("", "hello-1-1.noarch.rpm"),
    ] {
        let arguments: Vec<&str> =
            ["package", "build", "package.yaml"].into_iter().chain(arguments.split_whitespace()).collect();
        let (code, out, err) = sealift::run(folder, &arguments);
        assert_eq!((code, out.trim()), (0, format!("./{name}").as_str()), "{arguments:?}: {err}");
    }
    let wrong = ["package", "build", "package.yaml", "--release", "bookworm"];
    let (code, _, err) = sealift::run(folder, &wrong);
    assert!(
        code == 3 && err.contains("`bookworm` is not a release: expected one such as `8` or `el8`"),
        "{code}: {err}"
    );
}
