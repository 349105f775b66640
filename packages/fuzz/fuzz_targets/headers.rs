//! Invariant: whatever the bytes of a package are, reading its headers ends with three entries of well-formed XML or with
//! a reason, and never with a panic; what is written is bounded by what was read.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run headers`. The modules are taken from the crate's sources, whose
//! interface reads files only.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/repository/header.rs"]
mod header;
#[path = "../../src/repository/metadata.rs"]
mod metadata;
#[allow(dead_code)]
#[path = "../../src/repository/tag.rs"]
mod tag;
#[allow(dead_code)]
#[path = "../../src/version.rs"]
mod version;
#[allow(dead_code)]
#[path = "../../src/repository/xml.rs"]
mod xml;

use libfuzzer_sys::fuzz_target;
use quick_xml::events::Event;
use quick_xml::{Reader, Writer};

use metadata::{EntryFailure, PackageEntry};
use xml::Xml;

fuzz_target!(|input: &[u8]| {
    // The lead says nothing but that it is one.
    let bytes = [&[0xed, 0xab, 0xee, 0xdb], [0; 92].as_slice(), input].concat();
    let Ok(headers) = header::Headers::read(&mut bytes.as_slice()) else { return };
    assert!(headers.start <= headers.end && headers.end <= bytes.len() as u64);
    let Ok(package) = PackageEntry::new(&headers, "00", 0, "a.rpm") else { return };
    let entries: [&dyn Fn(&mut Xml<'_>) -> Result<(), EntryFailure>; 3] =
        [&|xml| package.primary(xml, false), &|xml| package.filelists(xml), &|xml| package.other(xml)];
    for entry in entries {
        let mut text = Vec::new();
        match entry(&mut Writer::new(&mut text)) {
            Ok(()) => {}
            Err(EntryFailure::Package(fault)) => {
                assert!(!fault.place.is_empty() && !fault.expected.is_empty());
                continue;
            }
            Err(EntryFailure::Write(error)) => panic!("{error}"),
        }
        assert!(text.len() < 5000 * (bytes.len() + 1), "{} from {}", text.len(), bytes.len());
        let text = String::from_utf8(text).unwrap();
        let mut reader = Reader::from_str(&text);
        while !matches!(reader.read_event().unwrap(), Event::Eof) {}
    }
});
