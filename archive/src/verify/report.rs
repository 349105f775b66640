//! What a verification found.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::PathBuf;

use content::{Digest, printable};

use super::{Examined, Verification};
use crate::layout::{self, PathOwner};
use crate::{Product, Tree, UnindexedPackages, unindexed};

/// The most findings that are kept: a forged archive has as many as its maker likes.
const FINDINGS_MAX: usize = 10_000;
/// The bytes of an ISO before the first volume descriptor, and before what comes behind that (ECMA-119 6.2.1).
const SYSTEM_AREA: u64 = 16 * 2048;
const DESCRIPTOR: u64 = 17 * 2048;

/// What a verification found.
///
/// Whether an archive is intact follows from the findings and is stored nowhere else: there is no damage without a finding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The archive, as it was named.
    pub archive: PathBuf,
    /// `iso` or `folder`.
    pub form: ArchiveForm,
    /// What `product.txt` or `manifest.yaml` says; `None` if it has neither.
    pub product: Option<Product>,
    /// The check against the MD5 that is implanted in an ISO.
    pub implanted_md5: ImplantedMd5,
    /// The digest of the ISO; `None` for a folder, and if it was not asked for or the ISO cannot be read to its end.
    pub iso_digest: Option<Digest>,
    /// Whether there is a readable `SHA256SUMS`. Without it only blobs of images, named by digest, are checked.
    pub sha256sums: bool,
    /// Whether there is a readable `LINKS.mtree`. Without it symbolic links are not checked, but for those of `registry/`.
    pub links: bool,
    /// The number of symbolic links in the archive.
    pub symbolic_links: u64,
    /// The number of files in the archive.
    pub files: u64,
    /// The bytes of content that were hashed, shared content once.
    pub bytes: u64,
    /// What is wrong, sorted by path.
    pub findings: Vec<Finding>,
    /// How many more findings there are: only the first 10,000 are kept.
    pub omitted: u64,
    /// The images: which can be served, which cannot.
    pub images: Health,
    /// The packages: which can be served, which cannot.
    pub packages: Health,
    /// Packages that clients cannot find, since no metadata of a repository cover them. This is not damage.
    pub unindexed: Vec<UnindexedPackages>,
}

/// What a verification comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The archive is what it was when it was made.
    Intact,
    /// Nothing is wrong, but there is nothing to check against: it has no `SHA256SUMS` and no implanted MD5. Blobs of
    /// images are what their names say.
    Unverifiable,
    /// Something is wrong: there are findings.
    Damaged,
}

impl VerifyReport {
    /// What the verification comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let trusted = self.sha256sums || matches!(self.implanted_md5, ImplantedMd5::Passed { .. });
        match (self.findings.is_empty(), trusted) {
            (false, _) => Verdict::Damaged,
            (true, true) => Verdict::Intact,
            (true, false) => Verdict::Unverifiable,
        }
    }

    /// Whether the archive is intact: nothing is wrong, and there was something to check against.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.verdict() == Verdict::Intact
    }
}

/// Findings as they come, bounded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    omitted: u64,
}

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        if self.kept.len() < FINDINGS_MAX { self.kept.push(finding) } else { self.omitted += 1 }
    }

    pub(super) fn append(&mut self, other: Self) {
        other.kept.into_iter().for_each(|finding| self.push(finding));
        self.omitted += other.omitted;
    }
}

/// How an archive was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveForm {
    /// An ISO file.
    Iso,
    /// A folder: unpacked or mounted.
    Folder,
}

/// The result of the check against the implanted MD5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImplantedMd5 {
    /// The image is as it was when the sum was implanted.
    Passed {
        /// The sum.
        md5: String,
    },
    /// The image was changed within these bytes, and perhaps behind them.
    Failed {
        /// The first byte of the damaged stretch.
        from: u64,
        /// The byte behind it.
        to: u64,
    },
    /// No sum is implanted.
    Absent,
    /// The image could not be read to its end.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// It is a folder, or the check was not asked for.
    NotChecked,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the root of the archive; empty for the archive as a whole.
    pub path: String,
    /// What the file belongs to.
    pub owner: PathOwner,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Finding {
    pub(super) fn new(path: &str, problem: Problem) -> Self {
        Self { path: path.to_owned(), owner: layout::owner(path), problem }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { "the archive" } else { &self.path };
        write!(f, "{}: {}", printable(path), printable(&self.problem.to_string()))?;
        if self.owner == PathOwner::Archive { Ok(()) } else { write!(f, " ({})", self.owner) }
    }
}

/// What can be wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Its content is another than it was.
    Differs {
        /// The SHA-256 that `SHA256SUMS` or the name of the file says, hexadecimal.
        expected: String,
        /// The SHA-256 of the file.
        found: String,
    },
    /// `SHA256SUMS` names it and it is not there.
    Missing {
        /// The SHA-256 it should have.
        expected: Option<String>,
    },
    /// It exists and `SHA256SUMS` does not list it.
    Extra,
    /// A symbolic link is missing or has another target than `LINKS.mtree` says.
    Relinked {
        /// The target that it should have.
        expected: String,
        /// The target that it has; `None` if it is missing.
        found: Option<String>,
    },
    /// A symbolic link exists and `LINKS.mtree` does not list it.
    ExtraLink,
    /// It is not what the images give for this place in the registry tree.
    Misindexed {
        /// How it differs.
        reason: String,
    },
    /// The image file was changed after its MD5 was implanted.
    Changed {
        /// The first byte of the stretch in which the first change lies.
        from: u64,
        /// The byte behind it.
        to: u64,
        /// What lies there.
        place: String,
    },
    /// The image file ends before it.
    Truncated {
        /// The bytes the image file needs to hold it.
        expected: u64,
        /// The bytes the image file has.
        found: u64,
    },
    /// It could not be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// It breaks its format.
    Invalid {
        /// How.
        reason: String,
    },
    /// An image lacks something it needs.
    Incomplete {
        /// What.
        reason: String,
    },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Differs { expected, found } => {
                write!(f, "damaged: expected SHA-256 {expected}, found {found}")
            }
            Self::Missing { .. } => write!(f, "missing"),
            Self::Extra => write!(f, "not listed in {}", layout::SUMS),
            Self::Relinked { expected, found: Some(found) } => {
                write!(f, "leads to `{found}`, expected `{expected}` ({})", layout::LINKS)
            }
            Self::Relinked { expected, found: None } => {
                write!(f, "missing: expected a symbolic link to `{expected}` ({})", layout::LINKS)
            }
            Self::ExtraLink => write!(f, "a symbolic link that is not listed in {}", layout::LINKS),
            Self::Misindexed { reason } => write!(f, "does not match images/: {reason}"),
            Self::Changed { from, to, place } => write!(
                f,
                "changed since its MD5 was implanted, first between bytes {from} and {to}: {place}; copy the ISO again \
                 from its source"
            ),
            Self::Truncated { expected, found } => {
                write!(f, "truncated: the ISO has {found} bytes, expected {expected}")
            }
            Self::Unreadable { reason } => write!(f, "unreadable: {reason}"),
            Self::Invalid { reason } => write!(f, "invalid: {reason}"),
            Self::Incomplete { reason } => write!(f, "incomplete: {reason}"),
        }
    }
}

/// Which things of a kind are intact and which are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Those that can be served, sorted.
    pub intact: Vec<String>,
    /// Those that cannot, sorted.
    pub damaged: Vec<String>,
}

impl Health {
    fn add(&mut self, name: String, damaged: bool) {
        if damaged { &mut self.damaged } else { &mut self.intact }.push(name);
    }
}

pub(super) fn make(mut work: Verification, implanted_md5: ImplantedMd5) -> VerifyReport {
    let lost = work.findings.kept.iter().find_map(|finding| match &finding.problem {
        Problem::Truncated { found, .. } if finding.path.is_empty() => Some(*found),
        _ => None,
    });
    match &implanted_md5 {
        // The end that is missing has been named.
        ImplantedMd5::Failed { to, .. } if lost.is_some_and(|found| *to > found) => {}
        ImplantedMd5::Failed { from, to } => {
            let (from, to) = (*from, *to);
            // A file that is damaged there is a finding already.
            if let Some(place) = place(&work, from, to) {
                work.findings.push(Finding::new("", Problem::Changed { from, to, place }));
            }
        }
        ImplantedMd5::Unreadable { reason } => {
            let reason = format!("the implanted MD5: {reason}; copy the ISO again from its source");
            work.findings.push(Finding::new("", Problem::Unreadable { reason }));
        }
        ImplantedMd5::Passed { .. } | ImplantedMd5::Absent | ImplantedMd5::NotChecked => {}
    }
    let Findings { kept: mut findings, mut omitted } = work.findings;
    // An extra file in the folder of an image does not keep the image from being served.
    let wrong = findings.iter().filter(|finding| finding.problem != Problem::Extra);
    let mut wrong: BTreeSet<&str> = wrong.map(|finding| finding.path.as_str()).collect();
    wrong.extend(work.contents.files.iter().filter(|file| file.bad).map(|file| &*file.path));
    let mut images = Health::default();
    let mut incomplete = Findings::default();
    for Examined { name, tag, folder, whole, .. } in work.images {
        let inside = format!("{folder}/");
        let first = wrong.range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded)).next();
        let damaged = whole.is_err() || first.is_some_and(|path| path.starts_with(&inside));
        images.add(format!("{name}:{tag}"), damaged);
        if let Err(defect) = whole {
            let reason = defect.to_string();
            let (owner, problem) = (PathOwner::Image { name, tag }, Problem::Incomplete { reason });
            incomplete.push(Finding { path: folder, owner, problem });
        }
    }
    let mut packages = Health::default();
    let bad: BTreeSet<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
    let is_package = |path: &str| path.ends_with(".rpm") || path.ends_with(".deb");
    for file in work.contents.files.iter().filter(|file| is_package(&file.path)) {
        packages.add(file.path.to_string(), file.bad || bad.contains(&*file.path));
    }
    for path in findings.iter().filter(|finding| matches!(finding.problem, Problem::Missing { .. })) {
        if matches!(path.owner, PathOwner::Package { .. }) {
            packages.add(path.path.clone(), true);
        }
    }
    let files = work.contents.files.iter().map(|file| &*file.path);
    let unindexed = unindexed(files, work.contents.links.iter().map(|link| &*link.path));
    findings.append(&mut incomplete.kept);
    omitted += incomplete.omitted;
    // The same damage can show against SHA256SUMS and against the name of the file: said once.
    let unique: BTreeMap<(String, String), Finding> = findings
        .into_iter()
        .map(|finding| ((finding.path.clone(), finding.problem.to_string()), finding))
        .collect();
    VerifyReport {
        archive: work.tree.path().to_path_buf(),
        form: if matches!(work.tree, Tree::Iso(_)) { ArchiveForm::Iso } else { ArchiveForm::Folder },
        product: work.product,
        iso_digest: None,
        implanted_md5,
        sha256sums: work.sums,
        links: work.links,
        symbolic_links: work.contents.links.len() as u64,
        files: work.contents.files.len() as u64,
        bytes: work.contents.bytes(),
        findings: unique.into_values().collect(),
        omitted,
        images,
        packages,
        unindexed,
    }
}

/// What lies between two bytes of an ISO in which something was changed; `None` where a file there is damaged.
fn place(work: &Verification, from: u64, to: u64) -> Option<String> {
    let mut damaged = work.contents.files.iter().filter(|file| file.bad).flat_map(|file| file.pieces());
    if damaged.any(|piece| piece.offset < to && piece.offset.saturating_add(piece.len) > from) {
        return None;
    }
    let first = work.contents.first_byte().unwrap_or(u64::MAX);
    // No file there contradicts a checksum.
    let place = if to <= SYSTEM_AREA {
        "the system area"
    } else if to <= DESCRIPTOR {
        "the volume descriptors"
    } else if from < first {
        "the volume descriptors, the folders or the MD5 itself"
    } else if work.sums {
        "between the files, or the MD5 itself"
    } else {
        "files that no SHA256SUMS lists, or what lies between them"
    };
    Some(place.to_owned())
}
