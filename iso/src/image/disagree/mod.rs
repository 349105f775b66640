//! Where readers of an image see different things.
//!
//! An image says most things twice or more: in two or three trees of names, in both byte orders, in the record of a folder
//! and in the folder's own first record, in ISO 9660's flags and in Rock Ridge's modes. Readers differ in what they believe, so
//! an image that contradicts itself shows its checker one tree and the kernel that mounts it another one. What is found
//! here is what no usual writer writes (genisoimage, mkisofs, xorriso, libarchive) and some reader reads otherwise: Linux,
//! libarchive, isoinfo, 7-Zip, xorriso.

mod descriptors;
mod names;
mod records;
mod system_use;
mod trees;

use super::directory::{self, StoredRecord};
use super::{EntryFault, IsoImage, ReadAt, View};
use crate::Result;
use descriptors::AllRoots;
use records::Walk;
use trees::Trees;

/// Disagreements that are listed of one image.
pub const DISAGREEMENTS_MAX: usize = 100;

/// Something that lets readers of an image disagree about what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// The path in the image; empty for the image as a whole.
    pub path: String,
    /// Where in the image the structure lies, in bytes.
    pub offset: u64,
    /// What contradicts what.
    pub problem: String,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, offset, problem } = self;
        let path = if path.is_empty() { "the image" } else { path };
        write!(f, "{path}: {problem} (byte {offset})")
    }
}

impl<S: ReadAt> IsoImage<S> {
    /// What lets readers of the image disagree about what is in it, the entries that cannot be read included: at most
    /// [`DISAGREEMENTS_MAX`] of them. Reads all folders and no content. Which view the image was opened with does not matter.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Io`] if the image cannot be read, [`crate::Error::Damaged`] if its roots are.
    pub fn disagreements(&self) -> Result<Vec<Disagreement>> {
        let mut found = Found { list: Vec::new() };
        let AllRoots { roots, enhanced } = descriptors::check(&self.source, &self.path, &mut found)?;
        let source: &dyn ReadAt = &self.source;
        let sizes = (self.size, u64::from(self.volume.sectors) * crate::format::SECTOR);
        let root = StoredRecord::parse(&roots.primary);
        let skip = match &root {
            Some(root) => directory::declared(source, &self.path, root)?,
            None => None,
        };
        Walk::new(source, &self.path, sizes, skip).run(&roots.primary, &mut found)?;
        if let Some(joliet) = &roots.joliet {
            Walk::joliet(source, &self.path, sizes).run(joliet, &mut found)?;
        }
        let trees = Trees { source, path: &self.path, size: self.size, skip };
        match &roots.joliet {
            Some(joliet) => trees.compare(&roots.primary, View::Joliet, joliet, &mut found)?,
            None => trees.walk(&roots.primary, &mut found)?,
        }
        if let Some(enhanced) = &enhanced {
            trees.compare(&roots.primary, View::Plain, enhanced, &mut found)?;
        }
        Ok(found.list)
    }
}

/// What was found so far.
struct Found {
    list: Vec<Disagreement>,
}

impl Found {
    fn add(&mut self, path: &str, offset: u64, problem: impl Into<String>) {
        if !self.is_full() {
            self.list.push(Disagreement { path: path.to_owned(), offset, problem: problem.into() });
        }
    }

    /// Adds what may have been found by another check.
    fn add_once(&mut self, path: &str, offset: u64, problem: String) {
        if !self.list.iter().any(|known| known.offset == offset && known.problem == problem) {
            self.add(path, offset, problem);
        }
    }

    fn fault(&mut self, path: &str, fault: &EntryFault) {
        let problem = match fault.unsupported {
            true => format!("{} is not supported", fault.problem),
            false => fault.problem.clone(),
        };
        self.add_once(path, fault.offset, problem);
    }

    fn is_full(&self) -> bool {
        self.list.len() >= DISAGREEMENTS_MAX
    }
}
