//! The volume descriptors.

use std::path::Path;

use super::Found;
use crate::Result;
use crate::format::descriptor::{BLOCK_SIZE, ESCAPES, ROOT, VOLUME_SPACE};
use crate::format::{FIRST_DESCRIPTOR, SECTOR, SECTOR_LEN, read16, read32};
use crate::image::source::{ReadAt, read_exact};
use crate::image::volume::{self, DescriptorKind, Roots};

/// How many descriptors Linux reads before it gives up.
const DESCRIPTORS_MAX: u64 = 100;
/// The version of an enhanced volume descriptor (ISO 9660:1999).
const ENHANCED: u8 = 2;

/// Where the version of the file structure is in a descriptor of a tree.
const STRUCTURE_VERSION: usize = 881;
/// Bytes of the root's record.
const ROOT_LEN: usize = 34;

/// Where the roots of all trees are.
pub(super) struct AllRoots {
    pub(super) roots: Roots,
    /// That of the enhanced descriptor of ISO 9660:1999, where it is a tree of its own.
    pub(super) enhanced: Option<[u8; 34]>,
}

/// Checks the descriptors, and returns where the roots are.
pub(super) fn check(source: &dyn ReadAt, path: &Path, found: &mut Found) -> Result<AllRoots> {
    let (_, roots) = volume::read(source, path)?;
    let mut roots = AllRoots { roots, enhanced: None };
    let mut sector = [0; SECTOR_LEN];
    let (mut primary, mut joliet) = (None, false);
    for number in 0..DESCRIPTORS_MAX {
        let offset = (FIRST_DESCRIPTOR + number) * SECTOR;
        let there = read_exact(source, path, offset, &mut sector)?;
        let Some(kind) = DescriptorKind::of(&sector).filter(|_| there) else {
            found.add("", offset, "the volume descriptors end without a terminator: Linux reads further");
            return Ok(roots);
        };
        let space = read32(&sector, VOLUME_SPACE);
        let extent = (read32(&sector, ROOT + 2), read32(&sector, ROOT + 10));
        let is_tree =
            matches!(kind, DescriptorKind::Primary | DescriptorKind::Joliet | DescriptorKind::Supplementary);
        if is_tree {
            for (field, what) in [(VOLUME_SPACE, "size"), (ROOT + 2, "root"), (ROOT + 10, "root's size")] {
                if !both_orders_agree(&sector, field) {
                    let problem = format!("the volume's {what} differs between the two byte orders");
                    found.add("", offset + field as u64, problem);
                }
            }
            if u64::from(read16(&sector, BLOCK_SIZE)) != SECTOR {
                found.add(
                    "",
                    offset + BLOCK_SIZE as u64,
                    "a descriptor has a block size other than 2048 bytes",
                );
            }
        }
        if let Some(place) = misfit(kind, &sector) {
            let problem = "a descriptor deviates from the standard, and some readers refuse the image";
            found.add("", offset + place as u64, problem);
        }
        match (kind, primary) {
            (DescriptorKind::Terminator, _) => return Ok(roots),
            (DescriptorKind::Primary, None) => primary = Some((extent, space)),
            (DescriptorKind::Primary, Some((first, _))) if first != extent => {
                found.add("", offset, "a second primary volume descriptor has another root");
            }
            (DescriptorKind::Joliet, _) if joliet => {
                found.add("", offset, "a second Joliet volume descriptor: some readers take the last one");
            }
            (DescriptorKind::Joliet, Some((_, first))) => {
                joliet = true;
                if space != first {
                    found.add("", offset, "the Joliet volume has another size than the primary one");
                }
            }
            (DescriptorKind::Supplementary, Some((first, _))) => {
                let [_, _, _, _, _, _, version, ..] = sector;
                if first != extent && version == ENHANCED && roots.enhanced.is_none() {
                    roots.enhanced = Some(volume::root(&sector));
                } else if first != extent {
                    found.add("", offset, "a supplementary volume descriptor has a tree of its own");
                }
                if sector.get(ESCAPES..).is_some_and(|escapes| escapes.starts_with(b"%/")) {
                    found.add("", offset, "a Joliet volume descriptor of an unknown level");
                }
            }
            _ => {}
        }
    }
    found.add("", FIRST_DESCRIPTOR * SECTOR, "more than 100 volume descriptors");
    Ok(roots)
}

/// The place in a descriptor where it differs from what libarchive requires (ECMA-119 8.3 to 8.5), if any.
fn misfit(kind: DescriptorKind, sector: &[u8; SECTOR_LEN]) -> Option<usize> {
    let zero: &[std::ops::Range<usize>] = match kind {
        DescriptorKind::Primary => &[7..8, 72..80, 88..120, 882..883, 1395..SECTOR_LEN],
        DescriptorKind::Joliet | DescriptorKind::Supplementary => &[72..80, 882..883, 1395..SECTOR_LEN],
        // Byte 7 as in the primary one, and all that is behind it.
        DescriptorKind::Terminator => &[7..8, 8..SECTOR_LEN],
        _ => return None,
    };
    let enhanced = kind == DescriptorKind::Supplementary;
    let version = |at: usize| {
        sector.get(at).filter(|found| **found != 1 && !(enhanced && **found == ENHANCED)).map(|_| at)
    };
    let root = || sector.get(ROOT).filter(|length| usize::from(**length) != ROOT_LEN).map(|_| ROOT);
    let filled = || {
        let mut bytes = zero.iter().cloned().flatten();
        bytes.find(|at| sector.get(*at).is_some_and(|byte| *byte != 0))
    };
    let of_tree = || version(STRUCTURE_VERSION).or_else(root);
    version(6).or_else(|| if kind == DescriptorKind::Terminator { None } else { of_tree() }).or_else(filled)
}

/// Whether the two halves of a 32-bit number say the same. Some writers leave the second one blank.
pub(super) fn both_orders_agree(bytes: &[u8], offset: usize) -> bool {
    let big =
        bytes.get(offset + 4..).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_be_bytes(*four));
    big == 0 || big == read32(bytes, offset)
}
