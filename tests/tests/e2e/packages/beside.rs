//! Links, modules and damaged packages, compared with createrepo_c, rpm and dnf.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use packages::repository::{IndexOptions, PackageSelection};
use tests::dnf::System;
use tests::peer;

use super::{DATE, build_own, url};

/// Builds the package of this spec file into `out`, with rpmbuild.
fn rpmbuild(scratch: &Path, spec: &str, out: &Path) -> Option<()> {
    let program = peer::find("rpmbuild")?;
    let top = scratch.join("top");
    fs::create_dir_all(&top).unwrap();
    fs::create_dir_all(out).unwrap();
    fs::write(top.join("a.spec"), spec).unwrap();
    let mut command = Command::new(program);
    command.args(["-bb", "--quiet", "--define"]).arg(format!("_topdir {}", top.display()));
    peer::run(command.args(["--define", &format!("_rpmdir {}", out.display())]).arg(top.join("a.spec")));
    Some(())
}

const MODULAR: &str = "Name: mod\nVersion: 1\nRelease: 1.module_el8\nSummary: A\nLicense: MIT\nBuildArch: noarch\n\
                       ModularityLabel: mod:1:8000:abc\n%description\nx\n%files\n";
const MODULES: &str = r#"---
document: modulemd
version: 2
data: {name: mod, stream: "1", version: 8000, context: abc, arch: x86_64, summary: m, description: m, license: {module: [MIT]}, artifacts: {rpms: ["mod-0:1-1.module_el8.noarch"]}}
---
document: modulemd-defaults
version: 1
data: {module: mod, stream: "1", profiles: {"1": []}}
"#;

#[test]
fn dnf_installs_a_package_of_a_module_and_knows_groups_and_updates() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = scratch.path().join("repository");
    if rpmbuild(scratch.path(), MODULAR, &repository).is_none() {
        return;
    }
    fs::write(repository.join("modules.yaml"), MODULES).unwrap();
    let groups = "<comps><group><id>g</id><name>Group</name><packagelist><packagereq>mod</packagereq></packagelist></group></comps>";
    fs::write(repository.join("comps.xml"), groups).unwrap();
    let updates = "<updates><update from=\"a\" status=\"stable\" type=\"security\" version=\"1\"><id>ADV-1</id><title>T</title>\
                   <pkglist><collection><package name=\"mod\" version=\"1\" release=\"1.module_el8\" epoch=\"0\" arch=\"noarch\">\
                   <filename>a</filename></package></collection></pkglist></update></updates>";
    fs::write(repository.join("updateinfo.xml"), updates).unwrap();
    packages::repository::index(&repository, DATE).unwrap();
    let Some(system) = System::new(scratch.path(), &url(&repository)) else { return };
    let platform = "--setopt=module_platform_id=platform:el8";
    let modules = system.run(&["module", "list", platform]);
    assert!(modules.contains("mod") && modules.contains("1 [d]"), "{modules}");
    system.run(&["install", "mod", platform]);
    assert!(system.run(&["group", "list", platform]).contains("Group"));
    assert!(system.run(&["updateinfo", "list", "--all", platform]).contains("ADV-1"));
}

#[test]
fn links_give_the_packages_that_createrepo_c_finds() {
    let Some(createrepo) = peer::find("createrepo_c") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let pool = scratch.path().join("pool");
    let package = build_own("2.11.0", scratch.path(), &pool);
    let linked = scratch.path().join("latest");
    fs::create_dir_all(linked.join("below")).unwrap();
    symlink("../pool", linked.join("pool")).unwrap();
    symlink("../../pool", linked.join("below/again")).unwrap();
    symlink(&package, linked.join("one.rpm")).unwrap();
    fs::write(linked.join("not.rpm"), "no package").unwrap();
    let selection = PackageSelection { exclude: vec!["not*".to_owned()], ..PackageSelection::default() };
    let options = IndexOptions { selection, ..IndexOptions::default() };
    let ours = packages::repository::index_with(&linked, &options).unwrap();
    peer::run(
        Command::new(createrepo)
            .args(["--quiet", "--no-database", "-x", "not*", "--compress-type=gz"])
            .arg(&linked),
    );
    let mut repodata = fs::read_dir(linked.join("repodata")).unwrap().map(|entry| entry.unwrap().path());
    let primary = repodata.find(|path| path.to_str().unwrap().ends_with("primary.xml.gz")).unwrap();
    let mut text = String::new();
    let file = flate2::read::GzDecoder::new(fs::File::open(primary).unwrap());
    std::io::Read::read_to_string(&mut { file }, &mut text).unwrap();
    assert!(text.contains(&format!("packages=\"{}\"", ours.packages)), "{} {text}", ours.packages);
    assert_eq!(ours.packages, 3);
}

#[test]
fn rpm_refuses_the_packages_that_we_refuse() {
    let Some(rpm) = peer::find("rpm") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let ours = scratch.path().join("ours");
    let package = build_own("2.11.0", scratch.path(), &ours);
    let mut packages = vec![package];
    let theirs = scratch.path().join("theirs");
    if rpmbuild(scratch.path(), MODULAR, &theirs).is_some() {
        packages.push(theirs.join("noarch/mod-1-1.module_el8.noarch.rpm"));
    }
    let bad = scratch.path().join("bad");
    fs::create_dir(&bad).unwrap();
    let path = bad.join("bad.rpm");
    let database = scratch.path().join("database");
    for package in packages {
        let bytes = fs::read(package).unwrap();
        let number = |place: usize| u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap()) as usize;
        let signature = (16 + number(104) * 16 + number(108)).next_multiple_of(8);
        let main = 96 + signature;
        let payload = main + 16 + number(main + 8) * 16 + number(main + 12);
        // The trailer of the first region lies where its entry says.
        let trailer = |header: usize| header + 16 + number(header + 8) * 16 + number(header + 16 + 8);
        let mut places =
            vec![96 + 16, trailer(96), trailer(96) + 11, main, main + 20, trailer(main), trailer(main) + 5];
        places.extend([main + 60, payload - 1, payload, payload + 40, bytes.len() - 1]);
        for place in std::iter::once(None).chain(places.into_iter().map(Some)) {
            let mut bytes = bytes.clone();
            if let Some(place) = place {
                bytes[place] ^= 0x11;
            }
            fs::write(&path, &bytes).unwrap();
            let judged = Command::new(&rpm)
                .args(["-K", "--nosignature", "--dbpath"])
                .arg(&database)
                .arg(&path)
                .output();
            let accepted = judged.unwrap().status.success();
            let indexed = packages::repository::index(&bad, DATE);
            assert_eq!(indexed.is_ok(), accepted, "{place:?} {indexed:?}");
        }
    }
}
