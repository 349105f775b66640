//! What is served: an index in memory from names, tags and digests to places in archives. Content stays where it is.

pub(crate) mod content;
pub(crate) mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use archive::tree::{Entry, Location};
use archive::{Product, Tree, image, layout, product, sums};
use bytes::Bytes;
use images::Digest;
use images::manifest::Kind;

use crate::error::Error;
use content::{Content, Name, Place};
use verdict::{Checked, Stamp};

/// All archives, and which one a URL speaks of.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// In the order they were given.
    pub(crate) archives: Vec<Arc<Archive>>,
    by_prefix: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    /// Those whose images are also served without a prefix.
    bare: Vec<usize>,
    /// Every name that [`Catalogue::repository`] knows, sorted.
    pub(crate) names: Vec<String>,
    /// All of them as `_catalog` lists them, made when it is first asked for and shared by all answers.
    pub(crate) listing: OnceLock<Bytes>,
    /// What was asked for.
    pub(crate) paths: Vec<PathBuf>,
    /// Archives that could not be opened and were left out, each with the reason.
    pub(crate) left_out: Vec<(PathBuf, String)>,
}

/// One archive, or one plain folder of images.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    /// Name and version; `None` for a plain folder of images.
    pub(crate) product: Option<Product>,
    pub(crate) tree: Tree,
    /// Changes when the file or folder at `path` is replaced.
    pub(crate) stamp: Stamp,
    pub(crate) repositories: BTreeMap<Box<str>, Repository>,
    pub(crate) contents: Box<[Content]>,
    /// The files that `SHA256SUMS` lists, sorted by path.
    pub(crate) files: Box<[Listed]>,
    /// Why no file can be checked, where `SHA256SUMS` cannot be read: then none is served.
    pub(crate) sums_problem: Option<String>,
    /// Images that are not served, each with the reason.
    pub(crate) problems: Vec<String>,
}

/// A file that `SHA256SUMS` lists.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) path: Box<str>,
    pub(crate) checked: Checked,
}

/// What can be checked in an archive, by its place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// In [`Archive::contents`].
    Content(u32),
    /// In [`Archive::files`].
    File(u32),
}

/// All tags of one image name.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    /// Tags, sorted, with the index of their manifest in [`Archive::contents`].
    pub(crate) tags: Box<[(Box<str>, u32)]>,
    /// Which contents may be asked for under this name, as indices sorted by digest.
    contents: Box<[u32]>,
    /// Which manifests refer to another one, by the digest of that; few names have any.
    referrers: Option<Box<Referrers>>,
}

/// Indices of manifests by what they refer to, sorted by their digests.
type Referrers = BTreeMap<Digest, Vec<u32>>;

/// An index in the making.
#[derive(Default)]
struct Builder {
    repositories: BTreeMap<Box<str>, Collected>,
    contents: Vec<Content>,
    by_digest: HashMap<Digest, u32>,
    problems: Vec<String>,
}

/// What a [`Repository`] will have.
#[derive(Default)]
struct Collected {
    tags: Vec<(Box<str>, u32)>,
    contents: Vec<u32>,
    referrers: Referrers,
}

impl Catalogue {
    /// Opens archives. Those of `former` that have not changed are taken over with what was learned about them. One that
    /// cannot be opened is an error, or left out.
    pub(crate) fn open(paths: &[PathBuf], former: &Self, leave_out: bool) -> Result<Self, Error> {
        let mut catalogue = Self { paths: paths.to_vec(), ..Self::default() };
        for path in paths {
            let known = former.archives.iter().find(|archive| archive.path == *path);
            let archive = match known {
                Some(archive) if archive.unchanged() => Arc::clone(archive),
                known => match Archive::read(path, known.map(Arc::as_ref)) {
                    Ok(archive) => Arc::new(archive),
                    Err(error) if leave_out => {
                        catalogue.left_out.push((path.clone(), error.to_string()));
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            match catalogue.add(archive, paths.len() == 1) {
                Err(error) if leave_out => catalogue.left_out.push((path.clone(), error.to_string())),
                done => done?,
            }
        }
        catalogue.names = catalogue.all_names();
        Ok(catalogue)
    }

    /// Adds an archive, unless what it brings is asked for under the names of another.
    fn add(&mut self, archive: Arc<Archive>, alone: bool) -> Result<(), Error> {
        let index = self.archives.len();
        let prefix = archive.product.as_ref().map(Product::repository_prefix);
        let before = prefix.as_ref().and_then(|prefix| self.archives.get(*self.by_prefix.get(prefix)?));
        if let (Some(prefix), Some(first)) = (&prefix, before) {
            let (first, second) = (first.path.clone(), archive.path.clone());
            return Err(Error::Twice { id: prefix.clone(), first, second });
        }
        if archive.product.is_none() || alone {
            self.add_bare(&archive, index)?;
        }
        self.by_prefix.extend(prefix.map(|prefix| (prefix, index)));
        self.by_id.extend(archive.product.as_ref().map(|product| (product.id(), index)));
        self.archives.push(archive);
        Ok(())
    }

    fn add_bare(&mut self, archive: &Archive, index: usize) -> Result<(), Error> {
        for other in self.bare.iter().filter_map(|other| self.archives.get(*other)) {
            if let Some(name) =
                archive.repositories.keys().find(|name| other.repositories.contains_key(*name))
            {
                let (first, second) = (other.path.clone(), archive.path.clone());
                return Err(Error::Conflict { name: name.to_string(), first, second });
            }
        }
        self.bare.push(index);
        Ok(())
    }

    /// The images of a name: `metalk8s-2.10/redis`, or `redis` where that can only mean one.
    pub(crate) fn repository(&self, name: &str) -> Option<(&Arc<Archive>, &Repository)> {
        self.prefixed(name).or_else(|| {
            let bare = self.bare.iter().filter_map(|index| self.archives.get(*index));
            bare.filter_map(|archive| Some((archive, archive.repositories.get(name)?))).next()
        })
    }

    /// The images of a name that begins with the name and version of an archive.
    pub(crate) fn prefixed(&self, name: &str) -> Option<(&Arc<Archive>, &Repository)> {
        let (prefix, rest) = name.split_once('/')?;
        let archive = self.archives.get(*self.by_prefix.get(prefix)?)?;
        Some((archive, archive.repositories.get(rest)?))
    }

    /// The archive `metalk8s-2.10`.
    pub(crate) fn archive(&self, id: &str) -> Option<&Arc<Archive>> {
        self.archives.get(*self.by_id.get(id)?)
    }

    fn all_names(&self) -> Vec<String> {
        let prefixed =
            self.by_prefix.iter().filter_map(|(prefix, index)| Some((prefix, self.archives.get(*index)?)));
        let prefixed = prefixed.flat_map(|(prefix, archive)| {
            archive.repositories.keys().map(move |name| format!("{prefix}/{name}"))
        });
        let bare = self.bare.iter().filter_map(|index| self.archives.get(*index));
        let mut names: Vec<String> =
            bare.flat_map(|archive| archive.repositories.keys().map(ToString::to_string)).collect();
        names.extend(prefixed);
        names.sort();
        names.dedup();
        names
    }

    /// Name and version of every archive that has them.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.by_id.keys().map(String::as_str).collect();
        ids.sort_unstable();
        ids
    }
}

impl Archive {
    /// Opens the archive at a path; `former` is what was there before.
    fn read(path: &Path, former: Option<&Self>) -> Result<Self, Error> {
        let tree = Tree::open(path)?;
        let product = product::of(&tree)?;
        let has = |name| tree.entry(name).map(|entry| entry.is_some());
        let images = if has(layout::IMAGES)? {
            Some(layout::IMAGES)
        } else if product.is_some() || has(layout::PACKAGES)? {
            None
        } else {
            // A folder of images itself.
            Some("")
        };
        let stamp = Stamp::of_path(path).map_err(|source| archive::Error::Io {
            operation: "examine",
            path: path.to_path_buf(),
            source,
        })?;
        let mut builder = Builder::default();
        if let Some(folder) = images {
            image::each(&tree, folder, &mut |image| builder.add(&tree, &image))?;
            if folder.is_empty() && builder.repositories.is_empty() && builder.problems.is_empty() {
                return Err(Error::Nothing { path: path.to_path_buf() });
            }
        }
        let contents = builder.contents.into_boxed_slice();
        let repositories =
            builder.repositories.into_iter().map(|(name, found)| (name, found.finish(&contents)));
        let repositories = repositories.collect();
        let mut problems = builder.problems;
        let (files, sums_problem) = match listed(&tree) {
            Ok(files) => (files, None),
            Err(error) => {
                problems.push(format!("packages and other files are not served: {error}"));
                (Box::default(), Some(error.to_string()))
            }
        };
        let path = path.to_path_buf();
        let archive =
            Self { path, product, tree, stamp, repositories, contents, files, sums_problem, problems };
        if let Some(former) = former {
            archive.take_over(former);
        }
        Ok(archive)
    }

    /// Takes over what was known of the files of a folder that are still the same.
    fn take_over(&self, former: &Self) {
        let (Tree::Folder(_), Tree::Folder(_)) = (&self.tree, &former.tree) else { return };
        let stamp = |part| Stamp::of_file(&self.open(part)?.file);
        let known: HashMap<Digest, &Content> =
            former.contents.iter().map(|content| (content.digest(), content)).collect();
        for (index, content) in (0..).zip(&self.contents) {
            let part = Part::Content(index);
            if let Some(known) = known.get(&content.digest()).filter(|known| known.place == content.place) {
                content.checked.take_over(&known.checked, || stamp(part));
            }
        }
        for (index, listed) in (0..).zip(&self.files) {
            let known = former.file(&listed.path).and_then(|part| former.checked(part));
            if let Some(known) = known.filter(|known| known.digest == listed.checked.digest) {
                listed.checked.take_over(known, || stamp(Part::File(index)));
            }
        }
    }

    fn unchanged(&self) -> bool {
        // A folder's files change without a trace in the folder itself.
        matches!(self.tree, Tree::Iso(_)) && Stamp::of_path(&self.path).is_ok_and(|stamp| stamp == self.stamp)
    }

    /// The index of the content with a digest, if it may be asked for under the name of `repository`.
    pub(crate) fn find(&self, repository: &Repository, digest: Digest) -> Option<u32> {
        let found = repository
            .contents
            .binary_search_by_key(&Some(digest), |index| Some(self.at(*index)?.digest()))
            .ok()?;
        repository.contents.get(found).copied()
    }

    /// The content at an index from [`Repository::tags`] or [`Content::needs`].
    pub(crate) fn at(&self, index: u32) -> Option<&Content> {
        self.contents.get(usize::try_from(index).ok()?)
    }

    /// The file at a path without links, if `SHA256SUMS` lists it.
    pub(crate) fn file(&self, path: &str) -> Option<Part> {
        let found = self.files.binary_search_by(|listed| (*listed.path).cmp(path)).ok()?;
        u32::try_from(found).ok().map(Part::File)
    }

    fn listed(&self, index: u32) -> Option<&Listed> {
        self.files.get(usize::try_from(index).ok()?)
    }

    /// What is known of a part.
    pub(crate) fn checked(&self, part: Part) -> Option<&Checked> {
        match part {
            Part::Content(index) => self.at(index).map(|content| &content.checked),
            Part::File(index) => self.listed(index).map(|listed| &listed.checked),
        }
    }

    /// What a part is called: a digest or a path.
    pub(crate) fn name(&self, part: Part) -> String {
        match part {
            Part::Content(index) => self.at(index).map(|content| content.digest().to_string()),
            Part::File(index) => self.listed(index).map(|listed| listed.path.to_string()),
        }
        .unwrap_or_default()
    }

    /// Everything that can be checked; of the files those that are not contents of images.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        let contents = (0..).zip(&self.contents).map(|(index, _)| Part::Content(index));
        let of_images = |listed: &Listed| {
            listed.path.strip_prefix(layout::IMAGES).is_some_and(|rest| rest.starts_with('/'))
        };
        let files = (0..).zip(&self.files).filter(move |(_, listed)| !of_images(listed));
        contents.chain(files.map(|(index, _)| Part::File(index)))
    }

    /// Opens a part for reading by position.
    pub(crate) fn open(&self, part: Part) -> io::Result<Location> {
        match part {
            Part::Content(index) => self.at(index).ok_or(io::ErrorKind::NotFound)?.open(&self.tree),
            Part::File(index) => {
                let listed = self.listed(index).ok_or(io::ErrorKind::NotFound)?;
                self.tree.locate(&listed.path).map_err(content::io_error)
            }
        }
    }
}

/// What `SHA256SUMS` lists.
fn listed(tree: &Tree) -> archive::Result<Box<[Listed]>> {
    let listed = |sum: sums::Sum| Listed {
        path: sum.path.into(),
        checked: Checked::new(Digest::from_bytes(sum.digest)),
    };
    let mut files: Box<[Listed]> = sums::of(tree)?.unwrap_or_default().into_iter().map(listed).collect();
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

impl Builder {
    /// Adds an image, unless something it needs is missing: a manifest is only answered when all its blobs are there.
    fn add(&mut self, tree: &Tree, image: &image::Image) {
        let stored = match image.whole().and_then(|()| image.manifest.clone()) {
            Ok(stored) => stored,
            Err(problem) => {
                self.problems.push(format!("{}:{} is not served: {problem}", image.name, image.tag));
                return;
            }
        };
        let folder: Arc<str> = image.folder.as_str().into();
        let place = |name, path: &str, entry: &Entry| Place::new(tree, &folder, name, path, entry);
        let mut mine = Vec::new();
        let mut all_needs = Vec::new();
        for child in image.children.values().flatten() {
            let needs = self.add_blobs(image, &child.manifest, &place);
            mine.extend(&needs);
            all_needs.extend(&needs);
            let at = place(Name::Child, &child.path, &child.entry);
            let index = self.add_content(child.digest, &child.entry, Some(child.manifest.kind), at, needs);
            all_needs.push(index);
        }
        all_needs.extend(self.add_blobs(image, &stored.manifest, &place));
        mine.extend(&all_needs);
        let at = place(Name::Top, &stored.path, &stored.entry);
        let top = self.add_content(stored.digest, &stored.entry, Some(stored.manifest.kind), at, all_needs);
        mine.push(top);
        let repository = self.repositories.entry(image.name.as_str().into()).or_default();
        repository.tags.push((image.tag.as_str().into(), top));
        repository.contents.extend(mine);
        for stored in image.stored() {
            if let (Some(subject), Some(index)) =
                (stored.manifest.subject, self.by_digest.get(&stored.digest))
            {
                repository.referrers.entry(subject).or_default().push(*index);
            }
        }
    }

    fn add_blobs(
        &mut self,
        image: &image::Image,
        manifest: &image::Summary,
        place: &dyn Fn(Name, &str, &Entry) -> Place,
    ) -> Vec<u32> {
        let mut added = Vec::new();
        for (digest, _) in &manifest.blobs {
            if let Some(blob) = image.blobs.get(digest) {
                let at = place(Name::Blob, &blob.path, &blob.entry);
                added.push(self.add_content(*digest, &blob.entry, None, at, Vec::new()));
            }
        }
        added
    }

    fn add_content(
        &mut self,
        digest: Digest,
        entry: &Entry,
        kind: Option<Kind>,
        place: Place,
        needs: Vec<u32>,
    ) -> u32 {
        let next = u32::try_from(self.contents.len()).unwrap_or(u32::MAX);
        let index = *self.by_digest.entry(digest).or_insert(next);
        if index == next {
            self.contents.push(Content::new(digest, entry.size, kind, place, needs));
        }
        index
    }
}

impl Collected {
    fn finish(mut self, contents: &[Content]) -> Repository {
        self.tags.sort_unstable();
        let digest = |index: &u32| {
            usize::try_from(*index).ok().and_then(|index| contents.get(index)).map(Content::digest)
        };
        for indices in self.referrers.values_mut().chain([&mut self.contents]) {
            indices.sort_unstable_by_key(digest);
            indices.dedup();
        }
        Repository {
            tags: self.tags.into(),
            contents: self.contents.into(),
            referrers: (!self.referrers.is_empty()).then(|| Box::new(self.referrers)),
        }
    }
}

impl Repository {
    /// The index of the manifest of a tag.
    pub(crate) fn tag(&self, tag: &str) -> Option<u32> {
        let found = self.tags.binary_search_by(|(found, _)| (**found).cmp(tag)).ok()?;
        self.tags.get(found).map(|(_, index)| *index)
    }

    /// The indices of the manifests that refer to `subject`, sorted by their digests.
    pub(crate) fn referrers(&self, subject: Digest) -> &[u32] {
        self.referrers.as_ref().and_then(|referrers| referrers.get(&subject)).map_or(&[], Vec::as_slice)
    }
}
