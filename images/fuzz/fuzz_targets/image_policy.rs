//! Invariant: bytes are the rules of an archive or are refused; what is read is written and reads back the same.
#![no_main]

use images::signatures::SignatureRules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(rules) = SignatureRules::parse(input) {
        assert_eq!(SignatureRules::parse(rules.render().as_bytes()).unwrap(), rules);
    }
});
