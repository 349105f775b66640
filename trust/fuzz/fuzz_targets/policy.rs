//! Invariant: whatever the bytes are, they are refused or are a policy, in which each rule that requires signatures has signers.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trust::{Policy, Require};

const KEY: &[u8] = include_bytes!("../../src/tests/data/p256.pub");

fuzz_target!(|bytes: &[u8]| {
    let policy = Policy::parse(bytes, Path::new("/etc/sealift/trust.yaml"), &mut |_, _| Ok(KEY.to_vec()));
    let Ok(policy) = policy else { return };
    for name in ["demo", "a", ""] {
        let rule = policy.rule(name);
        assert!(rule.require != Require::Signature || !rule.signers.is_empty());
    }
});
