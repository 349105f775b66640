//! Signatures that GnuPG made (`data/make.sh`), at several times.

use std::fs;
use std::path::Path;

use super::*;

mod signing;

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openpgp/tests/data");
    fs::read(folder.join(name)).unwrap()
}

fn keys(name: &str) -> Keys {
    Keys::read(&file(name)).unwrap()
}

const IN_2019: ValidAt = ValidAt::Time(1_560_000_000);
const IN_2023: ValidAt = ValidAt::Time(1_690_000_000);

/// Checks a signature of `content`; the user ID, or the message without IDs.
fn check(key: &str, signature: &str, at: ValidAt) -> String {
    match keys(key).verify(&file("content"), &file(signature), at) {
        Ok(good) => good.user,
        Err(fault) => {
            let words = fault.to_string();
            let is_id = |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let words: Vec<&str> = words.split(' ').map(|word| word.trim_end_matches(',')).collect();
            words.into_iter().map(|word| if is_id(word) { "ID" } else { word }).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn signatures_by_gpg_count_if_the_key_was_valid() {
    for (key, signature, at, expected) in [
        ("rsa.asc", "rsa.sig", IN_2023, "rsa <rsa@example.test>"),
        ("rsa.asc", "rsa.sig.asc", IN_2023, "rsa <rsa@example.test>"),
        ("rsa.gpg", "rsa.sig", IN_2023, "rsa <rsa@example.test>"),
        ("rsa.asc", "text.sig", IN_2023, "rsa <rsa@example.test>"),
        ("ed.asc", "ed.sig", IN_2023, "ed <ed@example.test>"),
        ("two.asc", "ed.sig", IN_2023, "ed <ed@example.test>"),
        ("two.asc", "both.sig", IN_2023, "rsa <rsa@example.test>"),
        ("ed.asc", "both.sig", IN_2023, "ed <ed@example.test>"),
        ("certify.asc", "certify.sig", IN_2023, "certify <certify@example.test>"),
        (
            "rsa.asc",
            "ed.sig",
            IN_2023,
            "it is signed by the key ID which is not among the keys of the repository",
        ),
        (
            "lapsed.asc",
            "both.sig",
            IN_2019,
            "it is signed by the keys ID and ID which are not among the keys of the repository",
        ),
        ("lapsed.asc", "lapsed.sig", ValidAt::Signing, "lapsed <lapsed@example.test>"),
        ("lapsed.asc", "lapsed.sig", IN_2019, "lapsed <lapsed@example.test>"),
        (
            "lapsed.asc",
            "lapsed.sig",
            IN_2023,
            "the key ID (lapsed <lapsed@example.test>) that signed it expired on 2020-12-31",
        ),
        (
            "lapsed.asc",
            "late.sig",
            ValidAt::Signing,
            "the key ID (lapsed <lapsed@example.test>) that signed it expired on 2020-12-31",
        ),
        ("extended.asc", "late.sig", IN_2023, "lapsed <lapsed@example.test>"),
        (
            "extended.asc",
            "late.sig",
            IN_2019,
            "its signature by the key ID (lapsed <lapsed@example.test>) has the date 2022-06-01 which is in the future",
        ),
        ("rsa.asc", "month.sig", IN_2019, "rsa <rsa@example.test>"),
        (
            "rsa.asc",
            "month.sig",
            IN_2023,
            "its signature by the key ID (rsa <rsa@example.test>) expired on 2019-07-01",
        ),
        ("hard.asc", "hard.sig", IN_2023, "hard <hard@example.test>"),
        (
            "hard.revoked.asc",
            "hard.sig",
            ValidAt::Signing,
            "the key ID (hard <hard@example.test>) that signed it was revoked on 2020-01-01",
        ),
        ("soft.revoked.asc", "soft.sig", ValidAt::Signing, "soft <soft@example.test>"),
        (
            "soft.revoked.asc",
            "soft.sig",
            IN_2023,
            "the key ID (soft <soft@example.test>) that signed it was revoked on 2020-01-01",
        ),
        ("rsa.asc", "sha1.sig", IN_2023, "its signature uses SHA1 which is no longer secure"),
        (
            "short.asc",
            "short.sig",
            IN_2023,
            "its signature uses a RSA key of 1024 bits which is no longer secure",
        ),
        ("rsa.asc", "content", IN_2023, "its signature cannot be read: it is not an OpenPGP signature"),
        ("rsa.asc", "rsa.gpg", IN_2023, "its signature cannot be read: it is not a signature of content"),
    ] {
        assert_eq!(check(key, signature, at), expected, "{key} {signature} {at:?}");
    }
    let altered = keys("rsa.asc").verify(b"Content\n", &file("rsa.sig"), IN_2023).unwrap_err();
    assert!(altered.to_string().starts_with("it was altered after the key "), "{altered}");
    assert_eq!(keys("rsa.asc").verify(b"", b" \n", IN_2023), Err(SignatureFault::Missing));
    let early = keys("rsa.asc").verify(&file("content"), &file("rsa.sig"), ValidAt::Time(0)).unwrap_err();
    assert!(matches!(early, SignatureFault::Date { why: "in the future", .. }), "{early}");
}

#[test]
fn all_blocks_and_keys_of_a_file_are_read() {
    let names = |keys: &Keys| keys.names().map(|(_, user)| user.to_owned()).collect::<Vec<_>>();
    let both = ["rsa <rsa@example.test>", "ed <ed@example.test>"];
    assert_eq!(names(&keys("two.asc")), both);
    let with_text =
        [b"Text before\r\n".to_vec(), file("rsa.asc"), b"and between\n".to_vec(), file("ed.asc")].concat();
    assert_eq!(names(&Keys::read(&with_text).unwrap()), both);
    let dos = String::from_utf8(file("two.asc")).unwrap().replace('\n', "\r\n");
    assert_eq!(names(&Keys::read(dos.as_bytes()).unwrap()), both);
    assert_eq!(keys("rsa.asc").names().next().unwrap().0.len(), 40);
}

#[test]
fn a_file_without_a_whole_key_is_refused_with_the_reason() {
    let said = |bytes: &[u8]| Keys::read(bytes).unwrap_err().to_string();
    assert_eq!(said(b""), "it has no OpenPGP public key");
    assert_eq!(said(b"<html>404</html>"), "it has no OpenPGP public key");
    assert_eq!(said(&file("rsa.sig.asc")), "it has no OpenPGP public key");
    assert_eq!(said(&vec![b'x'; 4 << 20 | 1]), "it has more than 4194304 bytes");
    // A key without its user ID and self-signature.
    let binary = file("rsa.gpg");
    assert!(said(&binary[..400]).contains("no valid self-signature"), "{}", said(&binary[..400]));
    for armoured in ["rsa.asc", "two.asc"] {
        let armoured = file(armoured);
        let cut = &armoured[..armoured.len() - 100];
        assert!(
            said(cut).starts_with("it is not a file of OpenPGP keys, or it is cut off: "),
            "{}",
            said(cut)
        );
    }
}

#[test]
fn cut_off_and_altered_bytes_of_keys_and_signatures_end_in_a_reason() {
    let (key, signature, content) =
        (key::dearmored(&file("ed.asc")).unwrap(), file("ed.sig"), file("content"));
    let trusted = Keys::read(&key).unwrap();
    for length in 0..signature.len() {
        assert!(trusted.verify(&content, &signature[..length], IN_2023).is_err(), "{length}");
    }
    for length in 0..key.len() {
        assert!(Keys::read(&key[..length]).is_err(), "{length}");
    }
    for position in 0..signature.len() {
        let mut changed = signature.clone();
        changed[position] ^= 0x11;
        if let Ok(good) = trusted.verify(&content, &changed, IN_2023) {
            // The hints about the issuer are not signed.
            assert_eq!(good.user, "ed <ed@example.test>", "{position}");
        }
        let mut changed = key.clone();
        changed[position] ^= 0x11;
        drop(Keys::read(&changed));
    }
}
