//! The volume descriptors of an image.

use std::path::Path;

use super::source::{ReadAt, read_exact};
use crate::format::descriptor::{BLOCK_SIZE, CREATED, ESCAPES, ROOT, VOLUME_ID, VOLUME_ID_LEN, VOLUME_SPACE};
use crate::format::{FIRST_DESCRIPTOR, SECTOR, SECTOR_LEN, date, read16, read32};
use crate::{Error, Result};

/// How many descriptors are read before the terminator is required; Linux gives up at the same sector.
const DESCRIPTORS_MAX: u64 = 84;
/// Joliet's escape sequences for UCS-2 level 1, 2 and 3.
const JOLIET: [&[u8; 3]; 3] = [b"%/@", b"%/C", b"%/E"];

/// What the volume descriptors say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Volume {
    /// The volume's name.
    pub volume_id: String,
    /// The system that may use the first 16 sectors.
    pub system_id: String,
    /// The set of volumes that this one belongs to.
    pub volume_set_id: String,
    /// Who publishes it.
    pub publisher: String,
    /// Who prepared it.
    pub preparer: String,
    /// The application that wrote it.
    pub application: String,
    /// When it was created: seconds since 1970-01-01T00:00:00Z.
    pub created: Option<i64>,
    /// When it was last changed: seconds since 1970-01-01T00:00:00Z.
    pub modified: Option<i64>,
    /// Its size in sectors of 2048 bytes.
    pub sectors: u32,
    /// Whether it has Rock Ridge names.
    pub rock_ridge: bool,
    /// Whether it has Joliet names.
    pub joliet: bool,
    /// Whether it has an El Torito boot catalogue.
    pub boot: bool,
    /// The descriptors up to the terminator, in their order: the first stands in sector 16.
    pub descriptors: Vec<DescriptorKind>,
}

/// The kind of a volume descriptor (ECMA-119 8.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorKind {
    /// A boot record.
    Boot,
    /// A primary volume descriptor.
    Primary,
    /// A supplementary volume descriptor with Joliet's names.
    Joliet,
    /// Another supplementary volume descriptor.
    Supplementary,
    /// A volume partition descriptor.
    Partition,
    /// The end of the descriptors.
    Terminator,
    /// Of a type that the standard keeps for later.
    Unknown,
}

impl DescriptorKind {
    /// One word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Primary => "primary",
            Self::Joliet => "joliet",
            Self::Supplementary => "supplementary",
            Self::Partition => "partition",
            Self::Terminator => "terminator",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn of(sector: &[u8; SECTOR_LEN]) -> Option<Self> {
        let [kind, b'C', b'D', b'0', b'0', b'1', ..] = sector else { return None };
        let escapes = sector.get(ESCAPES..).unwrap_or_default();
        Some(match kind {
            0 => Self::Boot,
            1 => Self::Primary,
            2 if JOLIET.iter().any(|joliet| escapes.starts_with(*joliet)) => Self::Joliet,
            2 => Self::Supplementary,
            3 => Self::Partition,
            255 => Self::Terminator,
            _ => Self::Unknown,
        })
    }
}

/// Where the roots of the trees lie: their records, as they stand in the descriptors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roots {
    pub(super) primary: [u8; 34],
    pub(super) joliet: Option<[u8; 34]>,
}

/// Makes sure that there is a primary volume descriptor in sector 16, and reads it.
pub(crate) fn check_descriptor(source: &dyn ReadAt, path: &Path) -> Result<[u8; SECTOR_LEN]> {
    let mut sector = [0; SECTOR_LEN];
    let found = if !read_exact(source, path, FIRST_DESCRIPTOR * SECTOR, &mut sector)? {
        "the end of the file"
    } else {
        match sector {
            [1, b'C', b'D', b'0', b'0', b'1', ..] => return Ok(sector),
            [_, b'C', b'D', b'0', b'0', b'1', ..] => "another volume descriptor",
            _ => "something else",
        }
    };
    Err(Error::NoVolume { path: path.to_owned(), found })
}

/// Reads the descriptors.
pub(super) fn read(source: &dyn ReadAt, path: &Path) -> Result<(Volume, Roots)> {
    let start = FIRST_DESCRIPTOR * SECTOR;
    let mut sector = check_descriptor(source, path)?;
    let block = read16(&sector, BLOCK_SIZE);
    if u64::from(block) != SECTOR {
        let (path, offset) = (path.to_owned(), start + BLOCK_SIZE as u64);
        return Err(Error::Unsupported {
            path,
            offset,
            what: "a logical block size other than 2048 bytes".to_owned(),
        });
    }
    let text = |from: usize, length: usize| {
        let bytes = sector.get(from..from + length).unwrap_or_default();
        String::from_utf8_lossy(bytes).trim_end_matches([' ', '\0']).to_owned()
    };
    let time = |from: usize| sector.get(from..).and_then(<[u8]>::first_chunk).and_then(date::from_descriptor);
    let mut volume = Volume {
        volume_id: text(VOLUME_ID, VOLUME_ID_LEN),
        system_id: text(8, 32),
        volume_set_id: text(190, 128),
        publisher: text(318, 128),
        preparer: text(446, 128),
        application: text(574, 128),
        created: time(CREATED),
        modified: time(CREATED + 17),
        sectors: read32(&sector, VOLUME_SPACE),
        rock_ridge: false,
        joliet: false,
        boot: false,
        descriptors: vec![DescriptorKind::Primary],
    };
    let mut roots = Roots { primary: root(&sector), joliet: None };
    for number in 1..DESCRIPTORS_MAX {
        // A volume that ends without a terminator still has its primary tree.
        if !read_exact(source, path, start + number * SECTOR, &mut sector)? {
            break;
        }
        let Some(kind) = DescriptorKind::of(&sector) else { break };
        volume.descriptors.push(kind);
        match kind {
            DescriptorKind::Boot => {
                volume.boot |=
                    sector.get(7..).is_some_and(|rest| rest.starts_with(b"EL TORITO SPECIFICATION"));
            }
            DescriptorKind::Joliet if roots.joliet.is_none() => {
                roots.joliet = Some(root(&sector));
                volume.joliet = true;
            }
            DescriptorKind::Terminator => break,
            _ => {}
        }
    }
    Ok((volume, roots))
}

pub(super) fn root(sector: &[u8; SECTOR_LEN]) -> [u8; 34] {
    sector.get(ROOT..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; 34])
}
