//! The members of a tar, one after the other, with bounds on what describes them.

use std::borrow::Cow;
use std::io::{self, Read};

use tar::{EntryType, PaxExtensions};

use super::UnpackError;

/// The most bytes of a long name or of an extended header.
const EXTENSION_MAX: u64 = 1 << 20;

/// A member of a tar.
pub(crate) struct TarMember {
    /// Its name, whether in its header or before it.
    pub(crate) name: Vec<u8>,
    pub(crate) header: tar::Header,
    /// What a link leads to.
    pub(crate) target: Option<Vec<u8>>,
}

/// Takes the members of a tar.
pub(crate) trait TarMembers {
    /// Counts a header of `bytes` bytes that only describes the next member.
    fn count(&mut self, bytes: u64) -> Result<(), UnpackError>;

    /// Takes a member with its content.
    fn take(&mut self, member: TarMember, content: &mut dyn Read) -> Result<(), UnpackError>;
}

/// What the headers before a member say about it.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

/// Gives each member of a tar to `members`.
pub(crate) fn each_member(reader: impl Read, members: &mut dyn TarMembers) -> Result<(), UnpackError> {
    let mut archive = tar::Archive::new(reader);
    let mut extensions = Extensions::default();
    // Raw: the crate would read names of any length into memory.
    for member in archive.entries().map_err(damaged)?.raw(true) {
        let mut member = member.map_err(damaged)?;
        let header = member.header().clone();
        let (kind, size) = (header.entry_type(), header.entry_size().map_err(damaged)?);
        match kind {
            EntryType::GNULongName => extensions.name = Some(long_name(&mut member, size, members)?),
            EntryType::GNULongLink => extensions.target = Some(long_name(&mut member, size, members)?),
            EntryType::XHeader => {
                let records = extension(&mut member, size, members)?;
                read_records(&records, &mut extensions)?;
            }
            EntryType::XGlobalHeader => drop(extension(&mut member, size, members)?),
            _ => {
                let extensions = std::mem::take(&mut extensions);
                let name = extensions.name.unwrap_or_else(|| header.path_bytes().into_owned());
                let target = extensions.target.or_else(|| header.link_name_bytes().map(Cow::into_owned));
                members.take(TarMember { name, header, target }, &mut member)?;
            }
        }
    }
    Ok(())
}

pub(super) fn damaged(error: io::Error) -> UnpackError {
    UnpackError::Format(format!("the archive is damaged: {error}"))
}

/// The content of a member that describes the next one.
fn extension(member: &mut dyn Read, size: u64, members: &mut dyn TarMembers) -> Result<Vec<u8>, UnpackError> {
    members.count(size)?;
    if size > EXTENSION_MAX {
        return Err(UnpackError::Limit { what: "bytes in a header", limit: EXTENSION_MAX });
    }
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

/// A name that did not fit into a header; it ends with NUL.
fn long_name(member: &mut dyn Read, size: u64, members: &mut dyn TarMembers) -> Result<Vec<u8>, UnpackError> {
    let mut name = extension(member, size, members)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

/// Reads the records of an extended header (POSIX.1-2001, pax).
fn read_records(records: &[u8], extensions: &mut Extensions) -> Result<(), UnpackError> {
    for record in PaxExtensions::new(records) {
        let record = record.map_err(damaged)?;
        match record.key_bytes() {
            b"path" => extensions.name = Some(record.value_bytes().to_vec()),
            b"linkpath" => extensions.target = Some(record.value_bytes().to_vec()),
            b"size" => {
                let problem = "files of 8 GiB and more with the size in an extended header are not supported";
                return Err(UnpackError::Format(problem.into()));
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(UnpackError::Format("sparse files are not supported".into()));
            }
            _ => {}
        }
    }
    Ok(())
}
