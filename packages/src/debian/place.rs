//! Where metadata are written, and how they replace older ones.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability, LinkPolicy};

use super::index::fresh;
use super::options::DebIndexOptions;
use super::upstream::MAX_RELEASE;
use crate::error::{Error, Result};
use crate::openpgp::KEYS_MAX;
use crate::publish::{PrivateFolder, remove_folder, replace_folder};

/// The folder of suites.
const DISTS: &str = "dists";
/// Where the metadata of a repository without suites are written first.
const STAGING: &str = ".packages.new";
/// The public key of a signed repository, which `repository apt-config` gives to clients. A suite with another key than the others
/// has it beside its `Release`.
pub const KEY: &str = "archive-key.asc";
/// The signatures of `Release`.
const SIGNATURES: [&str; 2] = ["InRelease", "Release.gpg"];
/// The metadata of a repository without suites.
const FLAT: [&str; 3] = ["Packages", "Packages.gz", "Packages.xz"];

/// A locked repository.
pub(super) struct Place<'a> {
    folder: PrivateFolder,
    /// The folder of the repository.
    root: PathBuf,
    /// The folder of `Release`.
    metadata: PathBuf,
    staging: PathBuf,
    options: &'a DebIndexOptions,
}

/// What [`Place::publish`] did.
pub(super) struct Published {
    pub(super) release: PathBuf,
    pub(super) dropped: Vec<String>,
}

impl<'a> Place<'a> {
    /// Waits until no other process writes there.
    pub(super) fn lock(dir: &Path, options: &'a DebIndexOptions) -> Result<Self> {
        // A folder that does not exist is a mistake, and no empty repository.
        fs::metadata(dir).map_err(Error::io("read", dir))?;
        let target = options.output.as_deref().unwrap_or(dir);
        let (parent, metadata, staging) = match &options.suite {
            None => (target.to_owned(), target.to_owned(), target.join(STAGING)),
            Some(suite) => {
                let dists = target.join(DISTS);
                let (metadata, staging) =
                    (dists.join(&suite.name), dists.join(format!(".{}.new", suite.name)));
                (dists, metadata, staging)
            }
        };
        let folder = PrivateFolder::lock(&parent)?;
        fresh(&staging)?;
        Ok(Self { folder, root: target.to_owned(), metadata, staging, options })
    }

    /// Where `Release` lies.
    pub(super) fn metadata(&self) -> &Path {
        &self.metadata
    }

    pub(super) fn staging(&self) -> &Path {
        &self.staging
    }

    /// Writes the public key of the repository into its folder, or of a suite beside suites with another key into that of the suite.
    pub(super) fn write_key(&self, key: &[u8]) -> Result<()> {
        let path = self.root.join(KEY);
        match content::open_read(&path, LinkPolicy::Refuse, KEYS_MAX) {
            Ok(old) if old == key => Ok(()),
            Ok(_) if self.has_other_suites()? => {
                Ok(AtomicFile::write(&self.staging.join(KEY), key, 0o644, Durability::Durable)?)
            }
            _ => Ok(AtomicFile::write(&path, key, 0o644, Durability::Durable)?),
        }
    }

    /// Whether the repository has suites beside this one.
    fn has_other_suites(&self) -> Result<bool> {
        let Some(suite) = &self.options.suite else { return Ok(false) };
        let dists = self.root.join(DISTS);
        for entry in fs::read_dir(&dists).map_err(Error::io("read", &dists))? {
            let entry = entry.map_err(Error::io("read", &dists))?;
            if *entry.file_name() != *suite.name && entry.path().join("Release").exists() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What at the root of the folder has no packages.
    pub(super) fn own(&self) -> &'static [&'static str] {
        &[DISTS, STAGING]
    }

    /// Removes what was written.
    pub(super) fn abandon(&self) {
        // Best effort: the next run removes it, and the first error is the one that counts.
        let _ = fs::remove_dir_all(&self.staging);
    }

    /// Puts the staged files into the place of older ones, in this order.
    pub(super) fn publish(&self, files: &[String]) -> Result<Published> {
        let old = content::open_read(&self.metadata.join("Release"), LinkPolicy::Follow, MAX_RELEASE).ok();
        let new = self.staging.join("Release");
        let is_same = old == Some(content::open_read(&new, LinkPolicy::Follow, MAX_RELEASE)?);
        let mut dropped = Vec::new();
        for name in SIGNATURES {
            let path = self.metadata.join(name);
            if !path.exists() || files.iter().any(|file| file == name) {
                continue;
            }
            if !is_same {
                dropped.push(name.to_owned());
                if self.options.suite.is_none() {
                    fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                }
            } else if self.options.suite.is_some() {
                link(&path, &self.staging.join(name))?;
            }
        }
        let key = self.metadata.join(KEY);
        if is_same && self.options.suite.is_some() && self.options.signer.is_none() && key.exists() {
            link(&key, &self.staging.join(KEY))?;
        }
        if self.options.suite.is_some() {
            replace_folder(&self.folder, &self.staging, &self.metadata)?;
        } else {
            for name in files {
                let staged = self.staging.join(name);
                fs::rename(&staged, self.metadata.join(name)).map_err(Error::io("rename", &staged))?;
            }
            for name in FLAT.iter().filter(|name| !files.iter().any(|file| file == *name)) {
                content::remove(&self.metadata.join(name))?;
            }
            self.folder.sync()?;
            remove_folder(&self.staging)?;
        }
        Ok(Published { release: self.metadata.join("Release"), dropped })
    }
}

/// Gives a file another name, or copies it to another file system. What has the name is replaced.
pub(super) fn link(from: &Path, to: &Path) -> Result<()> {
    let source = fs::canonicalize(from).map_err(Error::io("read", from))?;
    let metadata = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    if metadata(&source).ok() == metadata(to).ok() {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        content::create_folder(parent)?;
    }
    match fs::hard_link(&source, to) {
        Ok(()) => return Ok(()),
        Err(error) if is_not_linkable(&error) || error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io("link", to)(error)),
    }
    let target = AtomicFile::create(to, 0o644, Durability::Durable)?;
    content::copy(&content::open(&source, LinkPolicy::Follow)?, from, target.file(), to)?;
    Ok(target.commit()?)
}

fn is_not_linkable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::CrossesDevices
            | ErrorKind::PermissionDenied
            | ErrorKind::Unsupported
            | ErrorKind::TooManyLinks
    )
}
