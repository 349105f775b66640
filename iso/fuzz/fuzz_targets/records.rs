//! Invariant: as for `image`, with the input as the records of the root folder and the continuation areas behind them,
//! so that the fuzzer finds the System Use entries at once.
#![no_main]

#[path = "../../tests/hostile/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    exercise::exercise(&exercise::with_records(input));
});
