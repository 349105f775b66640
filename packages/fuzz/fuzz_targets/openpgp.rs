//! Invariant: whatever a file of keys and a signature hold, reading and checking them ends with a result or a reason, and no
//! signature counts that is not by a key of the file.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run openpgp`. The input is a file of keys, a line `--` and a signature.
#![no_main]

use libfuzzer_sys::fuzz_target;

use packages::openpgp::{Keys, ValidAt};

fuzz_target!(|input: &[u8]| {
    let middle = input.windows(4).position(|window| window == b"\n--\n").unwrap_or(input.len());
    let signature = input.get(middle + 4..).unwrap_or_default();
    let keys = match Keys::read(&input[..middle]) {
        Ok(keys) => keys,
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            Keys::default()
        }
    };
    for at in [ValidAt::Signing, ValidAt::Time(1_700_000_000), ValidAt::Time(i64::MAX)] {
        match keys.verify(b"content\n", signature, at) {
            Ok(good) => assert!(!keys.is_empty() && !good.fingerprint.is_empty()),
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }
});
