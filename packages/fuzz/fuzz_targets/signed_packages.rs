//! Invariant: whatever the bytes of a package are, signing it ends with a reason and the file as it was, or with a valid signature
//! and the same header and payload.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run signed_packages`.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

use packages::openpgp::{Signer, ValidAt};
use packages::repository::{sign_package, verify_package};

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let key = include_bytes!("../../src/openpgp/tests/data/ed.secret.asc");
    Signer::with_key(key, None, None).unwrap()
});

fuzz_target!(|input: &[u8]| {
    // The lead says nothing but that it is one.
    let bytes = [&[0xed, 0xab, 0xee, 0xdb], [0; 92].as_slice(), input].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package.rpm");
    std::fs::write(&path, &bytes).unwrap();
    let signed = sign_package(&path, &path, &SIGNER, None, &|| false);
    let after = std::fs::read(&path).unwrap();
    match signed {
        Ok(_) => {
            verify_package(&path, Some(SIGNER.keys()), ValidAt::Signing).unwrap();
            let end = after.iter().rev().zip(bytes.iter().rev()).take_while(|(one, other)| one == other).count();
            assert!(end > 16 && sign_package(&path, &path, &SIGNER, None, &|| false).unwrap().was_signed);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(after, bytes);
        }
    }
});
