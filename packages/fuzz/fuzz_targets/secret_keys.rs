//! Invariant: whatever a file of a secret key and a signed text hold, reading them ends with a result or a reason, and a signature
//! that is made is valid.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run secret_keys`. The input is a secret key, a line `--` and a signed text.
#![no_main]

use libfuzzer_sys::fuzz_target;

use packages::openpgp::{Keys, Signer, Signing, ValidAt};

fuzz_target!(|input: &[u8]| {
    let middle = input.windows(4).position(|window| window == b"\n--\n").unwrap_or(input.len());
    let text = input.get(middle + 4..).unwrap_or_default();
    match Signer::with_key(&input[..middle], None, None) {
        Ok(signer) => {
            for date in [0, 1_700_000_000, i64::MAX] {
                let signing = Signing::at(date);
                match signer.detached(b"content\n", signing) {
                    Ok(signature) => {
                        signer.keys().verify(b"content\n", &signature, ValidAt::Signing).unwrap();
                        let again = signer.detached(b"content\n", signing).unwrap();
                        assert_eq!(signature, again);
                    }
                    Err(fault) => assert!(!fault.to_string().is_empty()),
                }
            }
            let text = String::from_utf8_lossy(text);
            if let Ok(file) = signer.cleartext(&text, Signing::at(0)) {
                signer.keys().verify_cleartext(&file, ValidAt::Signing).unwrap();
            }
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
    let _ = Keys::default().verify_cleartext(text, ValidAt::Signing).unwrap_err();
});
