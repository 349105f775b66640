//! Invariant: rendering any text as a template with `@@NAME` does not panic, keeps text without placeholders, and gives each
//! mistake a place between two characters.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| buildchain::fuzz_template(text));
