//! Invariant: whatever the bytes are, reading them as an image in every way neither panics nor hangs, nothing lies
//! outside them, no name leads out of its folder, and there are no more entries than fit into the bytes.
//!
//! The system area is left out of the input, so that the fuzzer spends its time on the structures.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    exercise::exercise(&exercise::with_system_area(input));
});
