//! Verification: whether an archive is what it was when it was made.
//!
//! An ISO is checked against its implanted MD5, which covers every byte but the last 15 sectors; every file, in an ISO
//! or a folder, against `SHA256SUMS`; every link against `LINKS.mtree`; every blob and manifest against its own name as well;
//! and `registry/` against what `images/` gives. Nothing is mounted or unpacked. A file that several names share is hashed
//! once.
//!
//! The same rules hold for an archive that was just built ([`Verification::run_known`]): what a build ends with is accepted beyond the
//! air gap.

mod contents;
mod hash;
mod one_pass;
mod registry;
mod report;

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub use report::{ArchiveForm, Finding, Health, ImplantedMd5, Problem, Verdict, VerifyReport};

use content::Digest;

use ::packages::openpgp::ValidAt;

use crate::image::MANIFESTS_MAX;
use crate::tree::Tree;
use crate::{Error, Product, Result, image, layout, links, product, requires, signatures, sums};
use contents::ArchiveContents;
use registry::Indexed;
use report::Findings;

/// How to verify.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// How many threads hash files; 0 is one per processor.
    pub threads: usize,
    /// Whether the implanted MD5 of an ISO is checked.
    pub implanted_md5: bool,
    /// Whether the digest of an ISO is computed, from the same read.
    pub iso_digest: bool,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { threads: 0, implanted_md5: true, iso_digest: false }
    }
}

/// Verifies the archive at `path`. The report lists what is wrong with it.
///
/// # Errors
///
/// Those of [`Verification::open`].
pub fn verify(
    path: &Path,
    options: &VerifyOptions,
    progress: &dyn iso::ByteProgress,
) -> Result<VerifyReport> {
    Ok(Verification::open(path, options)?.run(progress))
}

/// A verification that knows how much there is to do.
#[derive(Debug)]
pub struct Verification {
    tree: Tree,
    options: VerifyOptions,
    product: Option<Product>,
    /// Whether there is a readable `SHA256SUMS`, and a readable `LINKS.mtree`.
    sums: bool,
    links: bool,
    contents: ArchiveContents,
    findings: Findings,
    images: Vec<Examined>,
    /// Sorted by file.
    required: Vec<Required>,
}

/// An image, and whether it is whole.
#[derive(Debug)]
struct Examined {
    name: String,
    tag: String,
    folder: String,
    whole: std::result::Result<(), image::ImageDefect>,
    indexed: Option<Indexed>,
}

/// A digest that a file must have for another reason than `SHA256SUMS` and its name.
#[derive(Debug)]
struct Required {
    /// The index of the file.
    file: u32,
    digest: Digest,
    /// The path that is blamed: a link may lead from it to the file.
    path: Box<str>,
}

impl Verification {
    /// Lists what to verify; reads only the lists, `product.txt` and manifests.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] and [`Error::Iso`] when there is no archive at `path` or its root cannot be read;
    /// [`Error::Limit`] for an archive that no honest builder makes.
    pub fn open(path: &Path, options: &VerifyOptions) -> Result<Self> {
        Self::of(Tree::open(path)?, options)
    }

    /// [`Verification::open`] for an archive that is open already.
    ///
    /// # Errors
    ///
    /// Those of [`Verification::open`].
    pub fn of(tree: Tree, options: &VerifyOptions) -> Result<Self> {
        Self::of_each(tree, options, &mut |_, _| ())
    }

    /// As [`Verification::of`], and calls `visit` with each image of the archive: manifests are read once.
    pub(crate) fn of_each(
        tree: Tree,
        options: &VerifyOptions,
        visit: &mut dyn FnMut(&Tree, &image::ArchiveImage),
    ) -> Result<Self> {
        let mut findings = Findings::default();
        let contents = ArchiveContents::of(&tree, &mut findings)?;
        let product = product::of(&tree).unwrap_or_else(|error| {
            findings.push(invalid(layout::PRODUCT, &error));
            None
        });
        if let Err(error) = requires::listed(&tree) {
            findings.push(invalid(layout::REQUIRES, &error));
        }
        let mut images = Vec::new();
        let mut examine = |image: image::ArchiveImage| {
            visit(&tree, &image);
            let (whole, indexed) = (image.whole(), Indexed::of(&image));
            images.push(Examined { name: image.name, tag: image.tag, folder: image.folder, whole, indexed });
        };
        // Folders that cannot be read are findings already.
        let unreadable = &mut |_: &str, error| match error {
            Error::Limit { .. } => Err(error),
            _ => Ok(()),
        };
        image::each_within(&tree, layout::IMAGES, MANIFESTS_MAX, &mut examine, unreadable)?;
        let mut work = Self {
            options: options.clone(),
            product,
            sums: false,
            links: false,
            contents,
            findings,
            images,
            required: Vec::new(),
            tree,
        };
        work.read_sums();
        work.read_links();
        work.check_readers();
        work.check_signatures();
        registry::check(&work.tree, &work.images, &work.contents, &mut work.findings, &mut work.required);
        work.required.sort_unstable_by_key(|required| required.file);
        work.check_size();
        Ok(work)
    }

    /// The bytes that [`Verification::run`] reports as progress in total: of the image where both sums come from one read of
    /// it, else of the files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.tree {
            Tree::Iso(image) if self.options.implanted_md5 || self.options.iso_digest => {
                image.readable_bytes()
            }
            _ => self.contents.bytes(),
        }
    }

    /// Whether the archive has something to be checked against as a whole, before any of it is: `SHA256SUMS` or an implanted
    /// MD5.
    #[must_use]
    pub fn can_verify(&self) -> bool {
        self.sums || crate::implanted_md5(&self.tree).is_some()
    }

    /// The archive.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The files of the archive by their paths, sorted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.contents.files.iter().map(|file| &*file.path)
    }

    /// What lists, names and sizes show to be wrong; reads no content.
    pub(crate) fn without_content(self) -> VerifyReport {
        report::make(self, ImplantedMd5::NotChecked)
    }

    /// What lets readers of an ISO see different things: the kernel would mount another tree than the one that is verified.
    fn check_readers(&mut self) {
        let Tree::Iso(image) = &self.tree else { return };
        match image.disagreements() {
            Ok(found) => found.into_iter().for_each(|one| {
                let reason = format!("{} (byte {})", one.problem, one.offset);
                self.findings.push(Finding::new(&one.path, Problem::Invalid { reason }));
            }),
            Err(error) => self.findings.push(invalid("", &error)),
        }
    }

    /// Whether the signatures of package repositories fit the keys beside them. A key need not be valid today: archives are older
    /// than the day on which they are verified.
    fn check_signatures(&mut self) {
        let of_repositories = self.contents.files.iter().filter_map(|file| {
            let folder = file.path.strip_suffix(signatures::REPOMD)?.strip_suffix('/')?;
            folder.starts_with(layout::PACKAGES).then(|| folder.to_owned())
        });
        for folder in of_repositories.collect::<Vec<_>>() {
            match signatures::check_metadata(&self.tree, &folder, ValidAt::Signing) {
                Ok(None) => {}
                Ok(Some(signatures::SignatureFinding { path, reason })) => {
                    let reason = format!("its signature does not count: {reason}");
                    self.findings.push(Finding::new(&path, Problem::Invalid { reason }));
                }
                Err(error) => self.findings.push(invalid(&folder, &error)),
            }
        }
    }

    /// What `SHA256SUMS` says about each file.
    fn read_sums(&mut self) {
        let (contents, findings) = (&mut self.contents, &mut self.findings);
        let mut missing = Findings::default();
        let read = sums::each(&self.tree, &mut |sum| {
            let file = contents.find(&sum.path).and_then(|index| contents.file_mut(index));
            match file {
                Some(file) if file.listed.is_some() => return Err("the path is listed twice".into()),
                Some(file) => file.listed = Some(sum.digest),
                None => {
                    let expected = Some(sum.digest.hex());
                    missing.push(Finding::new(&sum.path, Problem::Missing { expected }));
                }
            }
            Ok(())
        });
        match read {
            Err(error) => {
                findings.push(invalid(layout::SUMS, &error));
                contents.files.iter_mut().for_each(|file| file.listed = None);
            }
            Ok(false) => {}
            Ok(true) => {
                self.sums = true;
                findings.append(missing);
                let unlisted = contents.files.iter().filter(|file| file.listed.is_none());
                for file in unlisted.filter(|file| *file.path != *layout::SUMS) {
                    findings.push(Finding::new(&file.path, Problem::Extra));
                }
            }
        }
    }

    /// What the lists of links say about each link.
    fn read_links(&mut self) {
        let (contents, findings) = (&mut self.contents, &mut self.findings);
        let mut wrong = Findings::default();
        let read = links::each(&self.tree, &mut |link| {
            match contents.link_mut(&link.path) {
                Some(found) if found.listed => return Err("the path is listed twice".into()),
                Some(found) => {
                    found.listed = true;
                    if links::components(&found.target) != link.target {
                        let problem = Problem::Relinked {
                            expected: link.target,
                            found: Some(found.target.to_string()),
                        };
                        wrong.push(Finding::new(&link.path, problem));
                    }
                }
                None => {
                    let problem = Problem::Relinked { expected: link.target, found: None };
                    wrong.push(Finding::new(&link.path, problem));
                }
            }
            Ok(())
        });
        match read {
            Err(error) => findings.push(invalid(layout::LINKS, &error)),
            Ok(false) => {}
            Ok(true) => {
                self.links = true;
                findings.append(wrong);
                for link in contents.links.iter().filter(|link| !link.listed) {
                    findings.push(Finding::new(&link.path, Problem::ExtraLink));
                }
            }
        }
    }

    /// Whether the image file is as long as its volume.
    fn check_size(&mut self) {
        if let Tree::Iso(image) = &self.tree {
            let found = image.file().metadata().map_or(0, |data| data.len());
            let expected = image.declared_bytes();
            if found < expected {
                self.findings.push(Finding::new("", Problem::Truncated { expected, found }));
            }
        }
    }

    /// Reads and hashes everything, and reports what is wrong. `progress` gets [`Verification::bytes`] bytes.
    #[must_use]
    pub fn run(mut self, progress: &dyn iso::ByteProgress) -> VerifyReport {
        let judged = Mutex::new(Judged::default());
        let progress = hash::Capped::new(progress, self.bytes());
        let (md5, iso_digest) = hash::all(&self, &progress, &|job, result| {
            let mut judged = judged.lock().unwrap_or_else(PoisonError::into_inner);
            for index in self.contents.job(job) {
                self.judge(*index, &result, &mut judged);
            }
        });
        progress.finish();
        self.take(judged.into_inner().unwrap_or_else(PoisonError::into_inner));
        let iso_digest = iso_digest.and_then(|read| {
            let failed = |error: io::Error| {
                self.findings.push(Finding::new("", Problem::Unreadable { reason: error.to_string() }));
            };
            read.map_err(failed).ok()
        });
        VerifyReport { iso_digest, ..report::make(self, md5) }
    }

    /// As [`Verification::run`] for an archive that was just built: reads no content. `digest_of` returns the digest of what a file
    /// was made from, by its path in the archive and the size that it has there.
    #[must_use]
    pub fn run_known(mut self, digest_of: &dyn Fn(&str, u64) -> io::Result<Digest>) -> VerifyReport {
        let mut judged = Judged::default();
        for job in 0..self.contents.jobs() {
            for index in self.contents.job(job) {
                if let Some(file) = self.contents.file(*index) {
                    self.judge(*index, &digest_of(&file.path, file.size), &mut judged);
                }
            }
        }
        self.take(judged);
        report::make(self, ImplantedMd5::NotChecked)
    }

    /// Compares the digest of a file with all that say what it should be.
    fn judge(&self, index: u32, result: &io::Result<Digest>, judged: &mut Judged) {
        let Some(file) = self.contents.file(index) else { return };
        let found = match result {
            Ok(found) => found,
            Err(error) => {
                judged
                    .push(index, Finding::new(&file.path, Problem::Unreadable { reason: error.to_string() }));
                return;
            }
        };
        let differs = |path: &str, expected: &Digest| {
            let (expected, found) = (expected.hex(), found.hex());
            Finding::new(path, Problem::Differs { expected, found })
        };
        let named = layout::named_digest(&file.path);
        for expected in file.listed.iter().chain(&named).filter(|expected| *expected != found) {
            judged.push(index, differs(&file.path, expected));
        }
        let from = self.required.partition_point(|required| required.file < index);
        let required = self.required.get(from..).unwrap_or_default().iter();
        for required in required.take_while(|required| required.file == index) {
            if required.digest != *found {
                judged.push(index, differs(&required.path, &required.digest));
            }
        }
    }

    fn take(&mut self, judged: Judged) {
        self.findings.append(judged.findings);
        for index in judged.bad {
            if let Some(file) = self.contents.file_mut(index) {
                file.bad = true;
            }
        }
    }
}

/// What the digests of the files gave.
#[derive(Default)]
struct Judged {
    findings: Findings,
    /// The files that are damaged.
    bad: Vec<u32>,
}

impl Judged {
    fn push(&mut self, index: u32, finding: Finding) {
        if self.bad.last() != Some(&index) {
            self.bad.push(index);
        }
        self.findings.push(finding);
    }
}

/// The finding that a list or a description breaks its format; `file` where the error does not say which.
fn invalid(file: &str, error: &Error) -> Finding {
    // The finding itself names the file.
    match error {
        Error::Content { file, problem } => Finding::new(file, Problem::Invalid { reason: problem.clone() }),
        Error::Syntax { file, line, problem } => {
            Finding::new(file, Problem::Invalid { reason: format!("line {line}: {problem}") })
        }
        error => Finding::new(file, Problem::Invalid { reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests;
