//! Everything that can be done with bytes that claim to be an image.

use std::path::Path;

use iso::{IsoEntryKind, IsoImage, ReadAt, View};

const SECTOR: usize = 2048;
/// The sector of the root folder, behind the descriptors.
const FOLDER: u8 = 18;
/// The root's `.` record, which declares the System Use Sharing Protocol.
const DOT: [u8; 42] = {
    let mut dot = [0; 42];
    dot[0] = 42;
    dot[2] = FOLDER;
    dot[25] = 2;
    dot[32] = 1;
    let (mut at, declaration) = (0, *b"SP\x07\x01\xBE\xEF\0");
    while at < declaration.len() {
        dot[34 + at] = declaration[at];
        at += 1;
    }
    dot
};

/// Bytes read of each file at most.
const READ_MAX: usize = 4096;

/// Reads an image in every way there is. Whatever the bytes are, nothing may panic, hang or grow beyond the image's own
/// size; each way answers or errs. Answers how many entries came to light.
pub(crate) fn exercise(bytes: &[u8]) -> usize {
    let path = Path::new("hostile.iso");
    let source = bytes.to_vec();
    // The sum's text may say anything; the image is small.
    let _ = iso::md5::check_source(&source, path, &());
    let _ = iso::md5::stored(&source, path);
    if let Ok(text) = iso::dump(&source, path) {
        // A line shows at least one byte of a structure, or says that it lies outside.
        assert!(text.len() <= 4096 + bytes.len() * 200, "a dump of {} bytes", text.len());
    }
    let mut entries = 0;
    for view in [None, Some(View::RockRidge), Some(View::Joliet), Some(View::Plain)] {
        let Ok(image) = IsoImage::new(source.clone(), path, view) else { continue };
        let disagreements = image.disagreements();
        assert!(disagreements.is_ok_and(|found| found.len() <= iso::DISAGREEMENTS_MAX));
        let Ok(found) = image.walk() else { continue };
        // The smallest record has 34 bytes, and folders do not overlap.
        assert!(found.len() <= bytes.len() / 34, "{} entries", found.len());
        // Names and targets have places of their own.
        let text =
            |entry: &iso::IsoEntry| entry.name_bytes().len() + entry.target_bytes().map_or(0, <[u8]>::len);
        assert!(found.iter().map(|(_, entry)| text(entry)).sum::<usize>() <= bytes.len(), "long names");
        entries += found.len();
        for (path, entry) in &found {
            check(bytes, path, entry);
            read(&image, entry);
        }
        if let Some((path, _)) = found.last() {
            let _ = image.find(path);
        }
    }
    entries
}

/// An image whose first 16 sectors, which nothing reads, were left out.
pub(crate) fn with_system_area(rest: &[u8]) -> Vec<u8> {
    [vec![0; 16 * SECTOR].as_slice(), rest].concat()
}

/// The smallest image around the records of a root folder; the last sector, if there are several, is for continuations.
pub(crate) fn with_records(records: &[u8]) -> Vec<u8> {
    let sectors = (DOT.len() + records.len()).div_ceil(SECTOR);
    let mut image = vec![0; usize::from(FOLDER) * SECTOR];
    image[16 * SECTOR..][..7].copy_from_slice(b"\x01CD001\x01");
    image[16 * SECTOR + 128..][..2].copy_from_slice(&2048_u16.to_le_bytes());
    let root = &mut image[16 * SECTOR + 156..][..34];
    root.copy_from_slice(&DOT[..34]);
    root[0] = 34;
    root[10..14].copy_from_slice(&((sectors.max(2) - 1) as u32 * SECTOR as u32).to_le_bytes());
    image[17 * SECTOR..][..7].copy_from_slice(b"\xFFCD001\x01");
    image.extend(DOT);
    image.extend_from_slice(records);
    image.resize((usize::from(FOLDER) + sectors) * SECTOR, 0);
    image
}

/// The smallest image around one file whose record has these System Use bytes, as many as fit; the rest are the area that
/// they may continue with, in a sector of its own.
pub(crate) fn with_system_use(bytes: &[u8]) -> Vec<u8> {
    let (first, rest) = bytes.split_at(bytes.len().min(220));
    let mut record = vec![0; 34];
    record[32..].copy_from_slice(b"\x01A");
    record.extend_from_slice(first);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record.resize(SECTOR - DOT.len(), 0);
    record.extend_from_slice(&rest[..rest.len().min(SECTOR)]);
    with_records(&record)
}

/// No entry lies outside the image, and no name leads out of a folder.
fn check(bytes: &[u8], path: &str, entry: &iso::IsoEntry) {
    for extent in entry.extents.iter().filter(|extent| extent.len > 0) {
        let end = extent.offset.checked_add(extent.len);
        assert!(end.is_some_and(|end| end <= bytes.len() as u64), "{path}: {extent:?}");
    }
    let name = entry.name_bytes();
    assert!(!name.is_empty() && name != b"." && name != b"..", "{path}");
    assert!(!name.contains(&b'/') && !name.contains(&0), "{path}");
    assert!(name.len() <= 4096 && entry.target_bytes().is_none_or(|target| target.len() <= 4096), "{path}");
    // What is not UTF-8 is shown as three bytes.
    assert!(path.len() <= 3 * 4096, "a path of {} bytes", path.len());
}

fn read<S: ReadAt>(image: &IsoImage<S>, entry: &iso::IsoEntry) {
    let mut buffer = [0; READ_MAX];
    if entry.kind == IsoEntryKind::File && entry.fault.is_some() {
        image.read_at(entry, 0, &mut buffer).expect_err("a fault is no content");
    } else if entry.kind == IsoEntryKind::File {
        for offset in [0, 1, entry.size / 2, entry.size.saturating_sub(1), entry.size, u64::MAX] {
            let length =
                image.read_at(entry, offset, &mut buffer).expect("every extent lies inside the image");
            assert_eq!(length == 0, offset >= entry.size, "{entry:?} at {offset}");
        }
    } else {
        image.read_at(entry, 0, &mut buffer).expect_err("only files have content");
    }
}
