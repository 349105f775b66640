//! Tests of the files that name packages.

use super::*;

fn found(path: &str, bytes: &[u8]) -> Vec<String> {
    let kind = SourceKind::of(path).unwrap_or_else(|| panic!("{path} is of no interest"));
    let read = read(kind, &mut &bytes[..]).unwrap();
    read.components
        .iter()
        .map(|one| {
            let parts = [&one.name, &one.version, &one.arch, &one.source, &one.supplier, &one.license];
            parts.map(String::as_str).join("|")
        })
        .collect()
}

#[test]
fn only_installed_packages_of_dpkg_count() {
    let status = b"Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl (3.0.11-1)\n\
        Maintainer: Debian OpenSSL Team <openssl@example.org>\nVersion: 3.0.11-1~deb12u2\nDescription: a\n b\n\n\
        Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
        Package: held\nStatus: hold ok installed\nVersion: 1:2\n";
    assert_eq!(
        found("var/lib/dpkg/status", status),
        ["libssl3|3.0.11-1~deb12u2|amd64|openssl|Debian OpenSSL Team <openssl@example.org>|", "held|1:2||||"]
    );
    let alone = b"Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\n";
    assert_eq!(found("var/lib/dpkg/status.d/tzdata", alone), ["tzdata|2024a-0+deb12u1|all|||"]);
    assert_eq!(SourceKind::of("var/lib/dpkg/status.d/tzdata.md5sums"), None);
}

#[test]
fn records_of_apk_are_packages() {
    let installed = b"C:Q1x\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\nS:1\nL:Apache-2.0\no:openssl\n\
        m:Ariadne <a@example.org>\nF:lib\nR:libcrypto.so.3\n\nP:musl\nV:1.2.4-r2\no:musl\n\nP:odd\n";
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        assert_eq!(
            found(path, installed),
            ["libcrypto3|3.1.4-r5|x86_64|openssl|Ariadne <a@example.org>|Apache-2.0", "musl|1.2.4-r2||||"]
        );
    }
}

#[test]
fn metadata_of_python_and_npm_are_packages() {
    let metadata = b"Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0.1\nAuthor: UNKNOWN\n\
        Author-email: Kirill <k@example.org>\nLicense: MIT\n\nName: not this\n";
    for path in ["a/PyYAML-6.0.1.dist-info/METADATA", "a/PyYAML.egg-info/PKG-INFO", "a/PyYAML-6.egg-info"] {
        assert_eq!(found(path, metadata), ["PyYAML|6.0.1|||Kirill <k@example.org>|MIT"], "{path}");
    }
    let package =
        br#"{"name":"@scope/a","version":"1.0.0","author":{"name":"Ann"},"license":{"type":"ISC"}}"#;
    assert_eq!(found("app/node_modules/@scope/a/package.json", package), ["@scope/a|1.0.0|||Ann|ISC"]);
    assert_eq!(found("node_modules/a/package.json", br#"{"type":"module"}"#), [""; 0]);
    for path in ["app/package.json", "node_modules/a/test/package.json", "node_modules/a/b/package.json"] {
        assert_eq!(SourceKind::of(path), None, "{path}");
    }
    assert!(read(SourceKind::Npm, &mut &b"{"[..]).is_err());
}

#[test]
fn a_distribution_has_a_name_and_a_version() {
    let text = b"# a comment\nNAME=\"Rocky Linux\"\nID='rocky'\nVERSION_ID=9.4\n";
    let read = read(SourceKind::OsRelease, &mut &text[..]).unwrap();
    let expected = Distribution { id: "rocky".into(), version: "9.4".into(), name: "Rocky Linux".into() };
    assert_eq!(read.distribution, Some(expected));
}

/// A program with the build information of Go, as its linker writes it.
fn program(before: usize, list: &str) -> Vec<u8> {
    let mut program = vec![7; before];
    program.extend(b"\xff Go buildinf:\x08\x02");
    program.extend([0; 16]);
    for text in ["go1.22.1".to_owned(), format!("{0}{list}{0}", "0123456789abcdef")] {
        let length = text.len();
        program.extend([u8::try_from(length % 128).unwrap() | 0x80, u8::try_from(length / 128).unwrap()]);
        program.extend(text.as_bytes());
    }
    program.extend([0; 100]);
    program
}

#[test]
fn a_program_of_go_has_its_modules() {
    let list = "path\texample.org/app\nmod\texample.org/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.1.0\th1:x\n\
                dep\tgithub.com/a/b\tv1.0.0\n=>\tgithub.com/c/b\tv1.0.1\th1:y\nbuild\tGOOS=linux\n";
    for before in [0, 16, 65520, 65536, 200_000] {
        let modules = go_modules(&mut &program(before, list)[..]).unwrap();
        let modules: Vec<String> =
            modules.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        let expected =
            ["stdlib 1.22.1", "example.org/app (devel)", "golang.org/x/net v0.1.0", "github.com/c/b v1.0.1"];
        assert_eq!(modules, expected, "{before}");
    }
    let without = go_modules(&mut &program(0, "path\texample.org/app/cmd\nbuild\tGOOS=linux\n")[..]).unwrap();
    assert_eq!((without[1].name.as_str(), without[1].version.as_str()), ("example.org/app/cmd", "(devel)"));
    assert_eq!(go_modules(&mut &vec![0; 100_000][..]), Ok(Vec::new()));
    // At another place it is only text of the program.
    assert_eq!(go_modules(&mut &program(8, list)[..]), Ok(Vec::new()));
    let mut old = program(32, list);
    old[32 + 15] = 0;
    assert_eq!(go_modules(&mut &old[..]), Err(GoFault::Old));
    let whole = program(0, list);
    assert!(matches!(go_modules(&mut &whole[..80]), Err(GoFault::Unreadable(_))));
}
