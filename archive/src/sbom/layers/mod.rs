//! The packages of an image, from its layers: each is read once and as it streams by, the lowest first.
//!
//! A layer removes files of the layers below with whiteouts (OCI image specification, "Whiteouts"): `.wh.NAME` removes a name,
//! `.wh..wh..opq` all that lies in its folder, and a file replaces a folder. So only what a container of the image would see
//! counts. In memory is what the files of interest say; databases of RPM wait in files without a name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use packages::repository::RpmDescription;

use super::component::{Component, Ecosystem, bounded};
use super::rpm_database::{self, DatabaseFormat, ReadAt};
use super::sources::{self, Distribution, SourceKind};
use crate::unpack::{TarMember, TarMembers, UnpackError, each_member};

/// Packages that files of all layers name together.
const COMPONENTS_MAX: usize = 500_000;
/// Members of all layers.
const MEMBERS_MAX: u64 = 20_000_000;
/// Bytes of a database of RPM, and of all of them.
const DATABASE_MAX: u64 = 1 << 30;
const DATABASES_MAX: u64 = 8 << 30;
/// Bytes of the smallest program that is searched for modules of Go.
const PROGRAM_MIN: u64 = 64 << 10;
/// The longest path that counts, in bytes.
const PATH_MAX: usize = 4096;
/// The most notes that are kept.
const NOTES_MAX: usize = 50;

const ELF: &[u8; 4] = b"\x7fELF";
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// What an image holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InstalledPackages {
    /// The packages, sorted, each once.
    pub components: Vec<Component>,
    /// The distribution, if the image says it.
    pub distribution: Option<Distribution>,
    /// What could not be read.
    pub notes: Vec<String>,
}

/// The files of an image that say which packages it holds, layer by layer.
#[derive(Debug)]
pub struct LayerView {
    /// Where databases are kept while the layers are read.
    scratch: PathBuf,
    files: BTreeMap<String, Arc<Found>>,
    /// Those of the layer that is being read.
    current: BTreeMap<String, Arc<Found>>,
    components: usize,
    members: u64,
    databases: u64,
}

/// What a file says.
#[derive(Debug)]
enum Found {
    Components(Vec<Component>),
    Distribution(Distribution),
    Database(DatabaseFormat, File),
    Log(File),
    Unreadable(String),
}

impl LayerView {
    /// An image without layers. Files without a name are created in the folder `scratch`.
    #[must_use]
    pub fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_path_buf(),
            files: BTreeMap::new(),
            current: BTreeMap::new(),
            components: 0,
            members: 0,
            databases: 0,
        }
    }

    /// Adds the next layer, a tar without compression. After an error, what was read before it counts.
    ///
    /// # Errors
    ///
    /// The layer is damaged, or has more than any image.
    pub fn add(&mut self, layer: &mut dyn Read) -> Result<(), UnpackError> {
        let read = each_member(layer, self);
        self.files.append(&mut self.current);
        read
    }

    /// The packages that all layers together hold.
    #[must_use]
    pub fn finish(self) -> InstalledPackages {
        let mut installed = InstalledPackages::default();
        let Self { files, .. } = self;
        // `etc/os-release` comes first, and is the one that counts.
        for found in files.values() {
            if let Found::Distribution(distribution) = &**found {
                installed.distribution.get_or_insert_with(|| distribution.clone());
            }
        }
        let mut folders: BTreeMap<&str, Vec<(&DatabaseFormat, &File, &str)>> = BTreeMap::new();
        for (path, found) in &files {
            match &**found {
                Found::Components(components) => installed.components.extend_from_slice(components),
                Found::Unreadable(reason) => installed.note(path, reason),
                Found::Database(format, file) => {
                    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                    folders.entry(folder).or_default().push((format, file, path));
                }
                Found::Distribution(_) | Found::Log(_) => {}
            }
        }
        for (folder, mut databases) in folders {
            // A conversion leaves the older database.
            databases.sort_by_key(|(format, ..)| **format);
            let Some((format, file, path)) = databases.first() else { continue };
            let log = match files.get(&format!("{folder}/rpmdb.sqlite-wal")).map(|found| &**found) {
                Some(Found::Log(log)) if **format == DatabaseFormat::Sqlite => Some(log as &dyn ReadAt),
                _ => None,
            };
            installed.read_rpm(path, **format, file, log);
        }
        installed.complete();
        installed
    }

    /// Removes what lies below a folder, of the layers below.
    fn clear(files: &mut BTreeMap<String, Arc<Found>>, folder: &str) {
        if folder.is_empty() {
            files.clear();
            return;
        }
        let start = format!("{folder}/");
        let from = (Bound::Included(start.as_str()), Bound::Unbounded);
        let below = files.range::<str, _>(from).map(|(path, _)| path);
        let below: Vec<String> = below.take_while(|path| path.starts_with(&start)).cloned().collect();
        below.iter().for_each(|path| drop(files.remove(path)));
    }

    /// Removes what has a name, of the layers below, and what lies below it.
    fn remove(files: &mut BTreeMap<String, Arc<Found>>, path: &str) {
        files.remove(path);
        Self::clear(files, path);
    }

    /// What a file says, if it is of interest.
    fn read(
        &mut self,
        path: &str,
        member: &TarMember,
        content: &mut dyn Read,
    ) -> Result<Option<Found>, UnpackError> {
        let size = member.header.entry_size().unwrap_or_default();
        let kind = match SourceKind::of(path) {
            Some(kind) => kind,
            None if member.header.mode().is_ok_and(|mode| mode & 0o111 != 0) && size >= PROGRAM_MIN => {
                return Ok(self.program(content)?.filter(|found| !found.is_empty()));
            }
            None => return Ok(None),
        };
        let found = match kind {
            SourceKind::RpmDatabase(format) => match self.spool(size, content)? {
                Ok(file) => Found::Database(format, file),
                Err(reason) => Found::Unreadable(reason),
            },
            SourceKind::RpmLog => match self.spool(size, content)? {
                Ok(file) => Found::Log(file),
                Err(reason) => Found::Unreadable(reason),
            },
            kind => match sources::read(kind, content) {
                Ok(read) => match read.distribution {
                    Some(distribution) => Found::Distribution(distribution),
                    None => self.counted(read.components)?,
                },
                Err(reason) => Found::Unreadable(reason),
            },
        };
        Ok(Some(found).filter(|found| !found.is_empty()))
    }

    fn program(&mut self, content: &mut dyn Read) -> Result<Option<Found>, UnpackError> {
        let mut start = [0; 4];
        if content.read_exact(&mut start).is_err() || start != *ELF {
            return Ok(None);
        }
        match sources::go_modules(&mut io::Cursor::new(start).chain(content)) {
            Ok(components) => self.counted(components).map(Some),
            Err(fault) => Ok(Some(Found::Unreadable(fault.to_string()))),
        }
    }

    fn counted(&mut self, components: Vec<Component>) -> Result<Found, UnpackError> {
        self.components += components.len();
        if self.components > COMPONENTS_MAX {
            return Err(UnpackError::Limit { what: "packages", limit: COMPONENTS_MAX as u64 });
        }
        Ok(Found::Components(components))
    }

    /// Keeps a database in a file without a name.
    fn spool(&mut self, size: u64, content: &mut dyn Read) -> Result<Result<File, String>, UnpackError> {
        if size > DATABASE_MAX {
            return Ok(Err(format!("it has {size} bytes: more than {DATABASE_MAX} are not read")));
        }
        self.databases += size;
        if self.databases > DATABASES_MAX {
            return Err(UnpackError::Limit { what: "bytes of databases", limit: DATABASES_MAX });
        }
        let failed = |error| content::IoError::at("write", &self.scratch)(error);
        let mut file = tempfile::tempfile_in(&self.scratch).map_err(failed)?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(Ok(file)),
                Ok(count) => file.write_all(buffer.get(..count).unwrap_or_default()).map_err(failed)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
    }
}

impl Found {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Components(components) if components.is_empty())
    }
}

impl TarMembers for LayerView {
    fn count(&mut self, _: u64) -> Result<(), UnpackError> {
        self.members += 1;
        if self.members > MEMBERS_MAX {
            return Err(UnpackError::Limit { what: "members", limit: MEMBERS_MAX });
        }
        Ok(())
    }

    fn take(&mut self, member: TarMember, content: &mut dyn Read) -> Result<(), UnpackError> {
        self.count(0)?;
        let Some(path) = clean(&member.name) else { return Ok(()) };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == OPAQUE {
            Self::clear(&mut self.files, folder);
            return Ok(());
        }
        if let Some(removed) = name.strip_prefix(WHITEOUT) {
            let removed = if folder.is_empty() { removed.to_owned() } else { format!("{folder}/{removed}") };
            Self::remove(&mut self.files, &removed);
            return Ok(());
        }
        let kind = member.header.entry_type();
        if kind.is_dir() || kind.is_file() && member.name.ends_with(b"/") {
            self.files.remove(&path);
            self.current.remove(&path);
            return Ok(());
        }
        let found = if kind.is_hard_link() {
            let target = member.target.as_deref().and_then(clean).unwrap_or_default();
            self.current.get(&target).or_else(|| self.files.get(&target)).cloned()
        } else if kind.is_file() || kind == tar::EntryType::Continuous {
            self.read(&path, &member, content)?.map(Arc::new)
        } else {
            None
        };
        Self::remove(&mut self.files, &path);
        Self::remove(&mut self.current, &path);
        if let Some(found) = found {
            self.current.insert(path, found);
        }
        Ok(())
    }
}

/// A name of a member as a path without `.` and empty parts; `None` for the root and for what leads out.
fn clean(name: &[u8]) -> Option<String> {
    let name = String::from_utf8_lossy(name.get(..PATH_MAX).unwrap_or(name));
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

impl InstalledPackages {
    /// Notes what could not be read, and why.
    pub(super) fn note(&mut self, what: &str, reason: &str) {
        match self.notes.len() {
            NOTES_MAX => self.notes.push("more could not be read".into()),
            length if length > NOTES_MAX => {}
            _ => self.notes.push(format!("{}: {}", bounded(what), bounded(reason))),
        }
    }

    fn read_rpm(&mut self, path: &str, format: DatabaseFormat, file: &File, log: Option<&dyn ReadAt>) {
        let mut damaged = 0_u64;
        let read = rpm_database::headers(format, file, log, &mut |header| {
            match RpmDescription::of_installed(header, Path::new(path)) {
                // The keys of the distribution are kept as packages.
                Ok(found) if found.name == "gpg-pubkey" => {}
                Ok(found) => self.components.push(of_rpm(&found)),
                Err(_) => damaged += 1,
            }
        });
        if let Err(fault) = read {
            self.note(path, &fault.to_string());
        }
        if damaged > 0 {
            self.note(path, &format!("{damaged} of its headers are damaged"));
        }
    }

    /// Adds the distribution to its packages, and sorts them.
    fn complete(&mut self) {
        let distribution = self.distribution.clone().unwrap_or_default();
        for component in &mut self.components {
            let usual = match component.ecosystem {
                Ecosystem::Rpm => "",
                Ecosystem::Deb => "debian",
                Ecosystem::Apk => "alpine",
                _ => continue,
            };
            let Distribution { id, version, name } = &distribution;
            component.distribution = if id.is_empty() { usual.to_owned() } else { id.clone() };
            if !id.is_empty() && !version.is_empty() {
                component.release = format!("{id}-{version}");
            }
            if component.supplier.is_empty() {
                component.supplier.clone_from(name);
            }
        }
        self.components.sort();
        self.components.dedup_by(|one, other| one.is_same_package(other));
    }
}

/// The component that a header of RPM describes.
pub(super) fn of_rpm(found: &RpmDescription) -> Component {
    let RpmDescription { name, epoch, version, release, arch, vendor, license, source_package } = found;
    let epoch = if *epoch == 0 { String::new() } else { format!("{epoch}:") };
    let mut component = Component::new(Ecosystem::Rpm, name, &format!("{epoch}{version}-{release}"));
    component.arch = bounded(arch);
    component.supplier = bounded(vendor);
    component.license = bounded(license);
    // `openssl-3.0.7-27.el9.src.rpm`
    let source = source_package.rsplit_once('-').and_then(|(rest, _)| rest.rsplit_once('-'));
    let source = source.map_or("", |(name, _)| name);
    component.source = if source == name { String::new() } else { bounded(source) };
    component
}

#[cfg(test)]
mod tests;
