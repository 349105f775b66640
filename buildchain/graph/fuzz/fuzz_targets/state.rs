//! Invariant: whatever the bytes are, reading them as the memory of a build (journal, manifests, listings, known files)
//! neither panics nor makes more of them than they are long.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| graph::fuzz_state(input));
