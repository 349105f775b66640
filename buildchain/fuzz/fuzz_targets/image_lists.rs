//! Invariant: reading any text as a list of images, plain or for `skopeo sync`, does not panic; each image has a place in the file,
//! and a tag or a rule that chooses tags.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| buildchain::fuzz_lists(text));
