//! `sealift.lock`: the digest of every tag.
//!
//! The file is YAML, sorted, one digest a line, so that a change reads well in a review. A build never resolves a tag: it
//! takes the digest from here. `sealift lock` adds what is missing, `sealift update` looks at every tag again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use content::{AtomicFile, Digest, Durability, LinkPolicy};
use images::signatures::ImageSignature;
use images::source::EngineImage;
use images::{Platform, Reference};

use super::debian::LockedDebs;
use super::error::Error;
use super::field::{ByName, Named};
use super::file::{self, LockFileContent, LockedSignatureEntry};
use super::names::{KeyId, ParsedName as _, Subject, Tag, Text};
use super::read::{parse_strict, read};
use super::sources::LockedSources;
use super::upstream::LockedPackages;

/// The name of the lock file, beside `sealift.yaml`.
pub const FILE_NAME: &str = "sealift.lock";

/// The version of the format.
const VERSION: u32 = 1;

/// The digests that tags had when they were locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFile {
    images: BTreeMap<Reference, Digest>,
    engines: BTreeMap<EngineImage, Digest>,
    tags: BTreeMap<String, BTreeMap<String, Vec<Tag>>>,
    platforms: BTreeMap<Reference, BTreeMap<Platform, Digest>>,
    referrers: BTreeMap<Reference, LockedReferrers>,
    signatures: BTreeMap<Reference, ImageSignature>,
    sources: LockedSources,
    packages: LockedPackages,
    debs: LockedDebs,
}

/// The lists of referrers of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockedReferrers {
    /// The list for the image itself, which is all that earlier versions locked.
    Image(Digest),
    /// All lists, by what they are of: the image and, where it is an index, the manifests that it lists.
    Each(BTreeMap<Subject, Digest>),
}

impl LockedReferrers {
    /// The digest of the list for `subject`; `image` is the digest of the image.
    #[must_use]
    pub fn list(&self, subject: &Subject, image: &Digest) -> Option<Digest> {
        match self {
            Self::Image(list) => (*subject == Subject::from(*image)).then_some(*list),
            Self::Each(lists) => lists.get(subject).copied(),
        }
    }
}

/// The values of a map, unwrapped.
fn plain<K: Ord>(names: ByName<K, Named<Digest>>) -> BTreeMap<K, Digest> {
    names.0.into_iter().map(|(name, digest)| (name, digest.0)).collect()
}

/// The tags of each selection, unwrapped.
fn tags(selections: ByName<Text, Vec<Named<Tag>>>) -> BTreeMap<String, Vec<Tag>> {
    let tags = |(selection, tags): (Text, Vec<Named<Tag>>)| {
        (selection.as_str().to_owned(), tags.into_iter().map(|tag| tag.0).collect())
    };
    selections.0.into_iter().map(tags).collect()
}

/// A signature, unwrapped.
fn signature((reference, entry): (Reference, LockedSignatureEntry)) -> (Reference, ImageSignature) {
    let signature = ImageSignature {
        image: entry.image.0,
        signer: entry
            .key
            .map(|key| key.0.to_string())
            .or_else(|| entry.signer.map(|signer| signer.0.to_string()))
            .unwrap_or_default(),
        form: entry.form.into(),
        manifest: entry.manifest.0,
        identity: entry.identity.map(|identity| identity.0.to_string()),
    };
    (reference, signature)
}

impl From<LockFileContent> for LockFile {
    fn from(file: LockFileContent) -> Self {
        let referrers = file.referrers.0.into_iter().map(|(reference, referrers)| {
            let referrers = match referrers {
                file::LockedReferrersEntry::Image(list) => LockedReferrers::Image(list.0),
                file::LockedReferrersEntry::Each(lists) => LockedReferrers::Each(plain(lists)),
            };
            (reference, referrers)
        });
        Self {
            images: plain(file.images),
            engines: plain(file.engines),
            tags: file
                .tags
                .0
                .into_iter()
                .map(|(name, selections)| (name.as_str().to_owned(), tags(selections)))
                .collect(),
            platforms: file.platforms.0.into_iter().map(|(name, digests)| (name, plain(digests))).collect(),
            referrers: referrers.collect(),
            signatures: file.signatures.0.into_iter().map(signature).collect(),
            sources: LockedSources::new(file.downloads, file.git),
            packages: LockedPackages::new(file.packages),
            debs: LockedDebs::new(file.debs),
        }
    }
}

impl LockFile {
    /// Reads the lock file of the project at `root`; without one the lock is empty.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not of this format or of a later version of it: every mistake in it, with its place.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(FILE_NAME);
        if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(Self::default());
        }
        let file: LockFileContent = parse_strict(&path, &read(&path)?)?;
        let invalid =
            |message| Err(Error::Invalid { path: path.clone(), line: 1, column: 1, message, snippet: None });
        if file.version != VERSION {
            return invalid(format!(
                "this sealift reads version {VERSION} of the lock file, found {}",
                file.version
            ));
        }
        if let Some((reference, _)) =
            file.signatures.0.iter().find(|(_, entry)| entry.key.is_some() == entry.signer.is_some())
        {
            return invalid(format!("the signature of {reference} must have either `key` or `signer`"));
        }
        Ok(file.into())
    }

    /// The digest locked for `reference` (with its tag).
    #[must_use]
    pub fn digest(&self, reference: &Reference) -> Option<Digest> {
        self.images.get(reference).copied()
    }

    /// Locks `reference` to `digest`; returns what it was locked to before.
    pub fn set(&mut self, reference: Reference, digest: Digest) -> Option<Digest> {
        self.images.insert(reference, digest)
    }

    /// The ID locked for an image of a container engine.
    #[must_use]
    pub fn id(&self, image: &EngineImage) -> Option<Digest> {
        self.engines.get(image).copied()
    }

    /// Locks an image of a container engine to its ID; returns what it was locked to before.
    pub fn set_id(&mut self, image: EngineImage, id: Digest) -> Option<Digest> {
        self.engines.insert(image, id)
    }

    /// Removes every image of a container engine that `keep` refuses; returns those.
    pub fn retain_engines(&mut self, keep: impl Fn(&EngineImage) -> bool) -> Vec<(EngineImage, Digest)> {
        self.engines.extract_if(.., |image, _| !keep(image)).collect()
    }

    /// Locks the manifests that the index behind `reference` lists, by their platforms; returns what was locked before.
    pub fn set_platforms(
        &mut self,
        reference: &Reference,
        platforms: BTreeMap<Platform, Digest>,
    ) -> BTreeMap<Platform, Digest> {
        let old = self.platforms.remove(reference).unwrap_or_default();
        if !platforms.is_empty() {
            self.platforms.insert(reference.clone(), platforms);
        }
        old
    }

    /// The tags locked for a selection of a repository; both are named as the lock file has them.
    #[must_use]
    pub fn tags(&self, repository: &str, selection: &str) -> Option<&[Tag]> {
        self.tags.get(repository)?.get(selection).map(Vec::as_slice)
    }

    /// Locks a selection of a repository to `tags`; returns what was locked before.
    pub fn set_tags(&mut self, repository: String, selection: String, tags: Vec<Tag>) -> Option<Vec<Tag>> {
        self.tags.entry(repository).or_default().insert(selection, tags)
    }

    /// Removes the tags of the selections, each with its repository, that `keep` refuses; returns those.
    pub fn retain_tags(&mut self, keep: impl Fn(&str, &str) -> bool) -> Vec<(String, String, Vec<Tag>)> {
        let mut gone = Vec::new();
        for (repository, selections) in std::mem::take(&mut self.tags) {
            for (selection, tags) in selections {
                if keep(&repository, &selection) {
                    self.tags.entry(repository.clone()).or_default().insert(selection, tags);
                } else {
                    gone.push((repository.clone(), selection, tags));
                }
            }
        }
        gone
    }

    /// What is locked of sources outside the project.
    #[must_use]
    pub fn sources(&self) -> &LockedSources {
        &self.sources
    }

    /// As [`LockFile::sources`], to lock more.
    pub fn sources_mut(&mut self) -> &mut LockedSources {
        &mut self.sources
    }

    /// What is locked of upstream packages.
    #[must_use]
    pub fn packages(&self) -> &LockedPackages {
        &self.packages
    }

    /// As [`LockFile::packages`], to lock more.
    pub fn packages_mut(&mut self) -> &mut LockedPackages {
        &mut self.packages
    }

    /// What is locked of Debian packages.
    #[must_use]
    pub fn debs(&self) -> &LockedDebs {
        &self.debs
    }

    /// As [`LockFile::debs`], to lock more.
    pub fn debs_mut(&mut self) -> &mut LockedDebs {
        &mut self.debs
    }

    /// The lists of referrers locked for `reference`.
    #[must_use]
    pub fn referrers(&self, reference: &Reference) -> Option<&LockedReferrers> {
        self.referrers.get(reference)
    }

    /// Locks the lists of referrers of `reference`, by what they are of; returns what was locked before.
    pub fn set_referrers(
        &mut self,
        reference: Reference,
        lists: BTreeMap<Subject, Digest>,
    ) -> Option<LockedReferrers> {
        self.referrers.insert(reference, LockedReferrers::Each(lists))
    }

    /// Removes the lists of referrers of references that `keep` refuses.
    pub fn retain_referrers(&mut self, keep: impl Fn(&Reference) -> bool) {
        self.referrers.retain(|reference, _| keep(reference));
    }

    /// The signatures of images, by their reference.
    #[must_use]
    pub fn signatures(&self) -> &BTreeMap<Reference, ImageSignature> {
        &self.signatures
    }

    /// Locks the signature of an image; returns what was locked before.
    pub fn set_signature(
        &mut self,
        reference: Reference,
        signature: ImageSignature,
    ) -> Option<ImageSignature> {
        self.signatures.insert(reference, signature)
    }

    /// Removes the signatures of references that `keep` refuses; returns those.
    pub fn retain_signatures(
        &mut self,
        keep: impl Fn(&Reference) -> bool,
    ) -> Vec<(Reference, ImageSignature)> {
        self.signatures.extract_if(.., |reference, _| !keep(reference)).collect()
    }

    /// Removes every reference that `keep` refuses; returns those.
    pub fn retain(&mut self, keep: impl Fn(&Reference) -> bool) -> Vec<Reference> {
        let gone = self.images.keys().filter(|reference| !keep(reference)).cloned().collect();
        self.images.retain(|reference, _| keep(reference));
        self.platforms.retain(|reference, _| keep(reference));
        gone
    }

    /// Writes the lock file of the project at `root`, whole or not at all. A file with this content is left alone.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, root: &Path) -> Result<(), Error> {
        let path = root.join(FILE_NAME);
        let text = self.render();
        if content::open_text(&path, LinkPolicy::Follow, text.len() as u64).is_ok_and(|old| old == text) {
            return Ok(());
        }
        AtomicFile::write(&path, text.as_bytes(), 0o644, Durability::Durable)
            .map_err(|error| Error::file("write", &path, error.source))
    }

    fn render(&self) -> String {
        let mut text = String::from(
            "# The digest or commit behind every tag, URL and branch. Written by `sealift lock` and `sealift update`.\n",
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "version: {VERSION}");
        text.push_str(if self.images.is_empty() { "images: {}\n" } else { "images:\n" });
        for (reference, digest) in by_text(&self.images) {
            let _ = writeln!(text, "  \"{reference}\": {digest}");
        }
        if !self.engines.is_empty() {
            text.push_str("engines:\n");
        }
        for (image, id) in by_text(&self.engines) {
            let _ = writeln!(text, "  \"{image}\": {id}");
        }
        if !self.tags.is_empty() {
            text.push_str("tags:\n");
        }
        for (repository, selections) in &self.tags {
            let _ = writeln!(text, "  \"{repository}\":");
            for (selection, tags) in selections {
                // Regular expressions have backslashes, which count as they are between single quotes.
                let _ = writeln!(
                    text,
                    "    '{}':{}",
                    selection.replace('\'', "''"),
                    if tags.is_empty() { " []" } else { "" }
                );
                for tag in tags {
                    let _ = writeln!(text, "      - \"{}\"", tag.as_str());
                }
            }
        }
        if !self.platforms.is_empty() {
            text.push_str("platforms:\n");
        }
        for (reference, platforms) in by_text(&self.platforms) {
            let _ = writeln!(text, "  \"{reference}\":");
            for (platform, digest) in by_text(platforms) {
                let _ = writeln!(text, "    {platform}: {digest}");
            }
        }
        if !self.referrers.is_empty() {
            text.push_str("referrers:\n");
        }
        for (reference, referrers) in by_text(&self.referrers) {
            match referrers {
                LockedReferrers::Image(list) => drop(writeln!(text, "  \"{reference}\": {list}")),
                LockedReferrers::Each(lists) => {
                    let _ = writeln!(text, "  \"{reference}\":{}", if lists.is_empty() { " {}" } else { "" });
                    for (subject, list) in lists {
                        let _ = writeln!(text, "    {subject}: {list}");
                    }
                }
            }
        }
        if !self.signatures.is_empty() {
            text.push_str("signatures:\n");
        }
        for (reference, signature) in by_text(&self.signatures) {
            let ImageSignature { image, signer, form, manifest, identity } = signature;
            let _ = writeln!(text, "  \"{reference}\":\n    image: {image}");
            match KeyId::parse(signer) {
                Ok(key) => drop(writeln!(text, "    key: {key}")),
                // An identity has no quote, no backslash and no control character.
                Err(_) => drop(writeln!(text, "    signer: \"{signer}\"")),
            }
            let _ = writeln!(text, "    form: {form}\n    manifest: {manifest}");
            if let Some(identity) = identity {
                let _ = writeln!(text, "    identity: \"{identity}\"");
            }
        }
        self.sources.render(&mut text);
        self.packages.render(&mut text);
        self.debs.render(&mut text);
        text
    }
}

/// The entries of a map in the order of their keys as text.
fn by_text<K: ToString, V>(map: &BTreeMap<K, V>) -> BTreeMap<String, &V> {
    map.iter().map(|(key, value)| (key.to_string(), value)).collect()
}

#[cfg(test)]
mod tests {
    use images::signatures::SignatureForm;

    use super::*;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    fn digest(digit: &str) -> Digest {
        format!("sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    #[test]
    fn a_written_lock_reads_back_the_same() {
        let root = tempfile::tempdir().unwrap();
        let mut lock = LockFile::read(root.path()).unwrap();
        assert_eq!(lock, LockFile::default());
        let (nginx, b) =
            (reference("docker.io/library/nginx:1.27.0-alpine"), reference("localhost:5000/b:1"));
        lock.set(nginx, digest("a"));
        lock.set(b.clone(), digest("b"));
        let engine = |text: &str| text.parse::<EngineImage>().unwrap();
        assert_eq!(lock.set_id(engine("docker-daemon:my_image:1"), digest("e")), None);
        assert_eq!(lock.set_id(engine("containers-storage:localhost/a:1"), digest("f")), None);
        lock.set_referrers(b.clone(), BTreeMap::from([(Subject::from(digest("b")), digest("c"))]));
        lock.set_referrers(reference("localhost:5000/c:1"), BTreeMap::new());
        let signed = |form, identity: Option<&str>| ImageSignature {
            image: digest("b"),
            signer: format!("SHA256:{}", "+".repeat(43)),
            form,
            manifest: digest("c"),
            identity: identity.map(ToOwned::to_owned),
        };
        let (tagged, referring) =
            (signed(SignatureForm::Tag, Some("quay.io/b")), signed(SignatureForm::Referrer, None));
        assert_eq!(lock.set_signature(b.clone(), referring.clone()), None);
        assert_eq!(lock.set_signature(b.clone(), tagged.clone()), Some(referring.clone()));
        lock.set_signature(reference("localhost:5000/c:1"), referring.clone());
        let repository = || "docker.io/library/nginx".to_owned();
        let pattern = || r#"latest 2 of tagPattern ^it's "1\.27": #"#.to_owned();
        let range = || "semver >=1.27 <1.28".to_owned();
        let tags = ["1.27", "1e3"].map(|tag| Tag::parse(tag).unwrap());
        assert_eq!(lock.set_tags(repository(), pattern(), tags.to_vec()), None);
        assert_eq!(lock.set_tags(repository(), range(), tags[..1].to_vec()), None);
        assert_eq!(lock.set_tags(repository(), range(), Vec::new()), Some(tags[..1].to_vec()));
        let amd = BTreeMap::from([("linux/amd64".parse().unwrap(), digest("d"))]);
        assert!(lock.set_platforms(&b, amd.clone()).is_empty());
        lock.write(root.path()).unwrap();
        assert_eq!(LockFile::read(root.path()).unwrap(), lock);
        let gone = lock.retain_tags(|_, selection| selection.starts_with("latest"));
        assert_eq!(gone, [(repository(), range(), Vec::new())]);
        assert_eq!(lock.tags(&repository(), &pattern()), Some(&tags[..]));
        assert_eq!(lock.tags(&repository(), &range()), None);
        assert_eq!(lock.id(&engine("docker-daemon:my_image:1")), Some(digest("e")));
        let gone = lock.retain_engines(|image| *image == engine("docker-daemon:my_image:1"));
        assert_eq!(gone, [(engine("containers-storage:localhost/a:1"), digest("f"))]);
        assert_eq!(lock.retain_signatures(|reference| *reference != b), [(b.clone(), tagged)]);
        assert_eq!(lock.signatures().values().collect::<Vec<_>>(), [&referring]);
        lock.retain_referrers(|reference| *reference != b);
        assert_eq!(lock.referrers(&b), None);
        let gone = lock.retain(|reference| reference.registry() == "docker.io");
        assert_eq!(gone, std::slice::from_ref(&b));
        lock.write(root.path()).unwrap();
        let mut lock = LockFile::read(root.path()).unwrap();
        assert_eq!(lock.digest(&b), None);
        assert!(lock.set_platforms(&b, amd).is_empty());
    }

    #[test]
    fn a_lock_of_an_earlier_version_is_read_and_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (image, list) = (digest("b"), digest("c"));
        let text = format!(
            "version: 1\nimages:\n  \"localhost:5000/b-c:1\": {image}\n  \"localhost:5000/b:1\": {image}\nreferrers:\n  \
             \"localhost:5000/b:1\": {list}\n"
        );
        std::fs::write(root.path().join(FILE_NAME), &text).unwrap();
        let lock = LockFile::read(root.path()).unwrap();
        let attached = lock.referrers(&reference("localhost:5000/b:1")).unwrap();
        assert_eq!(attached.list(&image.into(), &image), Some(list));
        assert_eq!(attached.list(&list.into(), &image), None);
        assert!(lock.render().ends_with(&text));
    }

    #[test]
    fn a_lock_of_a_later_version_is_refused() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(FILE_NAME), "version: 2\nimages: {}\n").unwrap();
        let error = LockFile::read(root.path()).unwrap_err().to_string();
        assert!(error.contains("version 1") && error.contains("found 2"), "{error}");
    }

    #[test]
    fn a_merge_conflict_in_a_lock_is_reported_where_it_begins() {
        let root = tempfile::tempdir().unwrap();
        let text = "version: 1\nimages:\n<<<<<<< HEAD\n  a:1: x\n=======\n  a:1: y\n>>>>>>> main\n";
        std::fs::write(root.path().join(FILE_NAME), text).unwrap();
        let error = LockFile::read(root.path()).unwrap_err().to_string();
        let expected =
            "sealift.lock:3:1: a merge conflict: keep one side, and run `sealift lock` for the rest";
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn every_mistake_in_a_lock_is_reported_with_its_place() {
        let root = tempfile::tempdir().unwrap();
        let good = digest("a");
        for (text, expected) in [
            (
                format!(
                    "version: 1\nimages:\n  UPPER: {good}\n  a:1: sha256:ff\nplatforms:\n  a:1: {{amd: {good}}}\n\
                     referrers:\n  a:1: x\n  b:1: {{{good}.SIG: {good}}}\n"
                ),
                &[":3:3: `UPPER`", ":4:8: `sha256:ff`", ":6:9: `amd`", ":8:8: `x`", ":9:9: `sha256:"][..],
            ),
            (
                format!(
                    "version: 1\nimages:\n  nginx:1: {good}\n  docker.io/library/nginx:1: {}\n",
                    digest("b")
                ),
                &["a second value for `docker.io/library/nginx:1`"],
            ),
        ] {
            std::fs::write(root.path().join(FILE_NAME), text).unwrap();
            let error = LockFile::read(root.path()).unwrap_err().to_string();
            assert_eq!(error.lines().count(), expected.len(), "{error}");
            for (line, expected) in error.lines().zip(expected) {
                assert!(line.contains(expected), "{expected}: {error}");
            }
        }
    }
}
