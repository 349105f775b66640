//! What is signed, and by whom.

use std::ffi::OsString;

use super::*;
use crate::{Bundle, Signer};

/// Of a bundle of P-256, with these keys.
fn outcome(bundle: &str, keys: &[&[u8]]) -> String {
    let keys: Vec<PublicKey> = keys.iter().map(|key| public(key)).collect();
    match Bundle::parse(bundle.as_bytes()).and_then(|bundle| bundle.verify(&keys.into()).map(drop)) {
        Ok(()) => "good".into(),
        Err(fault) => fault.to_string(),
    }
}

fn signed(secret_key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    Some(SecretKey::read(secret_key).unwrap().sign(message))
}

const OTHER_STATEMENT: &str = "the signature is invalid: the statement was changed, or another key signed it";

/// Rows 21 to 37 of the attack table, except for those about keys in files.
#[test]
fn a_signature_of_something_else_is_refused() {
    let good = statement().into_bytes();
    let der = SecretKey::read(P256).unwrap().sign(&pae(PAYLOAD_TYPE, &good));
    let mut flipped = der.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let unicode = statement().replace("demo-1.0.iso", "démo-1.0.iso").into_bytes();
    let characters = String::from_utf8(unicode.clone()).unwrap().chars().count();
    let by_characters =
        [format!("DSSEv1 28 {PAYLOAD_TYPE} {characters} ").as_bytes(), unicode.as_slice()].concat();
    let leading_zero =
        [format!("DSSEv1 028 {PAYLOAD_TYPE} {} ", good.len()).as_bytes(), good.as_slice()].concat();
    let with = |signature| Forged { signature, ..Forged::default() }.bundle();
    let other_id = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let raw = p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes().to_vec();
    let sha384 = {
        use p256::ecdsa::signature::hazmat::PrehashSigner as _;
        let key: p256::ecdsa::SigningKey =
            p256::pkcs8::DecodePrivateKey::from_pkcs8_der(&pkcs8(P256)).unwrap();
        let digest = sha512(&pae(PAYLOAD_TYPE, &good));
        let signature: p256::ecdsa::Signature = key.sign_prehash(&digest[..48]).unwrap();
        signature.to_der().as_bytes().to_vec()
    };
    for (row, bundle, reason) in [
        ("21: over the payload", with(signed(P256, &good)), OTHER_STATEMENT),
        ("22: over another type", with(signed(P256, &pae("text/plain", &good))), OTHER_STATEMENT),
        (
            "23: lengths in characters",
            Forged { payload: unicode, signature: signed(P256, &by_characters), ..Forged::default() }
                .bundle(),
            OTHER_STATEMENT,
        ),
        ("24: a leading zero", with(signed(P256, &leading_zero)), OTHER_STATEMENT),
        ("25: r and s", with(Some(raw)), "the ECDSA signature is not in DER: it has only the two numbers"),
        (
            "26: a byte too many",
            with(Some([der.as_slice(), &[0]].concat())),
            "the signature is not an ECDSA signature in DER",
        ),
        ("27: zero", with(Some(vec![0x30, 6, 2, 1, 0, 2, 1, 0])), "the ECDSA signature is zero"),
        ("28: the signature was changed", with(Some(flipped)), OTHER_STATEMENT),
        (
            "28: the statement was changed",
            Forged {
                payload: statement().replace("1.0\"}", "1.1\"}").into_bytes(),
                signature: Some(der.clone()),
                ..Forged::default()
            }
            .bundle(),
            OTHER_STATEMENT,
        ),
        ("31: another hash", with(Some(sha384)), OTHER_STATEMENT),
        (
            "36: the name of a trusted key",
            Forged {
                secret_key: ED25519,
                key_id: Some(public(P256_PUBLIC).id().into()),
                ..Forged::default()
            }
            .bundle(),
            "the ECDSA signature is not in DER: it has only the two numbers",
        ),
        (
            "37: a key that nobody named",
            Forged { key_id: Some(other_id.into()), ..Forged::default() }.bundle(),
            "it was signed by the key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, which is not trusted; \
             the trusted key is SHA256:HqH4BKhtFnis6wrbAWziKh6kMoGQZ1icxWyI2ax5luo",
        ),
        (
            "a hint of cosign",
            Forged { key_id: Some("XkbgYtGAAg=".into()), ..Forged::default() }.bundle(),
            "it was signed by a key with the hint XkbgYtGAAg=, which is not trusted; \
             the trusted key is SHA256:HqH4BKhtFnis6wrbAWziKh6kMoGQZ1icxWyI2ax5luo",
        ),
    ] {
        assert_eq!(outcome(&bundle, &[P256_PUBLIC]), reason, "{row}");
    }
    // Row 30: the key of the other algorithm.
    let of_p256 = Forged::default().bundle();
    let of_ed25519 = Forged { secret_key: ED25519, ..Forged::default() }.bundle();
    assert_eq!(outcome(&of_p256, &[OTHER_PUBLIC, P256_PUBLIC]), "good");
    assert_eq!(outcome(&of_ed25519, &[P256_PUBLIC, ED25519_PUBLIC]), "good");
    assert_eq!(
        outcome(&of_p256, &[ED25519_PUBLIC]),
        "it was signed by the key SHA256:HqH4BKhtFnis6wrbAWziKh6kMoGQZ1icxWyI2ax5luo, which is not trusted; \
         the trusted key is SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs"
    );
    let ed25519 = public(ED25519_PUBLIC).id().to_owned();
    let disguised = Forged { key_id: Some(ed25519), ..Forged::default() }.bundle();
    assert_eq!(
        outcome(&disguised, &[ED25519_PUBLIC]),
        "the signature is not an Ed25519 signature of 64 bytes"
    );
}

/// Rows 32 and 33.
#[test]
fn an_ed25519_signature_has_one_form() {
    let message = pae(PAYLOAD_TYPE, statement().as_bytes());
    let with =
        |signature| Forged { secret_key: ED25519, signature: Some(signature), ..Forged::default() }.bundle();
    let good = SecretKey::read(ED25519).unwrap().sign(&message);
    assert_eq!(outcome(&with(good.clone()), &[ED25519_PUBLIC]), "good");
    // Ed25519ph is pure Ed25519 of another message: the domain and the SHA-512 of the message (RFC 8032, section 5.1).
    let prehashed = {
        let domain = b"SigEd25519 no Ed25519 collisions\x01\x00";
        [domain.as_slice(), &sha512(&message)].concat()
    };
    let prehashed = SecretKey::read(ED25519).unwrap().sign(&prehashed);
    assert_eq!(outcome(&with(prehashed), &[ED25519_PUBLIC]), OTHER_STATEMENT);
    // S and S + L mean the same number.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut twin = good;
    let mut carry = 0;
    for (byte, add) in twin[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_ne!(outcome(&with(twin), &[ED25519_PUBLIC]), "good");
}

#[test]
fn a_command_signs_if_its_signature_fits_the_public_key() {
    let signer = |script: &str| {
        let words = ["sh", "-c", script].map(OsString::from).to_vec();
        Signer::with_command(words, public(P256_PUBLIC))
    };
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/data/p256.pk8.pem");
    let outcome = |script: &str| match Bundle::sign(&statement(), &signer(script), &|| false) {
        Ok(bundle) => outcome(&bundle, &[P256_PUBLIC]),
        Err(fault) => fault.to_string(),
    };
    let good = SecretKey::read(P256).unwrap().sign(&pae(PAYLOAD_TYPE, statement().as_bytes()));
    let base64 = base64::encode(&good);
    assert_eq!(outcome(&format!("echo {base64} | base64 -d")), "good");
    assert_eq!(outcome(&format!("echo {base64} | fold -w 30")), "good");
    let id = public(P256_PUBLIC).id().to_owned();
    assert_eq!(outcome("echo hello"), format!("`sh` did not write a signature by the key {id}"));
    assert_eq!(outcome("exit 7"), "sh: it exited with code 7");
    let has_openssl = std::process::Command::new("openssl").arg("version").output().is_ok();
    if has_openssl {
        assert_eq!(outcome(&format!("openssl dgst -sha256 -sign {key}")), "good");
    }
}

fn pkcs8(pem: &[u8]) -> Vec<u8> {
    let text: String = str::from_utf8(pem).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    base64::decode(&text, "sig").unwrap()
}

fn sha512(message: &[u8]) -> [u8; 64] {
    use sha2::Digest as _;
    sha2::Sha512::digest(message).into()
}

/// The bundle of `payload` with the other of the two signatures of ECDSA that have the same random number.
fn signed_otherwise(payload: &str) -> String {
    let der = signed(P256, &pae(PAYLOAD_TYPE, payload.as_bytes())).unwrap();
    let (r, s) = p256::ecdsa::Signature::from_der(&der).unwrap().split_scalars();
    let signature = p256::ecdsa::Signature::from_scalars(r, -*s).unwrap().to_der().as_bytes().to_vec();
    assert_ne!(signature, der);
    Forged { payload: payload.into(), signature: Some(signature), ..Forged::default() }.bundle()
}

#[test]
fn another_signature_of_the_same_key_and_statement_is_recognized() {
    let parse = |bundle: &str| Bundle::parse(bundle.as_bytes()).unwrap();
    let by = |key: &[u8]| Bundle::sign(&statement(), &Signer::with_key(key).unwrap(), &|| false).unwrap();
    let forged = |forged: Forged| parse(&forged.bundle());
    let (first, second) = (parse(&by(P256)), parse(&signed_otherwise(&statement())));
    let (key, ed25519) = (public(P256_PUBLIC), parse(&by(ED25519)));
    for bundle in [&first, &second] {
        assert!(bundle.is_of(&statement(), &key));
        assert!(!bundle.is_of(&statement(), &public(OTHER_PUBLIC)));
        assert!(!bundle.is_of(&statement().replace("1.0", "1.1"), &key));
    }
    assert!(first.repeats(&second) && second.repeats(&first) && ed25519.repeats(&ed25519));
    // The name that cosign gives to the key.
    let named = forged(Forged { key_id: Some(key.spki_id().to_owned()), ..Forged::default() });
    assert!(named.repeats(&first) && first.repeats(&named));

    let other_statement = parse(&signed_otherwise(&statement().replace("1.0", "1.1")));
    let other_key = parse(&by(ED25519));
    let of_other = SecretKey::read(ED25519).unwrap().public_key().id().to_owned();
    // A name that is not that of the key.
    let misnamed = forged(Forged { key_id: Some(of_other), ..Forged::default() });
    let changed = |signature: Vec<u8>| forged(Forged { signature: Some(signature), ..Forged::default() });
    let of_something = changed(signed(P256, b"something else").unwrap());
    for other in [&other_statement, &other_key, &misnamed, &of_something, &changed(vec![1; 64])] {
        assert!(!other.repeats(&first), "{other:?}");
    }
    assert!(!first.repeats(&misnamed) && !changed(vec![1; 64]).repeats(&ed25519));
}
