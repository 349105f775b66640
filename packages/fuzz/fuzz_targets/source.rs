//! Invariant: whatever a `.repo` file, a metalink, a list of mirrors and a URL with variables hold, reading them ends with a result or
//! a reason, and a result is no longer than what was read allows.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run source`.
#![no_main]

use libfuzzer_sys::fuzz_target;

use packages::source::{Metalink, RepoFile, Variables, mirrors};

fuzz_target!(|text: &str| {
    if let Ok(metalink) = Metalink::read(text) {
        assert!(!metalink.urls.is_empty() && !metalink.accepted.is_empty());
        assert!(!metalink.accepted.iter().any(|file| file.is(b"another file")));
    }
    if let Ok(urls) = mirrors(text) {
        assert!(urls.iter().map(String::len).sum::<usize>() <= text.len());
    }
    if let Ok(file) = RepoFile::read(text) {
        assert!(file.sections.iter().flat_map(|section| &section.urls).all(|url| !url.contains('\n')));
    }
    if let Ok(expanded) = Variables::new("8", "x86_64").expand(text) {
        assert!(expanded.len() <= 4 * text.len());
    }
});
