//! Structures that lead nowhere or on and on, and small ones that would become large: an image of a few kilobytes must take
//! neither time nor memory out of proportion.

use std::path::Path;

use iso::{IsoEntryKind, IsoImage};

use super::exercise::{exercise, with_records};
use super::{ROOT, SECTOR, set32, walk};

/// The sector of the root folder, and the first one behind it.
const FOLDER: u32 = 18;
const BEHIND: u32 = 19;
/// Flags of a folder's record and of one that the next record continues.
const DIRECTORY: u8 = 2;
const MORE: u8 = 0x80;

/// An image whose root folder holds these records, with `behind` in the sectors behind it.
fn image(records: &[Vec<u8>], behind: &[u8]) -> Vec<u8> {
    let mut bytes = records.concat();
    // The root's `.` record stands before them.
    bytes.resize(SECTOR - 42, 0);
    bytes.extend_from_slice(behind);
    let mut image = with_records(&bytes);
    set32(&mut image, ROOT + 10, SECTOR as u32);
    image
}

fn record(identifier: u8, flags: u8, sector: u32, bytes: u32, system_use: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 34];
    set32(&mut record, 2, sector);
    set32(&mut record, 10, bytes);
    record[25] = flags;
    record[32..].copy_from_slice(&[1, identifier]);
    record.extend_from_slice(system_use);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = u8::try_from(record.len()).unwrap();
    record
}

fn file(system_use: &[u8]) -> Vec<u8> {
    record(b'A', 0, BEHIND, 0, system_use)
}

fn folder(identifier: u8, sector: u32, system_use: &[u8]) -> Vec<u8> {
    record(identifier, DIRECTORY, sector, SECTOR as u32, system_use)
}

/// A System Use entry.
fn entry(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
    [signature.as_slice(), &[u8::try_from(4 + data.len()).unwrap(), 1], data].concat()
}

fn number(number: u32) -> Vec<u8> {
    let mut both = vec![0; 8];
    set32(&mut both, 0, number);
    both
}

/// The entries go on at `offset` of the sector behind the root folder.
fn continuation(offset: usize, length: usize) -> Vec<u8> {
    entry(b"CE", &[BEHIND, offset as u32, length as u32].map(number).concat())
}

/// A folder that was moved to another sector.
fn moved(identifier: u8, sector: u32) -> Vec<u8> {
    record(identifier, 0, BEHIND, 0, &entry(b"CL", &number(sector)))
}

/// A part of a name that continues in the next record.
fn piece(text: &[u8]) -> Vec<u8> {
    entry(b"NM", &[&[1], text].concat())
}

#[track_caller]
fn refused(image: Vec<u8>, why: &str) {
    exercise(&image);
    let error = walk(image).expect_err(why);
    assert!(error.starts_with("a.iso: damaged at byte ") && error.contains(why), "{error}");
}

/// A record whose name takes a letter from each of `count` continuation areas, one leading to the next.
fn chain(count: usize) -> Vec<u8> {
    const LENGTH: usize = 6 + 28;
    let areas: Vec<u8> = (1..=count)
        .flat_map(|next| match next {
            last if last == count => [piece(b"n"), vec![0; 28]].concat(),
            _ => [piece(b"n"), continuation(next * LENGTH, LENGTH)].concat(),
        })
        .collect();
    image(&[file(&continuation(0, LENGTH))], &areas)
}

#[test]
fn continuation_areas_are_followed_31_times() {
    let found = IsoImage::new(chain(31), Path::new("a.iso"), None).unwrap().walk().unwrap();
    assert_eq!(found[0].0, "n".repeat(31));
    refused(chain(32), "a record has more than 31 continuation areas");
}

#[test]
fn continuation_areas_that_lead_to_each_other() {
    let areas = [continuation(28, 28), continuation(0, 28)].concat();
    refused(image(&[file(&continuation(0, 28))], &areas), "a record has more than 31 continuation areas");
}

/// A target that grows each time its area is read again.
#[test]
fn a_link_that_grows() {
    const SYMLINK: u32 = 0o120_777;
    for component in [8_u8, 4, 2] {
        let components = [component, 0].repeat(120);
        let links = entry(b"SL", &[&[1], components.as_slice()].concat()).repeat(7);
        let length = links.len() + 28;
        let area = [links, continuation(0, length)].concat();
        let px = entry(b"PX", &[SYMLINK, 1, 0, 0].map(number).concat());
        let link = file(&[px, continuation(0, length)].concat());
        refused(image(&[link], &area), "a name or a link's target is longer than 4096 bytes");
    }
}

/// Thirty records that take their names from the same place.
#[test]
fn names_that_share_their_bytes() {
    let area = piece(&[b'n'; 250]).repeat(7);
    let record = file(&continuation(0, area.len()));
    let one = image(std::slice::from_ref(&record), &area);
    assert_eq!(walk(one), Ok(1));
    refused(image(&vec![record; 30], &area), "the names and the targets of links are longer than the image");
}

/// Paths of nested folders grow with the square of their number.
#[test]
fn folders_in_folders_in_folders() {
    let inner = |depth| folder(b'D', BEHIND + depth, &piece(&[b'd'; 200]));
    let nested = |count: u32| {
        let mut behind = Vec::new();
        for depth in 1..count {
            behind.extend(inner(depth));
            behind.resize(depth as usize * SECTOR, 0);
        }
        behind.resize(count as usize * SECTOR, 0);
        image(&[inner(0)], &behind)
    };
    assert_eq!(walk(nested(20)), Ok(20));
    refused(nested(21), "a path longer than 4096 bytes");
}

#[test]
fn two_folders_that_contain_each_other() {
    let mut behind = folder(b'B', BEHIND + 1, b"");
    behind.resize(SECTOR, 0);
    behind.extend(folder(b'A', BEHIND, b""));
    behind.resize(2 * SECTOR, 0);
    refused(image(&[folder(b'A', BEHIND, b"")], &behind), "the folder overlaps another one");
}

#[test]
fn folders_that_were_moved_to_where_none_is() {
    let nowhere = "a moved folder is not where its record points";
    refused(image(&[moved(b'A', u32::MAX)], b""), nowhere);
    refused(image(&[moved(b'A', 16)], b""), nowhere);
    refused(image(&[moved(b'A', BEHIND)], b""), nowhere);
    refused(image(&[moved(b'A', FOLDER)], b""), "the folder overlaps another one");

    // A folder with nothing in it but itself.
    let mut there = folder(0, BEHIND, b"");
    there.resize(SECTOR, 0);
    let hidden = folder(b'H', BEHIND, &entry(b"RE", b""));
    let sound = image(&[moved(b'A', BEHIND), hidden], &there);
    let found = IsoImage::new(sound, Path::new("a.iso"), None).unwrap().walk().unwrap();
    assert_eq!(found.len(), 1, "it is shown once, where it came from");
    assert!(found[0].0 == "A" && found[0].1.kind == IsoEntryKind::Directory);
    refused(image(&[moved(b'A', BEHIND), moved(b'B', BEHIND)], &there), "the folder overlaps another one");
}

/// A file that consists of one place again and again.
#[test]
fn sections_that_repeat() {
    let section = |flags| record(b'A', flags, FOLDER, SECTOR as u32, b"");
    let sections = |count: usize| [vec![section(MORE); count - 1], vec![section(0)]].concat();
    assert_eq!(walk(image(&sections(2), b"")), Ok(1));
    refused(image(&sections(40), b""), "a file's sections are longer than the image");
}

/// Nobody needs path tables to read an image, and the dump shows no more of them than there is.
#[test]
fn a_path_table_of_4_gib() {
    let mut lying = super::image();
    set32(&mut lying, 16 * SECTOR + 132, u32::MAX);
    assert_eq!(walk(lying.clone()), Ok(7));
    assert_eq!(exercise(&lying), exercise(&super::image()));
}

#[test]
fn descriptors_without_an_end() {
    let sound = image(&[file(b"")], b"");
    let (start, folder) = sound.split_at(FOLDER as usize * SECTOR);
    let mut supplementary = start[16 * SECTOR..17 * SECTOR].to_vec();
    supplementary[0] = 2;
    let mut bytes = [&start[..17 * SECTOR], &supplementary.repeat(300), folder].concat();
    set32(&mut bytes, ROOT + 2, 17 + 300);
    assert_eq!(walk(bytes.clone()), Ok(1));
    exercise(&bytes);
    let image = IsoImage::new(bytes, Path::new("a.iso"), None).unwrap();
    assert_eq!(image.volume().descriptors.len(), 84);
}
