//! The tars in a Debian package, of the kinds that dpkg reads.

use std::io::Read;

use tar::EntryType;

use super::ar::unreadable;
use crate::repository::HeaderFault;

/// Bytes of a long name.
const MAX_NAME: u64 = 1 << 16;
/// Members of a tar.
const MAX_MEMBERS: usize = 4_000_000;

/// A member of a tar.
pub(super) struct TarMember<'a> {
    /// Its path without `./` at the start and `/` at the end; the root is empty.
    pub(super) path: &'a str,
    pub(super) is_file: bool,
    pub(super) is_folder: bool,
}

/// Calls `take` with each member and its content.
pub(super) fn members(
    place: &'static str,
    reader: impl Read,
    mut take: impl FnMut(&TarMember<'_>, &mut dyn Read) -> Result<(), HeaderFault>,
) -> Result<(), HeaderFault> {
    let damaged = |error: std::io::Error| unreadable(place, &error);
    let mut archive = tar::Archive::new(reader);
    let mut long_name = None;
    // Raw: the crate would read names of any length into memory.
    for (number, member) in archive.entries().map_err(damaged)?.raw(true).enumerate() {
        let mut member = member.map_err(damaged)?;
        if number == MAX_MEMBERS {
            return Err(HeaderFault::new(place, format!("{MAX_MEMBERS} members at most"), "more"));
        }
        let kind = member.header().entry_type();
        match kind {
            EntryType::GNULongName | EntryType::GNULongLink => {
                let name = content::read_bounded(&mut member, MAX_NAME).map_err(damaged)?;
                if kind == EntryType::GNULongName {
                    long_name = Some(name);
                }
                continue;
            }
            EntryType::Regular
            | EntryType::Link
            | EntryType::Symlink
            | EntryType::Char
            | EntryType::Block
            | EntryType::Directory
            | EntryType::Fifo => {}
            other => {
                let found = format!("the type {:02x}", other.as_byte());
                return Err(HeaderFault::new(place, "members that dpkg knows", found));
            }
        }
        let name = long_name.take().unwrap_or_else(|| member.path_bytes().into_owned());
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let path = String::from_utf8_lossy(name);
        let is_folder = kind == EntryType::Directory || path.ends_with('/');
        let path =
            path.strip_prefix('.').filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(&path);
        let path = path.trim_matches('/');
        take(&TarMember { path, is_file: kind == EntryType::Regular && !is_folder, is_folder }, &mut member)?;
    }
    Ok(())
}
