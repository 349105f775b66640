//! The file that an archive is received into.

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use archive::tree::Location;
use content::{FileKind, FileMetadata, Hasher, IoError, Root};

use super::error::Error;
use super::library::Library;
use super::range::ByteRange;
use super::read::{CHUNK, digest_of, digest_range};
use super::recipe::{Recipe, RecipePart};
use crate::file::is_own;

/// The state of the receiving node when a recipe arrives.
pub(super) enum Begun {
    /// The archive exists at this path.
    Present(PathBuf),
    /// The archive has to be completed.
    Partial(Box<PartialCopy>),
}

/// An archive that is being received.
pub(super) struct PartialCopy {
    recipe: Recipe,
    file: File,
    /// Its folder, held open.
    root: Root,
    /// Its name in the folder.
    name: PathBuf,
    path: PathBuf,
    target: PathBuf,
    /// The ranges that must be sent, in order.
    pub(super) needed: Vec<ByteRange>,
}

impl PartialCopy {
    /// Starts or resumes receiving the archive of a recipe.
    pub(super) fn begin(recipe: Recipe, into: &Path, archives: &[PathBuf]) -> Result<Begun, Error> {
        recipe.check()?;
        let root = Root::open(into)?;
        let target = into.join(&recipe.name);
        match root.metadata(recipe.name.as_ref()) {
            Ok(FileMetadata { kind: FileKind::File, len, .. }) => {
                let existing = root.open_file(recipe.name.as_ref())?;
                if len == recipe.bytes
                    && digest_of(&existing, &()).map_err(IoError::at("read", &target))? == recipe.digest
                {
                    return Ok(Begun::Present(target));
                }
                return Err(Error::Taken(target));
            }
            Ok(_) => return Err(Error::Taken(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let name = PathBuf::from(format!(".{}.partial", recipe.name));
        let path = into.join(&name);
        let failed = |operation| IoError::at(operation, &path);
        let file = match root.create_file(&name, 0o644) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => root.open_file_to_write(&name)?,
            created => created?,
        };
        let data = file.metadata().map_err(failed("read"))?;
        // Another owner, or a writer through another name, could change it after the check.
        let problem = match (data.nlink(), is_own(&data)) {
            (_, false) => Some("another user owns it"),
            (1, true) => None,
            (_, true) => Some("it has other names"),
        };
        if let Some(problem) = problem {
            return Err(Error::Planted { path, problem });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Error::Busy(path)),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed("lock")(source).into()),
        }
        let begun = file.metadata().map_err(failed("read"))?;
        check_space(into, recipe.bytes, begun.blocks() * 512)?;
        let resumed = begun.len() == recipe.bytes;
        file.set_len(recipe.bytes).map_err(failed("enlarge"))?;
        let mut partial = Self { recipe, file, root, name, path, target, needed: Vec::new() };
        partial.gather(resumed, archives)?;
        Ok(Begun::Partial(Box::new(partial)))
    }

    /// Assembles what this node has already, and records which ranges it lacks.
    fn gather(&mut self, resumed: bool, archives: &[PathBuf]) -> Result<(), Error> {
        let wanted = self.recipe.parts.iter().map(|part| part.digest).collect();
        let library = Library::of(archives, &wanted);
        let mut here: Vec<ByteRange> = Vec::new();
        for part in &self.recipe.parts {
            let resumed = resumed && self.holds(part).map_err(|source| self.failed("read", source))?;
            let taken = || match library.find(&part.digest) {
                Some(location) => self.take(part, &location),
                None => Ok(false),
            };
            if resumed || taken()? {
                here.extend(&part.ranges);
            }
        }
        here.sort_by_key(|range| range.offset);
        let end = ByteRange { offset: self.recipe.bytes, bytes: 0 };
        let mut reached = 0;
        for range in here.into_iter().chain([end]) {
            if range.offset > reached {
                self.needed.push(ByteRange { offset: reached, bytes: range.offset - reached });
            }
            reached = reached.max(range.end());
        }
        Ok(())
    }

    /// Whether the partial file holds the whole part.
    fn holds(&self, part: &RecipePart) -> io::Result<bool> {
        let mut hash = Hasher::new();
        for range in &part.ranges {
            digest_range(&self.file, *range, &mut hash, &())?;
        }
        Ok(hash.finish() == part.digest)
    }

    /// Copies a part from an archive of this node; returns whether its digest matches.
    fn take(&self, part: &RecipePart, location: &Location) -> Result<bool, Error> {
        if location.size != part.ranges.iter().map(|range| range.bytes).sum::<u64>() {
            return Ok(false);
        }
        let mut hash = Hasher::new();
        let mut buffer = vec![0; CHUNK];
        let mut read = 0;
        for range in &part.ranges {
            let mut offset = range.offset;
            while offset < range.end() {
                let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
                let chunk = buffer.get_mut(..wanted).unwrap_or_default();
                // A damaged archive here is no error: the part is sent.
                let count = match location.read_at(read, chunk) {
                    Ok(0) | Err(_) => return Ok(false),
                    Ok(count) => count,
                };
                let chunk = chunk.get(..count).unwrap_or_default();
                hash.update(chunk);
                self.file.write_all_at(chunk, offset).map_err(|source| self.failed("write", source))?;
                offset += count as u64;
                read += count as u64;
            }
        }
        Ok(hash.finish() == part.digest)
    }

    /// Receives the needed ranges.
    pub(super) fn fill(&self, from: &mut impl BufRead) -> Result<(), Error> {
        let mut buffer = vec![0; CHUNK];
        for range in &self.needed {
            let mut offset = range.offset;
            while offset < range.end() {
                let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
                let chunk = buffer.get_mut(..wanted).unwrap_or_default();
                // Written at once, so that nothing received is lost if the connection breaks.
                let count = match from.read(chunk) {
                    Ok(0) => return Err(Error::Connection(io::ErrorKind::UnexpectedEof.into())),
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(Error::Connection(error)),
                };
                let chunk = chunk.get(..count).unwrap_or_default();
                self.file.write_all_at(chunk, offset).map_err(|source| self.failed("write", source))?;
                offset += count as u64;
            }
        }
        Ok(())
    }

    /// Checks the whole and renames the file.
    pub(super) fn finish(&self) -> Result<PathBuf, Error> {
        let whole = ByteRange { offset: 0, bytes: self.recipe.bytes };
        let mut hash = Hasher::new();
        digest_range(&self.file, whole, &mut hash, &()).map_err(|source| self.failed("read", source))?;
        if hash.finish() != self.recipe.digest {
            return Err(Error::Damaged(self.damaged()?));
        }
        self.file.sync_all().map_err(|source| self.failed("write", source))?;
        let target = Path::new(&self.recipe.name);
        // Hours may have passed since the check that the name was free.
        match self.root.rename_new(&self.name, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Taken(self.target.clone()));
            }
            // A file system without exclusive renames: looking first must suffice.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                if self.root.metadata(target).is_ok() {
                    return Err(Error::Taken(self.target.clone()));
                }
                self.root.rename(&self.name, target)?;
            }
            renamed => renamed?,
        }
        self.root.sync()?;
        // The name may lead to another file now; the open file was checked.
        let checked = self.file.metadata().map_err(|source| self.failed("read", source))?;
        if self.root.metadata(target)?.identity != (checked.dev(), checked.ino()) {
            return Err(Error::Taken(self.target.clone()));
        }
        Ok(self.target.clone())
    }

    /// The problem of an archive that does not match its recipe.
    fn damaged(&self) -> Result<String, Error> {
        for part in &self.recipe.parts {
            if !self.holds(part).map_err(|source| self.failed("read", source))? {
                return Ok(format!("{} does not have the SHA-256 {}", part.path, part.digest.hex()));
            }
        }
        Ok("its files match, but the bytes between them do not".into())
    }

    fn failed(&self, operation: &'static str, error: io::Error) -> Error {
        IoError::at(operation, &self.path)(error).into()
    }
}

fn check_space(folder: &Path, bytes: u64, allocated: u64) -> Result<(), Error> {
    let space = rustix::fs::statvfs(folder).map_err(|error| IoError::at("examine", folder)(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = bytes.saturating_sub(allocated);
    if free < needed {
        return Err(Error::Space { path: folder.into(), free, needed });
    }
    Ok(())
}
