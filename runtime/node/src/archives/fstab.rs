//! Lines of `/etc/fstab`: MetalK8s mounts its archives by them, and the system repeats that at each boot.

use std::io::ErrorKind;
use std::path::Path;

use content::LinkPolicy;

use super::error::Error;
use super::linux_machine::decoded;
use super::node_layout::{NodeLayout, real};

/// The maximum size of an fstab, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// The lines of the file about an archive.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The whole file.
    pub(super) text: String,
    /// The lines that mount the archive at its mount point, without line ends.
    pub(super) ours: Vec<String>,
    /// Lines that mount it elsewhere, or something else at its mount point, each with its number.
    pub(super) others: Vec<(usize, String)>,
}

impl Found {
    /// The file without the lines that mount the archive.
    pub(super) fn without(&self) -> String {
        let kept = |line: &&str| !self.ours.iter().any(|ours| ours == line.trim_end_matches(['\n', '\r']));
        self.text.split_inclusive('\n').filter(kept).collect()
    }
}

/// Finds the lines about `archive`, whose mount point is `at`. Where the file of an archive is unknown, `archive` is its
/// mount point.
pub(super) fn find(paths: &NodeLayout, archive: &Path, at: Option<&Path>) -> Result<Found, Error> {
    let bytes = match content::open_read(&paths.fstab, LinkPolicy::Follow, SIZE_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error.into()),
    };
    // A file that is not UTF-8 is left alone.
    let Ok(text) = String::from_utf8(bytes) else { return Ok(Found::default()) };
    let mut found = Found::default();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace().map(decoded);
        let (Some(source), Some(point)) = (words.next(), words.next()) else { continue };
        if source.starts_with('#') {
            continue;
        }
        let (source, point) = (real(Path::new(&source)), real(Path::new(&point)));
        let is_archive = source == archive || Some(archive) == at;
        // Without a mount point, any folder below that of mounts is the archive's.
        let is_place = at.map_or(point.parent() == Some(&paths.mounts), |at| point == at);
        match (is_archive, is_place) {
            (true, true) => found.ours.push(line.to_owned()),
            (true, false) if source == archive => found.others.push((number + 1, line.to_owned())),
            (false, true) if at.is_some() => found.others.push((number + 1, line.to_owned())),
            _ => {}
        }
    }
    found.text = text;
    Ok(found)
}

/// A note for each line that remains.
pub(super) fn notes(file: &Path, others: &[(usize, String)]) -> Vec<String> {
    let note = |(number, line): &(usize, String)| {
        let line = content::printable(line);
        format!("{}:{number} still mounts at each boot: {line}", file.display())
    };
    others.iter().map(note).collect()
}
