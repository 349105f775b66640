//! Lines of a list of an archive, one at a time: the list may be as long as a forger likes.

use content::{Digest, Hasher};

use crate::tree::{ENTRIES, Location, Tree};
use crate::{Error, Result};

/// The longest line: two paths with every byte escaped.
const LINE_MAX: usize = 48 * 1024;
const CHUNK: usize = 64 * 1024;

/// A file of lines that each end with a newline; the last one may lack it.
pub(crate) struct Lines<'a> {
    file: &'a str,
    location: Location,
}

impl<'a> Lines<'a> {
    /// Opens a file of at most `limit` bytes.
    pub(crate) fn open(tree: &Tree, file: &'a str, limit: u64) -> Result<Self> {
        let location = tree.locate(file)?;
        if location.size > limit {
            let what = format!("the size of {file:?} in {}", tree.path().display());
            return Err(Error::Limit { what, limit, found: location.size });
        }
        Ok(Self { file, location })
    }

    /// Calls `visit` with each line, without its end. What `visit` returns is the problem of that line.
    pub(crate) fn each(&self, visit: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<()> {
        self.each_and(&mut |_| (), visit)
    }

    /// As [`Lines::each`], and returns the digest of what was read.
    pub(crate) fn each_hashed(&self, visit: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<Digest> {
        let mut hasher = Hasher::new();
        self.each_and(&mut |bytes| hasher.update(bytes), visit)?;
        Ok(hasher.finish())
    }

    fn each_and(
        &self,
        read: &mut dyn FnMut(&[u8]),
        visit: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<()> {
        let mut number = 0;
        let mut rest: Vec<u8> = Vec::new();
        let mut buffer = vec![0; CHUNK];
        let mut offset = 0;
        let mut take = |line: &[u8]| {
            number += 1;
            if number > ENTRIES {
                let what = format!("the number of lines of {}", self.file);
                return Err(Error::Limit { what, limit: ENTRIES as u64, found: number as u64 });
            }
            let done = str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned()).and_then(&mut *visit);
            done.map_err(|problem| Error::Syntax { file: self.file.into(), line: number, problem })
        };
        loop {
            let count = self
                .location
                .read_at(offset, &mut buffer)
                .map_err(|source| Error::io("read", self.file, source))?;
            if count == 0 {
                return if rest.is_empty() { Ok(()) } else { take(&rest) };
            }
            offset += count as u64;
            let mut chunk = buffer.get(..count).unwrap_or_default();
            read(chunk);
            while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
                let (line, after) = chunk.split_at_checked(end).unwrap_or_default();
                if rest.is_empty() {
                    take(line)?;
                } else {
                    rest.extend_from_slice(line);
                    take(&rest)?;
                    rest.clear();
                }
                chunk = after.get(1..).unwrap_or_default();
            }
            rest.extend_from_slice(chunk);
            if rest.len() > LINE_MAX {
                let what = format!("the length of a line of {}", self.file);
                return Err(Error::Limit { what, limit: LINE_MAX as u64, found: rest.len() as u64 });
            }
        }
    }
}
