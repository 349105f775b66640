//! Invariant: whatever the text is, it is refused or lists paths inside an archive, and survives being written.
#![no_main]

use archive::{sums, tree};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(listed) = sums::parse(text) {
        assert!(listed.iter().all(|sum| !sum.path.is_empty() && tree::check_path(&sum.path).is_ok()));
        assert_eq!(sums::parse(&sums::render(&listed)).ok(), Some(listed));
    }
});
