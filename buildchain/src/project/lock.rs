//! `sealift.lock`: the digest behind every tag.
//!
//! The file is YAML, sorted, one digest a line, so that a change reads well in a review. A build never resolves a tag: it
//! takes the digest from here. `sealift lock` adds what is missing, `sealift update` looks at every tag again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use content::{AtomicFile, Durability, Links};
use schemars::JsonSchema;
use serde::Deserialize;

use super::error::Error;

/// The name of the lock file, beside `sealift.yaml`.
pub const FILE_NAME: &str = "sealift.lock";

/// The version of the format.
const VERSION: u32 = 1;

/// The digests that tags stood for when they were locked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The version of the format.
    version: u32,
    /// The digest of each reference with a tag, such as `docker.io/library/alpine:3.20.1`.
    #[serde(default)]
    images: BTreeMap<String, String>,
    /// For an image index: the digest of the manifest of each platform. The digest of the index pins them; they are here so
    /// that a review shows what changed.
    #[serde(default)]
    platforms: BTreeMap<String, BTreeMap<String, String>>,
    /// For an image with `referrers`: the digests of the lists of its referrers.
    #[serde(default)]
    referrers: BTreeMap<String, Attached>,
}

/// What is attached to an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Attached {
    /// The digest of the list of what is attached to the image itself: all that locks of earlier versions hold.
    Image(String),
    /// The digests of all lists, by the digest of what they are attached to: the image and, where it is an index, the
    /// manifests that it lists.
    Each(BTreeMap<String, String>),
}

impl Attached {
    /// The digest of the list of what is attached to `subject`; `image` is the digest of the image.
    #[must_use]
    pub fn list(&self, subject: &str, image: &str) -> Option<&str> {
        match self {
            Self::Image(list) => (subject == image).then_some(list),
            Self::Each(lists) => lists.get(subject).map(String::as_str),
        }
    }
}

impl Lock {
    /// Reads the lock file of the project at `root`; without one the lock is empty.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not of this format or of a later version of it.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let path = root.join(FILE_NAME);
        if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(Self::empty());
        }
        let text = super::read(&path)?;
        let lock: Self = serde_saphyr::from_str(&text).map_err(|error| Error::yaml(&path, &error))?;
        if lock.version != VERSION {
            let message =
                format!("this sealift reads version {VERSION} of the lock file, found {}", lock.version);
            return Err(Error::Invalid { path, line: 1, column: 1, message, snippet: None });
        }
        Ok(lock)
    }

    /// A lock that holds nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            version: VERSION,
            images: BTreeMap::new(),
            platforms: BTreeMap::new(),
            referrers: BTreeMap::new(),
        }
    }

    /// The digest locked for `reference` (with its tag).
    #[must_use]
    pub fn digest(&self, reference: &str) -> Option<&str> {
        self.images.get(reference).map(String::as_str)
    }

    /// Locks `reference` to `digest`; gives back what it was locked to before.
    pub fn set(&mut self, reference: String, digest: String) -> Option<String> {
        self.images.insert(reference, digest)
    }

    /// Notes the manifests that the index behind `reference` lists, by their platforms; gives back what was noted before.
    pub fn set_platforms(
        &mut self,
        reference: &str,
        platforms: BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let old = self.platforms.remove(reference).unwrap_or_default();
        if !platforms.is_empty() {
            self.platforms.insert(reference.to_owned(), platforms);
        }
        old
    }

    /// What is locked as attached to `reference`.
    #[must_use]
    pub fn referrers(&self, reference: &str) -> Option<&Attached> {
        self.referrers.get(reference)
    }

    /// Locks what is attached to `reference`: the digests of the lists, by the digest of what they are attached to. Gives
    /// back what was locked before.
    pub fn set_referrers(&mut self, reference: String, lists: BTreeMap<String, String>) -> Option<Attached> {
        self.referrers.insert(reference, Attached::Each(lists))
    }

    /// Forgets the lists that `keep` does not want.
    pub fn retain_referrers(&mut self, keep: impl Fn(&str) -> bool) {
        self.referrers.retain(|reference, _| keep(reference));
    }

    /// Forgets every reference that `keep` does not want; gives back those that went.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) -> Vec<String> {
        let gone = self.images.keys().filter(|reference| !keep(reference)).cloned().collect();
        self.images.retain(|reference, _| keep(reference));
        self.platforms.retain(|reference, _| keep(reference));
        gone
    }

    /// Writes the lock file of the project at `root`, whole or not at all. A file that already says so is left alone.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, root: &Path) -> Result<(), Error> {
        let path = root.join(FILE_NAME);
        let text = self.render();
        if content::open_text(&path, Links::Follow, text.len() as u64).is_ok_and(|old| old == text) {
            return Ok(());
        }
        AtomicFile::write(&path, text.as_bytes(), 0o644, Durability::Durable)
            .map_err(|error| Error::file("write", &path, error.source))
    }

    fn render(&self) -> String {
        let mut text =
            String::from("# The digest behind every tag. Written by `sealift lock` and `sealift update`.\n");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "version: {}", self.version);
        if self.images.is_empty() {
            text.push_str("images: {}\n");
        } else {
            text.push_str("images:\n");
        }
        for (reference, digest) in &self.images {
            let _ = writeln!(text, "  \"{reference}\": {digest}");
        }
        if !self.platforms.is_empty() {
            text.push_str("platforms:\n");
        }
        for (reference, platforms) in &self.platforms {
            let _ = writeln!(text, "  \"{reference}\":");
            for (platform, digest) in platforms {
                let _ = writeln!(text, "    {platform}: {digest}");
            }
        }
        if !self.referrers.is_empty() {
            text.push_str("referrers:\n");
        }
        for (reference, attached) in &self.referrers {
            match attached {
                Attached::Image(list) => drop(writeln!(text, "  \"{reference}\": {list}")),
                Attached::Each(lists) => {
                    let _ = writeln!(text, "  \"{reference}\":");
                    for (subject, list) in lists {
                        let _ = writeln!(text, "    {subject}: {list}");
                    }
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_lock_reads_back_the_same() {
        let root = tempfile::tempdir().unwrap();
        let mut lock = Lock::read(root.path()).unwrap();
        assert_eq!(lock, Lock::empty());
        lock.set("docker.io/library/nginx:1.27.0-alpine".into(), format!("sha256:{}", "a".repeat(64)));
        lock.set("localhost:5000/b:1".into(), format!("sha256:{}", "b".repeat(64)));
        let (image, list) = (format!("sha256:{}", "b".repeat(64)), format!("sha256:{}", "c".repeat(64)));
        lock.set_referrers("localhost:5000/b:1".into(), BTreeMap::from([(image.clone(), list.clone())]));
        let amd = BTreeMap::from([("linux/amd64".to_owned(), format!("sha256:{}", "d".repeat(64)))]);
        assert!(lock.set_platforms("localhost:5000/b:1", amd.clone()).is_empty());
        lock.write(root.path()).unwrap();
        assert_eq!(Lock::read(root.path()).unwrap(), lock);
        lock.retain_referrers(|reference| reference != "localhost:5000/b:1");
        assert_eq!(lock.referrers("localhost:5000/b:1"), None);
        assert_eq!(lock.retain(|reference| reference.starts_with("docker.io")), ["localhost:5000/b:1"]);
        lock.write(root.path()).unwrap();
        let mut lock = Lock::read(root.path()).unwrap();
        assert_eq!(lock.digest("localhost:5000/b:1"), None);
        assert!(lock.set_platforms("localhost:5000/b:1", amd).is_empty());
    }

    #[test]
    fn a_lock_of_an_earlier_version_is_read_and_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (image, list) = (format!("sha256:{}", "b".repeat(64)), format!("sha256:{}", "c".repeat(64)));
        let text = format!(
            "version: 1\nimages:\n  \"localhost:5000/b:1\": {image}\nreferrers:\n  \"localhost:5000/b:1\": {list}\n"
        );
        std::fs::write(root.path().join(FILE_NAME), &text).unwrap();
        let lock = Lock::read(root.path()).unwrap();
        let attached = lock.referrers("localhost:5000/b:1").unwrap();
        assert_eq!((attached.list(&image, &image), attached.list(&list, &image)), (Some(&*list), None));
        assert!(lock.render().ends_with(&text));
    }

    #[test]
    fn a_lock_of_a_later_version_is_refused() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(FILE_NAME), "version: 2\nimages: {}\n").unwrap();
        let error = Lock::read(root.path()).unwrap_err().to_string();
        assert!(error.contains("version 1") && error.contains("found 2"), "{error}");
    }
}
