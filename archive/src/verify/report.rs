//! What a verification found, for people and, as JSON, for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::PathBuf;

use serde::Serialize;

use super::{Examined, Work};
use crate::layout::{self, Owner};
use crate::{Product, Tree};

/// What a verification found.
///
/// Its JSON (`sealift archive verify --output json`) has these fields under these names; fields may be added, none
/// changes its meaning.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The archive, as it was named.
    pub archive: PathBuf,
    /// `iso` or `folder`.
    pub form: Form,
    /// What `product.txt` or `manifest.yaml` says; null where there is none.
    pub product: Option<Product>,
    /// True if nothing is wrong, and there was something to check against.
    pub ok: bool,
    /// The check against the MD5 that is implanted in an ISO.
    pub implanted_md5: ImplantedMd5,
    /// Whether there is a readable `SHA256SUMS`. Without it only blobs of images, named by digest, are checked.
    pub sha256sums: bool,
    /// The number of files in the archive.
    pub files: u64,
    /// The bytes of content that were hashed, shared content once.
    pub bytes: u64,
    /// Everything that is wrong, sorted by path.
    pub findings: Vec<Finding>,
    /// The images: which can be served, which cannot.
    pub images: Health,
    /// The packages: which can be served, which cannot.
    pub packages: Health,
}

/// How an archive was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// An ISO file.
    Iso,
    /// A folder: unpacked or mounted.
    Folder,
}

/// The result of the check against the implanted MD5. As JSON: an object with the key `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, relative to the root of the archive; empty for the archive as a whole.
    pub path: String,
    /// What the file belongs to.
    pub owner: Owner,
    /// What is wrong with it. In JSON the key `problem` with the fields beside it.
    #[serde(flatten)]
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
        write!(f, "{path}: {}", self.problem)?;
        if self.owner == Owner::Archive { Ok(()) } else { write!(f, " ({})", self.owner) }
    }
}

/// What can be wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Problem {
    /// Its content is another than it was.
    Differs {
        /// The SHA-256 that `SHA256SUMS` or the name of the file says, hexadecimal.
        expected: String,
        /// The SHA-256 of what is there.
        found: String,
    },
    /// `SHA256SUMS` names it and it is not there.
    Missing {
        /// The SHA-256 it should have; null for `SHA256SUMS` itself, missed where nothing else says what is right.
        expected: Option<String>,
    },
    /// It is there and `SHA256SUMS` does not name it.
    Extra,
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
            Self::Truncated { expected, found } => {
                write!(f, "truncated: the image file has {found} bytes, {expected} are needed")
            }
            Self::Unreadable { reason } => write!(f, "unreadable: {reason}"),
            Self::Invalid { reason } => write!(f, "invalid: {reason}"),
            Self::Incomplete { reason } => write!(f, "incomplete: {reason}"),
        }
    }
}

/// Which things of a kind are intact and which are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

pub(super) fn make(work: Work, implanted_md5: ImplantedMd5) -> Report {
    let bytes = work.jobs.iter().map(|job| job.entry.size).sum();
    let mut findings = work.findings;
    let mut images = Health::default();
    let mut incomplete = Vec::new();
    // An extra file in the folder of an image does not keep the image from being served.
    let wrong = findings.iter().filter(|finding| finding.problem != Problem::Extra);
    let wrong: BTreeSet<&str> = wrong.map(|finding| finding.path.as_str()).collect();
    for Examined { name, tag, folder, whole } in work.images {
        let inside = format!("{folder}/");
        let first = wrong.range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded)).next();
        let damaged = whole.is_err() || first.is_some_and(|path| path.starts_with(&inside));
        images.add(format!("{name}:{tag}"), damaged);
        if let Err(reason) = whole {
            let (owner, problem) = (Owner::Image { name, tag }, Problem::Incomplete { reason });
            incomplete.push(Finding { path: folder, owner, problem });
        }
    }
    findings.append(&mut incomplete);
    let bad: BTreeSet<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
    let mut packages = Health::default();
    for path in work.packages {
        let damaged = bad.contains(path.as_str());
        packages.add(path, damaged);
    }
    for path in findings.iter().filter(|finding| matches!(finding.problem, Problem::Missing { .. })) {
        if matches!(path.owner, Owner::Package { .. }) {
            packages.add(path.path.clone(), true);
        }
    }
    let vouched = work.sums || matches!(implanted_md5, ImplantedMd5::Passed { .. });
    if !vouched && findings.is_empty() {
        findings.push(Finding::new(layout::SUMS, Problem::Missing { expected: None }));
    }
    let md5_wrong = matches!(implanted_md5, ImplantedMd5::Failed { .. } | ImplantedMd5::Unreadable { .. });
    // The same damage can show against SHA256SUMS and against the name of the file: said once.
    let unique: BTreeMap<(String, String), Finding> = findings
        .into_iter()
        .map(|finding| ((finding.path.clone(), finding.problem.to_string()), finding))
        .collect();
    let findings: Vec<Finding> = unique.into_values().collect();
    Report {
        archive: work.tree.path().to_path_buf(),
        form: if matches!(work.tree, Tree::Iso(_)) { Form::Iso } else { Form::Folder },
        product: work.product,
        ok: findings.is_empty() && !md5_wrong,
        implanted_md5,
        sha256sums: work.sums,
        files: work.files,
        bytes,
        findings,
        images,
        packages,
    }
}
