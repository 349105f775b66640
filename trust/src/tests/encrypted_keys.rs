//! Keys that a password protects.

use ::base64::Engine as _;
use pkcs8::EncryptedPrivateKeyInfo;
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters, Pbkdf2Params, ScryptParams};

use super::*;
use crate::Fault;

const PASSWORD: &[u8] = b"pw";

fn file(name: &str) -> Vec<u8> {
    data(&format!("keys/encrypted/{name}.pem"))
}

/// By cosign 3.1.3, and by `openssl pkcs8 -topk8` of OpenSSL 3.0.
#[test]
fn encrypted_keys_of_cosign_and_openssl_are_decrypted() {
    for (name, expected) in [
        ("cosign", data("cosign.pub")),
        ("cosign-old", data("cosign.pub")),
        ("p256-pbkdf2", P256_PUBLIC.to_vec()),
        ("p256-sha512", P256_PUBLIC.to_vec()),
        ("p256-scrypt", P256_PUBLIC.to_vec()),
        ("ed-pbkdf2", ED25519_PUBLIC.to_vec()),
        ("ed-scrypt", ED25519_PUBLIC.to_vec()),
    ] {
        let encrypted = file(name);
        assert!(matches!(SecretKey::read(&encrypted), Err(Fault::EncryptedKey)), "{name}");
        let key = SecretKey::decrypt(&encrypted, PASSWORD).unwrap();
        assert_eq!(*key.public_key(), public(&expected), "{name}");
        for wrong in [b"PW".as_slice(), b""] {
            let fault = SecretKey::decrypt(&encrypted, wrong).unwrap_err();
            assert!(matches!(fault, Fault::WrongPassword), "{name}: {fault}");
        }
    }
    // A key without a password needs none.
    assert_eq!(*SecretKey::decrypt(P256, PASSWORD).unwrap().public_key(), public(P256_PUBLIC));
}

#[test]
fn keys_that_are_encrypted_in_other_ways_are_refused_before_a_password_is_needed() {
    for (name, reason) in [
        ("traditional", "the key is encrypted with OpenSSL's form before PKCS#8, which is not supported"),
        ("pbes1", "the key is encrypted with PBES1, which is not supported"),
        ("des3", "the key is encrypted with 1.2.840.113549.3.7, which is not supported"),
    ] {
        assert_eq!(SecretKey::read(&file(name)).unwrap_err().to_string(), reason, "{name}");
        assert_eq!(SecretKey::decrypt(&file(name), PASSWORD).unwrap_err().to_string(), reason, "{name}");
    }
    assert_eq!(
        SecretKey::decrypt(&file("secp256k1"), PASSWORD).unwrap_err().to_string(),
        "it is a key for ECDSA secp256k1: expected ECDSA P-256 or Ed25519"
    );
}

fn pem(label: &str, content: &[u8]) -> Vec<u8> {
    let body = base64::encode(content);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").into_bytes()
}

/// The content of a PEM file.
fn content(file: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(file).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    ::base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

/// A key of OpenSSL with another way to derive its key.
fn with_kdf(change: impl FnOnce(Kdf<'_>) -> Kdf<'_>) -> Vec<u8> {
    let der = content(&file("p256-scrypt"));
    let info = EncryptedPrivateKeyInfo::from_der(&der).unwrap();
    let parameters = info.encryption_algorithm.pbes2().unwrap();
    let parameters = Parameters { kdf: change(parameters.kdf.clone()), encryption: parameters.encryption };
    let encryption_algorithm = EncryptionScheme::Pbes2(parameters);
    let info = EncryptedPrivateKeyInfo { encryption_algorithm, encrypted_data: info.encrypted_data };
    pem("ENCRYPTED PRIVATE KEY", &info.to_der().unwrap())
}

#[test]
fn a_key_file_cannot_demand_gigabytes_or_minutes() {
    let scrypt = |n: u64, r: u16, p: u16| {
        with_kdf(|kdf| {
            let salt = kdf.scrypt().unwrap().salt;
            Kdf::Scrypt(ScryptParams {
                salt,
                cost_parameter: n,
                block_size: r,
                parallelization: p,
                key_length: None,
            })
        })
    };
    let pbkdf2 = |rounds: u32| {
        with_kdf(|kdf| {
            let salt = kdf.scrypt().unwrap().salt;
            Kdf::Pbkdf2(Pbkdf2Params {
                iteration_count: rounds,
                ..Pbkdf2Params::hmac_with_sha256(1, salt).unwrap()
            })
        })
    };
    let cosign = |n: u64, r: u64, p: u64| {
        let text = String::from_utf8(content(&file("cosign"))).unwrap();
        let changed = text.replace(r#""N":65536,"r":8,"p":1"#, &format!(r#""N":{n},"r":{r},"p":{p}"#));
        pem("ENCRYPTED SIGSTORE PRIVATE KEY", changed.as_bytes())
    };
    for file in [scrypt(1 << 17, 8, 1), scrypt(1 << 14, 8, 16), pbkdf2(10_000_000), cosign(1 << 17, 8, 1)] {
        assert!(matches!(SecretKey::read(&file), Err(Fault::EncryptedKey)));
    }
    for (file, found) in [
        (scrypt(1 << 18, 8, 1), "scrypt with N = 262144, r = 8 and p = 1"),
        (scrypt(1 << 62, 8, 1), "scrypt with N = 4611686018427387904, r = 8 and p = 1"),
        (scrypt(2, 65_535, 65_535), "scrypt with N = 2, r = 65535 and p = 65535"),
        (scrypt(1 << 17, 8, 3), "scrypt with N = 131072, r = 8 and p = 3"),
        (pbkdf2(10_000_001), "10000001 rounds of PBKDF2"),
        (cosign(1 << 18, 8, 1), "scrypt with N = 262144, r = 8 and p = 1"),
        (cosign(2, 1 << 40, 1), "scrypt with N = 2, r = 4294967295 and p = 1"),
    ] {
        let expected = format!("decrypting the key would take too much time or memory: it has {found}");
        assert_eq!(SecretKey::read(&file).unwrap_err().to_string(), expected);
        assert_eq!(SecretKey::decrypt(&file, PASSWORD).unwrap_err().to_string(), expected);
    }
    for file in [
        scrypt(0, 8, 1),
        scrypt(1, 8, 1),
        scrypt(3, 8, 1),
        scrypt(16, 0, 1),
        scrypt(16, 8, 0),
        cosign(0, 8, 1),
    ] {
        let reason = SecretKey::read(&file).unwrap_err().to_string();
        assert_eq!(reason, "the key is damaged: the parameters of its scrypt are invalid");
    }
    let reason = SecretKey::read(&pbkdf2(0)).unwrap_err().to_string();
    assert_eq!(reason, "the key is damaged: its PBKDF2 has no rounds");
}

#[test]
fn damaged_encrypted_keys_are_refused() {
    let good = String::from_utf8(content(&file("cosign"))).unwrap();
    for (from, to, reason) in [
        ("{\"kdf\"", "[\"kdf\"", "the encrypted key is not JSON: expected `,` or `]` at line 1 column 7"),
        ("\"kdf\"", "\"kdfs\"", "the encrypted key has no field `kdf`"),
        ("\"r\":8", "\"r\":\"8\"", "`r`: expected a number"),
        ("\"scrypt\"", "\"argon2\"", "the key is encrypted with argon2, which is not supported"),
        ("secretbox", "box", "the key is encrypted with nacl/box, which is not supported"),
        ("\"nonce\":\"wyj2", "\"nonce\":\"", "the key is damaged: its nonce does not have 24 bytes"),
        ("\"p\":1", "\"p\":1,\"p\":1", "the encrypted key has the key `p` twice in one object"),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good);
        let file = pem("ENCRYPTED COSIGN PRIVATE KEY", changed.as_bytes());
        assert_eq!(SecretKey::read(&file).unwrap_err().to_string(), reason);
    }
    let mut der = content(&file("p256-pbkdf2"));
    der.push(0);
    let reason = SecretKey::read(&pem("ENCRYPTED PRIVATE KEY", &der)).unwrap_err().to_string();
    assert_eq!(reason, "the key is damaged: it is not an encrypted private key in DER");
    let reason = PublicKey::read(&file("cosign")).unwrap_err().to_string();
    assert_eq!(reason, "it contains an encrypted private key of cosign, not a public key (PUBLIC KEY)");
}
