//! One archive, and everything that can be checked in it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use archive::tree::Location;
use archive::{Product, Tree, image, layout, product, sums};
use content::{Digest, IoError};

use super::build::{Builder, Built};
use super::contents::{self, ServedContent};
use super::facts::ArchiveFacts;
use super::original::OriginalRepositories;
use super::repository::ServedRepository;
use super::verdict::{CheckedDigest, FileStamp};
use crate::error::Error;

/// One archive, or one plain folder of images.
#[derive(Debug)]
pub(crate) struct ServedArchive {
    pub(crate) path: PathBuf,
    /// The product information; `None` for a plain folder of images.
    pub(crate) product: Option<Product>,
    pub(crate) tree: Tree,
    /// Changes when the file or folder at `path` is replaced.
    stamp: FileStamp,
    pub(crate) repositories: BTreeMap<Box<str>, ServedRepository>,
    /// The same images under their original names.
    pub(crate) original: OriginalRepositories,
    pub(crate) contents: Box<[ServedContent]>,
    /// The files that `SHA256SUMS` lists, sorted by path.
    pub(crate) files: Box<[ListedFile]>,
    /// Why no file can be checked, where `SHA256SUMS` cannot be read: then none is served.
    pub(crate) sums_problem: Option<String>,
    /// What is not served, each with the reason.
    pub(crate) problems: Vec<String>,
    /// What the status page says of it.
    pub(crate) facts: ArchiveFacts,
}

/// A file that `SHA256SUMS` lists.
#[derive(Debug)]
pub(crate) struct ListedFile {
    pub(crate) path: Box<str>,
    pub(crate) checked: CheckedDigest,
}

/// Something that can be checked in an archive, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ItemIndex {
    /// In [`ServedArchive::contents`].
    Content(u32),
    /// In [`ServedArchive::files`].
    File(u32),
}

impl ServedArchive {
    /// Opens the archive at a path; `former` is the one that was served from that path before.
    pub(super) fn read(path: &Path, former: Option<&Self>) -> Result<Self, Error> {
        let tree = Tree::open(path)?;
        let product = product::of(&tree)?;
        let images = image::folder_of(&tree)?;
        let stamp =
            FileStamp::of_path(path).map_err(IoError::at("examine", path)).map_err(archive::Error::from)?;
        let mut builder = Builder::default();
        if let Some(folder) = images {
            match image::original_names(&tree, folder) {
                Ok(names) => builder = Builder::new(names),
                Err(error) => {
                    builder.problem(format!("original names of images: {error}"));
                }
            }
            image::each(&tree, folder, &mut |image| builder.add(&tree, &image))?;
        }
        let Built { repositories, original, contents, mut problems } = builder.finish();
        if images == Some("") && repositories.is_empty() && problems.is_empty() {
            return Err(Error::Nothing { path: path.to_path_buf() });
        }
        let (files, sums_problem) = match listed_files(&tree) {
            Ok(files) => (files, None),
            Err(error) => {
                problems.push(format!("packages and other files: {error}"));
                (Box::default(), Some(error.to_string()))
            }
        };
        let path = path.to_path_buf();
        let facts = ArchiveFacts::of(&tree, images);
        let archive = Self {
            path,
            product,
            tree,
            stamp,
            repositories,
            original,
            contents,
            files,
            sums_problem,
            problems,
            facts,
        };
        if let Some(former) = former {
            archive.adopt_verdicts(former);
        }
        Ok(archive)
    }

    /// Adopts the verdicts on the files of a folder that are still the same.
    fn adopt_verdicts(&self, former: &Self) {
        let (Tree::Folder(_), Tree::Folder(_)) = (&self.tree, &former.tree) else { return };
        let stamp = |item| FileStamp::of_file(&self.open(item)?.file);
        let known: HashMap<Digest, &ServedContent> =
            former.contents.iter().map(|content| (content.digest(), content)).collect();
        for (index, content) in (0..).zip(&self.contents) {
            let item = ItemIndex::Content(index);
            if let Some(known) = known.get(&content.digest()).filter(|known| known.place == content.place) {
                content.checked.adopt(&known.checked, || stamp(item));
            }
        }
        for (index, listed) in (0..).zip(&self.files) {
            let known = former.file(&listed.path).and_then(|item| former.checked(item));
            if let Some(known) = known.filter(|known| known.digest == listed.checked.digest) {
                listed.checked.adopt(known, || stamp(ItemIndex::File(index)));
            }
        }
    }

    pub(super) fn unchanged(&self) -> bool {
        // A change of a file does not change its folder.
        matches!(self.tree, Tree::Iso(_))
            && FileStamp::of_path(&self.path).is_ok_and(|stamp| stamp == self.stamp)
    }

    /// The index of the content with a digest, if it can be requested under the name of `repository`.
    pub(crate) fn find(&self, repository: &ServedRepository, digest: Digest) -> Option<u32> {
        let found = repository
            .contents
            .binary_search_by_key(&Some(digest), |index| Some(self.at(*index)?.digest()))
            .ok()?;
        repository.contents.get(found).copied()
    }

    /// The content at an index from [`ServedRepository::tags`] or [`ServedContent::needs`].
    pub(crate) fn at(&self, index: u32) -> Option<&ServedContent> {
        self.contents.get(usize::try_from(index).ok()?)
    }

    /// The file at a path without links, if `SHA256SUMS` lists it.
    pub(crate) fn file(&self, path: &str) -> Option<ItemIndex> {
        let found = self.files.binary_search_by(|listed| (*listed.path).cmp(path)).ok()?;
        u32::try_from(found).ok().map(ItemIndex::File)
    }

    fn listed_file(&self, index: u32) -> Option<&ListedFile> {
        self.files.get(usize::try_from(index).ok()?)
    }

    /// The verdict on an item.
    pub(crate) fn checked(&self, item: ItemIndex) -> Option<&CheckedDigest> {
        match item {
            ItemIndex::Content(index) => self.at(index).map(|content| &content.checked),
            ItemIndex::File(index) => self.listed_file(index).map(|listed| &listed.checked),
        }
    }

    /// The name of an item: a digest or a path.
    pub(crate) fn name(&self, item: ItemIndex) -> String {
        match item {
            ItemIndex::Content(index) => self.at(index).map(|content| content.digest().to_string()),
            ItemIndex::File(index) => self.listed_file(index).map(|listed| listed.path.to_string()),
        }
        .unwrap_or_default()
    }

    /// Everything that can be checked; of the files, those that are not contents of images.
    pub(crate) fn items(&self) -> impl Iterator<Item = ItemIndex> {
        let contents = (0..).zip(&self.contents).map(|(index, _)| ItemIndex::Content(index));
        let of_images = |listed: &ListedFile| {
            listed.path.strip_prefix(layout::IMAGES).is_some_and(|rest| rest.starts_with('/'))
        };
        let files = (0..).zip(&self.files).filter(move |(_, listed)| !of_images(listed));
        contents.chain(files.map(|(index, _)| ItemIndex::File(index)))
    }

    /// Opens an item for reading by position.
    pub(crate) fn open(&self, item: ItemIndex) -> io::Result<Location> {
        match item {
            ItemIndex::Content(index) => self.at(index).ok_or(io::ErrorKind::NotFound)?.open(&self.tree),
            ItemIndex::File(index) => {
                let listed = self.listed_file(index).ok_or(io::ErrorKind::NotFound)?;
                self.tree.locate(&listed.path).map_err(contents::io_error)
            }
        }
    }
}

/// The files that `SHA256SUMS` lists.
fn listed_files(tree: &Tree) -> archive::Result<Box<[ListedFile]>> {
    let listed = |sum: sums::FileChecksum| ListedFile {
        path: sum.path.into(),
        checked: CheckedDigest::new(sum.digest),
    };
    let mut files: Box<[ListedFile]> = sums::of(tree)?.unwrap_or_default().into_iter().map(listed).collect();
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
