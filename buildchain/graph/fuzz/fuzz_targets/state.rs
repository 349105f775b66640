//! Invariant: parsing any bytes as the state of a build (journal, manifests, listings, digests) does not panic, and returns
//! at most as many items as there are bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| graph::fuzz_state(input));
