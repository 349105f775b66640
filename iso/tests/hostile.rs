//! Images that lie.
#![cfg(test)]

#[path = "hostile/exercise.rs"]
mod exercise;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use exercise::exercise;
use iso::{Image, Options, Plan};

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
    Plan::from_dir(&root, &Options::default()).unwrap().write_file(&output, &()).unwrap();
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

/// What a walk through the image says.
fn walk(image: Vec<u8>) -> Result<usize, String> {
    let image = Image::new(image, Path::new("a.iso"), None).map_err(|error| error.to_string())?;
    Ok(image.walk().map_err(|error| error.to_string())?.len())
}

#[test]
fn the_image_itself_is_sound() {
    let image = image();
    assert_eq!(walk(image.clone()), Ok(7));
    assert_eq!(exercise(&image), 7 + 7 + 5 + 7, "best, Rock Ridge, Joliet (without links), plain");
}

#[test]
fn each_lie_is_found() {
    type Lie = fn(&mut Vec<u8>);
    let lies: [(&str, Lie, &str); 16] = [
        (
            "a folder that is its own parent",
            |image| {
                let (root, at) = (u32::from(image[ROOT + 2]), record(image, "FOLDER"));
                set32(image, at + 2, root);
            },
            "overlaps another one",
        ),
        (
            "a folder behind the image",
            |image| {
                let at = record(image, "FOLDER");
                set32(image, at + 2, u32::MAX)
            },
            "a record's content ends at byte",
        ),
        (
            "a file behind the image",
            |image| {
                let at = record(image, "VICTIM");
                set32(image, at + 2, 350)
            },
            "a record's content ends at byte",
        ),
        (
            "a file of 4 GiB",
            |image| {
                let at = record(image, "VICTIM");
                set32(image, at + 10, u32::MAX)
            },
            "a record's content ends at byte",
        ),
        ("a root of 4 GiB", |image| set32(image, ROOT + 10, u32::MAX), "the root folder ends at byte"),
        (
            "a root behind the image",
            |image| set32(image, ROOT + 2, 9_999),
            "the image ends before the root folder",
        ),
        (
            "a record shorter than its name",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 32] = 250
            },
            "a record is shorter than its own parts",
        ),
        (
            "a record without a name",
            |image| {
                let at = record(image, "VICTIM");
                image[at + 32] = 0
            },
            "a record is shorter than its own parts",
        ),
        (
            "a record across the end of a sector",
            |image| {
                // More records of the folder itself, which are skipped, up to the end.
                let start = root(image);
                let dot = image[start..start + usize::from(image[start])].to_vec();
                let mut at = record(image, "VICTIM");
                while at % SECTOR + dot.len() < SECTOR {
                    image[at..at + dot.len()].copy_from_slice(&dot);
                    at += dot.len();
                }
                image[at] = 254;
            },
            "a record crosses the end of its sector",
        ),
        (
            "a name that leads out",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"victim", at);
                image[nm..nm + 6].copy_from_slice(b"../etc")
            },
            "`../etc` is no name",
        ),
        (
            "a name that is a parent",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"NM", at);
                image[nm + 2] = 7;
                image[nm + 5..nm + 7].copy_from_slice(b"..");
                image[nm + 7..nm + 11].fill(0)
            },
            "`..` is no name",
        ),
        (
            "a name with a zero",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"victim", at);
                image[nm] = 0
            },
            "is no name",
        ),
        (
            "an entry longer than its area",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"NM", at);
                image[nm + 2] = 200
            },
            "a system use entry lies outside its area",
        ),
        (
            "an entry of no length",
            |image| {
                let at = record(image, "VICTIM");
                let nm = place(image, b"NM", at);
                image[nm + 2] = 0
            },
            "a system use entry lies outside its area",
        ),
        (
            "a continuation behind the image",
            |image| {
                let at = record(image, "LONG_LINK");
                let ce = place(image, b"CE", at);
                set32(image, ce + 4, 100_000);
            },
            "a system use entry lies outside its area",
        ),
        (
            "a continuation that leads to itself",
            |image| {
                let at = record(image, "LONG_LINK");
                let ce = place(image, b"CE", at);
                let (sector, offset) = (ce / SECTOR, ce % SECTOR);
                set32(image, ce + 4, sector as u32);
                set32(image, ce + 12, offset as u32);
                set32(image, ce + 20, 28);
            },
            "a system use entry lies outside its area",
        ),
    ];
    for (what, lie, expected) in lies {
        let mut image = image();
        lie(&mut image);
        exercise(&image);
        let error = walk(image).expect_err(what);
        assert!(error.starts_with("a.iso: damaged at byte ") && error.contains(expected), "{what}: {error}");
    }
}

#[test]
fn sections_of_a_file_must_go_together() {
    let mut followed = image();
    let at = record(&followed, "VICTIM");
    followed[at + 25] |= 0x80;
    exercise(&followed);
    // The victim is the last of its folder.
    assert!(walk(followed).unwrap_err().contains("the last section of a file is missing"));
    let mut between = image();
    let at = record(&between, "NNNN");
    between[at + 25] |= 0x80;
    exercise(&between);
    assert!(walk(between).unwrap_err().contains("a section of a file is followed by another file"));
}

/// Two entries of one name, a link and a folder: nothing is written through the link.
#[test]
fn extraction_stays_inside() {
    let mut lying = image();
    let at = record(&lying, "SECRET");
    let name = place(&lying, b"secret", at);
    lying[name..name + 6].copy_from_slice(b"folder");
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.iso");
    fs::write(&path, &lying).unwrap();
    let target = scratch.path().join("out");
    let error = Image::open(&path).unwrap().extract(&target, &()).unwrap_err().to_string();
    assert!(error.starts_with("cannot create "), "{error}");
    assert!(!Path::new("/etc/inner").exists());
    let left: Vec<_> =
        fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a.iso"], "a failed extraction leaves nothing");
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
        let error = Image::new(bytes.clone(), Path::new("a.iso"), None).unwrap_err().to_string();
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
    type Image = fn(&[u8]) -> Vec<u8>;
    let targets: [(&str, Image); 3] = [
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
