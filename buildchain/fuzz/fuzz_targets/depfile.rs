//! Invariant: reading any text as a dependency file or as a list of files does not panic, and the names that a dependency file
//! has are those of the rule that a compiler would write for them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| buildchain::fuzz_depfile(text));
