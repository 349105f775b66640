//! Making a backup.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use content::{AtomicFile, Digest, Durability, Hashed, IoError, LinkPolicy};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::archive_digest::saved;
use super::error::Error;
use super::keep;
use super::manifest::{ENTRIES_MAX, MANIFEST, Manifest, Owned, SavedFile, SavedFolder, SavedLink};
use super::names::Names;
use super::place::{Place, hooks_folder, stored};
use crate::archives;
use crate::care::CareLayout;
use crate::change_version::versions;
use crate::file::Attributes;

/// The most bytes of a configuration file, which is read whole.
const FILE_MAX: u64 = 64 << 20;
/// The most bytes of all files.
pub(super) const BYTES_MAX: u64 = 8 << 30;
/// How many backups of one second and reason there can be.
const NUMBERS: u32 = 100;
/// Everything in the tar is private to its owner.
const MODE: u32 = 0o600;

/// Why a backup is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupReason {
    /// A person asked for it.
    Manual,
    /// A bootstrap has ended.
    AfterBootstrap,
    /// An upgrade or downgrade begins.
    BeforeChange,
    /// An upgrade or downgrade has ended.
    AfterChange,
    /// A restoration has ended.
    AfterRestore,
}

impl fmt::Display for BackupReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manual => "manual",
            Self::AfterBootstrap => "after-bootstrap",
            Self::BeforeChange => "before-change",
            Self::AfterChange => "after-change",
            Self::AfterRestore => "after-restore",
        })
    }
}

/// Options of [`create`].
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The date (RFC 3339, such as `2026-11-29T16:09:18Z`), for the name and the manifest.
    pub created: String,
    /// The same date in seconds since 1970, for the files in the tar.
    pub seconds: u64,
    /// Why it is made.
    pub reason: BackupReason,
    /// The folder of the backup; [`CareLayout::state`] if `None`.
    pub into: Option<PathBuf>,
    /// How many backups stay in the folder; `None` for all.
    pub keep: Option<usize>,
    /// Whether to return what would be saved, without writing it.
    pub dry_run: bool,
}

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes; `None` after a dry run.
    pub bytes: Option<u64>,
    /// Its SHA-256; `None` after a dry run.
    pub sha256: Option<Digest>,
    /// What it has.
    pub manifest: Manifest,
    /// The number of files in it.
    pub files: usize,
    /// Older backups that were removed.
    pub removed: Vec<PathBuf>,
}

/// Makes a backup. `run_hooks` is called with the folder into which the hooks of the step write what they add. The
/// same state and date give the same bytes.
///
/// # Errors
///
/// [`Error`]; there is no new backup then, and no older one is removed.
pub fn create(
    layout: &CareLayout,
    options: &BackupOptions,
    run_hooks: &mut dyn FnMut(&Path) -> Result<(), Error>,
) -> Result<Backup, Error> {
    // Files of two states would be in it.
    if let Some(interrupted) = layout.interrupted()?.filter(|_| options.reason == BackupReason::Manual) {
        return Err(Error::Interrupted(interrupted));
    }
    let folder = options.into.clone().unwrap_or_else(|| layout.state.clone());
    if !options.dry_run {
        content::create_folder(&folder)?;
        content::remove(&layout.scratch())?;
        private_folder(&layout.scratch())?;
        private_folder(&hooks_folder(layout))?;
    }
    let hooked = if options.dry_run { Ok(()) } else { run_hooks(&hooks_folder(layout)) };
    let made = hooked.and_then(|()| write(layout, options, &folder));
    if !options.dry_run {
        // What hooks have added may be secret. The next backup removes what is left.
        let _ = content::remove(&layout.scratch());
    }
    let mut made = made?;
    if let Some(keep) = options.keep.filter(|_| !options.dry_run) {
        made.removed = keep::prune(&folder, keep, &made.path)?;
    }
    Ok(made)
}

/// Creates a folder that only this user can open.
pub(super) fn private_folder(path: &Path) -> Result<(), IoError> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(parent) = path.parent() {
        content::create_folder(parent)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(path).map_err(IoError::at("create", path))
}

fn write(layout: &CareLayout, options: &BackupOptions, folder: &Path) -> Result<Backup, Error> {
    let mut saving = Saving::new(Manifest::new(options.created.clone(), options.reason.to_string()));
    for place in Place::ALL {
        for (path, root) in place.roots(layout) {
            saving.add(place, &path, &root)?;
        }
    }
    saving.manifest.versions = versions(layout)?;
    saving.manifest.archives = archives::configured(&layout.node)?.iter().map(|path| saved(path)).collect();
    let files = saving.manifest.files.len();
    let name = |number| folder.join(keep::name(&options.created, options.reason, number));
    if options.dry_run {
        let manifest = saving.manifest;
        return Ok(Backup { path: name(0), bytes: None, sha256: None, manifest, files, removed: Vec::new() });
    }
    for number in 0..NUMBERS {
        let path = name(number);
        if path.symlink_metadata().is_ok() {
            continue;
        }
        let file = AtomicFile::create(&path, MODE, Durability::Durable)?;
        let (sha256, bytes) =
            saving.write(file.file(), options.seconds).map_err(IoError::at("write", &path))?;
        match file.commit_new() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            done => done?,
        }
        let manifest = saving.manifest;
        return Ok(Backup {
            path,
            bytes: Some(bytes),
            sha256: Some(sha256),
            manifest,
            files,
            removed: Vec::new(),
        });
    }
    Err(IoError::at("create", &name(0))(io::ErrorKind::AlreadyExists.into()).into())
}

/// What is being saved.
struct Saving {
    manifest: Manifest,
    /// The files, in the order of the manifest.
    sources: Vec<PathBuf>,
    bytes: u64,
    users: Names,
    groups: Names,
}

impl Saving {
    fn new(manifest: Manifest) -> Self {
        let (users, groups) = (Names::read("/etc/passwd"), Names::read("/etc/group"));
        Self { manifest, sources: Vec::new(), bytes: 0, users, groups }
    }

    /// Adds what is at `source`, with everything below it. A path that does not exist is nothing.
    fn add(&mut self, place: Place, path: &str, source: &Path) -> Result<(), Error> {
        let unsuitable =
            |problem: &str| Error::Unsuitable { path: source.to_path_buf(), problem: problem.to_owned() };
        let data = match std::fs::symlink_metadata(source) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(IoError::at("examine", source)(error).into()),
        };
        let count = self.manifest.files.len() + self.manifest.folders.len() + self.manifest.links.len();
        if count >= ENTRIES_MAX {
            return Err(unsuitable(&format!("a backup takes at most {ENTRIES_MAX} files")));
        }
        let path = path.to_owned();
        if data.is_dir() {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(source).map_err(IoError::at("list", source))? {
                let name = entry.map_err(IoError::at("list", source))?.file_name();
                let name = name.into_string().map_err(|_| unsuitable("a name in it is not UTF-8"))?;
                // What a killed command has left.
                if !name.starts_with(".sealift.") {
                    names.push(name);
                }
            }
            names.sort_unstable();
            self.manifest.folders.push(SavedFolder { place, path: path.clone(), owned: self.owned(&data) });
            for name in names {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                self.add(place, &inner, &source.join(name))?;
            }
        } else if data.is_symlink() {
            let target = std::fs::read_link(source).map_err(IoError::at("read", source))?;
            let target = target.into_os_string().into_string();
            let target = target.map_err(|_| unsuitable("the target of the link is not UTF-8"))?;
            self.manifest.links.push(SavedLink { place, path, target });
        } else if data.is_file() {
            let (sha256, bytes) = content::hash_file(source, LinkPolicy::Refuse)?;
            if bytes > FILE_MAX && place != Place::Hooks {
                return Err(unsuitable("a configuration file has at most 64 MiB"));
            }
            self.bytes = self.bytes.saturating_add(bytes);
            if self.bytes > BYTES_MAX {
                return Err(unsuitable("with it, the backup would have more than 8 GiB"));
            }
            self.manifest.files.push(SavedFile { place, path, owned: self.owned(&data), bytes, sha256 });
            self.sources.push(source.to_path_buf());
        } else {
            return Err(unsuitable("expected a regular file, a folder or a symbolic link"));
        }
        Ok(())
    }

    fn owned(&self, data: &Metadata) -> Owned {
        let Attributes { mode, uid, gid } = Attributes::of(data);
        Owned { mode: mode & 0o777, uid, gid, user: self.users.name(uid), group: self.groups.name(gid) }
    }

    /// Writes the tar.gz; its SHA-256 and size.
    fn write(&self, file: &File, seconds: u64) -> io::Result<(Digest, u64)> {
        let mut hashed = Hashed::new(io::BufWriter::new(file));
        let mut tar = tar::Builder::new(GzEncoder::new(&mut hashed, Compression::default()));
        let manifest = self.manifest.text().map_err(io::Error::other)?;
        append(&mut tar, MANIFEST, seconds, manifest.len() as u64, &mut manifest.as_slice())?;
        for (saved, source) in self.manifest.files.iter().zip(&self.sources) {
            let opened = content::open(source, LinkPolicy::Refuse)?;
            let name = stored(saved.place, &saved.path);
            let mut reader = Hashed::new(opened.take(saved.bytes));
            append(&mut tar, &name, seconds, saved.bytes, &mut reader)?;
            let (_, sha256, bytes) = reader.finish();
            if (bytes, sha256) != (saved.bytes, saved.sha256) {
                let problem = format!("{} changed while it was saved", content::printable_path(source));
                return Err(io::Error::other(problem));
            }
        }
        tar.into_inner()?.finish()?.flush()?;
        let (mut inner, digest, bytes) = hashed.finish();
        inner.flush()?;
        Ok((digest, bytes))
    }
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    seconds: u64,
    bytes: u64,
    reader: &mut dyn io::Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(MODE);
    header.set_mtime(seconds);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, name, reader)
}
