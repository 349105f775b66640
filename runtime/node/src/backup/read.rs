//! Reading a backup, which may be damaged or made by an attacker.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use archive::Tree;
use archive::tree::EntryKind;
use archive::unpack::{TarSelection, TreeWriter, UnpackLimits, unpack_tar};
use content::{LinkPolicy, Root, hash_reader};

use super::create::{BYTES_MAX, private_folder};
use super::error::Error;
use super::manifest::{ENTRIES_MAX, MANIFEST, MANIFEST_MAX, Manifest, Owned, SavedFile};
use super::names::Names;
use super::place::{Place, stored};
use crate::care::CareLayout;
use crate::file::Attributes;
use crate::transaction::{Wanted, with_folders};

/// The limits of a tar: every file, its folders, and headers.
const LIMITS: UnpackLimits = UnpackLimits { entries: 4 * ENTRIES_MAX as u64, bytes: BYTES_MAX + (256 << 20) };

/// A backup that was unpacked and whose files match its manifest.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) manifest: Manifest,
    root: Root,
    folder: PathBuf,
    users: Names,
    groups: Names,
}

impl Unpacked {
    /// Unpacks the backup at `path` into a new folder `into`, and checks it.
    pub(super) fn of(path: &Path, into: &Path) -> Result<Self, Error> {
        let mut file = BufReader::new(content::open(path, LinkPolicy::Follow)?);
        content::remove(into)?;
        private_folder(into)?;
        let mut writer = TreeWriter::new(into, LIMITS).map_err(|source| unpack(path, source))?;
        let mut keep = |_: &str, _: bool| true;
        let mut selection = TarSelection { strip: 0, keep: &mut keep };
        unpack_tar(&mut file, &mut selection, &mut writer).map_err(|source| unpack(path, source))?;
        writer.finish().map_err(|source| unpack(path, source))?;
        let root = Root::open(into)?;
        let mut manifest = root
            .open_file(Path::new(MANIFEST))
            .map_err(|_| Error::Manifest(format!("{} has no {MANIFEST}", content::printable_path(path))))?;
        let manifest = content::read_bounded(&mut manifest, MANIFEST_MAX)
            .map_err(|error| Error::Manifest(error.to_string()))?;
        let manifest = Manifest::parse(&manifest)?;
        let (users, groups) = (Names::read("/etc/passwd"), Names::read("/etc/group"));
        let unpacked = Self { manifest, root, folder: into.to_path_buf(), users, groups };
        unpacked.check()?;
        unpacked.complete_added()?;
        Ok(unpacked)
    }

    /// Creates what hooks have added besides the content of files: empty folders, links and modes are only in the manifest.
    fn complete_added(&self) -> Result<(), Error> {
        let at = |path: &str| PathBuf::from(stored(Place::Hooks, path));
        self.root.create_dir_all(Path::new(Place::Hooks.folder()))?;
        for saved in self.manifest.folders.iter().filter(|saved| saved.place == Place::Hooks) {
            self.root.create_dir_all(&at(&saved.path))?;
        }
        for saved in self.manifest.files.iter().filter(|saved| saved.place == Place::Hooks) {
            self.root.set_mode(&at(&saved.path), saved.owned.mode)?;
        }
        for saved in self.manifest.links.iter().filter(|saved| saved.place == Place::Hooks) {
            self.root.symlink(saved.target.as_ref(), &at(&saved.path))?;
        }
        Ok(())
    }

    /// Checks that the tar has the files of the manifest, and no others.
    fn check(&self) -> Result<(), Error> {
        let damaged =
            |file: &str, problem: &str| Error::Damaged { file: file.to_owned(), problem: problem.to_owned() };
        let mut listed = BTreeSet::from([MANIFEST.to_owned()]);
        for saved in &self.manifest.files {
            let name = stored(saved.place, &saved.path);
            let file = self.file(saved).map_err(|_| damaged(&name, "it is missing"))?;
            let (sha256, bytes) = hash_reader(BufReader::new(file), |_| Ok(()))
                .map_err(|error| damaged(&name, &error.to_string()))?;
            if (bytes, sha256) != (saved.bytes, saved.sha256) {
                return Err(damaged(&name, "it does not have the SHA-256 of the manifest"));
            }
            listed.insert(name);
        }
        let walked = Tree::open(&self.folder).and_then(|tree| tree.walk());
        let walked = walked.map_err(|error| Error::Manifest(error.to_string()))?;
        let other = walked.into_iter().find(|(path, entry)| {
            entry.kind != EntryKind::Directory && !(entry.kind == EntryKind::File && listed.contains(path))
        });
        other.map_or(Ok(()), |(path, _)| Err(damaged(&path, "it is not in the manifest")))
    }

    fn file(&self, saved: &SavedFile) -> Result<File, content::IoError> {
        self.root.open_file(Path::new(&stored(saved.place, &saved.path)))
    }

    /// The folder with what hooks have added.
    pub(super) fn added(&self) -> PathBuf {
        self.folder.join(Place::Hooks.folder())
    }

    /// The content of a file.
    pub(super) fn bytes(&self, saved: &SavedFile) -> Result<Vec<u8>, Error> {
        let failed = |error| content::IoError::at("read", Path::new(&saved.path))(error);
        Ok(content::read_bounded(&mut self.file(saved)?, saved.bytes).map_err(failed)?)
    }

    /// What the files of the node become, folders before what is in them.
    pub(super) fn wanted(&self, layout: &CareLayout) -> Result<Vec<(PathBuf, Wanted)>, Error> {
        let elsewhere = |place: Place, path: &str| {
            Error::Manifest(format!("`{}` belongs to no file of a node", stored(place, path)))
        };
        let target = |place: Place, path: &str| {
            place.target(path, layout).ok_or_else(|| elsewhere(place, path)).map(|target| {
                // A path that is empty is the folder itself.
                target.components().collect::<PathBuf>()
            })
        };
        let mut wanted = Vec::new();
        let folders = self.manifest.folders.iter().filter(|saved| saved.place != Place::Hooks);
        let mut folders: Vec<_> = folders.collect();
        folders.sort_by(|one, other| (one.place, &one.path).cmp(&(other.place, &other.path)));
        for saved in folders {
            let attributes = self.attributes(&saved.owned);
            wanted.push((target(saved.place, &saved.path)?, Wanted::Folder { attributes }));
        }
        for saved in self.manifest.files.iter().filter(|saved| saved.place != Place::Hooks) {
            let attributes = Some(self.attributes(&saved.owned));
            let file = Wanted::File { bytes: self.bytes(saved)?, attributes };
            wanted.push((target(saved.place, &saved.path)?, file));
        }
        for saved in self.manifest.links.iter().filter(|saved| saved.place != Place::Hooks) {
            let link = Wanted::Link { target: saved.target.clone().into() };
            wanted.push((target(saved.place, &saved.path)?, link));
        }
        // A backup may lack folders, such as /etc/sysconfig on another distribution.
        Ok(with_folders(wanted))
    }

    /// The owner by its name, if this machine has it; else by its number.
    fn attributes(&self, owned: &Owned) -> Attributes {
        let number = |names: &Names, name: &Option<String>| name.as_ref().and_then(|name| names.number(name));
        Attributes {
            mode: owned.mode,
            uid: number(&self.users, &owned.user).unwrap_or(owned.uid),
            gid: number(&self.groups, &owned.group).unwrap_or(owned.gid),
        }
    }
}

fn unpack(path: &Path, source: archive::unpack::UnpackError) -> Error {
    match source {
        // Such as a full file system; the backup is not to blame.
        archive::unpack::UnpackError::Io(error) => error.into(),
        source => Error::Unpack { path: path.to_path_buf(), source },
    }
}
