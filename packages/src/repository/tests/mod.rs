//! Valid repositories, and files that are not packages.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::metadata::EntryFailure;
use super::xml::new_xml;
use super::*;

mod beside;
mod damage;
mod identity;
mod options;
mod reuse;
mod sign;

const DATE: i64 = 1_700_000_000;

/// Builds a package with a file and a dependency of each kind.
fn package(folder: &Path, name: &str) -> PathBuf {
    let definition: crate::RpmDefinition = serde_saphyr::from_str(&format!(
        "
        name: {name}
        version: 1.2.3
        release: '1'
        arch: noarch
        summary: Less < more & \"all\"
        license: MIT
        files: [{{from: content, to: /usr/bin/{name}, mode: '0755'}}, {{from: content, to: /usr/share/{name}/x}}]
        directories: [{{path: /usr/share/{name}}}]
        provides: [thing = 2:1.0-3]
        requires: [nginx >= 1.20, nginx >= 1.20, /usr/bin/{name}, thing = 2:1.0-3]
        conflicts: [apache < 2]
        obsoletes: ['{name}-old <= 1']
        changelog: [
          {{date: 2026-01-02, author: 'A <a@example.org>', version: 1.2.3-1, text: '- Third.'}},
          {{date: 2026-01-02, author: 'A <a@example.org>', version: 1.2.2-1, text: '- Second.'}},
          {{date: 2026-01-01, author: 'A <a@example.org>', version: 1.2.1-1, text: '- First.'}},
        ]
        "
    ))
    .unwrap();
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("content"), name).unwrap();
    let built = crate::build(&definition, folder, DATE, folder).unwrap();
    fs::remove_file(folder.join("content")).unwrap();
    built.path
}

fn metadata(dir: &Path, name: &str) -> String {
    let mut text = String::new();
    let file = fs::File::open(dir.join(REPODATA).join(format!("{name}.xml.gz"))).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let names = fs::read_dir(dir.join(REPODATA)).unwrap().map(|entry| entry.unwrap().path());
    names.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn says_what_a_package_is() {
    let dir = tempfile::tempdir().unwrap();
    package(&dir.path().join("noarch"), "tool");
    let index = index(dir.path(), DATE).unwrap();
    assert_eq!(index.packages, 1);
    assert_eq!(index.repomd, dir.path().join("repodata/repomd.xml"));

    let primary = metadata(dir.path(), "primary");
    for expected in [
        "<summary>Less &lt; more &amp; \"all\"</summary>",
        r#"<version epoch="0" ver="1.2.3" rel="1"/>"#,
        r#"<time file="1700000000" build="1700000000"/>"#,
        r#"<location href="noarch/tool-1.2.3-1.noarch.rpm"/>"#,
        r#"<rpm:entry name="thing" flags="EQ" epoch="2" ver="1.0" rel="3"/>"#,
        r#"<rpm:entry name="apache" flags="LT" epoch="0" ver="2"/>"#,
        r#"<rpm:entry name="tool-old" flags="LE" epoch="0" ver="1"/>"#,
        "<file>/usr/bin/tool</file>",
    ] {
        assert!(primary.contains(expected), "{expected} is not in\n{primary}");
    }
    // Required once, and not what the package itself brings or what is asked of rpm.
    let requires = primary.split("<rpm:requires>").nth(1).unwrap().split("</rpm:requires>").next().unwrap();
    assert_eq!(requires.trim(), r#"<rpm:entry name="nginx" flags="GE" epoch="0" ver="1.20"/>"#);

    let filelists = metadata(dir.path(), "filelists");
    assert!(filelists.contains(r#"<file type="dir">/usr/share/tool</file>"#), "{filelists}");
    assert!(filelists.contains("<file>/usr/share/tool/x</file>"), "{filelists}");
    let other = metadata(dir.path(), "other");
    let order: Vec<usize> =
        ["- First.", "- Second.", "- Third."].iter().map(|text| other.find(text).unwrap()).collect();
    assert!(order.is_sorted(), "{other}");
    // 2026-01-02 at noon; of two entries of a day the newer one is a second later.
    assert!(
        other.contains(r#"date="1767355200">- Second."#) && other.contains(r#"date="1767355201">- Third."#)
    );
}

#[test]
fn equal_packages_give_equal_bytes_and_the_old_folder_goes_whole() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["b", "a", "c"] {
        package(one.path(), name);
    }
    for name in ["c", "b", "a"] {
        package(two.path(), name);
    }
    // What an older run left: complete metadata of something else, and staged ones of a run that was killed.
    for folder in [REPODATA, STAGING] {
        fs::create_dir(two.path().join(folder)).unwrap();
        fs::write(two.path().join(folder).join("comps.xml"), "old").unwrap();
    }
    index(one.path(), DATE).unwrap();
    index(two.path(), DATE).unwrap();
    let names = |dir: &Path| -> Vec<_> {
        snapshot(dir)
            .into_iter()
            .map(|(path, content)| (path.file_name().unwrap().to_owned(), content))
            .collect()
    };
    assert_eq!(names(one.path()), names(two.path()));
    assert_eq!(names(one.path()).len(), 4);
    assert!(!two.path().join(STAGING).exists());
    index(two.path(), DATE + 1).unwrap();
    assert_ne!(names(one.path()), names(two.path()));
}

#[test]
fn an_empty_repository_is_one() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(index(dir.path(), DATE).unwrap().packages, 0);
    assert!(metadata(dir.path(), "primary").contains(r#"packages="0""#));
    index(&dir.path().join("missing"), DATE).unwrap_err();
}

#[test]
fn what_cannot_be_indexed_is_named_and_the_old_metadata_stay() {
    let dir = tempfile::tempdir().unwrap();
    let good = package(dir.path(), "tool");
    index(dir.path(), DATE).unwrap();
    let before = snapshot(dir.path());
    let bad = dir.path().join("bad.rpm");

    let bytes = fs::read(&good).unwrap();
    let signature = u32::from_be_bytes(bytes[96 + 12..96 + 16].try_into().unwrap());
    let entries = u32::from_be_bytes(bytes[96 + 8..96 + 12].try_into().unwrap());
    let main = (96 + 16 + (16 * entries + signature).next_multiple_of(8)) as usize;
    let with = |place: usize, new: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[place..place + new.len()].copy_from_slice(new);
        bytes
    };
    for (content, expected) in [
        (b"".to_vec(), "lead: expected 96 bytes, found the end of the file"),
        (b"no package".repeat(100), "lead: expected the RPM magic edabeedb"),
        (bytes[..100].to_vec(), "signature header: expected 16 bytes, found the end"),
        (bytes[..main + 8].to_vec(), "header: expected 16 bytes, found the end"),
        (bytes[..main + 40].to_vec(), "24, then the end"),
        (with(main, b"xxxx"), "header: expected the header magic 8eade801, found 78787878"),
        (with(main + 8, &u32::MAX.to_be_bytes()), "65535 entries at most, found 4294967295"),
        (with(main + 12, &u32::MAX.to_be_bytes()), "bytes of data at most, found 4294967295"),
        (with(96 + 12, &(60_u32 << 20).to_be_bytes()), "signature header: expected 62914560 bytes"),
    ] {
        fs::write(&bad, content).unwrap();
        let error = index(dir.path(), DATE).unwrap_err().to_string();
        assert!(error.contains("bad.rpm: not a usable RPM package") && error.contains(expected), "{error}");
        assert_eq!(snapshot(dir.path()), before);
    }
    fs::remove_file(&bad).unwrap();

    symlink("missing", &bad).unwrap();
    let error = index(dir.path(), DATE).unwrap_err().to_string();
    assert!(error.contains("bad.rpm") && error.contains("target does not exist"), "{error}");
    fs::remove_file(&bad).unwrap();
    std::os::unix::net::UnixListener::bind(&bad).unwrap();
    let error = index(dir.path(), DATE).unwrap_err().to_string();
    assert!(error.contains("bad.rpm") && error.contains("no regular file"), "{error}");
    fs::remove_file(&bad).unwrap();

    let control = dir.path().join("a\nb.rpm");
    fs::write(&control, &bytes).unwrap();
    let error = index(dir.path(), DATE).unwrap_err().to_string();
    assert!(error.contains("control characters"), "{error}");
    assert_eq!(snapshot(dir.path()), before);
}

/// The bytes of one header with these entries, each a tag, a type, an offset and a count.
fn header(entries: &[[u32; 4]], data: &[u8]) -> Vec<u8> {
    let counts = [entries.len() as u32, data.len() as u32];
    let numbers = counts.iter().chain(entries.iter().flatten()).flat_map(|number| number.to_be_bytes());
    [&[0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0], numbers.collect::<Vec<u8>>().as_slice(), data].concat()
}

/// A package file with an empty signature header and this header.
fn file(header_bytes: &[u8]) -> Vec<u8> {
    let mut lead = [0; 96];
    lead[..4].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb]);
    [&lead, header(&[], &[]).as_slice(), header_bytes].concat()
}

/// All that is read of a package, as the three files would hold it.
fn entries(bytes: &[u8]) -> Result<String, String> {
    let fault =
        |HeaderFault { place, expected, found }| format!("{place}: expected {expected}, found {found}");
    let headers = Headers::read(&mut &*bytes).map_err(fault)?;
    let package = PackageEntry::new(&headers, "00", 0, "a.rpm").map_err(fault)?;
    let mut text = Vec::new();
    let mut xml = new_xml(&mut text);
    let written = package
        .primary(&mut xml, false)
        .and_then(|()| package.filelists(&mut xml))
        .and_then(|()| package.other(&mut xml));
    match written {
        Ok(()) => Ok(String::from_utf8(text).unwrap()),
        Err(EntryFailure::Package(found)) => Err(fault(found)),
        Err(EntryFailure::Write(error)) => panic!("{error}"),
    }
}

#[test]
fn a_header_that_lies_is_refused_at_the_lie() {
    const TEXT: u32 = 6;
    let identity = [[1000, TEXT, 0, 1], [1001, TEXT, 0, 1], [1002, TEXT, 0, 1], [1022, TEXT, 0, 1]];
    let with = |more: &[[u32; 4]]| file(&header(&[&identity, more].concat(), b"a\0\0\0\0\0\x01b\0"));
    assert!(entries(&with(&[])).is_ok_and(|text| text.contains("<arch>a</arch>")));
    for (more, expected) in [
        (vec![[1006, TEXT, 0, 1]], "BUILDTIME: expected the type 4, found 6"),
        (vec![[1006, 4, 9999, 1]], "BUILDTIME: expected an offset up to 9, found 9999"),
        (vec![[1006, 4, u32::MAX, 1]], "BUILDTIME: expected an offset up to 9, found 4294967295"),
        (vec![[1006, 4, 0, u32::MAX]], "BUILDTIME: expected 4294967295 numbers, found the end after 2"),
        (
            vec![[1004, 9, 0, u32::MAX]],
            "SUMMARY: expected 4294967295 strings that end with NUL, found the end after 6",
        ),
        (vec![[1047, 8, 0, 1], [1113, 8, 0, 1]], "PROVIDEFLAGS: expected 1 items, found 0"),
        (vec![[1117, 8, 0, 1]], "DIRINDEXES: expected 1 items, found 0"),
        (vec![[1118, 8, 0, 2]], "BASENAMES: expected 1000000 files"),
        (
            vec![[1117, 8, 0, 1], [1118, 8, 0, 1], [1116, 4, 4, 1], [1030, 3, 0, 1], [1037, 4, 2, 1]],
            "DIRINDEXES: expected a number below 1, found 354",
        ),
        (vec![[1027, 8, 0, 1]], "FILEMODES: expected 1 items, found 0"),
        (vec![[1080, 4, 2, 1]], "CHANGELOGNAME: expected 1 items, found 0"),
    ] {
        let error = entries(&with(&more)).unwrap_err();
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    let control = file(&header(&identity, b"a\x07b\0"));
    assert_eq!(entries(&control).unwrap_err(), "NAME: expected no control characters, found U+0007");
    let nameless = file(&header(&identity[1..], b"a\0"));
    assert_eq!(entries(&nameless).unwrap_err(), "NAME: expected a text, found none");
}

#[test]
fn a_folder_of_many_files_cannot_stand_for_endless_metadata() {
    let (folder, files) = (5000, 1000);
    let data = [b"a\0".as_slice(), &vec![b'/'; folder], b"\0", &vec![0; 4 * files]].concat();
    let zeros = folder as u32 + 3;
    let files = files as u32;
    let index = [
        [1000, 6, 0, 1],
        [1001, 6, 0, 1],
        [1002, 6, 0, 1],
        [1022, 6, 0, 1],
        [1117, 8, zeros, files],
        [1118, 8, 2, 1],
        [1116, 4, zeros, files],
        [1030, 3, zeros, files],
        [1037, 4, zeros, files],
    ];
    let error = entries(&file(&header(&index, &data))).unwrap_err();
    assert_eq!(error, "BASENAMES: expected paths of 4096 bytes at most, found 5000");
}

#[test]
fn prose_is_made_expressible() {
    let identity = [[1000, 6, 0, 1], [1001, 6, 0, 1], [1002, 6, 0, 1], [1022, 6, 0, 1]];
    let text =
        entries(&file(&header(&[&identity[..], &[[1004, 6, 2, 1]]].concat(), b"a\0f\xfcr\x0c\r\0"))).unwrap();
    assert!(text.contains("<summary>für\u{fffd}&#13;</summary>"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a header says, reading it ends with an entry or a reason, and neither is larger than the file allows.
    #[test]
    fn no_header_ends_the_reader(
        index in prop::collection::vec((prop::sample::select(TAGS.as_slice()), 0..10_u32, 0..70_u32, 0..9_u32), 0..40),
        data in prop::collection::vec(prop::sample::select(b"\0\0\0\x01\x02a/-:\xff".as_slice()), 0..64),
    ) {
        let identity = [[1000, 6, 0, 1], [1001, 6, 0, 1], [1002, 6, 0, 1], [1044, 6, 0, 1], [1022, 6, 0, 1]];
        let index: Vec<[u32; 4]> = index.iter().map(|(tag, kind, offset, count)| [*tag, *kind, offset + 2, *count]).collect();
        let bytes = file(&header(&[&identity, index.as_slice()].concat(), &[b"a\0", data.as_slice()].concat()));
        if let Ok(text) = entries(&bytes) {
            prop_assert!(text.len() < 100_000, "{}", text.len());
        }
    }

    #[test]
    fn no_bytes_end_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = entries(&file(&bytes));
    }
}

/// Tags whose entries refer to each other.
const TAGS: [u32; 24] = [
    1003, 1004, 1006, 1009, 1030, 1037, 1047, 1048, 1049, 1050, 1053, 1054, 1055, 1080, 1081, 1082, 1112,
    1113, 1116, 1117, 1118, 5046, 5047, 5048,
];

#[test]
fn a_damaged_package_is_indexed_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(package(dir.path(), "tool")).unwrap();
    let headers = Headers::read(&mut &*bytes).unwrap();
    // Each byte of both headers in turn: what is read is an entry or a reason, and never the end of the process.
    let refused = (0..headers.end as usize)
        .filter(|place| {
            let mut bytes = bytes.clone();
            bytes[*place] ^= 0xff;
            entries(&bytes).is_err()
        })
        .count();
    assert!(refused > 100, "{refused}");
}
