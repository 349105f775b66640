//! Files beyond 4 GiB, which have several sections: ours, read by the tools that can read such a file (most old ones cannot),
//! and that of a peer, read by us.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Stdio};

use iso::{Extent, IsoImage};
use tests::peer;

use super::peers;

const SIZE: u64 = 5 << 30;
/// Marks in an otherwise sparse file: at both ends, and around the ends of its first section (4294965248) and of 32 bits.
const MARKS: [(u64, &[u8; 4]); 4] =
    [(0, b"zero"), (4_294_965_246, b"over"), (4_294_967_294, b"32nd"), (SIZE - 4, b"last")];

/// Makes the file.
pub(super) fn make(path: &Path) {
    let huge = File::create(path).unwrap();
    huge.set_len(SIZE).unwrap();
    for (at, mark) in MARKS {
        huge.write_all_at(mark, at).unwrap();
    }
}

/// Reads the file `huge` of our ISO with each tool that can, and checks the MD5 of the whole.
pub(super) fn every_reader(image: &Path) {
    assert_read_by_us(image);
    assert!(peers::checkisomd5(image).unwrap_or(true), "checkisomd5");
    if let Some(bsdtar) = peer::find("bsdtar") {
        assert_printed(Command::new(bsdtar).arg("-xOf").arg(image).arg("huge"));
    }
    if let Some(seven_zip) = peer::find("7z") {
        assert_printed(Command::new(seven_zip).args(["x", "-so"]).arg(image).arg("huge"));
    }
    if let Some(xorriso) = peer::find("xorriso") {
        let mut command = Command::new(xorriso);
        command.arg("-indev").arg(image).args(["-find", "/huge", "-exec", "report_sections"]);
        let said = String::from_utf8(peer::run(&mut command).stdout).unwrap();
        let sections = said.lines().filter(|line| line.starts_with("File data lba:"));
        let bytes: Vec<&str> = sections.filter_map(|line| line.split(',').nth(3)).map(str::trim).collect();
        assert_eq!(bytes, ["4294965248", "1073743872"], "xorriso: {said}");
    }
}

/// libisofs cuts sections as we do, but its directory records, path tables and order differ.
#[test]
fn a_peers_file_beyond_4_gib() {
    let Some(xorriso) = peer::find("xorriso") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (source, image) = (scratch.path().join("source"), scratch.path().join("a.iso"));
    fs::create_dir(&source).unwrap();
    make(&source.join("huge"));
    for name in ["before", "later"] {
        fs::write(source.join(name), name).unwrap();
    }
    let mut command = Command::new(xorriso);
    command.args(["-as", "mkisofs", "-quiet", "-r", "-J", "-iso-level", "3"]).arg(&source);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    copy_sparsely(child.stdout.take().unwrap(), &image).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    assert!(fs::metadata(&image).unwrap().blocks() * 512 < 100_000_000, "the zeros are holes");

    assert_read_by_us(&image);
    let opened = IsoImage::open(&image).unwrap();
    for name in ["before", "later"] {
        let (entry, mut content) = (opened.find(name).unwrap().unwrap(), [0; 16]);
        let length = opened.read_at(&entry, 0, &mut content).unwrap();
        assert_eq!(&content[..length], name.as_bytes());
    }
}

/// Writes what is read to a file in which zeros are holes.
fn copy_sparsely(mut from: impl Read, to: &Path) -> io::Result<()> {
    let file = File::create(to)?;
    let (zeros, mut buffer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut position = 0;
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return file.set_len(position);
        }
        if buffer[..length] != zeros[..length] {
            file.write_all_at(&buffer[..length], position)?;
        }
        position += length as u64;
    }
}

/// Makes sure that our reader finds the marks of the file `huge`, across the sections' ends, too.
fn assert_read_by_us(image: &Path) {
    let image = IsoImage::open(image).unwrap();
    let huge = image.find("huge").unwrap().unwrap();
    assert_eq!(huge.size, SIZE);
    let [Extent { offset, len }, second] = huge.extents[..] else { panic!("{:?}", huge.extents) };
    assert_eq!((len, second.offset, second.len), (4_294_965_248, offset + len, SIZE - len));
    for (at, mark) in MARKS {
        let mut found = Vec::new();
        while found.len() < mark.len() {
            let mut rest = vec![0; mark.len() - found.len()];
            let length = image.read_at(&huge, at + found.len() as u64, &mut rest).unwrap();
            found.extend_from_slice(&rest[..length]);
        }
        assert_eq!(found, mark, "our reader at {at}");
    }
}

/// Makes sure that a command prints the file: its marks with nothing but zeros between them.
fn assert_printed(command: &mut Command) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = child.stdout.take().unwrap();
    let (zeros, mut buffer) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let (mut position, mut found) = (0, Vec::new());
    loop {
        let length = printed.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        if buffer[..length] != zeros[..length] {
            let bytes = buffer[..length].iter().enumerate().filter(|(_, byte)| **byte != 0);
            found.extend(bytes.map(|(at, byte)| (position + at as u64, *byte)));
        }
        position += length as u64;
    }
    assert!(child.wait().unwrap().success(), "{command:?}");
    let marks = MARKS.iter().flat_map(|(at, mark)| (*at..).zip(mark.iter().copied()));
    assert_eq!((position, found), (SIZE, marks.collect()), "{command:?}");
}
