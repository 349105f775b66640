//! What the status page says of an archive, found once when the archive is opened.

use std::sync::{Arc, OnceLock};

use archive::tree::EntryKind;
use archive::{Tree, layout};
use content::Digest;

use crate::status::PackageFile;

/// What the status page says of an archive.
#[derive(Debug)]
pub(crate) struct ArchiveFacts {
    /// The digest of its content; `None` if it cannot be read.
    pub(crate) contents: Option<Digest>,
    /// The implanted MD5 in hexadecimal digits.
    pub(crate) implanted_md5: Option<String>,
    /// Whether it has `SHA256SUMS`.
    pub(crate) checksums: bool,
    /// Whether it has packages.
    pub(crate) packages: bool,
    /// Whether it has the first page of a documentation.
    pub(crate) documentation: bool,
    /// Whether it is a folder of images itself.
    pub(crate) plain: bool,
    /// The files for package managers, written at the first request for them.
    pub(crate) package_files: OnceLock<Arc<Result<Vec<PackageFile>, String>>>,
}

impl ArchiveFacts {
    /// The facts of an archive whose images are in `images`.
    pub(super) fn of(tree: &Tree, images: Option<&str>) -> Self {
        let has =
            |path: &str, kind: &EntryKind| matches!(tree.entry(path), Ok(Some(entry)) if entry.kind == *kind);
        let md5 = archive::implanted_md5(tree);
        let index = format!("{}/index.html", layout::DOCUMENTATION);
        Self {
            // Of a folder of images, the paths and sizes say nothing of the content.
            contents: (images != Some("")).then(|| archive::contents_digest(tree).ok()).flatten(),
            implanted_md5: md5.map(|md5| md5.iter().map(|byte| format!("{byte:02x}")).collect()),
            checksums: has(layout::SUMS, &EntryKind::File),
            packages: has(layout::PACKAGES, &EntryKind::Directory),
            documentation: has(&index, &EntryKind::File),
            plain: images == Some(""),
            package_files: OnceLock::new(),
        }
    }
}
