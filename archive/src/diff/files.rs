//! What differs between two archives, file by file.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use content::Digest;
use iso::ByteProgress;

use super::sboms::{ImagePackageDifference, image_packages, is_explained};
use super::{ArchiveDiff, diff};
use crate::inspect::{Inspection, inspect};
use crate::layout::{self, PathOwner, owner};
use crate::tree::{EntryKind, IsoTree, Tree, TreeEntry};
use crate::{Error, Result, sums};

/// The bytes of two ISOs that are compared at a time.
const CHUNK: usize = 1 << 18;

/// Two archives, compared file by file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// What is in the first archive.
    pub former: Inspection,
    /// What is in the second archive.
    pub new: Inspection,
    /// The images and packages that differ.
    pub contents: ArchiveDiff,
    /// The packages in images that differ, by the SBOMs of the images. An image is left out if one of the archives has no SBOM of it.
    pub image_packages: Vec<ImagePackageDifference>,
    /// The other files and links that differ, sorted by path. Files that follow from others are left out unless nothing else
    /// differs: the registry index, the metadata of package repositories, SBOMs, `SHA256SUMS` and `LINKS.mtree`. Keys of repositories are
    /// listed, and signatures of metadata that only one archive has.
    pub files: Vec<FileDifference>,
    /// How much the archives have in common.
    pub sameness: Sameness,
    /// The bytes of the content that only the first archive has. Shared content counts once.
    pub former_bytes: u64,
    /// The bytes of the content that only the second archive has.
    pub new_bytes: u64,
}

/// How much two archives have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// The files and links are equal, and two ISOs are equal byte for byte.
    Identical,
    /// The files and links are equal. The ISOs differ elsewhere: in dates, the volume ID, the order of the files, or what is
    /// outside of files.
    SameFiles,
    /// Files or links differ.
    Different,
}

/// A file or symbolic link that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDifference {
    /// The path relative to the root of the archive.
    pub path: String,
    /// In the first archive; `None` if it has no such path.
    pub former: Option<FileState>,
    /// In the second archive; `None` if it has no such path.
    pub new: Option<FileState>,
}

/// A file or symbolic link of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// The size of a file in bytes; 0 for a link.
    pub size: u64,
    /// Whether a file can be executed. The other permissions depend on where an archive lies.
    pub executable: bool,
    /// The digest of a file, if the comparison needed it.
    pub digest: Option<Digest>,
    /// The target of a link.
    pub target: Option<String>,
}

/// Two archives that are about to be compared: ISO files, mount points or folders.
///
/// The digest of a file is the one in `SHA256SUMS` or in the name of a blob; other files are read. So the comparison relies on what
/// the archives list: [`crate::verify`](crate::verify()) shows whether it is true.
#[derive(Debug)]
pub struct Comparing {
    inspections: [Inspection; 2],
    sides: [Side; 2],
}

impl Comparing {
    /// Opens both archives.
    ///
    /// # Errors
    ///
    /// Those of [`inspect`] and [`sums::of`].
    pub fn open(former: &Path, new: &Path) -> Result<Self> {
        let inspected = |path: &Path| inspect(path).map_err(|error| error.in_archive(path));
        Ok(Self {
            inspections: [inspected(former)?, inspected(new)?],
            sides: [Side::open(former)?, Side::open(new)?],
        })
    }

    /// The most bytes that the comparison reads. ISOs are only read as a whole if their files are equal.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let [former, new] = &self.sides;
        let unlisted = former.unlisted(new) + new.unlisted(former);
        let isos = self.inspections.iter().map(|one| one.image_bytes).collect::<Option<Vec<u64>>>();
        unlisted + isos.filter(|isos| isos[0] == isos[1]).map_or(0, |isos| isos.iter().sum())
    }

    /// Compares the archives. `progress` counts the bytes that are read.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn run(self, progress: &dyn ByteProgress) -> Result<Comparison> {
        let [before, after] = &self.sides;
        let known = [before.states(after, progress)?, after.states(before, progress)?];
        let differing = differing(&known[0], &known[1]);
        let sameness = match differing.is_empty() {
            false => Sameness::Different,
            true => layouts(before, after, progress)?,
        };
        let [former_bytes, new_bytes] = [only_in(&known[0], &known[1]), only_in(&known[1], &known[0])];
        let [former, new] = self.inspections;
        let contents = diff(&former, &new);
        let image_packages = image_packages(&before.tree, &after.tree, &contents.images)?;
        let files = unexplained(differing, &contents);
        Ok(Comparison { former, new, contents, image_packages, files, sameness, former_bytes, new_bytes })
    }
}

/// One of the two archives.
#[derive(Debug)]
struct Side {
    tree: Tree,
    entries: BTreeMap<String, TreeEntry>,
    /// The digests that the archive lists.
    listed: BTreeMap<String, Digest>,
}

impl Side {
    fn open(path: &Path) -> Result<Self> {
        let tree = Tree::open(path)?;
        if let Tree::Iso(iso) = &tree {
            let (declared, found) = (iso.declared_bytes(), length(iso)?);
            if found < declared {
                let problem = format!("truncated: it has {found} of {declared} bytes");
                return Err(Error::Content { file: content::printable_path(path).to_string(), problem });
            }
        }
        let entries = tree.walk()?.into_iter().collect();
        let listed = sums::of(&tree).map_err(|error| error.in_archive(path))?.unwrap_or_default();
        let listed = listed.into_iter().map(|sum| (sum.path, sum.digest)).collect();
        Ok(Self { tree, entries, listed })
    }

    /// The files and links. A file that nothing lists is read if the other side has one of the same path and size.
    fn states(&self, other: &Self, progress: &dyn ByteProgress) -> Result<BTreeMap<String, FileState>> {
        let mut states = BTreeMap::new();
        for (path, entry) in &self.entries {
            let state = match &entry.kind {
                EntryKind::Directory => continue,
                EntryKind::Symlink(target) => {
                    FileState { size: 0, executable: false, digest: None, target: Some(target.clone()) }
                }
                EntryKind::File | EntryKind::Other => FileState {
                    size: entry.size,
                    executable: entry.mode & 0o111 != 0,
                    digest: self.digest(path, entry, other, progress)?,
                    target: None,
                },
            };
            states.insert(path.clone(), state);
        }
        Ok(states)
    }

    /// The bytes of the files that are read.
    fn unlisted(&self, other: &Self) -> u64 {
        let read = self.entries.iter().filter(|(path, entry)| self.is_read(path, entry, other));
        read.fold(0, |sum, (_, entry)| sum.saturating_add(entry.size))
    }

    /// Whether the digest of a file is needed: if nothing lists it, for a comparison with a file of the same size; if both sides list the
    /// same one for files of different sizes, because one of the lists is out of date.
    fn is_read(&self, path: &str, entry: &TreeEntry, other: &Self) -> bool {
        let known = self.known(path);
        let is_rival = |there: &TreeEntry| {
            let is_same_size = there.size == entry.size;
            there.kind == EntryKind::File
                && if known.is_none() { is_same_size } else { !is_same_size && known == other.known(path) }
        };
        entry.kind == EntryKind::File && other.entries.get(path).is_some_and(is_rival)
    }

    fn known(&self, path: &str) -> Option<Digest> {
        self.listed.get(path).copied().or_else(|| layout::named_digest(path))
    }

    fn digest(
        &self,
        path: &str,
        entry: &TreeEntry,
        other: &Self,
        progress: &dyn ByteProgress,
    ) -> Result<Option<Digest>> {
        if !self.is_read(path, entry, other) {
            return Ok(self.known(path));
        }
        let content = self.tree.locate_entry(path, entry)?;
        let read = content::hash_reader(content.reader(), |piece| {
            progress.advance(piece.len() as u64);
            Ok(())
        });
        let failed = |error| Error::io("read", self.tree.path().join(path), error);
        Ok(Some(read.map_err(failed)?.0))
    }
}

/// The paths that differ.
fn differing(former: &BTreeMap<String, FileState>, new: &BTreeMap<String, FileState>) -> Vec<FileDifference> {
    let added = new.keys().filter(|path| !former.contains_key(*path));
    let mut paths: Vec<&String> = former.keys().chain(added).collect();
    paths.sort_unstable();
    let differences = paths.into_iter().filter_map(|path| {
        let (before, after) = (former.get(path), new.get(path));
        let difference =
            || FileDifference { path: path.clone(), former: before.cloned(), new: after.cloned() };
        (before != after).then(difference)
    });
    differences.collect()
}

impl FileDifference {
    fn is_in_both(&self) -> bool {
        self.former.is_some() && self.new.is_some()
    }
}

/// Whether a file of a repository is a key of it, which decides what clients accept.
fn is_key(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("RPM-GPG-KEY-")
        || name.ends_with(".key")
        || (name.ends_with(".asc") && !is_signature(path))
}

/// Whether a file of a repository is a signature of its metadata, which is another one for other metadata.
fn is_signature(path: &str) -> bool {
    ["/repomd.xml.asc", "/InRelease", "/Release.gpg"].iter().any(|name| path.ends_with(name))
}

/// The differences that neither an image nor a package explains. What follows from other files is listed only if nothing else differs.
fn unexplained(differing: Vec<FileDifference>, contents: &ArchiveDiff) -> Vec<FileDifference> {
    let is_unexplained = |one: &&FileDifference| match owner(&one.path) {
        PathOwner::Image { name, .. } => contents.images.iter().all(|image| image.name != name),
        // Another file of the same name, version and architecture.
        PathOwner::Package { .. } => one.is_in_both(),
        PathOwner::Registry => false,
        PathOwner::Repository { .. } => is_key(&one.path) || is_signature(&one.path) && !one.is_in_both(),
        PathOwner::Archive | PathOwner::Salt => {
            ![layout::SUMS, layout::LINKS, layout::HIDDEN_SUMS, layout::HIDDEN_LINKS]
                .contains(&one.path.as_str())
                && !is_explained(&one.path, &contents.images)
        }
    };
    let files: Vec<FileDifference> = differing.iter().filter(is_unexplained).cloned().collect();
    if files.is_empty() && *contents == ArchiveDiff::default() { differing } else { files }
}

/// The bytes of the content that only `here` has.
fn only_in(here: &BTreeMap<String, FileState>, there: &BTreeMap<String, FileState>) -> u64 {
    let mut seen: HashSet<Digest> = there.values().filter_map(|state| state.digest).collect();
    let is_new = |(path, state): &(&String, &FileState)| match state.digest {
        Some(digest) => seen.insert(digest),
        None => there.get(*path).is_none_or(|other| other.size != state.size),
    };
    here.iter().filter(is_new).fold(0, |sum, (_, state)| sum.saturating_add(state.size))
}

/// How much two archives of equal files have in common.
fn layouts(former: &Side, new: &Side, progress: &dyn ByteProgress) -> Result<Sameness> {
    let (Tree::Iso(before), Tree::Iso(after)) = (&former.tree, &new.tree) else {
        return Ok(Sameness::Identical);
    };
    if length(before)? != length(after)? {
        return Ok(Sameness::SameFiles);
    }
    let (mut one, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut offset = 0;
    loop {
        let read = read_at(before, offset, &mut one)?;
        if read != read_at(after, offset, &mut other)? || one[..read] != other[..read] {
            return Ok(Sameness::SameFiles);
        }
        if read == 0 {
            return Ok(Sameness::Identical);
        }
        progress.advance(2 * read as u64);
        offset += read as u64;
    }
}

fn length(iso: &IsoTree) -> Result<u64> {
    let data = iso.file().metadata().map_err(|error| Error::io("read", iso.path(), error))?;
    Ok(data.len())
}

/// Reads until the buffer is full or the ISO ends.
fn read_at(iso: &IsoTree, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match iso.file().read_at(&mut buffer[length..], offset + length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", iso.path(), error)),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{LAYER, image, put, sample};
    use crate::sums::{digest_file, write};

    fn iso(tree: &Path, volume_id: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = iso::IsoOptions { volume_id: volume_id.into(), ..iso::IsoOptions::default() };
        iso::PlannedIso::from_dir(tree, &options).unwrap().write_file(file.path(), &()).unwrap();
        file
    }

    fn compared(former: &Path, new: &Path) -> Comparison {
        Comparing::open(former, new).unwrap().run(&()).unwrap()
    }

    #[test]
    fn files_that_belong_to_no_image_or_package_are_listed() {
        let (former, new) = (sample(), sample());
        put(former.path(), "gone.sh", b"gone");
        put(new.path(), "salt/top.sls", b"{} # new\n");
        put(new.path(), "packages/redhat/8/sample-scality-el8/repodata/repomd.xml", b"<repomd></repomd>");
        std::os::unix::fs::symlink("salt", new.path().join("link")).unwrap();
        let layer = b"another layer";
        image(new.path(), "other", "2", b"{}", layer);
        image(new.path(), "same", "1", b"{}", LAYER);
        for folder in [&former, &new] {
            write(folder.path(), &digest_file).unwrap();
        }
        let found = compared(former.path(), new.path());
        let state = |text: &str| {
            let digest = Some(Digest::of(text.as_bytes()));
            FileState { size: text.len() as u64, executable: false, digest, target: None }
        };
        let link = FileState { size: 0, executable: false, digest: None, target: Some("salt".into()) };
        let listed = |path: &str, former, new| FileDifference { path: path.into(), former, new };
        assert_eq!(
            found.files,
            [
                listed("gone.sh", Some(state("gone")), None),
                listed("link", None, Some(link)),
                listed("salt/top.sls", Some(state("{}\n")), Some(state("{} # new\n"))),
            ]
        );
        assert_eq!(found.sameness, Sameness::Different);
        let names: Vec<&str> = found.contents.images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, ["other", "same"]);
        let sums =
            |folder: &tempfile::TempDir| std::fs::read(folder.path().join("SHA256SUMS")).unwrap().len();
        assert!(found.former_bytes > 4 && found.former_bytes < 100 + sums(&former) as u64, "{found:?}");
        assert!(found.new_bytes > layer.len() as u64, "{found:?}");
    }

    #[test]
    fn what_nothing_else_explains_is_listed() {
        for (path, text) in [
            ("packages/redhat/8/sample-scality-el8/repodata/repomd.xml", "<repomd></repomd>"),
            ("packages/redhat/8/sample-scality-el8/x86_64/app-1-1.x86_64.rpm", "rebuilt"),
            ("images/library/app/1.0/version", "Directory Transport Version: 1.2\n"),
        ] {
            let (former, new) = (sample(), sample());
            put(new.path(), path, text.as_bytes());
            std::fs::remove_file(former.path().join("SHA256SUMS")).unwrap();
            std::fs::remove_file(new.path().join("SHA256SUMS")).unwrap();
            let found = compared(former.path(), new.path());
            let paths: Vec<&str> = found.files.iter().map(|one| one.path.as_str()).collect();
            assert_eq!((paths, found.sameness), (vec![path], Sameness::Different));
            assert_eq!(found.contents, ArchiveDiff::default());
        }
    }

    #[test]
    fn keys_and_lost_signatures_of_repositories_are_listed() {
        let (former, new) = (sample(), sample());
        let folder = "packages/redhat/8/sample-scality-el8";
        let (key, signature) =
            (format!("{folder}/RPM-GPG-KEY-sample"), format!("{folder}/repodata/repomd.xml.asc"));
        put(former.path(), &key, b"one");
        put(new.path(), &key, b"two");
        put(former.path(), &signature, b"signed");
        put(new.path(), "product.txt", b"NAME=Sample\nVERSION=1.1\n");
        for folder in [&former, &new] {
            write(folder.path(), &digest_file).unwrap();
        }
        let paths: Vec<String> =
            compared(former.path(), new.path()).files.into_iter().map(|one| one.path).collect();
        assert_eq!(paths, [key, signature, "product.txt".into()]);
    }

    #[test]
    fn a_truncated_iso_is_an_error() {
        let folder = sample();
        let (whole, cut) = (iso(folder.path(), "one"), iso(folder.path(), "one"));
        let length = std::fs::metadata(cut.path()).unwrap().len();
        std::fs::File::options().write(true).open(cut.path()).unwrap().set_len(length - 2048).unwrap();
        let error = Comparing::open(whole.path(), cut.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("truncated: it has {} of {length} bytes", length - 2048)), "{error}");
    }

    #[test]
    fn lists_that_are_out_of_date_do_not_hide_what_differs() {
        let (former, new) = (sample(), sample());
        // Both lists have the digest of the former file.
        put(new.path(), "salt/top.sls", b"other\n");
        let found = compared(former.path(), new.path());
        let digests: Vec<_> =
            found.files[0].former.iter().chain(&found.files[0].new).map(|one| one.digest).collect();
        assert_eq!(digests, [Some(Digest::of(b"{}\n")), Some(Digest::of(b"other\n"))]);
        put(new.path(), "product.txt", b"NAME\n");
        let error = Comparing::open(former.path(), new.path()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: product.txt", new.path().display())), "{error}");
    }

    #[test]
    fn files_without_checksums_are_read() {
        let (former, new) = (sample(), sample());
        for folder in [&former, &new] {
            std::fs::remove_file(folder.path().join("SHA256SUMS")).unwrap();
        }
        put(new.path(), "salt/top.sls", b"[]\n");
        let found = compared(former.path(), new.path());
        assert_eq!(found.files.len(), 1, "{:?}", found.files);
        assert_eq!((found.files[0].path.as_str(), found.new_bytes), ("salt/top.sls", 3));
    }

    #[test]
    fn isos_of_equal_files_can_have_another_layout() {
        let folder = sample();
        let [one, same, other] = ["one", "one", "other"].map(|volume_id| iso(folder.path(), volume_id));
        for (iso, expected) in [(&same, Sameness::Identical), (&other, Sameness::SameFiles)] {
            let found = compared(one.path(), iso.path());
            assert_eq!((found.sameness, found.new_bytes), (expected, 0), "{:?}", found.files);
        }
        let found = compared(one.path(), folder.path());
        assert_eq!(found.sameness, Sameness::Identical, "{:?}", found.files);
    }
}
