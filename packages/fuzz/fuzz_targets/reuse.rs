//! Invariant: whatever a metadata file holds, scanning it ends with packages or a reason. The entry of each package is well-formed
//! XML by itself, ends before the next one starts, and has its location in it.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run reuse`.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/repository/header.rs"]
mod header;
#[allow(dead_code)]
#[path = "../../src/repository/kind.rs"]
mod kind;
#[allow(dead_code)]
#[path = "../../src/repository/metadata.rs"]
mod metadata;
#[path = "../../src/repository/scan.rs"]
mod scan;
#[allow(dead_code)]
#[path = "../../src/repository/tag.rs"]
mod tag;
#[allow(dead_code)]
#[path = "../../src/version.rs"]
mod version;
#[allow(dead_code)]
#[path = "../../src/repository/xml.rs"]
mod xml;

use kind::MetadataKind;
use libfuzzer_sys::fuzz_target;
use quick_xml::Reader;
use quick_xml::events::Event;

fuzz_target!(|input: &[u8]| {
    for kind in MetadataKind::ALL {
        let (root, namespaces) = kind.root();
        let namespaces: String = namespaces.iter().map(|(key, value)| format!(" {key}='{value}'")).collect();
        let text = [format!("<{root}{namespaces}>").as_bytes(), input, format!("</{root}>").as_bytes()].concat();
        let Ok(packages) = scan::scan(text.as_slice(), kind) else { continue };
        let mut end = 0;
        for package in packages {
            let (entry, location) = (package.entry, package.location);
            assert!(end <= entry.start && entry.start < entry.end && entry.end <= text.len() as u64);
            end = entry.end;
            if kind == MetadataKind::Primary {
                assert!(entry.start < location.start && location.start < location.end && location.end < entry.end);
            }
            let entry = &text[usize::try_from(entry.start).unwrap()..usize::try_from(entry.end).unwrap()];
            let entry = std::str::from_utf8(entry).unwrap();
            assert!(entry.starts_with("<package"));
            let mut reader = Reader::from_str(entry);
            while !matches!(reader.read_event().unwrap(), Event::Eof) {}
        }
    }
});
