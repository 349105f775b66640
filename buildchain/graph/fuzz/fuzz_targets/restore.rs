//! Invariant: restoring any record, from a local or a remote cache, does not panic, does not create or change anything
//! outside of the build root and the cache, and sets no setuid, setgid or sticky bit.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| graph::fuzz_records(input));
