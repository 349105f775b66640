//! Invariant: whatever the bytes are, they are refused or are a payload, and no payload counts that the key did not sign.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::{PublicKey, SimpleSigning};

const KEY: &[u8] = include_bytes!("../../src/tests/data/cosign.pub");
/// Of the payload in the corpus.
const SIGNATURE: &str =
    "MEYCIQDVl9VfAjBU3pi2ZjNNw5QLZEIHBFbrzWB2ud9vfmBFUAIhAJmZ45Q9pBtWAUWGhrYEQaB0IoNCDrvGlpkuZqzW0+jw";

fuzz_target!(|bytes: &[u8]| {
    let _ = SimpleSigning::parse(bytes);
    let key = vec![PublicKey::read(KEY).unwrap()].into();
    if let Ok((signed, _)) = SimpleSigning::verify(bytes, SIGNATURE, &key) {
        assert_eq!(signed.reference, "localhost:5999/demo/c2");
    }
    // As the annotation of a layer.
    if let Ok(text) = str::from_utf8(bytes) {
        assert!(SimpleSigning::verify(b"{}", text, &key).is_err());
    }
});
