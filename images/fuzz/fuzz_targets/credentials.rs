//! Invariant: what a registry asks for and what a configuration file says is understood or refused, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| images::fuzz_credentials(input));
