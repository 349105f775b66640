//! Invariant: bytes are a file of original references or are refused; what is read is found again and reads back the same.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| exercise::original_names(input));
