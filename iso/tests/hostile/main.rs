//! Images that lie.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![cfg(test)]

mod disagreements;
mod endless;
mod exercise;
mod lies;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use exercise::exercise;
use iso::{IsoImage, IsoOptions, PlannedIso};

const SECTOR: usize = 2048;
/// The root's record in the primary volume descriptor.
const ROOT: usize = 16 * SECTOR + 156;

/// A small image with one of everything.
fn image() -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    let (root, output) = (scratch.path().join("tree"), scratch.path().join("a.iso"));
    fs::create_dir_all(root.join("folder/inner")).unwrap();
    fs::write(root.join("folder/inner/file"), "content").unwrap();
    fs::write(root.join("victim"), "x".repeat(5_000)).unwrap();
    fs::write(root.join("n".repeat(200)), "long").unwrap();
    symlink("/etc", root.join("secret")).unwrap();
    symlink(vec!["part"; 200].join("/"), root.join("long-link")).unwrap();
    PlannedIso::from_dir(&root, &IsoOptions::default()).unwrap().write_file(&output, &()).unwrap();
    fs::read(output).unwrap()
}

/// Where the root folder's records begin.
fn root(image: &[u8]) -> usize {
    usize::from(image[ROOT + 2]) * SECTOR
}

/// Where the record of the root's entry with this identifier begins.
fn record(image: &[u8], identifier: &str) -> usize {
    let mut start = root(image);
    while image[start] > 0 {
        if image[start + 33..].starts_with(identifier.as_bytes()) {
            return start;
        }
        start += usize::from(image[start]);
    }
    panic!("no {identifier}");
}

fn set32(image: &mut [u8], at: usize, number: u32) {
    image[at..at + 4].copy_from_slice(&number.to_le_bytes());
    image[at + 4..at + 8].copy_from_slice(&number.to_be_bytes());
}

fn place(image: &[u8], signature: &[u8], from: usize) -> usize {
    from + image[from..].windows(signature.len()).position(|window| window == signature).expect("it is there")
}

/// How many entries a walk through the image finds, or what is wrong with the first one that has a fault.
fn walk(image: Vec<u8>) -> Result<usize, String> {
    let image = IsoImage::new(image, Path::new("a.iso"), None).map_err(|error| error.to_string())?;
    let entries = image.walk().map_err(|error| error.to_string())?;
    match entries.iter().find_map(|(_, entry)| entry.fault.as_ref()) {
        Some(fault) => Err(format!("a.iso: {fault}")),
        None => Ok(entries.len()),
    }
}

/// How many entries of the image can be read.
fn sound(image: &[u8]) -> usize {
    let Ok(image) = IsoImage::new(image.to_vec(), Path::new("a.iso"), None) else { return 0 };
    let entries = image.walk().unwrap();
    entries.iter().filter(|(_, entry)| entry.fault.is_none()).count()
}

#[test]
fn the_image_itself_is_sound() {
    let image = image();
    assert_eq!(IsoImage::new(image.clone(), Path::new("a.iso"), None).unwrap().disagreements().unwrap(), []);
    assert_eq!(walk(image.clone()), Ok(7));
    assert_eq!(exercise(&image), 7 + 7 + 5 + 7, "best, Rock Ridge, Joliet (without links), plain");
}

#[test]
fn every_truncation_is_an_answer() {
    let image = image();
    let metadata = 60 * SECTOR;
    for length in (0..metadata).step_by(500).chain([metadata, image.len() - 1]) {
        exercise(&image[..length]);
    }
}

/// What is no image at all is an error at once.
#[test]
fn no_image() {
    for (bytes, found) in [
        (Vec::new(), "the end of the file"),
        (vec![0; 100_000], "something else"),
        (
            {
                let mut image = image();
                image[16 * SECTOR] = 255;
                image
            },
            "another volume descriptor",
        ),
    ] {
        let error = IsoImage::new(bytes.clone(), Path::new("a.iso"), None).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
        let error = iso::md5::check_source(&bytes, Path::new("a.iso"), &()).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
}

/// Images with a few bytes changed where the structures are; the fuzz targets go on from here.
#[test]
fn mutated_images() {
    let image = image();
    let structures: Vec<usize> = (16 * SECTOR..60 * SECTOR).filter(|at| image[*at] != 0).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..300 {
        let mut mutant = image[..80 * SECTOR].to_vec();
        for _ in 0..=random(4) {
            let at = structures[random(structures.len())];
            mutant[at] = match random(4) {
                0 => 0,
                1 => 255,
                2 => mutant[at] ^ (1 << random(8)),
                _ => random(256) as u8,
            };
        }
        exercise(&mutant);
    }
}

/// What fuzzing found, and a few sound inputs to start from.
#[test]
fn the_corpus() {
    type Make = fn(&[u8]) -> Vec<u8>;
    let targets: [(&str, Make); 3] = [
        ("image", exercise::with_system_area),
        ("records", exercise::with_records),
        ("system_use", exercise::with_system_use),
    ];
    for (target, image) in targets {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty());
        for file in files {
            let entries = exercise(&image(&fs::read(&file).unwrap()));
            let seed = file.file_name().unwrap().as_encoded_bytes().starts_with(b"seed-");
            assert!(!seed || entries > 0, "{} is no image any more", file.display());
        }
    }
}
