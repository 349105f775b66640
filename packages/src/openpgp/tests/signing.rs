//! Signing, with keys that GnuPG made (`data/make-secret.sh`). What GnuPG, rpm and dnf say to the signatures is in the end-to-end tests.

use super::*;

const IN_2020: i64 = 1_577_836_800;

fn signer(name: &str) -> Signer {
    Signer::with_key(&file(name), None, None).unwrap()
}

/// A message without key IDs.
fn said(fault: &SigningFault) -> String {
    let words = fault.to_string();
    let is_id = |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = words.split(' ').map(|word| if is_id(word.trim_end_matches(':')) { "ID" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn keys_sign_if_their_signatures_count_and_are_always_equal() {
    let created = 1_546_300_800; // 2019-01-01
    for (name, passphrase, date, expected) in [
        ("rsa.secret.asc", None, IN_2020, Ok(("s-rsa", IN_2020))),
        ("ed.secret.asc", None, IN_2020, Ok(("s-ed", IN_2020))),
        ("nist.secret.asc", None, IN_2020, Ok(("s-nist", IN_2020))),
        ("locked.secret.asc", Some("secret"), IN_2020, Ok(("s-locked", IN_2020))),
        // The date of the key is the earliest one; of the offline key that of its second subkey.
        ("ed.secret.asc", None, 0, Ok(("s-ed", created))),
        ("offline.secret.asc", None, 0, Ok(("s-offline", 1_551_398_400))),
        ("lapsed.secret.asc", None, IN_2020, Ok(("s-lapsed", IN_2020))),
        (
            "lapsed.secret.asc",
            None,
            1_690_000_000,
            Err(
                "the new signature is not valid: the key ID (s-lapsed <s-lapsed@example.test>) that signed it expired on \
                 2020-12-31",
            ),
        ),
        ("locked.secret.asc", None, 0, Err("the secret key ID has a passphrase")),
        ("locked.secret.asc", Some("other"), 0, Err("the passphrase is wrong for the secret key ID")),
        (
            "short.secret.asc",
            None,
            0,
            Err("the secret key ID cannot be used: it is a RSA key of 1024 bits, which is not secure"),
        ),
        (
            "dsa.secret.asc",
            None,
            0,
            Err(
                "the secret key ID cannot be used: its algorithm is neither RSA, nor EdDSA, nor ECDSA with a curve of NIST",
            ),
        ),
        (
            "encrypt.secret.asc",
            None,
            0,
            Err("the secret key ID has no part for signing: it is on a card, revoked, or for other uses"),
        ),
        ("ed.asc", None, 0, Err("it has no OpenPGP secret key")),
        ("content", None, 0, Err("it has no OpenPGP secret key")),
        (
            "ed.secret.asc",
            None,
            i64::MAX,
            Err("the date 9223372036854775807 is not one that a signature can have"),
        ),
    ] {
        let sign = || {
            let signer = Signer::with_key(&file(name), passphrase.map(str::as_bytes), None)?;
            let signature = signer.detached(b"content", Signing::at(date))?;
            let armoured = signer.detached_armoured(b"content", Signing::at(date))?;
            assert_eq!(key::dearmored(&armoured).unwrap(), signature, "{name}");
            // As nodes check it.
            let keys = Keys::read(signer.public_key())?;
            keys.verify(b"Content", &signature, ValidAt::Signing).unwrap_err();
            Ok(keys.verify(b"content", &armoured, ValidAt::Signing).unwrap())
        };
        let found = sign().map(|good| (good.user, good.created));
        let expected = expected.map(|(user, created)| (format!("{user} <{user}@example.test>"), created));
        assert_eq!(found.map_err(|fault| said(&fault)), expected.map_err(str::to_owned), "{name} {date}");
    }
    assert_eq!(signer("rsa.secret.gpg").public_key(), signer("rsa.secret.asc").public_key());
    let two = [file("ed.secret.asc"), file("rsa.secret.asc")].concat();
    let fault = Signer::with_key(&two, None, None).unwrap_err();
    assert_eq!(fault.to_string(), "it has 2 secret keys: expected one");
}

#[test]
fn a_signature_that_the_public_key_does_not_fit_is_refused() {
    let other = signer("rsa.secret.asc");
    let signer = Signer::with_key(&file("ed.secret.asc"), None, Some(other.public_key())).unwrap();
    let fault = signer.detached(b"content", Signing::at(IN_2020)).unwrap_err();
    assert!(matches!(fault, SigningFault::Refused(SignatureFault::UnknownKey(_))), "{fault}");
}

#[test]
fn texts_are_signed_with_their_signatures_beside_them() {
    let signer = signer("ed.secret.asc");
    for (text, shown, signed) in [
        ("Suite: a\nDate: b\n", "Suite: a\nDate: b\n", "Suite: a\nDate: b\n"),
        ("no end", "no end\n", "no end\n"),
        ("", "\n", "\n"),
        ("\n\n", "\n\n", "\n\n"),
        (
            "-----BEGIN PGP SIGNATURE-----\n- x\n-\n",
            "- -----BEGIN PGP SIGNATURE-----\n- - x\n- -\n",
            "-----BEGIN PGP SIGNATURE-----\n- x\n-\n",
        ),
        ("blanks \t\r\n x \n", "blanks\n x\n", "blanks\n x\n"),
    ] {
        let file = signer.cleartext(text, Signing::at(IN_2020)).unwrap();
        let form = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{shown}-----BEGIN PGP SIGNATURE-----\n\n"
        );
        let found = String::from_utf8(file.clone()).unwrap();
        assert!(found.starts_with(&form), "{text:?}: {found}");
        let (found, good) = signer.keys().verify_cleartext(&file, ValidAt::Signing).unwrap();
        assert_eq!((found.as_str(), good.created), (signed, IN_2020), "{text:?}");
    }
}

#[test]
fn a_text_with_anything_outside_of_what_is_signed_is_refused() {
    let signer = signer("ed.secret.asc");
    let file = String::from_utf8(signer.cleartext("a\nb\n", Signing::at(IN_2020)).unwrap()).unwrap();
    let check = |file: &str| match signer.keys().verify_cleartext(file.as_bytes(), ValidAt::Signing) {
        Ok((text, _)) => Ok(text),
        Err(fault) => Err(fault.to_string().split(": ").last().unwrap_or_default().to_owned()),
    };
    assert_eq!(check(&file.replace('\n', "\r\n")), Ok("a\nb\n".into()));
    for (altered, expected) in [
        (format!("x\n{file}"), "it does not begin with the line `-----BEGIN PGP SIGNED MESSAGE-----`"),
        (format!("{file}x\n"), "it has text after the signature"),
        (file.replace("Hash: ", "Comment: "), "it has a header other than `Hash`"),
        (file.replace("\n\na", "\nx\n\na"), "it has a header other than `Hash`"),
        (file.replace("a\nb", "a\n-b"), "a line begins with `-`"),
        (file.replace("-----END", "----END"), "it is cut off"),
        (file[..60].to_owned(), "it is cut off"),
        (file[..file.find("-----BEGIN PGP SIGNATURE").unwrap()].to_owned(), "it is cut off"),
    ] {
        assert_eq!(check(&altered).unwrap_err(), expected, "{altered}");
    }
    assert!(check(&file.replace("a\nb", "a\nc")).unwrap_err().starts_with("it was altered after"));
}

#[test]
fn a_command_signs_and_its_signatures_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signature");
    let key = signer("ed.secret.asc");
    let command = |script: &str| {
        let words = ["sh", "-c", script].map(Into::into);
        Signer::with_command(&words, Some(folder.path()), key.public_key()).unwrap()
    };
    std::fs::write(&path, key.detached_armoured(b"content", Signing::at(IN_2020)).unwrap()).unwrap();
    let script =
        "test \"$(cat) $SEALIFT_SIGNING_KIND $SEALIFT_SIGNING_DATE\" = 'content binary 7' && cat signature";
    let kept = || command(script).remembering(folder.path().join("kept"));
    let made = kept().detached(b"content", Signing::at(7)).unwrap();
    assert_eq!(made, key.detached(b"content", Signing::at(IN_2020)).unwrap());
    std::fs::write(&path, key.detached(b"content", Signing::at(IN_2020 + 1)).unwrap()).unwrap();
    assert_eq!(kept().detached(b"content", Signing::at(7)).unwrap(), made);
    // One that does not count is made again.
    let file = std::fs::read_dir(folder.path().join("kept")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "x").unwrap();
    assert_ne!(kept().detached(b"content", Signing::at(7)).unwrap(), made);

    let fault = |script: &str| command(script).detached(b"content", Signing::at(0)).unwrap_err().to_string();
    for (script, expected) in [
        ("echo a >&2; echo 'no token ' >&2; exit 3", "sh: it exited with code 3: no token"),
        ("true", "the new signature is not valid: it has no signature"),
        (
            "cat",
            "the new signature is not valid: its signature cannot be read: it is not an OpenPGP signature",
        ),
        ("head -c 300000 /dev/zero", "sh: it wrote more than 262144 bytes"),
        // It would not end by itself.
        ("yes", "sh: it wrote more than 262144 bytes"),
    ] {
        assert_eq!(fault(script), expected, "{script}");
    }
    let text = command("cat signature").cleartext("content", Signing::at(0)).unwrap_err().to_string();
    assert_eq!(
        text,
        "the new signature is not valid: its signature cannot be read: expected a signature of the type Text"
    );
    let missing = ["/no/such/program".into()];
    let missing = Signer::with_command(&missing, None, key.public_key()).unwrap();
    let missing = missing.detached(b"", Signing::at(0)).unwrap_err().to_string();
    assert!(missing.starts_with("/no/such/program: it cannot be started: "), "{missing}");
}

#[test]
fn cut_off_and_altered_bytes_of_secret_keys_end_in_a_reason_or_a_valid_signature() {
    for name in ["ed.secret.asc", "rsa.secret.gpg"] {
        let whole = file(name);
        let binary = if whole[0] & 0x80 == 0 { key::dearmored(&whole).unwrap() } else { whole };
        let try_all = |bytes: &[u8]| {
            if let Ok(signer) = Signer::with_key(bytes, None, None) {
                drop(signer.detached(b"content", Signing::at(0)));
            }
        };
        // Arithmetic with large numbers is slow without optimization.
        let step = if binary.len() > 500 { 211 } else { 3 };
        for position in (0..binary.len()).step_by(step) {
            try_all(&binary[..position]);
            let mut changed = binary.clone();
            changed[position] ^= 0x11;
            try_all(&changed);
        }
    }
}
