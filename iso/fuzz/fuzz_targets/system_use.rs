//! Invariant: as for `image`, with the input as the System Use area of one record (names, links, attributes, moved folders)
//! and the area that it continues with.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    exercise::exercise(&exercise::with_system_use(input));
});
