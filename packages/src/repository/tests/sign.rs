//! Signed packages and metadata. What rpm, GnuPG and dnf say to them is in the end-to-end tests.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use super::*;
use crate::openpgp::{SignatureFault, Signer, ValidAt};

fn signer(name: &str) -> Signer {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openpgp/tests/data");
    Signer::with_key(&fs::read(keys.join(format!("{name}.secret.asc"))).unwrap(), None, None).unwrap()
}

fn sign(path: &Path, to: &Path, by: &str) -> Result<SignedPackage> {
    sign_package(path, to, &signer(by), None, &|| false)
}

/// Where the header starts, and the file from there.
fn split(file: &[u8]) -> (usize, &[u8]) {
    let start = usize::try_from(Headers::read(&mut &*file).unwrap().start).unwrap();
    (start, &file[start..])
}

#[test]
fn a_signature_changes_the_signature_header_only_and_is_always_equal() {
    let dir = tempfile::tempdir().unwrap();
    let plain = package(dir.path(), "tool");
    let before = fs::read(&plain).unwrap();
    for by in ["ed", "rsa"] {
        let signed = dir.path().join(format!("{by}.rpm"));
        let one = sign(&plain, &signed, by).unwrap();
        assert_eq!((one.was_signed, one.had_others), (false, false));
        assert_eq!(one.package.signature.unwrap().created, DATE, "the date of the package");
        assert_eq!(
            verify_package(&signed, Some(signer(by).keys()), ValidAt::Signing).unwrap().identity,
            one.package.identity
        );
        let bytes = fs::read(&signed).unwrap();
        assert_eq!(split(&bytes).1, split(&before).1);
        let headers = Headers::read(&mut &*bytes).unwrap();
        let old = Headers::read(&mut &*before).unwrap();
        let expected = if by == "rsa" { tag::RSAHEADER } else { tag::DSAHEADER };
        assert!(
            headers.signature.has(expected) && headers.signature.has_region(tag::HEADERSIGNATURES).unwrap()
        );
        for tag in [tag::SHA256HEADER, tag::SHA1HEADER] {
            assert_eq!(headers.signature.string(tag).unwrap(), old.signature.string(tag).unwrap());
        }

        let again = dir.path().join("again.rpm");
        sign(&plain, &again, by).unwrap();
        assert_eq!(fs::read(&again).unwrap(), bytes);
        // Signed in place, and then once more.
        fs::copy(&plain, &again).unwrap();
        fs::set_permissions(&again, fs::Permissions::from_mode(0o640)).unwrap();
        let is_root = chown(&again, Some(4242), Some(4243)).is_ok();
        assert!(!sign(&again, &again, by).unwrap().was_signed);
        let metadata = fs::metadata(&again).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o640);
        assert!(!is_root || (metadata.uid(), metadata.gid()) == (4242, 4243), "the owner stays");
        assert!(sign(&again, &again, by).unwrap().was_signed);
        assert_eq!(fs::read(&again).unwrap(), bytes);
        // Another key replaces the signature, and the file is what it would be without the first one.
        let other = if by == "ed" { "rsa" } else { "ed" };
        let replaced = sign(&signed, &again, other).unwrap();
        assert!(replaced.had_others && !replaced.was_signed);
        let by_other = dir.path().join("other.rpm");
        sign(&plain, &by_other, other).unwrap();
        assert_eq!(split(&fs::read(&again).unwrap()).1, split(&before).1);
        let error = verify_package(&again, Some(signer(by).keys()), ValidAt::Signing).unwrap_err();
        assert!(matches!(error, Error::Signature { fault: SignatureFault::UnknownKey(_), .. }), "{error}");
    }
}

#[test]
fn what_is_reserved_for_signatures_shrinks_so_that_the_file_keeps_its_size() {
    let dir = tempfile::tempdir().unwrap();
    let plain = package(dir.path(), "tool");
    let bytes = fs::read(&plain).unwrap();
    let headers = Headers::read(&mut &*bytes).unwrap();
    for (reserved, same_size) in [(4096, true), (300, true), (20, false)] {
        let mut entries = headers.signature.entries().unwrap();
        entries
            .retain(|entry| entry.tag != tag::RESERVEDSPACE.number() && entry.tag != tag::RESERVED.number());
        let room = header::Entry {
            tag: tag::RESERVEDSPACE.number(),
            kind: 7,
            count: reserved,
            data: vec![0; reserved as usize],
        };
        entries.push(room);
        let mut file = bytes[..96].to_vec();
        file.extend(signature_header::written(&mut entries));
        file.resize(file.len().next_multiple_of(8), 0);
        let start = file.len();
        file.extend_from_slice(split(&bytes).1);
        let path = dir.path().join("reserved.rpm");
        fs::write(&path, &file).unwrap();
        sign(&path, &path, "ed").unwrap();
        let signed = fs::read(&path).unwrap();
        assert_eq!(split(&signed).0 == start, same_size, "{reserved}");
        let room = Headers::read(&mut &*signed)
            .unwrap()
            .signature
            .binary(tag::RESERVEDSPACE)
            .unwrap()
            .unwrap()
            .len();
        assert_eq!(room < reserved as usize, same_size, "{reserved}: {room}");
        check(signed.as_slice(), &path).unwrap();
    }
}

#[test]
fn a_package_of_rpm_6_has_its_signature_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("six.rpm");
    let mut builder = rpm::PackageBuilder::new("six", "1", "MIT", "noarch", "Six");
    builder.using_config(rpm::BuildConfig::v6().source_date(1_600_000_000_u32));
    builder.build().unwrap().write_file(&path).unwrap();
    let before = fs::read(&path).unwrap();
    for by in ["ed", "rsa"] {
        sign(&path, &path, by).unwrap();
        let signed = fs::read(&path).unwrap();
        let headers = Headers::read(&mut &*signed).unwrap();
        assert_eq!(headers.signature.strings(tag::OPENPGP).unwrap().len(), 1);
        assert_eq!(split(&signed).1, split(&before).1);
        verify_package(&path, Some(signer(by).keys()), ValidAt::Signing).unwrap();
    }
}

#[test]
fn a_damaged_package_is_not_signed_and_a_failure_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = package(dir.path(), "tool");
    let bytes = fs::read(&path).unwrap();
    for altered in
        [&bytes[..bytes.len() - 1], &[&bytes[..bytes.len() - 1], b"x"].concat(), b"x", &bytes[..200]]
    {
        fs::write(&path, altered).unwrap();
        let error = sign(&path, &path, "ed").unwrap_err();
        assert!(matches!(error, Error::Rpm { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), altered);
    }
    fs::write(&path, &bytes).unwrap();
    let command = ["false".into()];
    let broken = Signer::with_command(&command, None, signer("ed").public_key()).unwrap();
    let error = sign_package(&path, &path, &broken, None, &|| false).unwrap_err().to_string();
    assert!(
        error.ends_with("tool-1.2.3-1.noarch.rpm: cannot sign it: false: it exited with code 1"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn metadata_are_signed_with_their_revision_as_the_date() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "tool");
    let signer = std::sync::Arc::new(signer("ed"));
    let options = IndexOptions { revision: DATE, signer: Some(signer.clone()), ..IndexOptions::default() };
    let read = |name: &str| fs::read(dir.path().join(REPODATA).join(name)).unwrap();
    let mut all = Vec::new();
    for _ in 0..2 {
        index_with(dir.path(), &options).unwrap();
        let signature = read("repomd.xml.asc");
        let good = signer.keys().verify(&read("repomd.xml"), &signature, ValidAt::Signing).unwrap();
        assert_eq!(good.created, DATE);
        assert_eq!(read("repomd.xml.key"), signer.public_key());
        all.push(signature);
    }
    assert_eq!(all[0], all[1]);
    // Without a key the old signature, which no longer fits, is gone.
    index(dir.path(), DATE + 1).unwrap();
    assert!(!dir.path().join(REPODATA).join("repomd.xml.asc").exists());
}
