//! Tests of reading metadata.

use std::io::{Read as _, Write as _};
use std::path::Path;

use super::*;
use crate::dependency::Relation;

mod hostile;

/// A `primary.xml` with these packages: a name, and the inside of `<format>`.
fn primary(packages: &[(&str, &str)]) -> String {
    let packages = packages.iter().zip(1..).map(|((name, format), number)| {
        format!(
            r#"<package type="rpm"><name>{name}</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/>
            <checksum type="sha256" pkgid="YES">{number:064x}</checksum><time file="5" build="7"/>
            <size package="10" installed="20" archive="30"/><location href="p/{name}.rpm"/>
            <format><rpm:sourcerpm>{name}-1-1.src.rpm</rpm:sourcerpm>{format}</format></package>"#
        )
    });
    format!("<?xml version=\"1.0\"?>\n<metadata packages=\"1\">{}</metadata>", packages.collect::<String>())
}

fn read(primary: &str) -> Result<Pool, Error> {
    let mut pool = Pool::new();
    let id = pool.add_repository(Repository::new("r"));
    let text = unpacked(primary.as_bytes(), MAX_PACKAGE_METADATA).unwrap();
    pool.read_primary(id, text, Path::new("primary.xml"))?;
    Ok(pool)
}

#[test]
fn primary_says_what_each_package_is_and_what_it_requires() {
    let format = r#"<rpm:provides><rpm:entry name="a" flags="EQ" epoch="0" ver="1" rel="1"/></rpm:provides>
        <rpm:requires><rpm:entry name="b" flags="GE" epoch="2" ver="3" pre="1"/>
        <rpm:entry name="(c &gt;= 1:2-3 if d else e)"/><rpm:entry name="rpmlib(x)" flags="LE" ver="1"/>
        <rpm:entry name="(broken or"/></rpm:requires>
        <rpm:conflicts><rpm:entry name="f" flags="LT" ver="1~rc1" rel="2"/></rpm:conflicts>
        <rpm:recommends><rpm:entry name="g &amp; h"/></rpm:recommends>
        <file>/usr/bin/a</file><file type="dir">/etc/a.d</file>"#;
    let pool = read(&primary(&[("a", format), ("b", "")])).unwrap();
    let (id, package) = pool.packages().next().unwrap();
    assert_eq!(pool.nevra(package), "a-1-1.noarch");
    assert_eq!((package.size, package.installed_size, package.build_time), (10, 20, 7));
    assert_eq!((pool.text(package.location), pool.text(package.source)), ("p/a.rpm", "a-1-1.src.rpm"));
    assert_eq!(package.checksum_kind, ChecksumKind::Sha256);
    let list = |relation| -> Vec<String> {
        pool.relations(package, relation).iter().map(|id| pool.expression_text(*id)).collect()
    };
    assert_eq!(list(Relation::Provides), ["a = 1-1"]);
    assert_eq!(list(Relation::Requires), ["b >= 2:3", "(c >= 1:2-3 if d else e)", "(broken or"]);
    assert_eq!(list(Relation::Conflicts), ["f < 1~rc1-2"]);
    assert_eq!(list(Relation::Recommends), ["g & h"]);
    assert_eq!(list(Relation::Obsoletes), [""; 0]);
    let paths: Vec<_> =
        pool.paths().map(|(of, folder, name)| (of, pool.text(folder), pool.text(name))).collect();
    assert_eq!(paths, [(id, "/usr/bin/", "a"), (id, "/etc/", "a.d")]);
}

#[test]
fn a_version_without_release_compares_equal_to_all_its_releases() {
    let format = r#"<rpm:provides><rpm:entry name="a" flags="EQ" ver="1" rel="5"/><rpm:entry name="a" flags="EQ" ver="1"/>
        <rpm:entry name="a" flags="EQ" ver="1.0"/><rpm:entry name="a" flags="EQ" epoch="1" ver="0"/></rpm:provides>"#;
    let pool = read(&primary(&[("a", format)])).unwrap();
    let (_, package) = pool.packages().next().unwrap();
    let evrs: Vec<Evr> = pool
        .relations(package, Relation::Provides)
        .iter()
        .map(|id| match pool.expression(*id) {
            Expression::Capability { version: Some((_, evr)), .. } => evr,
            other => panic!("{other:?}"),
        })
        .collect();
    use std::cmp::Ordering::{Equal, Greater, Less};
    for (first, second, expected) in
        [(0, 1, Equal), (1, 0, Equal), (0, 2, Less), (2, 0, Greater), (3, 2, Greater)]
    {
        assert_eq!(pool.compare(evrs[first], evrs[second]), expected, "{first} {second}");
    }
}

#[test]
fn filelists_are_needed_only_for_paths_that_primary_cannot_have() {
    let needs = |path: &str| format!(r#"<rpm:requires><rpm:entry name="{path}"/></rpm:requires>"#);
    let plain = read(&primary(&[("a", &needs("/usr/bin/x")), ("b", &needs("c"))])).unwrap();
    assert!(plain.wanted_paths([]).is_empty());
    assert!(!plain.wanted_paths(["/opt/x"]).is_empty());

    let mut pool = read(&primary(&[("a", &needs("(/opt/x or /opt/y)")), ("b", "")])).unwrap();
    let wanted = pool.wanted_paths([]);
    let (repository, _) = pool.repositories().next().unwrap();
    let filelists = format!(
        r#"<filelists><package pkgid="{:064X}" name="b"><version/><file>/opt/x</file><file type="dir">/opt/y</file>
        <file>/opt/z</file></package><package pkgid="00"><file>/opt/x</file></package></filelists>"#,
        2
    );
    let read = pool.read_filelists(repository, &wanted, filelists.as_bytes(), Path::new("filelists.xml"));
    assert_eq!(read.unwrap(), 2);
    let names: Vec<_> =
        pool.paths().map(|(of, _, name)| (pool.nevra(pool.package(of).unwrap()), pool.text(name))).collect();
    assert_eq!(names, [("b-1-1.noarch".to_owned(), "x"), ("b-1-1.noarch".to_owned(), "y")]);
}

#[test]
fn groups_have_packages_of_four_kinds() {
    let comps = r#"<!DOCTYPE comps PUBLIC "-//Fedora//DTD Comps info//EN" "comps.dtd"><comps><group><id>g</id><name>Tools</name><name xml:lang="de">Werkzeuge</name><packagelist>
        <packagereq type="mandatory">a</packagereq><packagereq type="default">b</packagereq>
        <packagereq type="optional">c</packagereq><packagereq type="conditional" requires="x">d</packagereq>
        <packagereq>e</packagereq></packagelist></group>
        <environment><id>env</id><grouplist><groupid>g</groupid></grouplist>
        <optionlist><groupid>h</groupid></optionlist></environment></comps>"#;
    let groups = Groups::read(comps.as_bytes(), Path::new("comps.xml")).unwrap();
    let group = &groups.groups["g"];
    let members: Vec<_> =
        group.members.iter().map(|one| (one.name.as_str(), one.kind, one.condition.as_deref())).collect();
    use MemberKind::{Conditional, Default, Mandatory, Optional};
    assert_eq!(group.name, "Tools");
    assert_eq!(
        members,
        [
            ("a", Mandatory, None),
            ("b", Default, None),
            ("c", Optional, None),
            ("d", Conditional, Some("x")),
            ("e", Mandatory, None)
        ]
    );
    assert_eq!(groups.environments["env"], ["g"]);
}

#[test]
fn modules_have_streams_and_defaults() {
    let text = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: nodejs\n  stream: \"18\"\n  version: 820230101\n  \
                context: abcd\n  arch: x86_64\n  dependencies:\n  - requires: {platform: [el8]}\n  profiles:\n    common:\n      \
                rpms: [nodejs, npm]\n  artifacts:\n    rpms:\n    - nodejs-1:18.0-1.el8.x86_64\n---\ndocument: \
                modulemd-defaults\nversion: 1\ndata:\n  module: nodejs\n  stream: \"10\"\n  profiles:\n    \"10\": \
                [common]\n---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {anything: 1}\n";
    let modules = Modules::read(text, Path::new("modules.yaml")).unwrap();
    let [stream] = modules.streams.as_slice() else { panic!("{modules:?}") };
    assert_eq!(
        (stream.module.as_str(), stream.stream.as_str(), stream.version),
        ("nodejs", "18", 820_230_101)
    );
    assert_eq!(stream.profiles["common"], ["nodejs", "npm"]);
    assert_eq!(stream.artifacts, ["nodejs-1:18.0-1.el8.x86_64"]);
    assert_eq!(stream.requires[0]["platform"], ["el8"]);
    assert_eq!(modules.defaults["nodejs"].stream.as_deref(), Some("10"));
    assert_eq!(modules.defaults["nodejs"].profiles["10"], ["common"]);
}

#[test]
fn every_compression_is_found_by_its_first_bytes() {
    let plain = b"plain text, packed\n".repeat(1000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).unwrap();
    let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip.write_all(&plain).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
    for packed in [plain.clone(), gzip.finish().unwrap(), bzip.finish().unwrap(), zstd] {
        let unpack = |packed: &[u8], max| {
            let mut found = Vec::new();
            unpacked(packed, max).and_then(|mut reader| reader.read_to_end(&mut found)).map(|_| found)
        };
        assert_eq!(unpack(&packed, plain.len() as u64).unwrap(), plain);
        assert!(unpack(&packed, plain.len() as u64 - 1).is_err());
        if packed != plain {
            // Several packed files one after the other are one file, and a part of one is an error.
            assert_eq!(unpack(&packed.repeat(2), u64::MAX).unwrap(), plain.repeat(2));
            assert!(unpack(&packed[..packed.len() - 5], u64::MAX).is_err());
        }
    }
    // What xz 5.4 wrote.
    let xz = "fd377a585a000004e6d6b446020021010c0000008f98419c010012706c61696e20746578742c207061636b65640a00008264a7cdc15bace600012b139c0948d21fb6f37d010000000004595a";
    let mut found = String::new();
    unpacked(hex::decode(xz).unwrap().as_slice(), 100).unwrap().read_to_string(&mut found).unwrap();
    assert_eq!(found, "plain text, packed\n");
    assert!(unpacked(&b"\0ZCK1"[..], 100).is_err());
    assert_eq!(unpacked(&b""[..], 100).unwrap().read(&mut [0]).unwrap(), 0);
}

#[test]
fn checksums_of_all_kinds_are_computed() {
    for (kind, expected) in [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
    ] {
        let expected = Checksum::read(kind, expected).unwrap();
        assert_eq!(expected.kind.of(&mut &b"abc"[..]).unwrap(), expected);
    }
    for kind in ["sha224", "sha384", "sha512"] {
        let kind = ChecksumKind::from_name(kind).unwrap();
        assert_eq!(kind.of(&mut &b"abc"[..]).unwrap().hex.len(), kind.digits());
    }
    for (kind, sum) in [("crc", "00"), ("md5", "00"), ("md5", "zz0150983cd24fb0d6963f7d28e17f72")] {
        assert_eq!(Checksum::read(kind, sum), None);
    }
}
