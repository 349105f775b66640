//! Damage to an ISO, in its files and outside of them.

use super::*;

#[test]
fn an_iso_is_held_to_both_sums() {
    let folder = sample();
    let image = iso_of(folder.path());
    let report = check(image.path());
    assert_eq!(findings(&report), [""; 0]);
    assert!(report.ok() && matches!(report.implanted_md5, ImplantedMd5::Passed { .. }), "{report:?}");
    assert_eq!(report.images.intact, ["library/app:1.0"]);

    let layer = format!("images/library/app/1.0/{}", Digest::of(LAYER).hex());
    let mut bytes = fs::read(image.path()).expect("read");
    bytes[usize::try_from(place(image.path(), &layer).offset).expect("small") + 5] ^= 4;
    fs::write(image.path(), &bytes).expect("written");
    let report = check(image.path());
    assert!(matches!(report.implanted_md5, ImplantedMd5::Failed { .. }));
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.path.as_str(), report.images.damaged.len()), (layer.as_str(), 1));
}

#[test]
fn damage_outside_of_files_is_a_finding_with_its_place() {
    let folder = sample();
    for tag in 0..200_u8 {
        put(folder.path(), &format!("salt/{tag}/state.sls"), &vec![tag; 9000]);
    }
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let image = iso_of(folder.path());
    let whole = fs::read(image.path()).expect("read");
    let first =
        Verification::open(image.path(), &VerifyOptions::default()).expect("opened").contents.first_byte();
    let first = usize::try_from(first.expect("files")).expect("small");
    // The last byte of a file's last sector.
    let padding = place(image.path(), "salt/199/state.sls").offset + 5 * 2048 - 1;
    let field = 16 * 2048 + 883;
    for (what, at, value, expected) in [
        ("the system area", 100, 1, "the volume descriptors, the folders or the MD5 itself"),
        (
            "a date of a folder",
            first - 2048 * 3 + 20,
            1,
            "the volume descriptors, the folders or the MD5 itself",
        ),
        ("the padding behind a file", usize::try_from(padding).expect("small"), 1, "between the files"),
        ("a digit of the MD5", field + 14, b'g', "its text in the volume descriptor is damaged"),
        ("the name of the MD5", field, b'X', "its text in the volume descriptor is damaged"),
        ("another digit of the MD5", field + 14, whole[field + 14] ^ 1, "the MD5 itself"),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = if value == 1 { bytes[at] ^ 1 } else { value };
        fs::write(image.path(), &bytes).expect("written");
        let report = check(image.path());
        let found = findings(&report).join("\n");
        assert!(!report.ok() && !report.findings.is_empty(), "{what}");
        assert!(found.contains(expected) && found.contains("copy the ISO again"), "{what}: {found}");
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_a_finding_and_the_others_are_checked() {
    let folder = sample();
    put(folder.path(), "documentation/a/b/page.html", b"page");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let image = iso_of(folder.path());
    let mut bytes = fs::read(image.path()).expect("read");
    // The record of the folder `b` with its Rock Ridge name, in the folder `a` of the primary tree.
    let name = b"NM\x06\x01\x00b";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("a record");
    let record =
        (at - 400..at).rev().find(|at| bytes[at + 32] == 1 && bytes[at + 33] == b'B').expect("a record");
    bytes[record + 2..record + 6].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    bytes[record + 6..record + 10].copy_from_slice(&[0x0f, 0xff, 0xff, 0xff]);
    fs::write(image.path(), &bytes).expect("written");
    let report = check(image.path());
    let found = findings(&report).join("\n");
    assert!(!report.ok() && found.contains("documentation/a"), "{found}");
    assert_eq!(report.images.intact, ["library/app:1.0"], "{found}");
}

#[test]
fn an_iso_that_lost_its_last_sector_is_a_finding() {
    let image = iso_of(sample().path());
    let whole = fs::metadata(image.path()).expect("there").len();
    fs::File::options()
        .write(true)
        .open(image.path())
        .and_then(|file| file.set_len(whole - 2048))
        .expect("cut");
    let report = check(image.path());
    let expected = format!("the archive: truncated: the ISO has {} bytes, expected {whole}", whole - 2048);
    assert_eq!((findings(&report), report.ok()), (vec![expected], false));
}

#[test]
fn a_truncated_iso_names_what_is_lost() {
    let folder = sample();
    let image = iso_of(folder.path());
    let whole = fs::metadata(image.path()).expect("there").len();
    let top = place(image.path(), "salt/top.sls").offset;
    fs::File::options().write(true).open(image.path()).and_then(|file| file.set_len(top)).expect("cut");
    let report = check(image.path());
    let found = findings(&report).join("\n");
    let first = format!("the archive: truncated: the ISO has {top} bytes, expected {whole}");
    assert!(found.starts_with(&first), "{found}");
    assert!(found.contains("salt/top.sls: truncated"), "{found}");
    assert!(!report.ok() && matches!(report.implanted_md5, ImplantedMd5::Failed { .. }));
}

/// The kernel takes the mode, we the record: it would mount a folder where a file was verified.
#[test]
fn an_iso_that_readers_see_differently_is_not_intact() {
    let folder = sample();
    let image = iso_of(folder.path());
    let mut bytes = fs::read(image.path()).expect("read");
    let find = |bytes: &[u8], from: usize, what: &[u8]| {
        from + bytes[from..].windows(what.len()).position(|window| window == what).expect("there")
    };
    let record = find(&bytes, 0, b"PRODUCT.TXT;1");
    let mode = find(&bytes, record, b"PX") + 4;
    bytes[mode..mode + 4].copy_from_slice(&0o040_555_u32.to_le_bytes());
    fs::write(image.path(), bytes).expect("written");
    iso::md5::implant(image.path(), true, &()).expect("implanted");
    let report = check(image.path());
    assert!(!report.ok() && matches!(report.implanted_md5, ImplantedMd5::Passed { .. }), "{report:?}");
    let found = findings(&report).join("\n");
    assert!(found.contains("product.txt: invalid: it is a folder by its mode"), "{found}");
}

#[test]
fn an_iso_is_inspected_in_place() {
    let folder = sample();
    let image = iso_of(folder.path());
    let found = crate::inspect(image.path()).expect("inspected");
    assert_eq!(found.volume_id.as_deref(), Some("Sample 1.0"));
    assert_eq!((found.files, found.images.len(), found.repositories.len()), (10, 1, 1));
    assert_eq!(found.images[0].platforms, ["linux/amd64"]);
}
