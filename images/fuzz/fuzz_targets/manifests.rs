//! Invariant: bytes are a manifest or are refused, and what is read of one leads nowhere else.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| exercise::manifests(input));
