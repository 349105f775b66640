//! dnf installs from a repository that we indexed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tests::dnf::System;
use tests::peer;

use super::{DATE, build_own, own_binary, url};

#[test]
fn dnf_finds_and_installs_the_newest_and_updates_to_it() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = scratch.path().join("repository");
    let packages = repository.join("x86_64");
    build_own("2.11.0-dev", scratch.path(), &packages);
    packages::repository::index(&repository, DATE).unwrap();
    let Some(system) = System::new(scratch.path(), &url(&repository)) else { return };

    system.run(&["install", "sealift"]);
    let binary = system.root.join("usr/bin/sealift");
    assert_eq!(fs::read(&binary).unwrap(), own_binary("2.11.0-dev"));
    assert_eq!(fs::metadata(&binary).unwrap().permissions().mode() & 0o7777, 0o755);
    fs::write(system.root.join("etc/sysconfig/sealift"), "SEALIFT_ARCHIVES=/a.iso\n").unwrap();

    // The release is newer than its development version, and the administrator's configuration stays.
    build_own("2.11.0", scratch.path(), &packages);
    packages::repository::index(&repository, DATE + 1).unwrap();
    let format = "%{name}-%{version}-%{release}.%{arch} %{relativepath} %{buildtime}";
    let found = system.run(&["repoquery", "--refresh", "--quiet", "--queryformat", format, "sealift"]);
    assert_eq!(
        found,
        "sealift-2.11.0-1.x86_64 x86_64/sealift-2.11.0-1.x86_64.rpm 2023-11-14 22:13\n\
         sealift-2.11.0~dev-1.x86_64 x86_64/sealift-2.11.0~dev-1.x86_64.rpm 2023-11-14 22:13\n"
    );
    system.run(&["update", "--refresh"]);
    assert_eq!(fs::read(&binary).unwrap(), own_binary("2.11.0"));
    let configuration = fs::read_to_string(system.root.join("etc/sysconfig/sealift")).unwrap();
    assert_eq!(configuration, "SEALIFT_ARCHIVES=/a.iso\n");

    // Files in filelists.xml are found too.
    let owner =
        system.run(&["repoquery", "--quiet", "--file", "/usr/lib/systemd/system/sealift-registry.service"]);
    assert_eq!(owner, "sealift-0:2.11.0-1.x86_64\nsealift-0:2.11.0~dev-1.x86_64\n");
}

/// A program that writes down how it is called. It is for the system in a folder, which has no shell and no library.
const CALLS: &str = r#"
fn main() {
    use std::io::Write;
    let words: Vec<String> = std::env::args().collect();
    let mut log = std::fs::OpenOptions::new().append(true).create(true).open("/calls").unwrap();
    writeln!(log, "{}", words.join(" ")).unwrap();
}
"#;

#[test]
fn the_scriptlets_of_our_package_run_what_the_system_has_and_need_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = scratch.path().join("repository");
    build_own("1.0.0", scratch.path(), &repository);
    build_own("1.1.0", scratch.path(), &repository);
    packages::repository::index(&repository, DATE).unwrap();
    let program = scratch.path().join("program");
    fs::write(scratch.path().join("program.rs"), CALLS).unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["--target", "x86_64-unknown-linux-gnu", "-C", "target-feature=+crt-static", "-o"]);
    peer::run(rustc.arg(&program).arg(scratch.path().join("program.rs")));
    let restorecon = "/usr/sbin/restorecon -R /usr/bin/sealift /usr/lib/systemd/system/sealift-registry.service \
                      /usr/lib/systemd/system/sealift-registry.socket /usr/lib/sysusers.d/sealift.conf \
                      /usr/lib/firewalld/services/sealift-registry.xml /etc/sysconfig/sealift /etc/sealift\n";
    let useradd = "/usr/sbin/useradd --system --user-group --no-create-home --home-dir / --shell /sbin/nologin sealift\n";
    let reload = "/usr/bin/systemctl daemon-reload\n";
    let units = "sealift-registry.service sealift-registry.socket\n";
    let restart = "/usr/bin/systemctl try-restart sealift-registry.service\n";
    let going =
        format!("/usr/bin/systemctl --no-reload disable {units}/usr/bin/systemctl stop {units}{reload}");
    let all = ["usr/bin/systemctl", "usr/sbin/useradd", "usr/sbin/restorecon"];
    let states = ["run/systemd/system", "sys/fs/selinux/enforce"];
    for (name, programs, states, passwd, install, update) in [
        ("empty", &[][..], &[][..], "", String::new(), String::new()),
        // An image that is being built: nothing runs there.
        ("image", &all[..], &[][..], "", useradd.to_owned(), useradd.to_owned()),
        (
            "running",
            &all[..],
            &states[..],
            "sealift:x:990:990::/:/sbin/nologin\n",
            format!("{reload}{restorecon}"),
            format!("{reload}{restorecon}{reload}{restart}"),
        ),
        (
            "el8",
            &["usr/bin/systemd-sysusers", "usr/sbin/useradd"][..],
            &[][..],
            "",
            "/usr/bin/systemd-sysusers sealift.conf\n".to_owned(),
            "/usr/bin/systemd-sysusers sealift.conf\n".to_owned(),
        ),
    ] {
        let Some(system) = System::new(&scratch.path().join(name), &url(&repository)) else { return };
        let root = &system.root;
        for path in programs {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::copy(&program, root.join(path)).unwrap();
        }
        for path in states {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), passwd).unwrap();
        let calls = |command: &str, package: &str| {
            let output = peer::run(&mut system.command(&[command, package]));
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(!said.contains("failed"), "{name}: {said}");
            let calls = fs::read_to_string(root.join("calls")).unwrap_or_default();
            let _ = fs::remove_file(root.join("calls"));
            calls
        };
        assert_eq!(calls("install", "sealift-1.0.0"), install, "{name}");
        assert_eq!(calls("upgrade", "sealift"), update, "{name}");
        assert_eq!(calls("remove", "sealift"), if states.is_empty() { "" } else { &going }, "{name}");
    }
}

#[test]
fn dnf_refuses_a_package_that_is_not_the_indexed_one() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = scratch.path().join("repository");
    let package = build_own("1.0.0", scratch.path(), &repository);
    packages::repository::index(&repository, DATE).unwrap();
    let Some(system) = System::new(scratch.path(), &url(&repository)) else { return };

    let mut bytes = fs::read(&package).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    fs::write(&package, bytes).unwrap();
    let output = system.command(&["install", "sealift"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.to_lowercase().contains("checksum"), "{said}");
    assert!(!system.root.join("usr/bin/sealift").exists());
}
