//! The plan of an image.

use std::path::Path;

use crate::{Error, Options, Progress, Result};

/// Every record, extent and size of an image, before any content is read.
#[derive(Debug)]
pub struct Plan {
    bytes: u64,
}

/// The sums of a written image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// The implanted MD5 (not that of the whole file).
    pub md5: [u8; 16],
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// The file's size.
    pub bytes: u64,
}

impl Plan {
    /// Plans the image of the tree below `root`.
    pub fn from_dir(root: &Path, _options: &Options) -> Result<Self> {
        Err(Error::NoVolume { path: root.to_owned(), found: "the writer is on its way" })
    }

    /// The size of the image.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the image to `output`, which appears whole or not at all.
    pub fn write_file(&self, output: &Path, _progress: &dyn Progress) -> Result<Sums> {
        Err(Error::NoVolume { path: output.to_owned(), found: "the writer is on its way" })
    }
}
