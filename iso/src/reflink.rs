//! Letting the file system share a file's blocks with the image, where it can, instead of writing them again.

use std::fs::File;

/// Contents of at least this size begin at a multiple of [`BLOCK`], so that their blocks can be shared.
pub(crate) const SHARED_MIN: u64 = 1 << 16;
/// The block size of the file systems that share blocks.
pub(crate) const BLOCK: u64 = 4096;

/// File systems that answer `copy_file_range` by sharing blocks, or have their server copy: btrfs, XFS, bcachefs, NFS.
///
/// The others would copy through the page cache. That is one copy more than reading and writing, since we have to read the
/// bytes anyway to hash them: on ext4 it takes 1.4 times as long.
const FILE_SYSTEMS: [u32; 4] = [0x9123_683E, 0x5846_5342, 0xCA45_1A4E, 0x6969];

/// Whether it is worth asking the file system that `file` lies in.
pub(crate) fn possible(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|system| FILE_SYSTEMS.contains(&(system.f_type as u32)))
}

/// Shares the whole blocks of the first `size` bytes of `source` with `target` from `offset` on, and returns how many
/// bytes these are: 0 if the file system does not want to, for whatever reason.
pub(crate) fn share(source: &File, target: &File, offset: u64, size: u64) -> u64 {
    let whole = size / BLOCK * BLOCK;
    if size < SHARED_MIN || !offset.is_multiple_of(BLOCK) {
        return 0;
    }
    let (mut from, mut to) = (0, offset);
    while from < whole {
        let most = usize::try_from(whole - from).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), most) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    from
}
