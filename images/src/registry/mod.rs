//! The static registry: files that a web server with a configuration of constant size answers the pull API from.
//!
//! ```text
//! registry/blobs/sha256/<hex>                               every blob once
//! registry/v2/<name>/manifests/sha256/<hex>/m.<ext>         a manifest's own bytes; <ext> tells its media type
//! registry/v2/<name>/manifests/<tag> -> sha256/<hex>        a symbolic link
//! registry/v2/<name>/tags/list                              the names of the tags, sorted
//! registry/v2/<name>/tags/after-<tag>                       the same list from behind a tag on, for `last`
//! registry/v2/<name>/referrers/sha256/<hex>                 an index of what is attached to a manifest
//! ```
//!
//! Blobs and manifests are hard links to `images/<name>/<tag>/…`, so an ISO holds their bytes once. No file name has
//! a colon. The `name` in `tags/list` is the image's own, without
//! the repository prefix an archive is served under: that is decided on the far side.

mod plan;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use self::plan::{Entry, Item, Plan, Stage};
use crate::Digest;
use crate::dir_layout::{self, Image, Place};
use crate::error::{Error, Result, io};
use crate::manifest::{Descriptor, Kind};
use crate::parallel;

/// Parts of a name that mean something in the tree; an image may have them in its name as long as no other image is
/// called what stands before them.
const RESERVED: [&str; 3] = ["manifests", "tags", "referrers"];

/// The most bytes that all lists of one name that begin behind a tag may take.
const AFTER_MAX: usize = 4 << 20;

/// What an index counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tags, over all names.
    pub images: usize,
    /// Distinct blobs.
    pub blobs: usize,
    /// Bytes of all distinct blobs.
    pub bytes: u64,
}

/// Where the blob is in the tree.
#[must_use]
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Where the manifest is in the tree. The kind is not known from a request: try [`Kind::ALL`].
#[must_use]
pub fn manifest_path(name: &str, digest: &Digest, kind: Kind) -> String {
    format!("v2/{name}/manifests/sha256/{}/m.{}", digest.hex(), kind.extension())
}

/// Where the symbolic link of a tag is in the tree; its target ends in the digest's hexadecimal digits.
#[must_use]
pub fn tag_path(name: &str, tag: &str) -> String {
    format!("v2/{name}/manifests/{tag}")
}

/// Where the list of tags is in the tree.
#[must_use]
pub fn tags_path(name: &str) -> String {
    format!("v2/{name}/tags/list")
}

/// Where the list of the tags behind a tag is in the tree. A name with very many tags has none: they grow with the square.
#[must_use]
pub fn tags_after_path(name: &str, tag: &str) -> String {
    format!("v2/{name}/tags/after-{tag}")
}

/// Where the list of referrers is in the tree; a manifest without any has no such file.
#[must_use]
pub fn referrers_path(name: &str, digest: &Digest) -> String {
    format!("v2/{name}/referrers/sha256/{}", digest.hex())
}

/// Makes the tree `registry` for all images below `images`, or brings the one that is there up to date: what is right is
/// left alone, so a run after which nothing changed writes nothing.
///
/// Nothing is written before all images have been read and found whole. A tree where there was none appears whole, at
/// once. In one that is there every file appears whole, blobs before the manifests that name them and these before their
/// tags, and what does not belong goes in the opposite order: a server may read it meanwhile. After a kill at any
/// moment the next run finishes the work.
///
/// # Errors
///
/// What [`dir_layout::list`] and [`dir_layout::read`] find wrong, [`Error::Layout`] for a missing blob and for names
/// that cannot be told apart, [`Error::SizeMismatch`], [`Error::Io`].
pub fn index(images: &Path, registry: &Path) -> Result<Summary> {
    let places = dir_layout::list(images)?;
    let mut names: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
    for place in &places {
        names.entry(&place.name).or_default().push(place);
    }
    refuse_collisions(&names)?;
    let names: Vec<_> = names.into_iter().collect();
    let repositories =
        parallel::map(parallel::processors(), &names, |(name, places)| Repository::read(name, places))?;
    let mut summary = Summary { images: places.len(), ..Summary::default() };
    let mut entries = Vec::new();
    let mut known = HashSet::new();
    for repository in repositories {
        entries.extend(repository.entries);
        for (digest, (from, size)) in repository.blobs {
            if known.insert(digest) {
                entries.push(Entry::new(Stage::Blobs, blob_path(&digest), Item::Same(from)));
                summary.blobs += 1;
                summary.bytes = summary.bytes.saturating_add(size);
            }
        }
    }
    Plan::new(entries).apply(registry)?;
    Ok(summary)
}

/// Two images whose files would be at one place in the tree.
fn refuse_collisions(names: &BTreeMap<&str, Vec<&Place>>) -> Result<()> {
    for (name, places) in names {
        for place in places {
            let bad = |reason| Err(Error::Layout { path: place.folder.clone(), reason });
            if place.tag == "sha256" {
                return bad("the tag `sha256` is where manifests are kept by digest".into());
            }
            for (at, _) in name.match_indices('/') {
                let (before, after) = name.split_at_checked(at).unwrap_or_default();
                let part = after.trim_start_matches('/').split('/').next().unwrap_or_default();
                if RESERVED.contains(&part) && names.contains_key(before) {
                    return bad(format!("`{name}` cannot be told from the {part} of the image `{before}`"));
                }
            }
        }
    }
    Ok(())
}

/// Where a blob is, if it is there with the size it should have.
fn checked_blob(folder: &Path, blob: &Descriptor) -> Result<PathBuf> {
    let path = folder.join(blob.digest.hex());
    match fs::symlink_metadata(&path) {
        Ok(found) if !found.is_file() => Err(Error::Layout { path, reason: "not a regular file".into() }),
        Ok(found) if found.len() != blob.size => {
            Err(Error::SizeMismatch { path, expected: blob.size, found: found.len() })
        }
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Layout { path, reason: format!("the {} is missing", blob.media_type) })
        }
        Err(error) => Err(io("stat", &path)(error)),
    }
}

/// What is gathered over the tags of one name.
#[derive(Default)]
struct Repository {
    entries: Vec<Entry>,
    /// Where each blob is, and its size in bytes.
    blobs: HashMap<Digest, (PathBuf, u64)>,
    tags: BTreeSet<String>,
    manifests: BTreeSet<Digest>,
    referrers: BTreeMap<Digest, Vec<Descriptor>>,
}

impl Repository {
    /// Reads all images of a name.
    fn read(name: &str, places: &[&Place]) -> Result<Self> {
        let mut repository = Self::default();
        for place in places {
            let image = dir_layout::read(&place.folder)?;
            for blob in &image.blobs {
                let from = checked_blob(&place.folder, blob)?;
                repository.blobs.entry(blob.digest).or_insert((from, blob.size));
            }
            repository.add(place, &image);
        }
        repository.finish(name);
        Ok(repository)
    }

    fn entry(&mut self, stage: Stage, path: String, item: Item) {
        self.entries.push(Entry::new(stage, path, item));
    }

    /// Plans the manifests of an image and its tag.
    fn add(&mut self, place: &Place, image: &Image) {
        for stored in &image.manifests {
            if !self.manifests.insert(stored.digest) {
                continue;
            }
            let manifest = &stored.manifest;
            let path = manifest_path(&place.name, &stored.digest, manifest.kind);
            self.entry(Stage::Manifests, path, Item::Same(place.folder.join(&stored.file)));
            if let Some(subject) = &manifest.subject {
                self.referrers.entry(subject.digest).or_default().push(Descriptor {
                    media_type: manifest.kind.media_type().into(),
                    digest: stored.digest,
                    size: stored.size,
                    urls: Vec::new(),
                    platform: None,
                    artifact_type: manifest.artifact_type.clone(),
                    annotations: manifest.annotations.clone(),
                });
            }
        }
        let target = format!("sha256/{}", image.digest.hex());
        self.entry(Stage::Names, tag_path(&place.name, &place.tag), Item::Link(target));
        self.tags.insert(place.tag.clone());
    }

    /// Plans the answers that are lists.
    fn finish(&mut self, name: &str) {
        let all = std::mem::take(&mut self.tags);
        let tags: Vec<&String> = all.iter().collect();
        let list =
            |tags: &[&String]| Item::Bytes(json!({ "name": name, "tags": tags }).to_string().into_bytes());
        self.entry(Stage::Names, tags_path(name), list(&tags));
        let bytes: usize = tags.iter().zip(1..).map(|(tag, lists)| (tag.len() + 3) * lists).sum();
        for (tag, after) in tags.iter().zip(1..).filter(|_| bytes <= AFTER_MAX) {
            let rest = list(tags.get(after..).unwrap_or_default());
            self.entry(Stage::Names, tags_after_path(name, tag), rest);
        }
        for (subject, mut found) in std::mem::take(&mut self.referrers) {
            found.sort_by_key(|descriptor| descriptor.digest);
            let list =
                json!({ "schemaVersion": 2, "mediaType": Kind::OciIndex.media_type(), "manifests": found });
            let path = referrers_path(name, &subject);
            self.entry(Stage::Names, path, Item::Bytes(list.to_string().into_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    /// A store and a function that lays out an image, or a signature of one.
    fn lay(store: &Store, images: &Path, name: &str, tag: &str, subject: Option<&str>) -> Digest {
        let config = store.put(b"{}").unwrap();
        let subject = subject.map_or(String::new(), |subject| format!(r#","subject":{subject}"#));
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"t/{tag}","config":{{"mediaType":"c","digest":"{config}","size":2}},"layers":[]{subject},"annotations":{{"k":"{name}"}}}}"#,
            Kind::OciManifest
        );
        let digest = store.put(text.as_bytes()).unwrap();
        dir_layout::write(store, &digest, &[], &images.join(name).join(tag)).unwrap();
        digest
    }

    #[test]
    fn the_tree_has_everything_once() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("store")).unwrap();
        let (images, registry) = (scratch.path().join("images"), scratch.path().join("registry"));
        let one = lay(&store, &images, "a", "1", None);
        let subject = format!(r#"{{"mediaType":"{}","digest":"{one}","size":1}}"#, Kind::OciManifest);
        let signature = lay(&store, &images, "a", "sig", Some(&subject));
        lay(&store, &images, "team/b", "1", None);
        // An earlier tree, and a tar beside the images.
        fs::create_dir(&registry).unwrap();
        fs::write(registry.join("stale"), "").unwrap();
        fs::write(images.join("a-1.tar"), "").unwrap();
        let summary = index(&images, &registry).unwrap();
        assert_eq!(summary, Summary { images: 3, blobs: 1, bytes: 2 });
        let read = |path: &str| fs::read_to_string(registry.join(path)).unwrap();
        assert_eq!(read(&blob_path(&Digest::of(b"{}"))), "{}");
        assert_eq!(Digest::of(read(&manifest_path("a", &one, Kind::OciManifest)).as_bytes()), one);
        let target = fs::read_link(registry.join(tag_path("a", "1"))).unwrap();
        assert_eq!(target.to_str(), Some(format!("sha256/{}", one.hex()).as_str()));
        assert_eq!(read(&tags_path("a")), r#"{"name":"a","tags":["1","sig"]}"#);
        assert_eq!(read(&tags_after_path("a", "1")), r#"{"name":"a","tags":["sig"]}"#);
        assert_eq!(read(&tags_after_path("a", "sig")), r#"{"name":"a","tags":[]}"#);
        assert_eq!(read(&tags_path("team/b")), r#"{"name":"team/b","tags":["1"]}"#);
        let referrers: serde_json::Value = serde_json::from_str(&read(&referrers_path("a", &one))).unwrap();
        let [found] = referrers["manifests"].as_array().unwrap().as_slice() else { panic!("{referrers}") };
        assert_eq!(found["digest"], json!(signature));
        assert_eq!(found["artifactType"], "t/sig");
        assert_eq!(found["annotations"]["k"], "a");
        assert!(!registry.join("stale").exists());

        // Nothing changed: nothing is written. Then a tag moves, an image goes, and stale things lie about.
        let before = everything(&registry);
        index(&images, &registry).unwrap();
        assert_eq!(everything(&registry), before);
        let moved = lay(&store, &images, "a", "1", Some(&subject));
        fs::remove_dir_all(images.join("team")).unwrap();
        fs::remove_file(registry.join(tags_path("a"))).unwrap();
        fs::write(registry.join(tags_path("a")), "half").unwrap();
        fs::remove_file(registry.join(tag_path("a", "sig"))).unwrap();
        fs::create_dir(registry.join(tag_path("a", "sig"))).unwrap();
        fs::write(registry.join("v2/.new"), "").unwrap();
        index(&images, &registry).unwrap();
        let fresh = scratch.path().join("fresh");
        // What a killed attempt left.
        let beside = scratch.path().join(".fresh.new");
        fs::create_dir_all(beside.join("v2/half")).unwrap();
        index(&images, &fresh).unwrap();
        assert!(!beside.exists());
        let names = |tree: &Path| everything(tree).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&registry), names(&fresh));
        let target = fs::read_link(registry.join(tag_path("a", "1"))).unwrap();
        assert_eq!(target.to_str(), Some(format!("sha256/{}", moved.hex()).as_str()));
        assert_eq!(
            fs::read(registry.join(tags_path("a"))).unwrap(),
            fs::read(fresh.join(tags_path("a"))).unwrap()
        );
    }

    /// Every path below `root` with inode and time of the last change.
    fn everything(root: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
        use std::os::unix::fs::MetadataExt;
        let mut found = BTreeMap::new();
        let mut waiting = vec![root.to_owned()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let state = (metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
                found.insert(path.strip_prefix(root).unwrap().to_owned(), state);
                if metadata.is_dir() {
                    waiting.push(path);
                }
            }
        }
        found
    }

    #[test]
    fn what_cannot_be_told_apart_or_is_not_whole_is_refused() {
        for (others, reason) in [
            (vec![("a", "sha256")], "kept by digest"),
            (vec![("a", "1"), ("a/manifests/x", "1")], "cannot be told from the manifests"),
            (vec![("a", "1"), ("a/tags/list", "1")], "cannot be told from the tags"),
            (vec![("b/manifests/x", "1")], ""),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let store = Store::open(&scratch.path().join("store")).unwrap();
            let (images, registry) = (scratch.path().join("images"), scratch.path().join("registry"));
            for (name, tag) in &others {
                lay(&store, &images, name, tag, None);
            }
            match index(&images, &registry) {
                Ok(_) => assert_eq!(reason, ""),
                Err(error) => assert!(!reason.is_empty() && error.to_string().contains(reason), "{error}"),
            }
        }
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("store")).unwrap();
        let (images, registry) = (scratch.path().join("images"), scratch.path().join("registry"));
        lay(&store, &images, "a", "1", None);
        index(&images, &registry).unwrap();
        fs::remove_file(images.join("a/1").join(Digest::of(b"{}").hex())).unwrap();
        let error = index(&images, &registry).unwrap_err();
        assert!(error.to_string().contains("the c is missing"), "{error}");
        // The tree that was there is still whole.
        assert!(registry.join(tags_path("a")).exists());
    }
}
