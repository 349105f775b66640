//! The dependencies that files have, compared with rpmbuild and its generators.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::peer;

use super::DATE;
use super::dependencies::dependencies;

/// A source, where it is installed and its mode.
type Installed = (&'static str, &'static str, u32);

const FILES: &[Installed] = &[
    ("libone.so", "/usr/lib64/libone.so.1.2", 0o755),
    ("libone.so", "/usr/lib64/libone-plain.so", 0o644),
    ("libnameless.so", "/usr/lib64/libnameless.so", 0o755),
    ("libnameless.so", "/usr/lib64/plugins/nameless.so", 0o755),
    ("libnameless.so", "/usr/lib64/libnameless", 0o755),
    ("libsysv.so", "/usr/lib64/libsysv.so.1", 0o755),
    ("libodd.so", "/usr/lib64/libodd.so", 0o755),
    ("program", "/usr/bin/program", 0o755),
    ("program", "/usr/bin/program-owner", 0o744),
    ("program", "/usr/bin/program-setuid", 0o4755),
    ("program", "/usr/share/program", 0o644),
    ("fixed", "/usr/bin/fixed", 0o755),
    ("static", "/usr/bin/static", 0o755),
    ("static-pie", "/usr/bin/static-pie", 0o755),
    ("object.o", "/usr/lib64/object.o", 0o644),
    ("libone.so", "/usr/include/libone.so.h", 0o755),
    ("cut", "/usr/lib64/libcut.so", 0o755),
    ("headless", "/usr/lib64/libheadless.so", 0o755),
    ("sh", "/usr/bin/sh-script", 0o755),
    ("sh", "/usr/share/sh-script", 0o644),
    ("sh", "/usr/bin/script.c", 0o755),
    ("bash", "/usr/bin/bash-script", 0o555),
    ("env", "/usr/bin/env-script", 0o755),
    ("env-path", "/usr/bin/env-path-script", 0o755),
    ("blank", "/usr/bin/blank-script", 0o755),
    ("dos", "/usr/bin/dos-script", 0o755),
    ("awk", "/usr/bin/awk-script", 0o755),
    ("unknown", "/usr/bin/unknown-script", 0o755),
    ("relative", "/usr/bin/relative-script", 0o755),
    ("comma", "/usr/bin/comma-script", 0o755),
    ("late", "/usr/bin/late-script", 0o755),
    ("nul", "/usr/bin/nul-script", 0o755),
    ("sh", "/usr/share/doc/t/example", 0o755),
    ("libone.so", "/usr/share/doc/t/libone.so.1", 0o755),
    ("sh", "/opt/usr/share/doc-t/example", 0o755),
    ("data", "/usr/share/data", 0o755),
    ("empty", "/usr/share/empty", 0o755),
];

/// Compiles and writes all sources.
fn sources(base: &Path) {
    let write = |name: &str, content: &[u8]| fs::write(base.join(name), content).unwrap();
    write("one.c", b"int one_a(void) { return 1; } int one_b(void) { return 2; }\n");
    write("one.map", b"ONE_1.0 { global: one_a; local: *; }; ONE_2.0 { global: one_b; } ONE_1.0;\n");
    write("main.c", b"#include <stdio.h>\nint one_a(void); int one_b(void);\nint main(void) { return puts(\"x\") + one_a() + one_b(); }\n");
    write("alone.c", b"#include <stdio.h>\nint main(void) { return puts(\"x\"); }\n");
    let compile = |arguments: &str| {
        let mut command = Command::new("gcc");
        peer::run(command.current_dir(base).args(arguments.split_whitespace()));
    };
    compile("-shared -fPIC one.c -Wl,--version-script=one.map -Wl,-soname,libone.so.1 -o libone.so");
    compile("-shared -fPIC one.c -o libnameless.so");
    compile("-shared -fPIC one.c -Wl,--hash-style=sysv -Wl,-soname,libsysv.so.1 -o libsysv.so");
    compile("-shared -fPIC one.c -Wl,-soname,odd-name -Wl,--version-script=one.map -o libodd.so");
    compile("-pie -fPIE main.c libone.so -o program");
    compile("-no-pie main.c libone.so libsysv.so -o fixed");
    compile("-static alone.c -o static");
    compile("-static-pie alone.c -o static-pie");
    compile("-c one.c -o object.o");
    let shared = fs::read(base.join("libone.so")).unwrap();
    write("cut", &shared[..shared.len() / 2]);
    write("headless", &shared[..40]);
    write("sh", b"#!/bin/sh\necho\n");
    write("bash", b"#!/bin/bash -e\necho\n");
    write("env", b"#!/usr/bin/env python3\nprint()\n");
    write("env-path", b"#!/usr/bin/env /opt/tool/run\nx\n");
    write("blank", b"#! \t/usr/bin/ksh  -x\necho\n");
    write("dos", b"#!/bin/zsh\r\necho\r\n");
    write("awk", b"#!/usr/bin/awk -f\nBEGIN { }\n");
    write("unknown", b"#!/opt/own/interpreter --flag /bin/other\nx\n");
    write("relative", b"#!interpreter\nx\n");
    write("comma", b"#!/opt/a,b\nx\n");
    write("late", format!("#!{}/bin/late {}\nx\n", " ".repeat(5000), "a".repeat(1 << 20)).as_bytes());
    write("nul", b"#!/bin/nul\0 /x\nx\n");
    write("data", b"just data\n");
    write("empty", b"");
}

/// Builds the package `t` with Sealift and with rpmbuild. `more` has further lines of the definition, `preamble` the same for
/// the spec file, `sections` its further sections.
fn both(
    base: &Path,
    files: &[Installed],
    more: &str,
    preamble: &str,
    sections: &str,
) -> Option<[PathBuf; 2]> {
    let rpmbuild = peer::find("rpmbuild")?;
    let mut definition = format!(
        "name: t\nversion: '1'\nrelease: '1'\narch: x86_64\nsummary: A\nlicense: MIT\n{more}\nfiles:\n"
    );
    let (mut install, mut listed) = (String::new(), String::new());
    let root = base.join("root");
    for (from, to, mode) in files {
        let kind = if to.starts_with("/etc/") { "config" } else { "file" };
        definition.push_str(&format!("  - {{from: {from}, to: {to}, mode: '{mode:04o}', kind: {kind}}}\n"));
        let placed = root.join(&to[1..]);
        fs::create_dir_all(placed.parent().unwrap()).unwrap();
        fs::copy(base.join(from), &placed).unwrap();
        fs::set_permissions(&placed, fs::Permissions::from_mode(*mode)).unwrap();
        let config = if kind == "config" { "%config(noreplace) " } else { "" };
        listed.push_str(&format!("{config}%attr({mode:04o}, root, root) {to}\n"));
        install = format!("mkdir -p %{{buildroot}}; cp -a {}/. %{{buildroot}}/\n", root.display());
    }
    let definition = serde_saphyr::from_str(&definition).unwrap();
    let ours = packages::build(&definition, base, DATE, &base.join("ours")).unwrap();
    let (top, spec) = (base.join("top"), base.join("t.spec"));
    fs::write(
        &spec,
        format!(
            "%global debug_package %{{nil}}\n%global _build_id_links none\n%global __os_install_post %{{nil}}\n\
             %global _binary_payload w6.gzdio\n\
             Name: t\nVersion: 1\nRelease: 1\nSummary: A\nLicense: MIT\n{preamble}\n\
             %description\nx\n%install\n{install}{sections}\n%files\n{listed}"
        ),
    )
    .unwrap();
    let mut command = Command::new(rpmbuild);
    command.args(["-bb", "--define", &format!("_topdir {}", top.display())]).arg(&spec);
    peer::run(&mut command);
    let _ = fs::remove_dir_all(root);
    Some([ours.path, top.join("RPMS/x86_64/t-1-1.x86_64.rpm")])
}

#[test]
fn each_file_brings_what_rpmbuild_finds_in_it() {
    let Some(rpm) = peer::find("rpm") else { return };
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    let Some(packages) = both(folder.path(), FILES, "", "", "") else { return };
    let read = packages.each_ref().map(|package| dependencies(&rpm, package));
    assert_eq!(read[0], read[1]);
    for known in ["libone.so.1(ONE_2.0)(64bit)", "rtld(GNU_HASH)", "/usr/bin/ksh", "libc.so.6(GLIBC_"] {
        assert!(read[0].contains(known), "{known}: {}", read[0]);
    }
    // The same for each file.
    let format = "[%{FILENAMES}|%{FILEPROVIDE}|%{FILEREQUIRE}\\n]";
    let by_file = packages.each_ref().map(|package| {
        let mut command = Command::new(&rpm);
        let output = peer::run(command.args(["-qp", "--qf", format]).arg(package));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| {
            let mut words: Vec<&str> = line.split([' ', '|']).collect();
            words.sort_unstable();
            // rpm counts a version that follows another one twice.
            words.dedup();
            words.join(" ")
        });
        lines.collect::<Vec<_>>()
    });
    assert_eq!(by_file[0], by_file[1]);
}

#[test]
fn generators_can_be_turned_off_and_doubles_are_merged() {
    let Some(rpm) = peer::find("rpm") else { return };
    let folder = tempfile::tempdir().unwrap();
    sources(folder.path());
    let files: &[Installed] = &[
        ("libone.so", "/usr/lib64/libone.so.1", 0o755),
        ("program", "/usr/bin/program", 0o755),
        ("sh", "/usr/bin/script", 0o755),
        ("data", "/etc/t.conf", 0o644),
    ];
    for (more, preamble, sections) in [
        ("", "", ""),
        ("autoRequires: false", "AutoReq: no", ""),
        ("autoProvides: false", "AutoProv: no", ""),
        ("autoRequires: false\nautoProvides: false", "AutoReqProv: no", ""),
        ("requires: [/bin/sh, 'libone.so.1()(64bit)']", "Requires: /bin/sh, libone.so.1()(64bit)", ""),
        ("provides: ['libone.so.1()(64bit)', 't = 1-1']", "Provides: libone.so.1()(64bit) t = 1-1", ""),
        ("provides: ['config(t) = 1-1']", "Provides: config(t) = 1-1", ""),
        (
            "scriptlets: {pre: 'x', post: 'x', preun: 'x', postun: 'x'}",
            "",
            "%pre\nx\n%post\nx\n%preun\nx\n%postun\nx\n",
        ),
        (
            "scriptlets: {post: 'x'}\nautoRequires: false\nrequires: [/bin/sh]",
            "AutoReq: 0\nRequires: /bin/sh",
            "%post\nx\n",
        ),
    ] {
        let Some(packages) = both(folder.path(), files, more, preamble, sections) else { return };
        let read = packages.map(|package| dependencies(&rpm, &package));
        assert_eq!(read[0], read[1], "{more}");
    }
}

#[test]
fn the_projects_own_package_requires_nothing_for_its_static_binary() {
    let Some(rpm) = peer::find("rpm") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.c"), "int main(void) { return 0; }\n").unwrap();
    let mut command = Command::new("gcc");
    peer::run(command.current_dir(folder.path()).args(["-static-pie", "a.c", "-o", "a"]));
    let binary = fs::read(folder.path().join("a")).unwrap();
    let package = super::build_own_of("1.0", &binary, folder.path(), &folder.path().join("out"));
    let read = dependencies(&rpm, &package);
    let foreign: Vec<&str> = read
        .lines()
        .filter(|line| line.starts_with("REQUIRE ") && !line.starts_with("REQUIRE rpmlib("))
        .collect();
    assert_eq!(foreign, [""; 0]);
}
