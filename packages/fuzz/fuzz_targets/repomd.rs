//! Invariant: whatever a `repomd.xml` holds, reading it ends with a list of files or a reason, and no path in the list leads out
//! of the repository.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run repomd`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packages::metadata::Repomd;

fuzz_target!(|input: &[u8]| {
    let Ok(repomd) = Repomd::read(input, Path::new("repomd.xml")) else { return };
    for file in &repomd.files {
        assert!(!file.location.is_empty() && !file.location.starts_with('/'));
        assert!(file.location.split('/').all(|part| part != ".."));
        assert_eq!(repomd.file(&file.kind), Some(file));
    }
});
