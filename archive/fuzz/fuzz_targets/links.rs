//! Invariant: whatever the text is, it is refused or lists links at paths inside an archive, and survives being written.
#![no_main]

use archive::{links, tree};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(listed) = links::parse(text) {
        assert!(listed.iter().all(|link| !link.path.is_empty() && tree::check_path(&link.path).is_ok()));
        assert_eq!(links::parse(&links::render(&listed)).ok(), Some(listed));
    }
});
