//! The text files of an archive that can name images: read once, bounded.

use std::io::Write as _;
use std::path::Path;

use content::Root;

use super::finding::{Findings, Place};
use super::table::CheckName;
use crate::{Tree, layout};

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// The most bytes of all files together.
const ALL_MAX: u64 = 256 << 20;
/// The most files.
const FILES_MAX: usize = 50_000;
/// The folders whose files have formats of their own, or describe nothing that is deployed.
const SKIPPED: [&str; 4] = [layout::IMAGES, layout::REGISTRY, layout::PACKAGES, layout::DOCUMENTATION];
/// The files that other checks read.
const READ_ELSEWHERE: [&str; 7] = [
    layout::MANIFEST,
    layout::PRODUCT,
    layout::REQUIRES,
    layout::SUMS,
    layout::LINKS,
    layout::REGISTRY_CONFIG,
    super::REGISTRY_CONFIG_RENDERED,
];

/// A text file of the archive.
#[derive(Debug)]
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

/// Reads those of `files`, sorted, that can name images. What cannot be read is a finding.
pub(super) fn read<'a>(
    tree: &Tree,
    files: impl Iterator<Item = &'a str>,
    findings: &mut Findings,
) -> Vec<TextFile> {
    let is_wanted = |path: &&str| {
        let top = path.split('/').next().unwrap_or_default();
        !SKIPPED.contains(&top) && !READ_ELSEWHERE.contains(path) && images::find::is_read(Path::new(path))
    };
    let mut texts = Vec::new();
    let mut left = ALL_MAX;
    for path in files.filter(is_wanted) {
        let mut unread = |reason: &str| {
            findings.add(CheckName::ReferenceUnread, Place::file(path), format!("it was not read: {reason}"));
        };
        if texts.len() >= FILES_MAX || left == 0 {
            unread("the archive has too many text files");
            break;
        }
        match tree.read(path, FILE_MAX.min(left)) {
            // A file that is not text names no image.
            Ok(bytes) if bytes.contains(&0) => {}
            Ok(bytes) => {
                left = left.saturating_sub(bytes.len() as u64);
                match String::from_utf8(bytes) {
                    Ok(text) => texts.push(TextFile { path: path.to_owned(), text }),
                    Err(_) => unread("not UTF-8 text"),
                }
            }
            Err(error) => unread(&error.to_string()),
        }
    }
    texts
}

/// The text of a file.
pub(super) fn find<'a>(texts: &'a [TextFile], path: &str) -> Option<&'a str> {
    // They are in the order of their paths.
    let at = texts.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
    texts.get(at).map(|file| file.text.as_str())
}

/// Writes the texts into a folder, where helm can render charts.
pub(super) fn write(
    texts: &[TextFile],
    folder: &Path,
    findings: &mut Findings,
) -> Result<(), content::IoError> {
    let root = Root::open(folder)?;
    for TextFile { path, text } in texts {
        let file = Path::new(path);
        let written = file.parent().map_or(Ok(()), |parent| root.create_dir_all(parent)).and_then(|()| {
            let mut to = root.create_file(file, 0o600)?;
            to.write_all(text.as_bytes()).map_err(content::IoError::at("write", &folder.join(file)))
        });
        if let Err(error) = written {
            // Names that only a forged ISO has, or a full disk.
            let problem = format!("it was not read: {}", error.source);
            findings.add(CheckName::ReferenceUnread, Place::file(path.as_str()), problem);
        }
    }
    Ok(())
}
