//! Tars: layers of images, and what Debian packages have in them.

use std::io::{self, BufRead, Read};

use super::{Replacements, differs, unpacked};

/// What differs between two tars, packed or not, apart from the replacements; at most the first difference. Members must have the
/// same order.
///
/// # Errors
///
/// One of the two cannot be read.
pub fn tar(
    former: impl BufRead + Send,
    new: impl BufRead + Send,
    replaced: &Replacements,
) -> io::Result<Option<String>> {
    tar_without(former, new, replaced, &|_| false)
}

/// As [`tar`], without the content of members whose path is `derived` from the others.
pub(super) fn tar_without(
    former: impl BufRead + Send,
    new: impl BufRead + Send,
    replaced: &Replacements,
    derived: &dyn Fn(&str) -> bool,
) -> io::Result<Option<String>> {
    let mut archives = (::tar::Archive::new(unpacked(former)?), ::tar::Archive::new(unpacked(new)?));
    let (mut formers, mut news) = (archives.0.entries()?, archives.1.entries()?);
    loop {
        let (mut one, mut other) = match (formers.next().transpose()?, news.next().transpose()?) {
            (None, None) => return Ok(None),
            (Some(one), Some(other)) => (one, other),
            (Some(only), None) | (None, Some(only)) => {
                let path = String::from_utf8_lossy(&only.path_bytes()).into_owned();
                return Ok(Some(format!("only one has {}", content::printable(&path))));
            }
        };
        let path = String::from_utf8_lossy(&other.path_bytes()).into_owned();
        if !described(&mut one)?.becomes(&described(&mut other)?, replaced)
            || !derived(&path) && !replaced.equal(&mut one, &mut other)?
        {
            return Ok(Some(differs(&path)));
        }
    }
}

/// All that a tar has about a member, apart from its size.
struct Described {
    kind: u8,
    path: Vec<u8>,
    link: Option<Vec<u8>>,
    /// Mode, owner, group and time; `None` where a field is not a number.
    numbers: [Option<u64>; 4],
    owners: [Vec<u8>; 2],
    extensions: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Described {
    /// Whether the replacements explain how `new` differs from this.
    fn becomes(&self, new: &Self, replaced: &Replacements) -> bool {
        let link = match (&self.link, &new.link) {
            (Some(former), Some(new)) => replaced.explain(former, new),
            (former, new) => former == new,
        };
        let extensions = self.extensions.len() == new.extensions.len()
            && self
                .extensions
                .iter()
                .zip(&new.extensions)
                .all(|(former, new)| former.0 == new.0 && replaced.explain(&former.1, &new.1));
        link && extensions
            && replaced.explain(&self.path, &new.path)
            && (self.kind, self.numbers, &self.owners) == (new.kind, new.numbers, &new.owners)
    }
}

fn described<R: Read>(entry: &mut ::tar::Entry<'_, R>) -> io::Result<Described> {
    let mut extensions = Vec::new();
    for one in entry.pax_extensions()?.into_iter().flatten() {
        let one = one?;
        // The size follows from the content.
        if one.key_bytes() != b"size" {
            extensions.push((one.key_bytes().to_vec(), one.value_bytes().to_vec()));
        }
    }
    let header = entry.header();
    let owner = |name: Option<&[u8]>| name.map(<[u8]>::to_vec).unwrap_or_default();
    Ok(Described {
        kind: header.entry_type().as_byte(),
        path: entry.path_bytes().into_owned(),
        link: entry.link_name_bytes().map(std::borrow::Cow::into_owned),
        numbers: [
            header.mode().ok().map(u64::from),
            header.uid().ok(),
            header.gid().ok(),
            header.mtime().ok(),
        ],
        owners: [owner(header.username_bytes()), owner(header.groupname_bytes())],
        extensions,
    })
}
