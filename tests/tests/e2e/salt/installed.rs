//! `metalk8s.repo.installed`, with dnf and rpm working on a system in a folder.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::daemon::free_port;
use tests::dnf::System;
use tests::{http, peer, sealift};

use super::{Node, SALTENV, bootstrap, iso};
use crate::packages;

/// A program in `folder` that is `command` with further arguments.
fn wrapper(folder: &Path, name: &str, command: &Command) {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Ends what the states have started.
struct Service<'a>(&'a System);

impl Service<'_> {
    fn pid(&self) -> Option<String> {
        fs::read_to_string(self.0.root.join("sealift-registry.pid")).ok()
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = Command::new("kill").arg(pid).status();
        }
    }
}

#[test]
fn what_serves_is_installed_and_run() {
    let grains =
        json!({"os": "Rocky", "os_family": "RedHat", "osmajorrelease": 8, "osarch": "x86_64", "systemd": {}});
    let (Some(mut node), Some(rpm)) = (Node::new("", &grains), peer::find("rpm")) else { return };
    let Some(system) = System::new(node.scratch.path(), "") else { return };
    // What dnf and rpm do, they do there.
    let programs = node.path("programs");
    fs::create_dir(&programs).unwrap();
    let repositories = system.root.join("etc/yum.repos.d");
    fs::create_dir(&repositories).unwrap();
    let mut dnf = system.command(&[]);
    dnf.arg(format!("--setopt=reposdir={}", repositories.display()));
    wrapper(&programs, "dnf", &dnf);
    wrapper(&programs, "rpm", Command::new(rpm).arg("--root").arg(&system.root));
    let modules = node.path("tree/_modules");
    fs::create_dir_all(&modules).unwrap();
    // In the place of what Salt has for a system without systemd.
    let service =
        include_str!("linux_service.py").replace("{{ system }}", &system.root.display().to_string());
    fs::write(modules.join("linux_service.py"), service).unwrap();
    node.minion(&grains, Some(&node.path("tree")));
    node.path_first = Some(programs);

    // An archive that is mounted, with the package that serves it.
    let tree = node.path("tree-site");
    let repository = tree.join("packages/redhat/8/metalk8s-scality-el8");
    let binary = format!("#!/bin/sh\nexec '{}' \"$@\"\n", sealift::binary().display());
    packages::build_own_of("1.0", binary.as_bytes(), node.scratch.path(), &repository.join("x86_64"));
    ::packages::repository::index(&repository, packages::DATE).unwrap();
    let archive = iso(&node, "site", &[("product.txt", "NAME=MetalK8s\nVERSION=2.11.0-dev\n")]);
    fs::write(node.path("bootstrap.yaml"), bootstrap(&[&archive])).unwrap();
    fs::create_dir(node.path("srv")).unwrap();
    std::os::unix::fs::symlink(&tree, node.path("srv").join(SALTENV)).unwrap();

    let (port, other) = (free_port(), free_port());
    let pillar = |port: u16| {
        json!({
            "root": system.root,
            "repo": {"local_mode": true},
            "registry": {
                "listen": "127.0.0.1", "port": port, "follow": true,
                "environment_file": system.root.join("etc/sysconfig/sealift"),
            },
        })
    };
    let service = Service(&system);
    let first = node.apply("metalk8s.repo.installed", &pillar(port));
    assert!(first.success && first.changes() == 4, "{}", first.said);
    assert_eq!(fs::read_to_string(system.root.join("usr/bin/sealift")).unwrap(), binary);
    let enabled = "etc/systemd/system/multi-user.target.wants/sealift-registry.service";
    assert!(system.root.join(enabled).is_symlink(), "{}", first.said);
    let serves = |port: u16| {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(system.root.join("service.log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(300), "{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let answer = http::ask(port, "GET", &format!("/archives/{SALTENV}/product.txt"), "");
        assert_eq!(answer.body, b"NAME=MetalK8s\nVERSION=2.11.0-dev\n");
    };
    serves(port);
    let pid = service.pid();
    node.apply("metalk8s.repo.installed", &pillar(port)).assert_unchanged();
    assert_eq!(service.pid(), pid, "it runs on");

    // With another port it is restarted.
    let moved = node.apply("metalk8s.repo.installed", &pillar(other));
    assert!(moved.success && moved.changes() == 2, "{}", moved.said);
    serves(other);
    assert_ne!(service.pid(), pid);
}
