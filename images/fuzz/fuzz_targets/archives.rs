//! Invariant: a tar is an image or is refused; what enters the store has the digest it is named by.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| exercise::archives(input));
