//! Invariant: a file names images or it does not; each is a reference, on a line that the file has.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| exercise::find(input));
