//! Content to push that is in no store: files, and documents in memory.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use content::{Digest, LinkPolicy};

use super::BlobSource;
use crate::error::{Error, Result};

/// Files and documents by digest, to push as an artifact.
#[derive(Clone, Debug, Default)]
pub struct BlobSet {
    files: HashMap<Digest, PathBuf>,
    documents: HashMap<Digest, Vec<u8>>,
}

impl BlobSet {
    /// Adds the file at `path`, whose digest is known. A symbolic link is refused when the file is sent.
    pub fn add_file(&mut self, digest: Digest, path: &Path) {
        self.files.insert(digest, path.to_owned());
    }

    /// Adds a document; returns its digest.
    pub fn add(&mut self, document: Vec<u8>) -> Digest {
        let digest = Digest::of(&document);
        self.documents.insert(digest, document);
        digest
    }
}

impl BlobSource for BlobSet {
    fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        match (self.documents.get(digest), self.files.get(digest)) {
            (Some(document), _) => Ok(Some(document.len() as u64)),
            (None, Some(path)) => Ok(std::fs::metadata(path).ok().map(|metadata| metadata.len())),
            (None, None) => Ok(None),
        }
    }

    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send>> {
        if let Some(document) = self.documents.get(digest) {
            return Ok(Box::new(Cursor::new(document.clone())));
        }
        let missing = || Error::NotInStore { digest: *digest, store: PathBuf::new() };
        let path = self.files.get(digest).ok_or_else(missing)?;
        Ok(Box::new(content::open(path, LinkPolicy::Refuse)?))
    }
}
