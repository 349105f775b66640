//! ISO images.

use std::convert::Infallible;

use iso::md5::{Md5Check, StoredMd5};
use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::output::document::{Document, List};

/// An ISO that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Iso {
    /// The path of the ISO; `-` for standard output.
    pub(crate) image: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// The SHA-256 of the file.
    pub(crate) sha256: String,
    /// The implanted MD5.
    pub(crate) md5: String,
}

impl Document for Iso {
    const KIND: &'static str = "Iso";
}

/// The MD5 that was implanted.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IsoSum {
    /// The path of the ISO.
    pub(crate) image: String,
    /// The MD5, in hexadecimal.
    pub(crate) md5: String,
}

impl Document for IsoSum {
    const KIND: &'static str = "IsoSum";
}

/// The check of an ISO against its implanted MD5.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IsoCheck {
    /// The result.
    state: IsoState,
    /// The implanted MD5, if the ISO is intact.
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    /// The first difference lies between these two bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<[u64; 2]>,
    /// Whether everything but the sum is intact.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_intact: Option<bool>,
    /// The size of a truncated ISO when the sum was implanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    /// The size of a truncated ISO.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<u64>,
    /// Places that readers could read in different ways.
    disagreements: Vec<Disagreement>,
}

impl Document for IsoCheck {
    const KIND: &'static str = "IsoCheck";
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum IsoState {
    /// The ISO is intact.
    Intact,
    /// The content is damaged.
    Damaged,
    /// The sum itself is damaged.
    DamagedSum,
    /// The end of the file is missing.
    Truncated,
    /// No sum is implanted.
    Missing,
}

/// A place that readers could read in different ways.
#[derive(Debug, Serialize, JsonSchema)]
struct Disagreement {
    /// The path in the ISO; empty for the ISO as a whole.
    path: String,
    /// The place in the ISO.
    byte: u64,
    /// What readers disagree about.
    problem: String,
}

impl IsoCheck {
    /// What `check` and the comparison of readers found.
    pub(crate) fn new(check: &Md5Check, disagreements: &[iso::Disagreement]) -> Self {
        let disagreements = disagreements
            .iter()
            .map(|one| Disagreement {
                path: one.path.clone(),
                byte: one.offset,
                problem: one.problem.clone(),
            })
            .collect();
        let mut document = Self {
            state: IsoState::Missing,
            md5: None,
            range: None,
            content_intact: None,
            expected: None,
            found: None,
            disagreements,
        };
        match check {
            Md5Check::Intact { md5 } => {
                document.state = IsoState::Intact;
                document.md5 = Some(hex::encode(md5));
            }
            Md5Check::Damaged { range } => {
                document.state = IsoState::Damaged;
                document.range = Some([range.start, range.end]);
            }
            Md5Check::DamagedField { range, intact } => {
                document.state = IsoState::DamagedSum;
                document.range = Some([range.start, range.end]);
                document.content_intact = Some(*intact);
            }
            Md5Check::Truncated { expected, found } => {
                document.state = IsoState::Truncated;
                (document.expected, document.found) = (Some(*expected), Some(*found));
            }
            Md5Check::Missing => {}
        }
        document
    }
}

/// The descriptors of an ISO.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IsoInformation {
    /// The volume descriptors in their order.
    descriptors: Vec<String>,
    /// The volume ID.
    volume_id: String,
    /// The system identifier.
    system_id: String,
    /// The volume set identifier.
    volume_set_id: String,
    /// The publisher identifier.
    publisher: String,
    /// The data preparer identifier.
    preparer: String,
    /// The application identifier.
    application: String,
    /// Seconds since 1970.
    created: Option<i64>,
    /// Seconds since 1970.
    modified: Option<i64>,
    /// The size of the volume in sectors of 2048 bytes.
    sectors: u32,
    /// Whether it has Rock Ridge names.
    rock_ridge: bool,
    /// Whether it has Joliet names.
    joliet: bool,
    /// Whether it has an El Torito boot catalog.
    boot: bool,
    /// The size of the file.
    bytes: u64,
    /// Null if no MD5 is implanted.
    implanted: Option<ImplantedSum>,
}

impl Document for IsoInformation {
    const KIND: &'static str = "IsoInformation";
}

/// An implanted MD5.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ImplantedSum {
    /// The MD5, in hexadecimal.
    md5: String,
    /// The sectors at the end that it does not cover.
    skipped_sectors: u64,
    /// The number of fragments with sums of their own.
    fragments: usize,
}

impl IsoInformation {
    /// The descriptors of `volume`, in a file of so many bytes.
    pub(crate) fn new(volume: &iso::Volume, bytes: u64, sums: Option<&StoredMd5>) -> Self {
        Self {
            descriptors: volume.descriptors.iter().map(|kind| kind.word().to_owned()).collect(),
            volume_id: volume.volume_id.clone(),
            system_id: volume.system_id.clone(),
            volume_set_id: volume.volume_set_id.clone(),
            publisher: volume.publisher.clone(),
            preparer: volume.preparer.clone(),
            application: volume.application.clone(),
            created: volume.created,
            modified: volume.modified,
            sectors: volume.sectors,
            rock_ridge: volume.rock_ridge,
            joliet: volume.joliet,
            boot: volume.boot,
            bytes,
            implanted: sums.map(|sums| ImplantedSum {
                md5: hex::encode(sums.md5),
                skipped_sectors: sums.skipped_sectors,
                fragments: sums.fragments,
            }),
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum FileKind {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A device, named pipe or socket.
    Other,
}

impl From<&iso::IsoEntryKind> for FileKind {
    fn from(kind: &iso::IsoEntryKind) -> Self {
        match kind {
            iso::IsoEntryKind::Directory => Self::Directory,
            iso::IsoEntryKind::File => Self::File,
            iso::IsoEntryKind::Symlink(_) => Self::Symlink,
            iso::IsoEntryKind::Other => Self::Other,
        }
    }
}

/// A file, folder or link in an ISO.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IsoFile {
    /// The path in the ISO.
    path: String,
    /// Its type.
    kind: FileKind,
    /// The target of a symbolic link.
    target: Option<String>,
    /// Its size.
    bytes: u64,
    /// Type and permissions, octal.
    mode: String,
    /// The time of the last change in seconds since 1970.
    mtime: i64,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

impl Document for List<IsoFile> {
    const KIND: &'static str = "IsoFileList";
}

/// Why an entry cannot be read.
#[derive(Debug, Serialize, JsonSchema)]
struct Fault {
    /// The place of its record in the ISO.
    byte: u64,
    /// What is wrong.
    problem: String,
}

impl IsoFile {
    /// The entry at `path`.
    pub(crate) fn new(path: &str, entry: &iso::IsoEntry) -> Self {
        let target = match &entry.kind {
            iso::IsoEntryKind::Symlink(target) => Some(target.clone()),
            _ => None,
        };
        Self {
            path: path.to_owned(),
            kind: (&entry.kind).into(),
            target,
            bytes: entry.size,
            mode: format!("{:o}", entry.mode),
            mtime: entry.mtime,
            fault: entry
                .fault
                .as_ref()
                .map(|fault| Fault { byte: fault.offset, problem: fault.problem.clone() }),
        }
    }
}

/// A path that differs between two ISOs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IsoDifference {
    /// The path in the ISOs.
    path: String,
    /// Null if the path was added.
    before: Option<FileState>,
    /// Null if the path was removed.
    after: Option<FileState>,
}

impl Document for List<IsoDifference> {
    const KIND: &'static str = "IsoDifferenceList";
}

/// The state of a path in one of two ISOs.
#[derive(Debug, Serialize, JsonSchema)]
struct FileState {
    /// Its type.
    kind: FileKind,
    /// Its size.
    bytes: u64,
    /// Permissions, octal.
    mode: String,
    /// The SHA-256 of a file.
    sha256: Option<String>,
    /// Why it cannot be read.
    fault: Option<String>,
}

impl From<&iso::EntryState> for FileState {
    fn from(state: &iso::EntryState) -> Self {
        Self {
            kind: (&state.kind).into(),
            bytes: state.size,
            mode: format!("{:o}", state.permissions),
            sha256: state.sha256.map(|digest| digest.hex()),
            fault: state.fault.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&iso::Difference> for IsoDifference {
    fn from(one: &iso::Difference) -> Self {
        Self {
            path: one.path.clone(),
            before: one.before.as_ref().map(Into::into),
            after: one.after.as_ref().map(Into::into),
        }
    }
}

/// What could not be extracted as it is in an ISO.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IsoExtraction {
    /// The folder.
    pub(crate) folder: String,
    /// The entries that are missing in the folder.
    pub(crate) skipped: Vec<SkippedEntry>,
    /// The files whose set-user-ID, set-group-ID or sticky bits were dropped.
    pub(crate) dropped_special_bits: Vec<String>,
}

impl Document for IsoExtraction {
    const KIND: &'static str = "IsoExtraction";
}

/// An entry that was not extracted.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SkippedEntry {
    /// The path in the ISO.
    pub(crate) path: String,
    /// Why it was skipped.
    pub(crate) reason: String,
}

/// The layout of an ISO before it is written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IsoPlan {
    /// The size of the ISO.
    bytes: u64,
    /// The parts in their order.
    parts: Vec<IsoPart>,
}

impl Document for IsoPlan {
    const KIND: &'static str = "IsoPlan";
}

/// A part of an ISO.
#[derive(Debug, Serialize, JsonSchema)]
struct IsoPart {
    /// What it is, such as `file` or `directory`.
    kind: &'static str,
    /// The first sector of 2048 bytes; null for a link or an empty file.
    sector: Option<u32>,
    /// Its size.
    bytes: u64,
    /// The path of a file, or a name.
    name: String,
}

impl From<&iso::PlannedIso> for IsoPlan {
    fn from(plan: &iso::PlannedIso) -> Self {
        let mut parts = Vec::new();
        plan.each_part(|iso::PlannedPart { kind, sector, bytes, name, .. }| {
            parts.push(IsoPart { kind: kind.word(), sector, bytes, name });
            Ok::<(), Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
        Self { bytes: plan.bytes(), parts }
    }
}

impl Iso {
    /// The ISO that was written to `image`.
    pub(crate) fn new(image: &std::path::Path, sums: &iso::WrittenIso) -> Self {
        Self { image: text(image), bytes: sums.bytes, sha256: sums.sha256.hex(), md5: hex::encode(sums.md5) }
    }
}
