//! Invariant: whatever a record of a cache says, restoring it, from the local cache or from a remote one, neither panics nor
//! creates or changes anything outside the build root and the cache, nor sets a setuid, setgid or sticky bit.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| graph::fuzz_records(input));
