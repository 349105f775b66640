//! Invariant: whatever a spec file holds, reading it ends with sources or with reasons, runs nothing, and gives only names that a folder
//! can hold.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run spec`.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;

use packages::spec::SpecFile;

fuzz_target!(|text: &str| {
    let macros = BTreeMap::from([("rhel".to_owned(), "8".to_owned())]);
    match SpecFile::read(text, &macros) {
        Err(faults) => assert!(!faults.is_empty()),
        Ok(spec) => {
            for source in spec.sources {
                assert!(!source.name.is_empty() && !source.name.contains('/') && !source.name.starts_with('.'));
                assert!(!source.folder.starts_with('/'));
                assert!(source.url.is_none_or(|url| url.contains("://") && url.len() < 1 << 20));
            }
        }
    }
});
