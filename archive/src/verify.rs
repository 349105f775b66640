//! Is an archive what it was when it was made?
//!
//! An ISO is checked against its implanted MD5, which covers every byte but the last 15 sectors; every file, in an ISO
//! or a folder, against `SHA256SUMS`; every blob of an image against its own name as well. Nothing is mounted or
//! unpacked. A file that several names share is hashed once.

mod hash;
mod one_pass;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub use report::{Finding, Form, Health, ImplantedMd5, Problem, Report};

use crate::tree::{Entry, Kind, Location, Piece, Tree};
use crate::{Error, Product, Result, image, layout, product, sums};

/// A SHA-256.
type Sha256Sum = [u8; 32];

/// How to verify.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many threads hash files; 0 is one per processor.
    pub threads: usize,
    /// Whether the implanted MD5 of an ISO is checked.
    pub implanted_md5: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: 0, implanted_md5: true }
    }
}

/// Verifies the archive at `path`. What is wrong with it stands in the report.
///
/// # Errors
///
/// Those of [`Work::open`].
pub fn verify(path: &Path, options: &Options, progress: &dyn iso::Progress) -> Result<Report> {
    Ok(Work::open(path, options)?.run(progress))
}

/// A verification that knows how much there is to do.
#[derive(Debug)]
pub struct Work {
    tree: Tree,
    options: Options,
    files: u64,
    product: Option<Product>,
    sums: bool,
    jobs: Vec<Job>,
    findings: Vec<Finding>,
    images: Vec<Examined>,
    packages: Vec<String>,
}

/// An image, and whether all that it needs is there.
#[derive(Debug)]
struct Examined {
    name: String,
    tag: String,
    folder: String,
    whole: std::result::Result<(), String>,
}

/// One stretch of content to hash, and the files that consist of it.
#[derive(Debug)]
struct Job {
    paths: Vec<String>,
    entry: Entry,
    /// The digests it should have, each with the paths that say so.
    expected: Vec<(Sha256Sum, String)>,
}

/// What makes two files the same content without reading it.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Inode(u64, u64),
    Pieces(Vec<(u64, u64)>),
}

impl Work {
    /// Lists what is to be verified; reads no content but that of `SHA256SUMS`, `product.txt` and manifests.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Iso`] when there is no archive at `path` or its folders cannot be read;
    /// [`Error::Limit`] for one no honest builder makes.
    pub fn open(path: &Path, options: &Options) -> Result<Self> {
        let tree = Tree::open(path)?;
        let mut findings = Vec::new();
        let mut invalid = |path: &str, error: Error| {
            findings.push(Finding::new(path, Problem::Invalid { reason: error.to_string() }));
        };
        let product = product::of(&tree).unwrap_or_else(|error| {
            invalid(layout::PRODUCT, error);
            None
        });
        let listed = sums::of(&tree).unwrap_or_else(|error| {
            invalid(layout::SUMS, error);
            None
        });
        let listed: Option<BTreeMap<String, Sha256Sum>> =
            listed.map(|sums| sums.into_iter().map(|sum| (sum.path, sum.digest)).collect());
        let mut images = Vec::new();
        image::each(&tree, layout::IMAGES, &mut |image| {
            let whole = image.whole();
            images.push(Examined { name: image.name, tag: image.tag, folder: image.folder, whole });
        })?;
        let mut work = Self {
            options: options.clone(),
            files: 0,
            product,
            sums: listed.is_some(),
            jobs: Vec::new(),
            findings,
            images,
            packages: Vec::new(),
            tree,
        };
        work.plan(listed)?;
        Ok(work)
    }

    /// The bytes that [`Work::run`] reports as progress, all told: of the image where both sums come from one read of
    /// it, else of the files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.tree {
            Tree::Iso(image) if self.options.implanted_md5 => {
                image.file().metadata().map_or(0, |data| data.len())
            }
            _ => self.jobs.iter().map(|job| job.entry.size).sum(),
        }
    }

    fn plan(&mut self, mut listed: Option<BTreeMap<String, Sha256Sum>>) -> Result<()> {
        let mut known: HashMap<Identity, usize> = HashMap::new();
        for (path, entry) in self.tree.walk()? {
            match &entry.kind {
                Kind::Directory => continue,
                Kind::File => {}
                Kind::Symlink(_) => {
                    if let Err(error @ Error::Path { .. }) = self.tree.resolve(&path) {
                        self.findings
                            .push(Finding::new(&path, Problem::Invalid { reason: error.to_string() }));
                    }
                    continue;
                }
                Kind::Other => {
                    let reason = "a device, socket or pipe, which no archive has".to_owned();
                    self.findings.push(Finding::new(&path, Problem::Invalid { reason }));
                    continue;
                }
            }
            self.files += 1;
            if path.ends_with(".rpm") || path.ends_with(".deb") {
                self.packages.push(path.clone());
            }
            if path == layout::SUMS {
                continue;
            }
            let mut expected = Vec::new();
            if let Some(listed) = &mut listed {
                match listed.remove(&path) {
                    Some(digest) => expected.push((digest, path.clone())),
                    None => self.findings.push(Finding::new(&path, Problem::Extra)),
                }
            }
            expected.extend(named_digest(&path, &entry.name).map(|digest| (digest, path.clone())));
            self.add(&mut known, path, entry, expected);
        }
        for (path, digest) in listed.into_iter().flatten() {
            self.findings.push(Finding::new(&path, Problem::Missing { expected: Some(hex::encode(digest)) }));
        }
        if let Tree::Iso(image) = &self.tree {
            let found = image.file().metadata().map_or(0, |data| data.len());
            let expected = image.declared_bytes();
            if found < expected {
                self.findings.push(Finding::new("", Problem::Truncated { expected, found }));
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        known: &mut HashMap<Identity, usize>,
        path: String,
        entry: Entry,
        expected: Vec<(Sha256Sum, String)>,
    ) {
        let location = match self.tree.locate_entry(&path, &entry) {
            Ok(location) => location,
            Err(error) => {
                self.findings.push(Finding::new(&path, Problem::Unreadable { reason: error.to_string() }));
                return;
            }
        };
        if let Some(problem) = truncated(&location) {
            self.findings.push(Finding::new(&path, problem));
            return;
        }
        match known.get(&identity(&location)).and_then(|index| self.jobs.get_mut(*index)) {
            Some(job) => {
                job.paths.push(path);
                job.expected.extend(expected);
            }
            None => {
                known.insert(identity(&location), self.jobs.len());
                self.jobs.push(Job { paths: vec![path], entry, expected });
            }
        }
    }

    /// Reads and hashes everything, and says what is wrong. `progress` hears of [`Work::bytes`] bytes.
    #[must_use]
    pub fn run(mut self, progress: &dyn iso::Progress) -> Report {
        let progress = hash::Capped::new(progress, self.bytes());
        let (md5, hashed) = hash::all(&self.tree, &self.jobs, &self.options, &progress);
        progress.finish();
        for (job, result) in self.jobs.iter().zip(hashed) {
            match result {
                Err(error) => self.findings.extend(
                    job.paths
                        .iter()
                        .map(|path| Finding::new(path, Problem::Unreadable { reason: error.to_string() })),
                ),
                Ok(found) => {
                    for (expected, path) in job.expected.iter().filter(|(expected, _)| *expected != found) {
                        let problem =
                            Problem::Differs { expected: hex::encode(expected), found: hex::encode(found) };
                        self.findings.push(Finding::new(path, problem));
                    }
                }
            }
        }
        report::make(self, md5)
    }
}

/// The digest that the name of a file below `images/` promises: `<hex>` and `<hex>.manifest.json`.
fn named_digest(path: &str, name: &str) -> Option<Sha256Sum> {
    let below = path.strip_prefix(layout::IMAGES).is_some_and(|rest| rest.starts_with('/'));
    below.then(|| sums::from_hex(name.strip_suffix(".manifest.json").unwrap_or(name))).flatten()
}

/// The problem of a file that ends behind the end of the file that holds it.
fn truncated(location: &Location) -> Option<Problem> {
    let found = location.file.metadata().ok()?.len();
    let expected = location.pieces.iter().map(|piece| piece.offset.saturating_add(piece.len)).max()?;
    (expected > found).then_some(Problem::Truncated { expected, found })
}

fn identity(location: &Location) -> Identity {
    if let ([Piece { offset: 0, len }], Ok(data)) = (&*location.pieces, location.file.metadata())
        && data.len() == *len
    {
        return Identity::Inode(data.dev(), data.ino());
    }
    Identity::Pieces(location.pieces.iter().map(|piece| (piece.offset, piece.len)).collect())
}

#[cfg(test)]
mod tests;
