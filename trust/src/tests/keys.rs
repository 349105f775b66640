//! Reading keys.

use super::*;

#[test]
fn the_name_of_a_key_is_its_ssh_fingerprint() {
    // By `ssh-keygen -lf`.
    assert_eq!(public(P256_PUBLIC).id(), "SHA256:HqH4BKhtFnis6wrbAWziKh6kMoGQZ1icxWyI2ax5luo");
    assert_eq!(public(ED25519_PUBLIC).id(), "SHA256:EjT2nvb9vdI+9K6SY1KEAf4FwIPBvSjYPCDc9Am5XGs");
    // By cosign.
    assert_eq!(public(&data("cosign.pub")).spki_id(), "XkbgYtFsStMb8qlLY7CJiWDhSChLCpy7LN0yp4ajKsQ=");
    assert_ne!(public(P256_PUBLIC), public(OTHER_PUBLIC));
}

#[test]
fn secret_keys_have_the_forms_that_openssl_writes() {
    for (file, expected) in [
        ("p256.pk8.pem", P256_PUBLIC),
        ("p256.sec1.pem", P256_PUBLIC),
        ("keys/with-parameters.pem", P256_PUBLIC),
        ("keys/no-public.pem", P256_PUBLIC),
        ("ed.pk8.pem", ED25519_PUBLIC),
    ] {
        let key = SecretKey::read(&data(file)).unwrap();
        assert_eq!(*key.public_key(), public(expected), "{file}");
        assert_eq!(key.sign(b"x"), key.sign(b"x"), "{file}");
        assert!(!format!("{key:?}").contains("key:"), "{file}");
    }
}

/// The example of the DSSE specification: RFC 6979 gives the same bytes everywhere.
#[test]
fn the_signature_of_the_specification_is_reproduced() {
    let number = "97358161215184420915383655311931858321456579547487070936769975997791359926199";
    let secret = decimal(number);
    let key = p256::ecdsa::SigningKey::from_slice(&secret).unwrap();
    let message = pae("http://example.com/HelloWorld", b"hello world");
    let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&key, &message);
    let expected = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";
    assert_eq!(base64::encode(&signature.to_bytes()), expected);
}

fn decimal(digits: &str) -> [u8; 32] {
    let mut number = [0_u8; 32];
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in number.iter_mut().rev() {
            carry += u32::from(*byte) * 10;
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
    }
    number
}

#[test]
fn a_file_that_is_not_one_public_key_is_refused() {
    for (file, reason) in [
        // Rows 34 and 35 of the attack table.
        ("keys/rsa.pub", "it is a key for RSA: expected ECDSA P-256 or Ed25519"),
        ("keys/secp384r1.pub", "it is a key for ECDSA P-384: expected ECDSA P-256 or Ed25519"),
        ("keys/secp521r1.pub", "it is a key for ECDSA P-521: expected ECDSA P-256 or Ed25519"),
        ("keys/secp256k1.pub", "it is a key for ECDSA secp256k1: expected ECDSA P-256 or Ed25519"),
        ("keys/ed448.pub", "it is a key for Ed448: expected ECDSA P-256 or Ed25519"),
        ("p256.pk8.pem", "it contains a private key, not a public key (PUBLIC KEY)"),
        ("p256.sec1.pem", "it contains a private key, not a public key (PUBLIC KEY)"),
        (
            "keys/encrypted/ed-scrypt.pem",
            "it contains an encrypted private key, not a public key (PUBLIC KEY)",
        ),
        ("keys/certificate.pem", "it contains a certificate, not a public key (PUBLIC KEY)"),
        ("keys/two.pub", "it contains 2 keys: expected one"),
        ("keys/text.pub", "it has text before or after the key"),
        (
            "keys/ssh.txt",
            "it contains no key in PEM: it is a key for SSH; `ssh-keygen -e -m PKCS8 -f FILE` converts ECDSA keys",
        ),
        ("bundles/ok.json", "it contains no key in PEM: it has no line `-----BEGIN …-----`"),
        // Row 33.
        ("keys/weak.pub", "the key is weak: anyone can make signatures for it"),
    ] {
        assert_eq!(PublicKey::read(&data(file)).unwrap_err().to_string(), reason, "{file}");
    }
    let text = String::from_utf8(P256_PUBLIC.to_vec()).unwrap();
    for (file, reason) in [
        (text.replace("-----END PUBLIC KEY-----", ""), "it contains no key in PEM: its end is missing"),
        (
            text.replace("END PUBLIC", "END PRIVATE"),
            "it contains no key in PEM: its first and last line differ",
        ),
        (text.replace("MFkw", "MF!w"), "it contains no key in PEM: its base64 is damaged"),
        (text.replace("MFkw", "MFkx"), "the key is damaged: it is not a public key in DER"),
        (text.replace("QgAENeN", "QgAENeM"), "the key is damaged: its point is not on the curve"),
        ("x".repeat(70_000), "it contains no key in PEM: the file is too large"),
    ] {
        assert_eq!(PublicKey::read(file.as_bytes()).unwrap_err().to_string(), reason);
    }
}

#[test]
fn a_file_that_is_not_one_secret_key_is_refused() {
    for (file, reason) in [
        ("p256.pub", "it contains a public key, not a private key (PRIVATE KEY)"),
        ("keys/secp256k1.pem", "it is a key for ECDSA secp256k1: expected ECDSA P-256 or Ed25519"),
    ] {
        assert_eq!(SecretKey::read(&data(file)).unwrap_err().to_string(), reason, "{file}");
    }
}

#[test]
fn a_public_key_is_written_as_it_was_read() {
    for name in ["cosign.pub", "p256.pub", "ed.pub", "other.pub"] {
        let file = String::from_utf8(data(name)).unwrap();
        assert_eq!(public(file.as_bytes()).to_pem(), file, "{name}");
    }
}
