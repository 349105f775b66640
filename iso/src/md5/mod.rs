//! The MD5 inside an image, by which anybody can check it without a second file.
//!
//! Format and behaviour are those of `implantisomd5` and `checkisomd5`: either side reads what the other wrote. It
//! finds damage, not malice: who can change the image can change the sum.

mod hash;
pub(crate) mod implanted;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;

use content::LinkPolicy;

use crate::format::descriptor::{APPLICATION_USE_LEN, VOLUME_SPACE};
use crate::format::{FIRST_DESCRIPTOR, SECTOR, read32};
use crate::image::{ReadAt, read_exact};
use crate::{ByteProgress, Error, Result, image, read_ahead};
use implanted::{FIELD, FRAGMENTS, Md5Field, RunningMd5, SKIPPED, blank, covered};

/// The result of a check against the implanted MD5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Md5Check {
    /// The image is what it was when the sum was implanted.
    Intact {
        /// The sum.
        md5: [u8; 16],
    },
    /// It is not.
    Damaged {
        /// Within which bytes of the image, from its start, the first damage lies. If the range ends where the sum does, it
        /// may also be the sum that is damaged.
        range: Range<u64>,
    },
    /// The field that holds the sums is damaged.
    DamagedField {
        /// Which bytes of the image the field has.
        range: Range<u64>,
        /// Whether the sum of the whole can still be read, and the image is what it was.
        intact: bool,
    },
    /// The file ends before the volume in it. The sum may cover what is left.
    Truncated {
        /// The bytes that the volume has.
        expected: u64,
        /// The bytes that the file has.
        found: u64,
    },
    /// No sum is implanted.
    Missing,
}

/// Checks the image at `path` against its implanted sum.
///
/// The sum does not cover the last 15 sectors of the volume nor anything behind the volume. That a file is shorter than its
/// volume is found anyway.
///
/// # Errors
///
/// [`Error::NoVolume`] if the file is not an ISO 9660 image, [`Error::Io`] if it cannot be read.
pub fn check(path: &Path, progress: &dyn ByteProgress) -> Result<Md5Check> {
    check_source(&content::open_device(path, LinkPolicy::Follow)?, path, progress)
}

/// [`check`] for any source; errors name it by `path`.
///
/// # Errors
///
/// Those of [`check`].
pub fn check_source(source: &dyn ReadAt, path: &Path, progress: &dyn ByteProgress) -> Result<Md5Check> {
    let (volume_sectors, field) = descriptor(source, path)?;
    let (size, volume) =
        (source.size().map_err(Error::io("read", path))?, u64::from(volume_sectors) * SECTOR);
    if size < volume {
        return Ok(Md5Check::Truncated { expected: volume, found: size });
    }
    let Some(field) = Md5Field::parse(&field) else {
        let damaged = Md5Field::was_there(&field);
        return Ok(if damaged {
            Md5Check::DamagedField { range: FIELD, intact: false }
        } else {
            Md5Check::Missing
        });
    };
    let covered = covered(volume_sectors, field.skipped);
    let mut running = RunningMd5::new(covered, field.heads.len() as u64);
    let compare = !running.fragments_are_small();
    let mut sound = 0;
    let mut damaged = None;
    read_ahead::each_chunk(source, path, covered, |position, chunk| {
        blank(position, chunk);
        running.update(chunk, |mark| {
            if compare && damaged.is_none() {
                if field.heads.get(mark.index) == Some(&mark.head) {
                    sound = mark.position;
                } else {
                    damaged = Some(sound..mark.position);
                }
            }
        });
        progress.advance(chunk.len() as u64);
        // Also behind a damaged fragment: the damage may be in the fragment's sum, which the sum of the whole shows.
        ControlFlow::Continue(())
    })?;
    if running.position() < covered {
        return Ok(Md5Check::Damaged { range: running.position()..covered });
    }
    progress.advance(size.saturating_sub(covered));
    Ok(match damaged {
        None if running.md5() == field.md5 => Md5Check::Intact { md5: field.md5 },
        Some(_) if running.md5() == field.md5 => Md5Check::DamagedField { range: FIELD, intact: true },
        Some(range) => Md5Check::Damaged { range },
        None => Md5Check::Damaged { range: sound..covered },
    })
}

/// Implants the sum into the image at `path` and returns it. `force` overwrites an existing one.
///
/// # Errors
///
/// [`Error::ApplicationUse`] if something stands there and `force` is not set, [`Error::Damaged`] if the file is shorter
/// than the volume in it, [`Error::NoVolume`] if it is not an ISO 9660 image: the image is untouched then. [`Error::Io`] if it
/// cannot be read or written.
pub fn implant(path: &Path, force: bool, progress: &dyn ByteProgress) -> Result<[u8; 16]> {
    let file = content::open_to_write(path, LinkPolicy::Follow)?;
    let (volume_sectors, field) = descriptor(&file, path)?;
    if !force && field != [b' '; APPLICATION_USE_LEN] {
        return Err(Error::ApplicationUse { path: path.to_owned() });
    }
    let (size, volume) = (file.size().map_err(Error::io("read", path))?, u64::from(volume_sectors) * SECTOR);
    if size < volume {
        let problem = format!("the volume ends at byte {volume}, the image at byte {size}");
        return Err(Error::Damaged { path: path.to_owned(), offset: size, problem });
    }
    let covered = covered(volume_sectors, SKIPPED);
    let mut running = RunningMd5::new(covered, FRAGMENTS);
    read_ahead::each_chunk(&file, path, covered, |position, chunk| {
        blank(position, chunk);
        running.update(chunk, |_| {});
        progress.advance(chunk.len() as u64);
        ControlFlow::Continue(())
    })?;
    progress.advance(size.saturating_sub(covered));
    file.write_all_at(&running.text(), FIELD.start).map_err(Error::io("write", path))?;
    file.sync_data().map_err(Error::io("write", path))?;
    Ok(running.md5())
}

/// The implanted sums of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMd5 {
    /// The sum of the whole.
    pub md5: [u8; 16],
    /// Sectors at the end of the volume that it does not cover.
    pub skipped_sectors: u64,
    /// How many fragments have sums of their own, by which a check finds the place of a damage.
    pub fragments: usize,
}

/// The sums implanted in an image, unchecked; `None` if there are none. Errors name it by `path`.
///
/// # Errors
///
/// Those of [`check`].
pub fn stored(source: &dyn ReadAt, path: &Path) -> Result<Option<StoredMd5>> {
    let (_, field) = descriptor(source, path)?;
    let field = Md5Field::parse(&field);
    Ok(field.map(|Md5Field { md5, skipped, heads }| StoredMd5 {
        md5,
        skipped_sectors: skipped,
        fragments: heads.len(),
    }))
}

/// The volume's size in sectors and the application-use field. The size is that of the primary descriptor.
fn descriptor(source: &dyn ReadAt, path: &Path) -> Result<(u32, [u8; APPLICATION_USE_LEN])> {
    image::check_descriptor(source, path)?;
    let (mut sectors, mut field) = ([0; 8], [0; APPLICATION_USE_LEN]);
    let start = FIRST_DESCRIPTOR * SECTOR + VOLUME_SPACE as u64;
    read_exact(source, path, start, &mut sectors)?;
    read_exact(source, path, FIELD.start, &mut field)?;
    Ok((read32(&sectors, 0), field))
}
