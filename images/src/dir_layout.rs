//! The `dir:` layout of skopeo: one folder per image, readable without any index.
//!
//! ```text
//! images/<name>/<tag>/version               "Directory Transport Version: 1.1\n"
//!                     manifest.json         the manifest's or index's own bytes
//!                     <hex>.manifest.json   the manifests an index lists
//!                     <hex>                 configuration and layers
//! ```
//!
//! Of an index only some platforms may be kept: its bytes, and so its digest, stay, and clients that ask
//! for a platform that was left out are answered that its manifest is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use content::Digest;

use crate::Store;
use crate::closure::{Closure, ManifestNode};
use crate::error::{Error, Result, io};
use crate::manifest::{Descriptor, MANIFEST_MAX, Manifest, MediaKind, Platform};
use crate::reference::{check_repository, check_tag};
use crate::store::read_limited;
use crate::tree::{Staged, lock_beside, write as write_file};

/// What the file `version` holds.
pub const VERSION: &str = "Directory Transport Version: 1.1\n";

/// The deepest name, in components.
const NAME_DEPTH_MAX: usize = 16;

/// An image in the `dir:` layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirImage {
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// What it is.
    pub kind: MediaKind,
    /// `manifest.json` first, then the existing manifests of an index.
    pub manifests: Vec<DirManifest>,
    /// The distinct configurations and layers, in the order they are named.
    pub blobs: Vec<Descriptor>,
    /// Manifests that the index lists and the folder lacks: platforms that were left out.
    pub left_out: Vec<Descriptor>,
}

/// A manifest in the `dir:` layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirManifest {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Name of the file.
    pub file: String,
    /// Size in bytes.
    pub size: u64,
    /// The manifest itself.
    pub manifest: Manifest,
}

/// Where an image is in a folder of images.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImagePlace {
    /// Its name, such as `alpine` or `library/alpine`.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// `<images>/<name>/<tag>`.
    pub folder: PathBuf,
}

/// Writes the image `root` from the store into `folder` (`images/<name>/<tag>`), as read-only hard links into the store,
/// or copies where the file system cannot link. Of an index, the manifests for `platforms` are kept, all where it is empty.
/// Every file is what its name says when it is placed: see [`Store::give`].
///
/// The folder appears whole; one that was there is replaced, files that do not belong included. One that
/// is as it should be already is left alone. Returns the files that came from the store, by name, with their digests.
///
/// # Errors
///
/// [`Error::NotInStore`] where the image is not whole in the store, [`Error::NoPlatform`], [`Error::Layout`]
/// where `folder` holds folders (it is then the parent of other images), [`Error::Io`].
pub fn write(
    store: &Store,
    root: &Digest,
    platforms: &[Platform],
    folder: &Path,
) -> Result<BTreeMap<String, Digest>> {
    let files = files(store, root, platforms)?;
    let _lock = lock_beside(folder)?;
    if is_written(folder, store, &files)? {
        return Ok(files);
    }
    let staged = Staged::new(folder)?;
    write_file(&staged.path().join("version"), VERSION.as_bytes())?;
    for (name, digest) in &files {
        store.give(digest, &staged.path().join(name))?;
    }
    staged.finish()?;
    Ok(files)
}

/// The files of an image: name and content.
fn files(store: &Store, root: &Digest, platforms: &[Platform]) -> Result<BTreeMap<String, Digest>> {
    let mut files = BTreeMap::new();
    let mut closure = Closure::of(*root);
    while let Some(node) = closure.next() {
        let digest = node.digest;
        let bytes = store.read(&digest, MANIFEST_MAX)?;
        let manifest = closure
            .read(&node, &bytes, platforms)
            .map_err(|refusal| Error::refused(refusal, root, &digest, store.blob_path(&digest)))?;
        files.insert(file_of(&node), digest);
        for blob in manifest.blobs() {
            if !store.has(&blob.digest, blob.size)? {
                return Err(Error::NotInStore { digest: blob.digest, store: store.root().to_owned() });
            }
            files.insert(blob.digest.hex(), blob.digest);
        }
    }
    Ok(files)
}

/// The name of the file of a manifest.
fn file_of(node: &ManifestNode) -> String {
    if node.is_root() { "manifest.json".into() } else { format!("{}.manifest.json", node.digest.hex()) }
}

/// Whether `folder` holds exactly `files`: by identity with the store's file or, for copies, by content.
fn is_written(folder: &Path, store: &Store, files: &BTreeMap<String, Digest>) -> Result<bool> {
    let mut found = BTreeSet::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(io("read", folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(io("read", folder))?;
        if entry.file_type().map_err(io("stat", folder))?.is_dir() {
            let reason = "an image was to be written here, but the folder holds other images";
            return Err(Error::Layout { path: folder.to_owned(), reason: reason.into() });
        }
        found.insert(entry.file_name());
    }
    let names = files.keys().map(String::as_str).chain(["version"]);
    if found.len() != files.len() + 1 || !names.clone().all(|name| found.contains(std::ffi::OsStr::new(name)))
    {
        return Ok(false);
    }
    for (name, digest) in files {
        let (path, stored) = (folder.join(name), store.blob_path(digest));
        let here = fs::symlink_metadata(&path).map_err(io("stat", &path))?;
        let there = fs::symlink_metadata(&stored).map_err(io("stat", &stored))?;
        let linked = (here.dev(), here.ino()) == (there.dev(), there.ino());
        let same = linked || (here.is_file() && here.len() == there.len() && digest_of(&path)? == *digest);
        if !same {
            return Ok(false);
        }
    }
    let version = folder.join("version");
    Ok(read_limited(&version, 1024).is_ok_and(|bytes| bytes == VERSION.as_bytes()))
}

/// The digest of a file's bytes.
pub(crate) fn digest_of(path: &Path) -> Result<Digest> {
    let (digest, _) = content::hash_file(path, content::LinkPolicy::Follow)?;
    Ok(digest)
}

/// Reads what an image folder holds. Manifests are read and checked against the digest they are listed under;
/// blobs are not opened ([`crate::check::check`] does).
///
/// # Errors
///
/// [`Error::Manifest`], [`Error::DigestMismatch`], [`Error::TooDeep`], [`Error::TooLarge`], [`Error::Io`].
pub fn read(folder: &Path) -> Result<DirImage> {
    let root = read_limited(&folder.join("manifest.json"), MANIFEST_MAX)?;
    let digest = Digest::of(&root);
    let mut root = Some(root);
    let mut image = DirImage {
        digest,
        kind: MediaKind::OciManifest,
        manifests: Vec::new(),
        blobs: Vec::new(),
        left_out: Vec::new(),
    };
    let mut closure = Closure::of(digest);
    while let Some(node) = closure.next() {
        let file = file_of(&node);
        let path = folder.join(&file);
        let bytes = match root.take().map_or_else(|| read_limited(&path, MANIFEST_MAX), Ok) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                image.left_out.extend(node.descriptor);
                continue;
            }
            read => read?,
        };
        let found = Digest::of(&bytes);
        if found != node.digest {
            return Err(Error::DigestMismatch { path, expected: node.digest, found });
        }
        let manifest = closure
            .read(&node, &bytes, &[])
            .map_err(|refusal| Error::refused(refusal, &digest, &node.digest, path))?;
        if node.is_root() {
            image.kind = manifest.kind;
        }
        image.manifests.push(DirManifest { digest: found, file, size: bytes.len() as u64, manifest });
    }
    let mut named = BTreeSet::new();
    for stored in &image.manifests {
        image.blobs.extend(stored.manifest.blobs().filter(|blob| named.insert(blob.digest)).cloned());
    }
    Ok(image)
}

/// The images below a folder, sorted by name and tag: every `<name>/<tag>` with a `manifest.json`.
/// Names that begin with a dot are passed over; so are files, such as image archives, outside image folders.
///
/// # Errors
///
/// [`Error::Layout`] for a symbolic link, a name no image can have, and an image inside another; [`Error::Io`].
pub fn list(images: &Path) -> Result<Vec<ImagePlace>> {
    let mut places = Vec::new();
    let mut waiting = vec![(images.to_owned(), Vec::<String>::new())];
    while let Some((folder, name)) = waiting.pop() {
        let mut image = None;
        let mut inner = None;
        for entry in fs::read_dir(&folder).map_err(io("read", &folder))? {
            let entry = entry.map_err(io("read", &folder))?;
            let path = entry.path();
            let bad = |reason: &str| Error::Layout { path: path.clone(), reason: reason.into() };
            let Some(part) = entry.file_name().to_str().map(ToOwned::to_owned) else {
                return Err(bad("the name is not text"));
            };
            if part.starts_with('.') {
                continue;
            }
            let kind = entry.file_type().map_err(io("stat", &path))?;
            if kind.is_symlink() {
                return Err(bad("a symbolic link in a folder of images"));
            }
            if kind.is_dir() {
                if name.len() == NAME_DEPTH_MAX {
                    return Err(bad("the name has too many parts"));
                }
                inner = Some(path.clone());
                let mut name = name.clone();
                name.push(part);
                waiting.push((path, name));
            } else if part == "manifest.json" {
                image = Some(path);
            }
        }
        let Some(manifest) = image else { continue };
        let bad = |reason: &str| Error::Layout { path: manifest.clone(), reason: reason.into() };
        if let Some(path) = inner {
            return Err(Error::Layout { path, reason: "a folder inside an image".into() });
        }
        let Some((tag, name)) = name.split_last().filter(|(_, name)| !name.is_empty()) else {
            return Err(bad("an image must be in <name>/<tag>"));
        };
        let name = name.join("/");
        check_repository(&name).map_err(|reason| bad(&format!("the name of the image {reason}")))?;
        check_tag(tag).map_err(|reason| bad(&format!("the tag of the image {reason}")))?;
        places.push(ImagePlace { name, tag: tag.clone(), folder });
    }
    places.sort();
    Ok(places)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        (folder, store)
    }

    fn put(store: &Store, media_type: &str, bytes: &[u8]) -> serde_json::Value {
        json!({ "mediaType": media_type, "digest": store.put(bytes).unwrap(), "size": bytes.len() })
    }

    fn image(store: &Store, layers: &[Vec<u8>]) -> serde_json::Value {
        let config = put(store, "c", format!("{layers:?}").as_bytes());
        let layers: Vec<_> = layers.iter().map(|layer| put(store, "l", layer)).collect();
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        put(store, MediaKind::OciManifest.media_type(), manifest.to_string().as_bytes())
    }

    fn index(store: &Store, images: &[(&str, serde_json::Value)]) -> Digest {
        let manifests: Vec<_> = images
            .iter()
            .map(|(architecture, image)| {
                let mut image = image.clone();
                image["platform"] = json!({ "os": "linux", "architecture": architecture });
                image
            })
            .collect();
        store.put(json!({ "schemaVersion": 2, "manifests": manifests }).to_string().as_bytes()).unwrap()
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_written_is_read_back(
            layers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5),
            more in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..3),
            indexed: bool,
        ) {
            let (folder, store) = store();
            let first = image(&store, &layers);
            let root = if indexed {
                let second = image(&store, &more);
                index(&store, &[("amd64", first), ("arm64", second)])
            } else {
                first["digest"].as_str().unwrap().parse().unwrap()
            };
            let place = folder.path().join("images/a/1");
            write(&store, &root, &[], &place).unwrap();
            let image = read(&place).unwrap();
            prop_assert_eq!(image.digest, root);
            prop_assert_eq!(image.kind.is_index(), indexed);
            prop_assert!(image.left_out.is_empty());
            let mut expected: BTreeSet<String> = image.blobs.iter().map(|blob| blob.digest.hex()).collect();
            expected.extend(image.manifests.iter().map(|stored| stored.file.clone()));
            expected.insert("version".into());
            prop_assert_eq!(names(&place), expected);
            for blob in &image.blobs {
                let file = fs::metadata(place.join(blob.digest.hex())).unwrap();
                let stored = fs::metadata(store.blob_path(&blob.digest)).unwrap();
                prop_assert_eq!((file.dev(), file.ino(), file.len()), (stored.dev(), stored.ino(), blob.size));
            }
            let report = crate::check::check(&folder.path().join("images"), std::num::NonZero::<usize>::MIN).unwrap();
            prop_assert!(report.problems.is_empty(), "{:?}", report.problems);
        }
    }

    #[test]
    fn chosen_platforms_leave_the_index_as_it_is() {
        let (folder, store) = store();
        let (amd, arm) = (image(&store, &[b"amd".to_vec()]), image(&store, &[b"arm".to_vec()]));
        let root = index(&store, &[("amd64", amd), ("arm64", arm.clone())]);
        let place = folder.path().join("a/1");
        write(&store, &root, &["linux/arm64".parse().unwrap()], &place).unwrap();
        let read = read(&place).unwrap();
        assert_eq!(read.digest, root);
        assert_eq!(read.manifests.len(), 2);
        assert_eq!(json!(read.manifests[1].digest), arm["digest"]);
        assert_eq!(read.left_out.len(), 1);
        let missing = write(&store, &root, &["linux/s390x".parse().unwrap()], &place);
        assert!(matches!(missing, Err(Error::NoPlatform { .. })));
        assert_eq!(super::read(&place).unwrap(), read);
    }

    #[test]
    fn a_folder_is_replaced_whole_and_left_alone_when_right() {
        let (folder, store) = store();
        let digest = |image: &serde_json::Value| image["digest"].as_str().unwrap().parse::<Digest>().unwrap();
        let (old, new) = (image(&store, &[b"old".to_vec()]), image(&store, &[b"new".to_vec()]));
        let place = folder.path().join("a/1");
        write(&store, &digest(&old), &[], &place).unwrap();
        let before = fs::metadata(&place).unwrap().ino();
        write(&store, &digest(&old), &[], &place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().ino(), before);
        // A stale file, a killed attempt beside it, and another image.
        fs::write(place.join("stale"), "").unwrap();
        fs::create_dir(folder.path().join("a/.1.new")).unwrap();
        fs::write(folder.path().join("a/.1.new/half"), "").unwrap();
        write(&store, &digest(&new), &[], &place).unwrap();
        assert_eq!(read(&place).unwrap().digest, digest(&new));
        assert!(!place.join("stale").exists());
        assert_eq!(names(&folder.path().join("a")), BTreeSet::from(["1".to_owned()]));
        // What is not whole in the store leaves the folder as it was.
        let layer = store.blob_path(&Digest::of(b"old"));
        fs::remove_file(layer).unwrap();
        assert!(matches!(write(&store, &digest(&old), &[], &place), Err(Error::NotInStore { .. })));
        assert_eq!(read(&place).unwrap().digest, digest(&new));
        // The parent of images is not a place for one.
        let parent = folder.path().join("a");
        assert!(matches!(write(&store, &digest(&new), &[], &parent), Err(Error::Layout { .. })));
    }

    #[test]
    fn folders_that_are_no_images_are_refused_by_name() {
        for (folder, reason) in [
            ("UPPER/1", "the name of the image must be lower-case"),
            ("a/1\"; return 200", "the tag of the image must be letters"),
            ("a/x\" { return 200 'y'; } location = \"", "the tag of the image must be letters"),
            ("a/$host", "the tag of the image must be letters"),
            ("a/{{ registry_root }}", "the tag of the image must be letters"),
            ("a b/1", "the name of the image must be lower-case"),
            ("a;/1", "the name of the image must be lower-case"),
            ("a(b/1", "the name of the image must be lower-case"),
            ("a\n/1", "the name of the image must be lower-case"),
            ("a", "must be in <name>/<tag>"),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let place = scratch.path().join(folder);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("manifest.json"), "{}").unwrap();
            let error = list(scratch.path()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let scratch = tempfile::tempdir().unwrap();
        for place in ["a/1", "a/1/2"] {
            fs::create_dir_all(scratch.path().join(place)).unwrap();
            fs::write(scratch.path().join(place).join("manifest.json"), "{}").unwrap();
        }
        assert!(list(scratch.path()).unwrap_err().to_string().contains("a folder inside an image"));
        let scratch = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", scratch.path().join("a")).unwrap();
        assert!(list(scratch.path()).unwrap_err().to_string().contains("symbolic link"));
    }
}
