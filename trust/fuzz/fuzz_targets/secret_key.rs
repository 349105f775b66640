//! Invariant: whatever a file of a secret key holds, it is refused, needs a password, or is a key whose signatures are valid. What
//! needs a password has a bounded cost, which the target does not spend.
//!
//! To run it, in `trust/`: `cargo +nightly fuzz run secret_key`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::SecretKey;

fuzz_target!(|file: &[u8]| {
    match SecretKey::read(file) {
        Ok(key) => {
            key.public_key().verify(b"message", &key.sign(b"message")).unwrap();
            let again = SecretKey::decrypt(file, b"password").unwrap();
            assert_eq!(key.public_key(), again.public_key());
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
