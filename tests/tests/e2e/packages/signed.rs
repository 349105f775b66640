//! Signatures of packages that rpmsign makes, checked by us and by rpm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use packages::openpgp::{Keys, ValidAt};
use packages::repository::verify_package;
use tests::peer;
use tests::signing_key::SigningKey;

use super::{DATE, build_own};

/// What is said about the package: the user ID of the key, or the error without paths, IDs and numbers.
fn said(package: &Path, keys: &Keys) -> String {
    match verify_package(package, Some(keys), ValidAt::Signing) {
        Ok(found) => found.signature.unwrap().user,
        Err(error) => {
            let text = error.to_string();
            let text = text.strip_prefix(&format!("{}: ", package.display())).unwrap_or(&text).to_owned();
            text.split(": expected").next().unwrap_or_default().to_owned()
        }
    }
}

/// A copy of the package with one byte changed.
fn changed(package: &Path, position: usize) -> PathBuf {
    let mut bytes = fs::read(package).unwrap();
    bytes[position] ^= 1;
    let copy = package.with_extension(format!("{position}.rpm"));
    fs::write(&copy, bytes).unwrap();
    copy
}

#[test]
fn signatures_by_rpmsign_count_and_those_of_changed_packages_do_not() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let Some(rpm) = peer::find("rpm") else { return };
    let (Some(rsa), Some(ed)) = (SigningKey::new(folder, "rsa2048"), SigningKey::new(folder, "ed25519"))
    else {
        return;
    };
    let package = build_own("1.0.0", folder, &folder.join("out"));
    let keys = |key: &SigningKey| Keys::read(&key.public()).unwrap();
    assert_eq!(said(&package, &keys(&rsa)), "it has no signature");
    let database = folder.join("rpmdb");
    let rpm_accepts = |package: &Path, key: &SigningKey| {
        let _ = fs::remove_dir_all(&database);
        let file = folder.join("key");
        fs::write(&file, key.public()).unwrap();
        peer::run(Command::new(&rpm).arg("--dbpath").arg(&database).arg("--import").arg(&file));
        let mut check = Command::new(&rpm);
        check.arg("--dbpath").arg(&database).args(["--define", "_pkgverify_level all", "-K"]).arg(package);
        check.output().unwrap().status.success()
    };
    for (key, other) in [(&rsa, &ed), (&ed, &rsa)] {
        key.sign_package(&package);
        assert_eq!(said(&package, &keys(key)), "Site <site@example.invalid>");
        assert!(rpm_accepts(&package, key));
        let unknown = said(&package, &keys(other));
        assert!(unknown.starts_with("it is signed by the key "), "{unknown}");
        assert!(!rpm_accepts(&package, other));
        let found = verify_package(&package, Some(&keys(key)), ValidAt::Time(DATE)).unwrap_err().to_string();
        assert!(found.ends_with("which is in the future"), "{found}");
    }
    assert_eq!(verify_package(&package, None, ValidAt::Signing).unwrap().identity.name, "sealift");
    let bytes = fs::read(&package).unwrap();
    // A byte of the payload; one of the description in the header, with the digest that it then has.
    let payload = changed(&package, bytes.len() - 9);
    assert_eq!(said(&payload, &keys(&ed)), "not a usable RPM package: PAYLOADSHA256");
    assert!(!rpm_accepts(&payload, &ed));
    let cut = folder.join("cut.rpm");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert!(said(&cut, &keys(&ed)).starts_with("not a usable RPM package: "));
    let text = b"Apache-2.0";
    let position = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let header = changed(&package, position);
    let refused = said(&header, &keys(&ed));
    assert!(refused.starts_with("not a usable RPM package: SHA256HEADER"), "{refused}");
    // With a digest that fits, as somebody would write it: only the signature is left.
    let digest = |path: &Path| {
        let error = verify_package(path, None, ValidAt::Signing).unwrap_err().to_string();
        let (expected, found) = error.rsplit_once(", found ").unwrap();
        (expected.rsplit(' ').next().unwrap().to_owned(), found.to_owned())
    };
    let mut forged = fs::read(&header).unwrap();
    for _ in 0..2 {
        fs::write(&header, &forged).unwrap();
        if verify_package(&header, None, ValidAt::Signing).is_ok() {
            break;
        }
        let (old, new) = digest(&header);
        let at = forged.windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
        forged[at..at + old.len()].copy_from_slice(new.as_bytes());
    }
    fs::write(&header, &forged).unwrap();
    assert!(verify_package(&header, None, ValidAt::Signing).is_ok());
    let refused = said(&header, &keys(&ed));
    assert!(refused.starts_with("it was altered after the key "), "{refused}");
    assert!(!rpm_accepts(&header, &ed));
}
