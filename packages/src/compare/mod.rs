//! Whether two files are equal apart from texts that one of them has in place of others: the version of a candidate, and that of its
//! release.
//!
//! Texts are compared as they are, tars and packages by what is in them: packed bytes, sizes and digests follow from that.

mod cpio;
mod deb;
mod rpm;
mod tar;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read};

use crate::repository::HeaderFault;

pub use deb::deb;
pub use rpm::rpm;
pub use tar::tar;

/// The most bytes of a file in which texts are replaced. Larger ones must be equal.
pub const COMPARED_MAX: u64 = 64 << 20;
/// How files that gzip packed begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The most bytes of what is unpacked.
const UNPACKED_MAX: u64 = 64 << 30;

/// Texts, and what a file has in their place.
#[derive(Clone, Debug, Default)]
pub struct Replacements(Vec<(String, String)>);

impl Replacements {
    /// Replaces the first text of each pair by the second; of two that begin at one place, the longer one. Empty texts are left out.
    #[must_use]
    pub fn new(mut pairs: Vec<(String, String)>) -> Self {
        pairs.retain(|(from, to)| !from.is_empty() && from != to);
        pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Self(pairs)
    }

    /// The text with all replacements.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// The bytes with all replacements.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut replaced = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            let found = self.0.iter().find_map(|(from, to)| Some((rest.strip_prefix(from.as_bytes())?, to)));
            match found {
                Some((after, to)) => {
                    replaced.extend_from_slice(to.as_bytes());
                    rest = after;
                }
                None => {
                    replaced.push(*first);
                    rest = after;
                }
            }
        }
        replaced
    }

    /// Whether the replacements explain how `new` differs from `former`: each text that could be replaced has its replacement, or is
    /// kept. A changelog, for instance, names a candidate also in the release.
    #[must_use]
    pub fn explain(&self, former: &[u8], new: &[u8]) -> bool {
        if former == new || self.bytes(former) == new {
            return true;
        }
        let (mut one, mut other) = (former, new);
        while let Some((first, after)) = one.split_first() {
            let found =
                self.0.iter().find_map(|(from, to)| Some((one.strip_prefix(from.as_bytes())?, from, to)));
            let next = match found {
                // Of the two, the text itself: it can begin with its replacement.
                Some((after, from, to)) => other
                    .strip_prefix(from.as_bytes())
                    .or_else(|| other.strip_prefix(to.as_bytes()))
                    .map(|rest| (after, rest)),
                None => other.strip_prefix(&[*first]).map(|rest| (after, rest)),
            };
            let Some(next) = next else { return false };
            (one, other) = next;
        }
        other.is_empty()
    }

    /// Whether the replacements [explain](Self::explain) how `new` differs from `former`. Both are read to their ends, or up to a difference.
    ///
    /// # Errors
    ///
    /// One of the two cannot be read.
    pub fn equal(&self, former: &mut dyn Read, new: &mut dyn Read) -> io::Result<bool> {
        let [mut one, mut other] = [Vec::new(), Vec::new()];
        Read::take(&mut *former, COMPARED_MAX).read_to_end(&mut one)?;
        Read::take(&mut *new, COMPARED_MAX).read_to_end(&mut other)?;
        let are_whole = [&one, &other].iter().all(|read| (read.len() as u64) < COMPARED_MAX);
        if are_whole {
            if self.explain(&one, &other) {
                return Ok(true);
            }
            // A changelog or a manual page, for instance.
            let [one, other] = [unzipped(&one), unzipped(&other)];
            return Ok(one.zip(other).is_some_and(|(one, other)| self.explain(&one, &other)));
        }
        if one != other {
            return Ok(false);
        }
        Ok(content::hash_reader(former, |_| Ok(()))? == content::hash_reader(new, |_| Ok(()))?)
    }
}

/// The content of a file that gzip packed; `None` for another one, and if it is damaged or too large.
fn unzipped(packed: &[u8]) -> Option<Vec<u8>> {
    if !packed.starts_with(&GZIP) {
        return None;
    }
    let mut content = Vec::new();
    flate2::bufread::MultiGzDecoder::new(packed).take(COMPARED_MAX).read_to_end(&mut content).ok()?;
    ((content.len() as u64) < COMPARED_MAX).then_some(content)
}

/// The unpacked content of a packed file.
fn unpacked<'a>(packed: impl BufRead + Send + 'a) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    crate::metadata::unpacked(packed, UNPACKED_MAX)
}

fn broken(fault: HeaderFault) -> io::Error {
    let HeaderFault { place, expected, found } = fault;
    io::Error::new(io::ErrorKind::InvalidData, format!("{place}: expected {expected}, found {found}"))
}

/// A difference, in words.
fn differs(path: &str) -> String {
    format!("{} differs", content::printable(path))
}
