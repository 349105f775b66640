//! Tests of what layers hide and replace.

use super::*;

/// A layer with these members: folders end with `/`, and links have a target after ` -> `.
fn layer(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        if let Some((name, target)) = name.split_once(" -> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, name, target).unwrap();
        } else if let Some((name, target)) = name.split_once(" => ") {
            header.set_entry_type(tar::EntryType::Link);
            builder.append_link(&mut header, name, target).unwrap();
        } else {
            if name.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
            }
            builder.append_data(&mut header, name, *content).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn installed(layers: &[&[(&str, &[u8])]]) -> InstalledPackages {
    let folder = tempfile::tempdir().unwrap();
    let mut view = LayerView::new(folder.path());
    for members in layers {
        view.add(&mut &layer(members)[..]).unwrap();
    }
    view.finish()
}

fn names(layers: &[&[(&str, &[u8])]]) -> String {
    let found = installed(layers);
    assert_eq!(found.notes, [""; 0]);
    found.components.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(" ")
}

const A: (&str, &[u8]) = ("usr/lib/python3/a-1.dist-info/METADATA", b"Name: a\nVersion: 1\n");
const B: (&str, &[u8]) = ("./usr/lib/python3/b.egg-info", b"Name: b\nVersion: 1\n");
const C: (&str, &[u8]) = ("opt/c.egg-info", b"Name: c\nVersion: 1\n");

#[test]
fn layers_hide_what_lies_below() {
    type Case<'a> = (&'a [(&'a str, &'a [u8])], &'a str);
    let cases: [Case<'_>; 13] = [
        (&[], "a b c"),
        (&[("usr/lib/python3/.wh.b.egg-info", b"")], "a c"),
        (&[("usr/lib/python3/.wh.a-1.dist-info", b"")], "b c"),
        (&[("usr/lib/.wh..wh..opq", b"")], "c"),
        (&[(".wh.usr", b"")], "c"),
        (&[(".wh..wh..opq", b"")], ""),
        // A file or link in the place of a folder, and a folder in that of a file.
        (&[("usr/lib", b"file")], "c"),
        (&[("usr -> opt", b"")], "c"),
        (&[("opt/c.egg-info/", b"")], "a b"),
        (&[("usr/lib/", b"")], "a b c"),
        // Names that only start alike.
        (&[("usr/.wh.li", b"")], "a b c"),
        (&[("usr/lib/python3/.wh.b.egg-inf", b"")], "a b c"),
        // Another content.
        (&[("opt/c.egg-info", b"Name: d\nVersion: 1\n")], "a b d"),
    ];
    for (upper, expected) in cases {
        assert_eq!(names(&[&[A, B, C], upper]), expected, "{upper:?}");
    }
}

#[test]
fn a_whiteout_hides_nothing_of_its_own_layer() {
    let upper: &[(&str, &[u8])] = &[C, ("opt/.wh..wh..opq", b""), ("opt/.wh.c.egg-info", b"")];
    assert_eq!(names(&[&[A], upper]), "a c");
    let before: &[(&str, &[u8])] = &[("usr/lib/.wh..wh..opq", b""), B];
    assert_eq!(names(&[&[A], before]), "b");
}

#[test]
fn a_hard_link_has_the_content_of_its_file() {
    assert_eq!(names(&[&[A, ("opt/x.egg-info => usr/lib/python3/a-1.dist-info/METADATA", b"")]]), "a");
    let gone: &[(&str, &[u8])] =
        &[("opt/x.egg-info => usr/lib/python3/a-1.dist-info/METADATA", b""), (".wh.usr", b"")];
    assert_eq!(names(&[&[A], gone]), "a");
}

#[test]
fn packages_of_a_distribution_name_it() {
    let status = b"Package: a\nStatus: install ok installed\nVersion: 1\n";
    let found = installed(&[
        &[
            ("usr/lib/os-release", b"ID=debian\nVERSION_ID=12\nNAME=Debian\n"),
            ("var/lib/dpkg/status", status),
        ],
        &[("etc/os-release", b"ID=site\nNAME=Site\n")],
    ]);
    let [one] = &found.components[..] else { panic!("{found:?}") };
    assert_eq!(
        (one.distribution.as_str(), one.release.as_str(), one.supplier.as_str()),
        ("site", "", "Site")
    );
}

#[test]
fn a_database_and_its_log_are_read_together() {
    let unpacked = |bytes: &[u8]| {
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
        unpacked
    };
    let database = unpacked(include_bytes!("../rpm_database/fixtures/rpmdb.sqlite.gz"));
    let log = unpacked(include_bytes!("../rpm_database/fixtures/rpmdb.sqlite-wal.gz"));
    let folder = "usr/lib/sysimage/rpm";
    let (path, log_path) = (format!("{folder}/rpmdb.sqlite"), format!("{folder}/rpmdb.sqlite-wal"));
    let base: &[(&str, &[u8])] = &[(&path, &database)];
    assert_eq!(names(&[base]), "bash large openssl");
    assert_eq!(names(&[base, &[(&log_path, &log)]]), "large openssl");
    // A database that was converted leaves the old one.
    let old = unpacked(include_bytes!("../rpm_database/fixtures/Packages.gz"));
    let old_path = format!("{folder}/Packages");
    assert_eq!(names(&[&[(&old_path, &old)]]), "bash large openssl");
    assert_eq!(names(&[base, &[(&log_path, &log), (&old_path, &old)]]), "large openssl");
}

#[test]
fn what_cannot_be_read_is_noted() {
    let found = installed(&[&[
        ("var/lib/rpm/rpmdb.sqlite", b"not a database"),
        ("node_modules/a/package.json", b"{"),
        A,
    ]]);
    assert_eq!(found.components.len(), 1);
    let notes = found.notes.join("\n");
    assert!(notes.contains("node_modules/a/package.json: EOF"), "{notes}");
    assert!(notes.contains("var/lib/rpm/rpmdb.sqlite: "), "{notes}");
}

#[test]
fn a_damaged_layer_keeps_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut view = LayerView::new(folder.path());
    let mut bytes = layer(&[A, B]);
    let length = bytes.len();
    bytes.truncate(length - 1024 - 512);
    view.add(&mut &bytes[..]).unwrap_err();
    assert_eq!(view.finish().components.len(), 1);
}
