//! The registry tree: files from which a web server can serve the pull API, with a configuration of constant size.
//!
//! ```text
//! registry/blobs/sha256/<hex>                               every blob once
//! registry/v2/<name>/manifests/sha256/<hex>/m.<ext>         a manifest's own bytes; <ext> stands for its media type
//! registry/v2/<name>/manifests/<tag> -> sha256/<hex>        a symbolic link
//! registry/v2/<name>/tags/list                              the names of the tags, sorted
//! registry/v2/<name>/tags/after-<tag>                       the same list from behind a tag on, for `last`
//! registry/v2/<name>/referrers/sha256/<hex>                 an index of what is attached to a manifest
//! registry/hosts/<host>/<repository>/_manifests/…           the same for an original repository: `_manifests`, `_tags` and
//!                                                           `_referrers`, with its own tags only
//! ```
//!
//! What is below `hosts/` comes from [`crate::original_names`]; the host is spelled by [`host_part`]. Its folders begin with an
//! underscore, which no part of a repository does, so `a/b` and `a/b/c` can be repositories of one host.
//!
//! Blobs and manifests are hard links to `images/<name>/<tag>/…`, so an ISO holds their bytes once. No file name has
//! a colon. The `name` in `tags/list` is the image's own, without
//! the repository prefix an archive is served under: that is decided on the far side.

mod original;
mod paths;
mod plan;
mod repository;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::{Digest, parallel};
use serde_json::json;

pub use self::original::{ConflictingNames, OriginalRepository, original_repositories};
pub use self::paths::{RepositoryPaths, blob_path};
pub use self::plan::SharedFile;
use self::plan::{PlannedEntry, PlannedFile, Stage, TreePlan};
use self::repository::{Repository, original_entries, refuse_collisions};
use crate::Store;
use crate::dir_layout::{self, ImagePlace, digest_of};
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, Manifest, MediaKind};
use crate::original_names::OriginalNames;
#[cfg(doc)]
use crate::original_names::host_part;
use crate::store::Linked;

/// The most bytes that all lists of one name that begin behind a tag may take.
const AFTER_MAX: usize = 4 << 20;

/// The numbers of images and blobs in a registry tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistrySummary {
    /// Tags, over all names.
    pub images: usize,
    /// Distinct blobs.
    pub blobs: usize,
    /// Bytes of all distinct blobs.
    pub bytes: u64,
}

/// What one tagged image brings into the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedImage {
    /// The tag.
    pub tag: String,
    /// The digest of the manifest or index that the tag names.
    pub digest: Digest,
    /// That manifest, and those below it that are stored.
    pub manifests: Vec<TaggedManifest>,
    /// The configurations and layers of all of them.
    pub blobs: Vec<Digest>,
}

/// What the tree says about a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedManifest {
    /// The digest of its bytes.
    pub digest: Digest,
    /// What it is.
    pub kind: MediaKind,
    /// Its size in bytes.
    pub size: u64,
    /// The manifest that it is attached to, with what the list of referrers says about it.
    pub attached: Option<Arc<ReferrerEntry>>,
}

/// What a list of referrers says about an attached manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrerEntry {
    /// The digest of the manifest that it is attached to.
    pub subject: Digest,
    /// The type of the artifact.
    pub artifact_type: Option<String>,
    /// The annotations of the attached manifest.
    pub annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

impl TaggedManifest {
    /// What the tree says about a manifest of `size` bytes.
    #[must_use]
    pub fn of(digest: Digest, size: u64, manifest: &Manifest) -> Self {
        let attached = manifest.subject.as_ref().map(|subject| {
            Arc::new(ReferrerEntry {
                subject: subject.digest,
                artifact_type: manifest.artifact_type.clone(),
                annotations: manifest.annotations.clone(),
            })
        });
        Self { digest, kind: manifest.kind, size, attached }
    }
}

/// The content of one path of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEntry {
    /// A file with the bytes of this digest, which an image has.
    Blob(Digest),
    /// A manifest with the bytes of this digest.
    Manifest(Digest),
    /// A symbolic link with this target.
    Link(String),
    /// A file of these bytes.
    List(Vec<u8>),
}

/// Everything that the tree holds for the images of one name: path below `registry/` and content. Blobs are shared by all
/// names, so other names may give the same paths.
#[must_use]
pub fn repository(name: &str, images: &[TaggedImage]) -> Vec<(String, RegistryEntry)> {
    let mut seen = HashSet::new();
    let blobs = images.iter().flat_map(|image| &image.blobs).filter(|blob| seen.insert(**blob));
    let mut entries: Vec<_> = blobs.map(|blob| (blob_path(blob), RegistryEntry::Blob(*blob))).collect();
    entries
        .extend(answers(RepositoryPaths::Named(name), images.iter().map(|image| (Some(&*image.tag), image))));
    entries
}

/// What the tree holds for the images of one repository, but for the blobs. An image without a tag can be pulled by digest.
fn answers<'a>(
    paths: RepositoryPaths<'_>,
    images: impl Iterator<Item = (Option<&'a str>, &'a TaggedImage)>,
) -> Vec<(String, RegistryEntry)> {
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    let mut referrers: BTreeMap<Digest, Vec<Descriptor>> = BTreeMap::new();
    let mut tags = BTreeSet::new();
    for (tag, image) in images {
        for manifest in &image.manifests {
            if !seen.insert(manifest.digest) {
                continue;
            }
            let path = paths.manifest(&manifest.digest, manifest.kind);
            entries.push((path, RegistryEntry::Manifest(manifest.digest)));
            if let Some(attached) = &manifest.attached {
                referrers.entry(attached.subject).or_default().push(Descriptor {
                    media_type: manifest.kind.media_type().into(),
                    digest: manifest.digest,
                    size: manifest.size,
                    urls: Vec::new(),
                    platform: None,
                    artifact_type: attached.artifact_type.clone(),
                    annotations: attached.annotations.clone(),
                });
            }
        }
        if let Some(tag) = tag.filter(|tag| tags.insert(*tag)) {
            let target = format!("sha256/{}", image.digest.hex());
            entries.push((paths.tag(tag), RegistryEntry::Link(target)));
        }
    }
    let tags: Vec<&str> = tags.into_iter().collect();
    let name = paths.listed_name();
    let list =
        |tags: &[&str]| RegistryEntry::List(json!({ "name": name, "tags": tags }).to_string().into_bytes());
    entries.push((paths.tags(), list(&tags)));
    let bytes: usize = tags.iter().zip(1..).map(|(tag, lists)| (tag.len() + 3) * lists).sum();
    for (tag, after) in tags.iter().zip(1..).filter(|_| bytes <= AFTER_MAX) {
        let rest = list(tags.get(after..).unwrap_or_default());
        entries.push((paths.tags_after(tag), rest));
    }
    for (subject, mut found) in referrers {
        found.sort_by_key(|descriptor| descriptor.digest);
        let list =
            json!({ "schemaVersion": 2, "mediaType": MediaKind::OciIndex.media_type(), "manifests": found });
        entries.push((paths.referrers(&subject), RegistryEntry::List(list.to_string().into_bytes())));
    }
    entries
}

/// The tree for all images of a folder, read and found whole, before any of it is written.
#[derive(Debug)]
pub struct RegistryTree {
    plan: TreePlan,
    summary: RegistrySummary,
    /// The blobs that are files of a store, to which links are added.
    linked: Option<(Store, Vec<(PathBuf, Linked)>)>,
}

impl RegistryTree {
    /// Reads all images below `images`: the manifests, and whether every blob exists with its size. The blobs are not
    /// opened: see [`RegistryTree::check`].
    ///
    /// # Errors
    ///
    /// What [`dir_layout::list`] and [`dir_layout::read`] find wrong, [`Error::Layout`] for a missing blob and for names
    /// that conflict, [`Error::SizeMismatch`], [`Error::OriginalNames`] for an invalid file of original names,
    /// [`Error::Io`].
    pub fn read(images: &Path) -> Result<Self> {
        let places = dir_layout::list(images)?;
        let mut names: BTreeMap<&str, Vec<&ImagePlace>> = BTreeMap::new();
        for place in &places {
            names.entry(&place.name).or_default().push(place);
        }
        refuse_collisions(&names)?;
        let names: Vec<_> = names.into_iter().collect();
        let repositories = parallel::try_map(parallel::processors(), &names, |(name, places)| {
            Repository::read(name, places)
        })?;
        let mut summary = RegistrySummary { images: places.len(), ..RegistrySummary::default() };
        let mut entries = original_entries(images, &repositories)?;
        let mut known = HashSet::new();
        for repository in repositories {
            entries.extend(repository.entries);
            for (digest, (from, size)) in repository.blobs {
                if known.insert(digest) {
                    entries.push(PlannedEntry::new(
                        Stage::Blobs,
                        blob_path(&digest),
                        PlannedFile::Same(from, digest),
                    ));
                    summary.blobs += 1;
                    summary.bytes = summary.bytes.saturating_add(size);
                }
            }
        }
        Ok(Self { plan: TreePlan::new(entries), summary, linked: None })
    }

    /// What it counts.
    #[must_use]
    pub fn summary(&self) -> RegistrySummary {
        self.summary
    }

    /// The files of the tree that are files of the images, too.
    pub fn shared(&self) -> impl Iterator<Item = SharedFile<'_>> {
        self.plan.shared()
    }

    /// Reads every blob, and finds whether it has the digest that it is named by. A file that `store` shares with the images,
    /// and knows to be unchanged since its digest was computed, is not read again.
    ///
    /// # Errors
    ///
    /// [`Error::DigestMismatch`] for the first that has not, [`Error::Io`].
    pub fn check(&mut self, store: Option<&Store>) -> Result<()> {
        let blobs: Vec<SharedFile<'_>> = self.plan.blobs().collect();
        let linked = parallel::try_map(parallel::processors(), &blobs, |blob| {
            let linked = store.and_then(|store| store.linked(blob.digest, blob.from));
            if !linked.as_ref().is_some_and(Linked::is_known) {
                let found = digest_of(blob.from)?;
                if found != *blob.digest {
                    let (path, expected) = (blob.from.to_owned(), *blob.digest);
                    return Err(Error::DigestMismatch { path, expected, found });
                }
            }
            Ok(linked.map(|linked| (blob.from.to_owned(), linked)))
        })?;
        self.linked = store.map(|store| (store.clone(), linked.into_iter().flatten().collect()));
        Ok(())
    }

    /// Makes the tree `registry`, or updates an existing one.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] for names in the tree that are not text, [`Error::Io`].
    pub fn write(&self, registry: &Path) -> Result<()> {
        self.plan.apply(registry)?;
        if let Some((store, linked)) = &self.linked {
            // A new link changes the times of a file, which are what the store knows it by.
            linked.iter().for_each(|(path, linked)| store.relinked(linked, path));
        }
        Ok(())
    }
}

/// Makes the tree `registry` for all images below `images`, or updates an existing one: what is right is
/// left alone, so a run after which nothing changed writes nothing.
///
/// Nothing is written before all images have been read and found whole, every blob with the digest it is named by. A tree
/// that did not exist appears whole, at once. In one that exists, every file appears whole, blobs before the manifests
/// that name them and these before their tags, and what does not belong is removed in the opposite order: a server may
/// read it meanwhile. After a kill at any moment the next run finishes the work. Of two runs at once, the second waits.
/// Original names of images that do not exist are forgotten.
///
/// # Errors
///
/// Those of [`RegistryTree::read`], [`RegistryTree::check`] and [`RegistryTree::write`].
pub fn index(images: &Path, registry: &Path) -> Result<RegistrySummary> {
    OriginalNames::forget_missing(images)?;
    let mut index = RegistryTree::read(images)?;
    index.check(None)?;
    index.write(registry)?;
    Ok(index.summary)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Store;

    /// A store and a function that lays out an image, or a signature of one.
    fn lay(store: &Store, images: &Path, name: &str, tag: &str, subject: Option<&str>) -> Digest {
        let config = store.put(b"{}").unwrap();
        let subject = subject.map_or(String::new(), |subject| format!(r#","subject":{subject}"#));
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"t/{tag}","config":{{"mediaType":"c","digest":"{config}","size":2}},"layers":[]{subject},"annotations":{{"k":"{name}"}}}}"#,
            MediaKind::OciManifest
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
        let subject = format!(r#"{{"mediaType":"{}","digest":"{one}","size":1}}"#, MediaKind::OciManifest);
        let signature = lay(&store, &images, "a", "sig", Some(&subject));
        lay(&store, &images, "team/b", "1", None);
        // An earlier tree, and a tar beside the images.
        fs::create_dir(&registry).unwrap();
        fs::write(registry.join("stale"), "").unwrap();
        fs::write(images.join("a-1.tar"), "").unwrap();
        let summary = index(&images, &registry).unwrap();
        assert_eq!(summary, RegistrySummary { images: 3, blobs: 1, bytes: 2 });
        let read = |path: &str| fs::read_to_string(registry.join(path)).unwrap();
        assert_eq!(read(&blob_path(&Digest::of(b"{}"))), "{}");
        assert_eq!(
            Digest::of(read(&RepositoryPaths::Named("a").manifest(&one, MediaKind::OciManifest)).as_bytes()),
            one
        );
        let target = fs::read_link(registry.join(RepositoryPaths::Named("a").tag("1"))).unwrap();
        assert_eq!(target.to_str(), Some(format!("sha256/{}", one.hex()).as_str()));
        assert_eq!(read(&RepositoryPaths::Named("a").tags()), r#"{"name":"a","tags":["1","sig"]}"#);
        assert_eq!(read(&RepositoryPaths::Named("a").tags_after("1")), r#"{"name":"a","tags":["sig"]}"#);
        assert_eq!(read(&RepositoryPaths::Named("a").tags_after("sig")), r#"{"name":"a","tags":[]}"#);
        assert_eq!(read(&RepositoryPaths::Named("team/b").tags()), r#"{"name":"team/b","tags":["1"]}"#);
        let referrers: serde_json::Value =
            serde_json::from_str(&read(&RepositoryPaths::Named("a").referrers(&one))).unwrap();
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
        fs::remove_file(registry.join(RepositoryPaths::Named("a").tags())).unwrap();
        fs::write(registry.join(RepositoryPaths::Named("a").tags()), "half").unwrap();
        fs::remove_file(registry.join(RepositoryPaths::Named("a").tag("sig"))).unwrap();
        fs::create_dir(registry.join(RepositoryPaths::Named("a").tag("sig"))).unwrap();
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
        let target = fs::read_link(registry.join(RepositoryPaths::Named("a").tag("1"))).unwrap();
        assert_eq!(target.to_str(), Some(format!("sha256/{}", moved.hex()).as_str()));
        assert_eq!(
            fs::read(registry.join(RepositoryPaths::Named("a").tags())).unwrap(),
            fs::read(fresh.join(RepositoryPaths::Named("a").tags())).unwrap()
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
    fn a_blob_that_is_not_what_its_name_says_is_in_no_index() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("store")).unwrap();
        let (images, registry) = (scratch.path().join("images"), scratch.path().join("registry"));
        lay(&store, &images, "a", "1", None);
        lay(&store, &images, "b", "1", None);
        let digest = Digest::of(b"{}");
        let config = images.join("a/1").join(digest.hex());
        let write = |store: Option<&Store>| {
            let mut index = RegistryTree::read(&images).unwrap();
            index.check(store)?;
            index.write(&registry)
        };
        // Known to the store, before and after it has one more link.
        write(Some(&store)).unwrap();
        assert!(store.linked(&digest, &config).unwrap().is_known());
        let blob = registry.join(blob_path(&digest));
        let written = everything(&registry);
        // The file that all share is edited, then only the one of the image.
        for alone in [false, true] {
            if alone {
                fs::remove_file(&config).unwrap();
                fs::write(&config, "").unwrap();
            }
            fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&config, "[]").unwrap();
            for store in [None, Some(&store)] {
                let error = write(store).unwrap_err();
                let named = matches!(&error, Error::DigestMismatch { path, expected, found }
                    if *path == config && *expected == digest && *found == Digest::of(b"[]"));
                assert!(named, "{error}");
            }
            assert_eq!(everything(&registry).keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
        }
        // A blob of the tree that is damaged there alone is replaced.
        fs::remove_file(&config).unwrap();
        fs::write(&config, "{}").unwrap();
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, "[]").unwrap();
        write(Some(&store)).unwrap();
        assert_eq!(fs::read(&blob).unwrap(), b"{}");
        for (place, reason) in [("link", "a symbolic link"), ("folder", "a folder inside an image")] {
            fs::remove_file(&config).unwrap();
            match place {
                "link" => std::os::unix::fs::symlink("/etc/hostname", &config).unwrap(),
                _ => fs::create_dir(&config).unwrap(),
            }
            assert!(RegistryTree::read(&images).unwrap_err().to_string().contains(reason), "{place}");
        }
    }

    #[test]
    fn what_cannot_be_told_apart_or_is_not_whole_is_refused() {
        for (others, reason) in [
            (vec![("a", "sha256")], "kept by digest"),
            (vec![("a", "1"), ("a/manifests/x", "1")], "conflicts with the manifests"),
            (vec![("a", "1"), ("a/tags/list", "1")], "conflicts with the tags"),
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
        assert!(registry.join(RepositoryPaths::Named("a").tags()).exists());
    }
}
