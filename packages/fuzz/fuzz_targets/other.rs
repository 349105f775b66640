//! Invariant: whatever an `other.xml` holds, reading it ends with changelogs of wanted packages, or with a reason.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run other`.
#![no_main]

use std::collections::BTreeSet;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packages::metadata::{newer_entries, read_changelogs};

fuzz_target!(|input: &[u8]| {
    let wanted = BTreeSet::from(["ab".to_owned(), String::new()]);
    let Ok(found) = read_changelogs(&wanted, input, Path::new("other.xml")) else { return };
    for (package, entries) in found {
        assert!(wanted.contains(&package) && entries.len() <= 100);
        assert!(entries.is_sorted_by(|one, other| one.date >= other.date));
        assert!(newer_entries(&entries, "1:1.0-1").len() <= entries.len());
        assert!(entries.iter().all(|entry| entry.text.len() <= 16 << 10));
    }
});
