//! Checking a folder of images: what is missing, extra or damaged, every byte read.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use content::{Digest, parallel};

use crate::dir_layout::{self, DirImage, ImagePlace, VERSION, digest_of};
use crate::error::{Error, Result, io};
use crate::store::read_limited;

/// What a check found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The images that could be read, sorted by name and tag.
    pub images: Vec<(ImagePlace, DirImage)>,
    /// What is wrong, sorted by path; empty where all is well.
    pub problems: Vec<ImageFinding>,
}

/// One thing that is wrong with an image.
#[derive(Debug)]
pub struct ImageFinding {
    /// The file it is about.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: FileProblem,
}

/// What is wrong with a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileProblem {
    /// A manifest names it and it is not there.
    Missing {
        /// Media type of what is missing.
        media_type: String,
    },
    /// Nothing names it.
    Extra,
    /// Its size is not what the manifest says.
    Size {
        /// Bytes the manifest says.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// Its bytes do not have the digest in its name.
    Corrupt {
        /// The digest in its name.
        expected: Digest,
        /// The digest of its bytes.
        found: Digest,
    },
    /// An index without any of its images.
    Empty,
    /// The image cannot be read at all.
    Unreadable(Error),
}

impl fmt::Display for ImageFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = content::printable_path(&self.path);
        match &self.fault {
            FileProblem::Missing { media_type } => {
                write!(f, "{path}: missing ({})", content::printable(media_type))
            }
            FileProblem::Extra => write!(f, "{path}: nothing refers to this file"),
            FileProblem::Size { expected, found } => {
                write!(f, "{path}: expected {expected} bytes, found {found}")
            }
            FileProblem::Corrupt { expected, found } => {
                write!(f, "{path}: expected {expected}, found {found}")
            }
            FileProblem::Empty => write!(f, "{path}: an index without any of its images"),
            FileProblem::Unreadable(error) => write!(f, "{error}"),
        }
    }
}

/// A blob to be hashed, and every path that is a hard link to it.
struct Content {
    expected: Digest,
    paths: Vec<PathBuf>,
}

/// Checks every image below `images` on `threads` threads. Content that several images share is read once.
///
/// # Errors
///
/// Where the folder cannot be walked or a file not be read; what is wrong with images is in the report.
pub fn check(images: &Path, threads: NonZero<usize>) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let mut contents: HashMap<(u64, u64, Digest), Content> = HashMap::new();
    for place in dir_layout::list(images)? {
        match dir_layout::read(&place.folder) {
            Ok(image) => {
                compare(&place.folder, &image, &mut report.problems, &mut contents)?;
                report.images.push((place, image));
            }
            Err(Error::DigestMismatch { path, expected, found }) => {
                report.problems.push(ImageFinding { path, fault: FileProblem::Corrupt { expected, found } });
            }
            Err(error) => {
                let path = place.folder.join("manifest.json");
                report.problems.push(ImageFinding { path, fault: FileProblem::Unreadable(error) });
            }
        }
    }
    let contents: Vec<Content> = contents.into_values().collect();
    report.problems.extend(hash(&contents, threads)?);
    report.problems.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(report)
}

/// Compares the names in the folder with those the manifests give, and lists the files to hash.
fn compare(
    folder: &Path,
    image: &DirImage,
    problems: &mut Vec<ImageFinding>,
    contents: &mut HashMap<(u64, u64, Digest), Content>,
) -> Result<()> {
    let mut problem = |path: PathBuf, fault| problems.push(ImageFinding { path, fault });
    let mut known: BTreeSet<String> = image.manifests.iter().map(|stored| stored.file.clone()).collect();
    known.insert("version".into());
    let version = folder.join("version");
    match read_limited(&version, 1024) {
        Ok(bytes) if bytes == VERSION.as_bytes() => {}
        Ok(_) => problem(
            version,
            FileProblem::Unreadable(Error::Layout {
                path: folder.join("version"),
                reason: "not a supported version of the layout".into(),
            }),
        ),
        Err(error) => problem(version, FileProblem::Unreadable(error)),
    }
    if image.kind.is_index() && image.manifests.len() == 1 && !image.left_out.is_empty() {
        problem(folder.join("manifest.json"), FileProblem::Empty);
    }
    for blob in &image.blobs {
        let name = blob.digest.hex();
        let path = folder.join(&name);
        known.insert(name);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                problem(path, FileProblem::Missing { media_type: blob.media_type.clone() });
            }
            Err(error) => return Err(io("stat", &path)(error)),
            Ok(found) if !found.is_file() => {
                let error = Error::Layout { path: path.clone(), reason: "not a regular file".into() };
                problem(path, FileProblem::Unreadable(error));
            }
            Ok(found) if found.len() != blob.size => {
                problem(path, FileProblem::Size { expected: blob.size, found: found.len() });
            }
            Ok(found) => contents
                .entry((found.dev(), found.ino(), blob.digest))
                .or_insert_with(|| Content { expected: blob.digest, paths: Vec::new() })
                .paths
                .push(path),
        }
    }
    for entry in fs::read_dir(folder).map_err(io("read", folder))? {
        let entry = entry.map_err(io("read", folder))?;
        if !entry
            .file_name()
            .to_str()
            .is_some_and(|name| known.contains(name) || name.starts_with("signature-"))
        {
            problem(entry.path(), FileProblem::Extra);
        }
    }
    Ok(())
}

/// Hashes all contents; one problem per path of a damaged one.
fn hash(contents: &[Content], threads: NonZero<usize>) -> Result<Vec<ImageFinding>> {
    let problems = parallel::try_map(threads, contents, |content| -> Result<_> {
        let Some(first) = content.paths.first() else { return Ok(Vec::new()) };
        let (expected, found) = (content.expected, digest_of(first)?);
        let damaged = content.paths.iter().filter(|_| found != expected).cloned();
        Ok(damaged
            .map(|path| ImageFinding { path, fault: FileProblem::Corrupt { expected, found } })
            .collect())
    })?;
    Ok(problems.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Store;

    #[test]
    fn every_kind_of_damage_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("store")).unwrap();
        let put = |bytes: &[u8]| {
            let digest = store.put(bytes).unwrap();
            format!(r#"{{"mediaType":"m","digest":"{digest}","size":{}}}"#, bytes.len())
        };
        let manifest = |layer: &[u8]| {
            let text = format!(r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#, put(b"{}"), put(layer));
            store.put(text.as_bytes()).unwrap()
        };
        let images = scratch.path().join("images");
        let place = |tag: &str| images.join("a").join(tag);
        for (tag, layer) in [("1", "one"), ("2", "two"), ("3", "three"), ("4", "four"), ("5", "five")] {
            dir_layout::write(&store, &manifest(layer.as_bytes()), &[], &place(tag)).unwrap();
        }
        let threads = NonZero::new(2).unwrap();
        assert!(check(&images, threads).unwrap().problems.is_empty());

        let file = |tag: &str, layer: &str| place(tag).join(Digest::of(layer.as_bytes()).hex());
        let damage = |path: &Path, bytes: &str| {
            fs::remove_file(path).unwrap();
            fs::write(path, bytes).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        };
        damage(&file("1", "one"), "0ne");
        fs::remove_file(file("2", "two")).unwrap();
        damage(&file("3", "three"), "thre");
        fs::write(place("4").join("more"), "").unwrap();
        damage(&place("5").join("manifest.json"), "{");
        let report = check(&images, threads).unwrap();
        let found: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        let path = |path: PathBuf| path.display().to_string();
        assert_eq!(found.len(), 5, "{found:?}");
        for expected in [
            format!(
                "{}: expected {}, found {}",
                path(file("1", "one")),
                Digest::of(b"one"),
                Digest::of(b"0ne")
            ),
            format!("{}: missing (m)", path(file("2", "two"))),
            format!("{}: expected 5 bytes, found 4", path(file("3", "three"))),
            format!("{}: nothing refers to this file", path(place("4").join("more"))),
        ] {
            assert!(found.contains(&expected), "{expected} not in {found:?}");
        }
        assert!(found.iter().any(|text| text.contains("a/5/manifest.json: not a manifest")), "{found:?}");
    }
}
