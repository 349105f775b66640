//! The end that gets the archive.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use archive::tree::Location;
use content::{Kind, Metadata, Root};
use sha2::{Digest as _, Sha256};

use super::recipe::Library;
use super::{Answer, CHUNK, Error, Part, Range, Recipe, Verdict, hear, say};

/// Receives one archive from the [`send`](super::send()) at the other end of the streams into the folder `into`. What `archives`
/// (ISO files or folders of this node) hold already does not travel. `publish` is called with the archive once it is whole, and
/// says what stands in the way of using it.
///
/// A copy that breaks leaves `.<name>.partial` behind, from which the next goes on. Both ends are told what went wrong.
///
/// # Errors
///
/// [`Error`]; the node's archives are as they were.
pub fn receive(
    mut from: impl BufRead,
    mut to: impl Write,
    into: &Path,
    archives: &[PathBuf],
    publish: &dyn Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, Error> {
    let begun = hear(&mut from).and_then(|recipe: Recipe| Partial::begin(recipe, into, archives));
    let partial = match begun {
        Ok(Begun::Present(path)) => {
            let published = published(path, publish);
            let answer = match &published {
                Ok(path) => Answer::Present(path.clone()),
                Err(error) => Answer::Error(error.to_string()),
            };
            say(&mut to, &answer)?;
            return published;
        }
        Ok(Begun::Partial(partial)) => partial,
        Err(error) => {
            // The other end may be what is wrong.
            let _ = say(&mut to, &Answer::Error(error.to_string()));
            return Err(error);
        }
    };
    say(&mut to, &Answer::Needs(partial.needed.clone()))?;
    let done =
        partial.fill(&mut from).and_then(|()| partial.finish()).and_then(|path| published(path, publish));
    let verdict = match &done {
        Ok(path) => Verdict::Published(path.clone()),
        Err(error) => Verdict::Error(error.to_string()),
    };
    match (say(&mut to, &verdict), done) {
        // Nobody is left to hear it; what went wrong here is the news.
        (Err(_), Err(error)) => Err(error),
        (said, done) => said.and(done),
    }
}

fn published(path: PathBuf, publish: &dyn Fn(&Path) -> Result<(), String>) -> Result<PathBuf, Error> {
    match publish(&path) {
        Ok(()) => Ok(path),
        Err(reason) => Err(Error::Publish { path, reason }),
    }
}

/// What is there when a recipe arrives.
enum Begun {
    Present(PathBuf),
    Partial(Partial),
}

/// An archive that is not whole yet.
struct Partial {
    recipe: Recipe,
    file: File,
    /// The folder that it is in, held open.
    root: Root,
    /// Its name in the folder.
    name: PathBuf,
    path: PathBuf,
    target: PathBuf,
    /// What has to travel, in order.
    needed: Vec<Range>,
}

impl Partial {
    fn begin(recipe: Recipe, into: &Path, archives: &[PathBuf]) -> Result<Begun, Error> {
        recipe.check()?;
        let root = Root::open(into)?;
        let target = into.join(&recipe.name);
        match root.metadata(recipe.name.as_ref()) {
            Ok(Metadata { kind: Kind::File, len, .. }) => {
                let failed = |source| Error::Io { operation: "read", path: target.clone(), source };
                let there = root.open_file(recipe.name.as_ref())?;
                if len == recipe.bytes && digest_of(&there, &()).map_err(failed)? == recipe.sha256 {
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
        let failed = |operation| {
            let path = path.clone();
            move |source| Error::Io { operation, path, source }
        };
        let file = match root.create_file(&name, 0o644) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => root.open_file_to_write(&name)?,
            created => created?,
        };
        let data = file.metadata().map_err(failed("read"))?;
        // Through another name, or as its owner, somebody else could write to it once it has been checked.
        let problem = match (data.nlink(), data.uid() == rustix::process::geteuid().as_raw()) {
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
            Err(std::fs::TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        let begun = file.metadata().map_err(failed("read"))?;
        check_space(into, recipe.bytes, begun.blocks() * 512)?;
        let resumed = begun.len() == recipe.bytes;
        file.set_len(recipe.bytes).map_err(failed("enlarge"))?;
        let mut partial = Self { recipe, file, root, name, path, target, needed: Vec::new() };
        partial.gather(resumed, archives)?;
        Ok(Begun::Partial(partial))
    }

    /// Puts together what is on this machine already, and notes what is not.
    fn gather(&mut self, resumed: bool, archives: &[PathBuf]) -> Result<(), Error> {
        let library = Library::of(archives, &self.recipe);
        let mut here: Vec<Range> = Vec::new();
        for part in &self.recipe.parts {
            let resumed = resumed && self.holds(part).map_err(|source| self.failed("read", source))?;
            let taken = || match library.find(&part.sha256) {
                Some(location) => self.take(part, &location),
                None => Ok(false),
            };
            if resumed || taken()? {
                here.extend(&part.ranges);
            }
        }
        here.sort_by_key(|range| range.offset);
        let end = Range { offset: self.recipe.bytes, bytes: 0 };
        let mut reached = 0;
        for range in here.into_iter().chain([end]) {
            if range.offset > reached {
                self.needed.push(Range { offset: reached, bytes: range.offset - reached });
            }
            reached = reached.max(range.end());
        }
        Ok(())
    }

    /// Whether an earlier copy has brought the whole part.
    fn holds(&self, part: &Part) -> io::Result<bool> {
        let mut hash = Sha256::new();
        for range in &part.ranges {
            digest_range(&self.file, *range, &mut hash, &())?;
        }
        Ok(hex::encode(hash.finalize()) == part.sha256)
    }

    /// Copies a part from an archive of this node; whether it was what it should be.
    fn take(&self, part: &Part, location: &Location) -> Result<bool, Error> {
        if location.size != part.ranges.iter().map(|range| range.bytes).sum::<u64>() {
            return Ok(false);
        }
        let mut hash = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        let mut read = 0;
        for range in &part.ranges {
            let mut offset = range.offset;
            while offset < range.end() {
                let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
                let chunk = buffer.get_mut(..wanted).unwrap_or_default();
                // A damaged archive here is no reason to stop: the part travels.
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
        Ok(hex::encode(hash.finalize()) == part.sha256)
    }

    /// Takes what travels.
    fn fill(&self, from: &mut impl BufRead) -> Result<(), Error> {
        let mut buffer = vec![0; CHUNK];
        for range in &self.needed {
            let mut offset = range.offset;
            while offset < range.end() {
                let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
                let chunk = buffer.get_mut(..wanted).unwrap_or_default();
                // What has arrived is kept, however soon the connection breaks.
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

    /// Checks the whole and gives it its name.
    fn finish(&self) -> Result<PathBuf, Error> {
        let whole = Range { offset: 0, bytes: self.recipe.bytes };
        let mut hash = Sha256::new();
        digest_range(&self.file, whole, &mut hash, &()).map_err(|source| self.failed("read", source))?;
        if hex::encode(hash.finalize()) != self.recipe.sha256 {
            return Err(Error::Damaged(self.damaged()?));
        }
        self.file.sync_all().map_err(|source| self.failed("write", source))?;
        let target = Path::new(&self.recipe.name);
        // Hours may have passed since the name was free.
        match self.root.rename_new(&self.name, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Taken(self.target.clone()));
            }
            // A file system that cannot: then looking first is all there is.
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
        // Names in the folder may have changed hands; what was checked is the open file.
        let checked = self.file.metadata().map_err(|source| self.failed("read", source))?;
        if self.root.metadata(target)?.identity != (checked.dev(), checked.ino()) {
            return Err(Error::Taken(self.target.clone()));
        }
        Ok(self.target.clone())
    }

    /// Names what is wrong with an archive that is not what was announced.
    fn damaged(&self) -> Result<String, Error> {
        for part in &self.recipe.parts {
            if !self.holds(part).map_err(|source| self.failed("read", source))? {
                return Ok(format!("{} has not the SHA-256 {}", part.path, part.sha256));
            }
        }
        Ok("its files are as announced, what lies between them is not".into())
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> Error {
        Error::Io { operation, path: self.path.clone(), source }
    }
}

fn check_space(folder: &Path, bytes: u64, there: u64) -> Result<(), Error> {
    let failed = |source: rustix::io::Errno| Error::Io {
        operation: "look at",
        path: folder.into(),
        source: source.into(),
    };
    let space = rustix::fs::statvfs(folder).map_err(failed)?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = bytes.saturating_sub(there);
    if free < needed {
        return Err(Error::Space { path: folder.into(), free, needed });
    }
    Ok(())
}

/// The SHA-256 of an open file in hexadecimal.
pub(super) fn digest_of(file: &File, progress: &dyn iso::Progress) -> io::Result<String> {
    let mut hash = Sha256::new();
    let whole = Range { offset: 0, bytes: file.metadata()?.len() };
    digest_range(file, whole, &mut hash, progress)?;
    Ok(hex::encode(hash.finalize()))
}

fn digest_range(
    file: &File,
    range: Range,
    hash: &mut Sha256,
    progress: &dyn iso::Progress,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = range.offset;
    while offset < range.end() {
        let wanted = usize::try_from(range.end() - offset).unwrap_or(CHUNK).min(CHUNK);
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact_at(chunk, offset)?;
        hash.update(&*chunk);
        offset += wanted as u64;
        progress.advance(wanted as u64);
    }
    Ok(())
}
