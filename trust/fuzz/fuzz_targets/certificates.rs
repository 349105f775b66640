//! Invariant: whatever the bytes are, they are refused or are a trusted root, a bundle with a certificate, or the certificate of a
//! payload, and nothing counts that the identity did not sign. The only good signature in the corpus is that of the statement below.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trust::{Bundle, Identity, PayloadCertificate, Signers, SimpleSigning, TrustedRoot};

const ROOT: &[u8] = include_bytes!("../../src/keyless/tests/conformance/roots/public.json");
const SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

static SIGNERS: LazyLock<Signers> = LazyLock::new(|| {
    let root = TrustedRoot::parse(ROOT).unwrap();
    Signers { keys: Vec::new(), identities: vec![Identity::new(&root, SUBJECT, ISSUER).unwrap()] }
});

fuzz_target!(|bytes: &[u8]| {
    let _ = TrustedRoot::parse(bytes);
    if let Ok(signed) = Bundle::parse(bytes).and_then(|bundle| bundle.verify(&SIGNERS)) {
        assert_eq!(signed.statement.subjects[0].digest.short(), "a0cfc71271d6");
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (certificate, log_entry) = text.split_once('\n').unwrap_or((text, ""));
    let certificate = PayloadCertificate { certificate, log_entry: Some(log_entry) };
    assert!(SimpleSigning::verify_certified(b"{}", "AAAA", &certificate, &SIGNERS).is_err());
});
