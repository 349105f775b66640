//! dnf installs from a repository that we indexed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tests::dnf::System;

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
