//! Damaged packages, and those of RPM 3.

use content::Digest;
use md5::{Digest as _, Md5};

use super::*;

/// Whether all digests of the package are right.
fn check(path: &Path) -> Result<()> {
    super::check(&File::open(path).unwrap(), path)
}

/// A package with these digests in the signature header; `payload` is digested only where `main` names it.
fn signed(signature: &[u8], main: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut lead = [0; 96];
    lead[..8].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0]);
    lead[10..12].copy_from_slice(&[b'a', 0]);
    lead[78..80].copy_from_slice(&[0, 5]);
    let padding = vec![0; signature.len().next_multiple_of(8) - signature.len()];
    [&lead, signature, &padding, main, payload].concat()
}

/// The header of a package that RPM 3 built: no region, whole paths, provides without versions.
fn of_rpm_3() -> Vec<u8> {
    let mut data = Vec::new();
    let mut entries: Vec<[u32; 4]> = Vec::new();
    let mut add = |tag: u32, kind: u32, count: u32, bytes: &[u8]| {
        let align = match kind {
            3 => 2,
            4 => 4,
            _ => 1,
        };
        data.resize(usize::next_multiple_of(data.len(), align), 0);
        entries.push([tag, kind, data.len() as u32, count]);
        data.extend_from_slice(bytes);
    };
    add(1000, 6, 1, b"old\0");
    add(1001, 6, 1, b"1\0");
    add(1002, 6, 1, b"2\0");
    add(1004, 6, 1, b"An old package\0");
    add(1006, 4, 1, &900_000_000_u32.to_be_bytes());
    add(1022, 6, 1, b"noarch\0");
    add(1027, 8, 2, b"/usr/bin/old\0/usr/share/old\0");
    add(1030, 3, 2, &[0x81, 0xed, 0x41, 0xed]);
    add(1037, 4, 2, &[0; 8]);
    add(1044, 6, 1, b"old-1-2.src.rpm\0");
    add(1047, 8, 1, b"thing\0");
    add(1049, 8, 2, b"/bin/sh\0old\0");
    add(1050, 8, 2, b"\x001-2\0");
    add(1048, 4, 2, &[0, 0, 0, 0, 0, 0, 0, 8]);
    header(&entries, &data)
}

#[test]
fn a_package_of_rpm_3_is_converted() {
    let dir = tempfile::tempdir().unwrap();
    let (main, payload) = (of_rpm_3(), b"payload");
    let md5 = Md5::new().chain_update(&main).chain_update(payload).finalize();
    let size = (main.len() + payload.len()) as u32;
    let signature =
        header(&[[1000, 4, 0, 1], [1004, 7, 4, 16]], &[&size.to_be_bytes()[..], &md5[..]].concat());
    let path = dir.path().join("old.rpm");
    fs::write(&path, signed(&signature, &main, payload)).unwrap();
    assert_eq!(index(dir.path(), DATE).unwrap().packages, 1);
    let primary = metadata(dir.path(), "primary");
    for expected in [
        "<arch>noarch</arch>",
        "<file>/usr/bin/old</file>",
        "<rpm:entry name=\"thing\"/>",
        "<rpm:entry name=\"old\" flags=\"EQ\" epoch=\"0\" ver=\"1\" rel=\"2\"/>",
        "<rpm:entry name=\"/bin/sh\"/>",
    ] {
        assert_eq!(primary.matches(expected).count(), 1, "{expected} {primary}");
    }
    assert!(metadata(dir.path(), "filelists").contains("<file type=\"dir\">/usr/share/old</file>"));

    for (content, expected) in [
        (signed(&signature, &main, b"payloaD"), "SIGMD5: expected the MD5 of header and payload"),
        (signed(&signature, &main, b"payload and more"), "SIGSIZE"),
        (signed(&signature, &main, b""), "SIGSIZE"),
    ] {
        fs::write(&path, content).unwrap();
        let error = index(dir.path(), DATE).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn every_damaged_byte_that_a_digest_covers_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = package(dir.path(), "tool");
    let bytes = fs::read(&path).unwrap();
    let headers = Headers::read(&mut &*bytes).unwrap();
    check(&path).unwrap();
    for place in (headers.start..bytes.len() as u64).step_by(3) {
        let mut bytes = bytes.clone();
        bytes[place as usize] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        check(&path).expect_err(&place.to_string());
    }
    for bytes in [&bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat()] {
        fs::write(&path, bytes).unwrap();
        check(&path).unwrap_err();
    }
}

#[test]
fn a_region_that_is_not_as_rpm_writes_it_is_refused() {
    // The region's entry, then one of text; the trailer comes last.
    let trailer = |fields: [i32; 4]| fields.map(i32::to_be_bytes).concat();
    let with = |entry: [u32; 4], fields: [i32; 4]| {
        let data = [&b"a\0\0\0"[..], &trailer(fields)].concat();
        let bytes = file(&header(&[entry, [1000, 6, 0, 1]], &data));
        Headers::read(&mut &*bytes).unwrap().main.has_region(tag::HEADERIMMUTABLE)
    };
    let (entry, fields) = ([63, 7, 4, 16], [63, 7, -32, 16]);
    assert_eq!(with(entry, fields), Ok(true));
    assert_eq!(with([1001, 6, 0, 1], fields), Ok(false));
    for (entry, fields) in [
        ([62, 7, 4, 16], fields),
        ([63, 6, 4, 16], fields),
        ([63, 7, 5, 16], fields),
        ([63, 7, u32::MAX, 16], fields),
        ([63, 7, 4, 15], fields),
        (entry, [61, 7, -32, 16]),
        (entry, [63, 6, -32, 16]),
        (entry, [63, 7, 32, 16]),
        (entry, [63, 7, -48, 16]),
        (entry, [63, 7, -31, 16]),
        (entry, [63, 7, 0, 16]),
        (entry, [63, 7, i32::MIN, 16]),
        (entry, [63, 7, -32, 17]),
    ] {
        with(entry, fields).expect_err(&format!("{entry:?} {fields:?}"));
    }
}

#[test]
fn a_damaged_package_is_refused_or_left_out_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "good");
    let bad = package(dir.path(), "bad");
    let mut bytes = fs::read(&bad).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    fs::write(&bad, &bytes).unwrap();
    symlink("nowhere", dir.path().join("dead.rpm")).unwrap();

    fs::rename(dir.path().join("dead.rpm"), dir.path().join("dead")).unwrap();
    let error = index(dir.path(), DATE).unwrap_err().to_string();
    assert!(error.contains("bad-1.2.3-1.noarch.rpm") && error.contains("PAYLOADSHA256"), "{error}");
    fs::rename(dir.path().join("dead"), dir.path().join("dead.rpm")).unwrap();

    let options = IndexOptions {
        revision: DATE,
        selection: PackageSelection { skip_broken: true, ..PackageSelection::default() },
        ..IndexOptions::default()
    };
    let found = index_with(dir.path(), &options).unwrap();
    assert_eq!(found.packages, 1);
    let warnings = found.warnings.join("\n");
    assert!(
        warnings.contains("skipped ") && warnings.contains("bad-1.2.3-1") && warnings.contains("dead.rpm"),
        "{warnings}"
    );
    let primary = metadata(dir.path(), "primary");
    assert!(primary.contains("packages=\"1\"") && primary.contains("<name>good</name>"), "{primary}");
    assert!(!dir.path().join(STAGING).exists());
}

#[test]
fn the_sha256_of_a_header_counts_without_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let main = header(&[[1000, 6, 0, 1], [1001, 6, 0, 1], [1002, 6, 0, 1], [1022, 6, 0, 1]], b"a\0");
    let sum = format!("{}\0", Digest::of(&main).hex());
    let path = dir.path().join("a.rpm");
    fs::write(&path, signed(&header(&[[273, 6, 0, 1]], sum.as_bytes()), &main, b"")).unwrap();
    check(&path).unwrap();
    let sum = format!("{}\0", "0".repeat(64));
    fs::write(&path, signed(&header(&[[273, 6, 0, 1]], sum.as_bytes()), &main, b"")).unwrap();
    assert!(check(&path).unwrap_err().to_string().contains("SHA256HEADER"));
}
