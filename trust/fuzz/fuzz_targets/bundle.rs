//! Invariant: whatever the bytes are, they are refused or are a bundle, and no bundle counts that the key did not sign. The only
//! good signatures in the corpus are those of the statement below.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::{Bundle, PublicKey};

const KEY: &[u8] = include_bytes!("../../src/tests/data/p256.pub");

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = Bundle::parse(bytes) else { return };
    let key = PublicKey::read(KEY).unwrap();
    if let Ok(signed) = bundle.verify(&vec![key].into()) {
        assert_eq!(signed.statement.subjects[0].digest.short(), "2bc795a3fd43");
    }
});
