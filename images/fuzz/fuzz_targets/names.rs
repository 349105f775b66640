//! Invariant: a text is a reference, a source, a platform, a digest or a Containerfile, or it is refused; what is taken reads back the same.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| exercise::names(input));
