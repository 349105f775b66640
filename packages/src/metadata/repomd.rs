//! `repomd.xml`: the metadata files of a repository, and their checksums.

use std::io::BufRead;
use std::path::Path;

use super::checksum::Checksum;
use super::xml::{self, Attributes, Elements};
use super::{is_inside, metadata_error};
use crate::error::Result;
use crate::repository::HeaderFault;

/// Metadata files that one `repomd.xml` may list.
const MAX_FILES: usize = 1000;

/// What a `repomd.xml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repomd {
    /// The revision: a time in Unix seconds, or another text.
    pub revision: Option<String>,
    /// The metadata files, in their order.
    pub files: Vec<RepomdFile>,
}

/// A metadata file that `repomd.xml` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepomdFile {
    /// `primary`, `filelists`, `group`, `group_gz`, `modules`.
    pub kind: String,
    /// The path from the folder of the repository: `repodata/primary.xml.gz`. It does not lead out of that folder.
    pub location: String,
    /// The URL that the location starts at where it is not the repository's.
    pub base: Option<String>,
    /// The checksum of the file.
    pub checksum: Option<Checksum>,
    /// The checksum of its content, unpacked.
    pub open_checksum: Option<Checksum>,
    /// The size of the file, in bytes.
    pub size: Option<u64>,
    /// The size of its content, unpacked, in bytes.
    pub open_size: Option<u64>,
}

impl Repomd {
    /// Reads a `repomd.xml`. `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`](crate::Error::Metadata) where it is not one, has two files of one type, a checksum of an unknown
    /// kind, or a path that leads out of the repository.
    pub fn read(input: impl BufRead, name: &Path) -> Result<Self> {
        let mut reading = Reading::default();
        xml::read(input, &mut reading).map_err(metadata_error(name))?;
        Ok(reading.repomd)
    }

    /// The file of this type.
    #[must_use]
    pub fn file(&self, kind: &str) -> Option<&RepomdFile> {
        self.files.iter().find(|file| file.kind == kind)
    }
}

#[derive(Default)]
struct Reading {
    repomd: Repomd,
    current: Option<RepomdFile>,
    has_root: bool,
    /// The kind of the checksum that is being read.
    checksum: String,
}

fn fault(expected: &str, found: impl Into<String>) -> HeaderFault {
    HeaderFault::new("repomd.xml", expected, found)
}

impl Elements for Reading {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), HeaderFault> {
        let get = |key| Ok::<_, HeaderFault>(attributes.get(key)?.map(std::borrow::Cow::into_owned));
        if !self.has_root {
            if name != "repomd" {
                return Err(fault("the element repomd", name));
            }
            self.has_root = true;
        }
        match (name, &mut self.current) {
            ("data", _) => {
                let kind = get("type")?.filter(|kind| is_word(kind));
                let kind = kind.ok_or_else(|| fault("a type of each file", "another text"))?;
                if self.repomd.files.len() == MAX_FILES {
                    return Err(fault("1000 files at most", "more"));
                }
                if self.repomd.file(&kind).is_some() {
                    return Err(fault("each type once", kind));
                }
                self.current = Some(RepomdFile { kind, ..RepomdFile::default() });
            }
            ("location", Some(file)) => {
                file.location = get("href")?.unwrap_or_default();
                file.base = get("base")?;
                if !is_inside(&file.location) {
                    return Err(fault("paths in the repository", file.location.clone()));
                }
            }
            ("checksum" | "open-checksum", _) => self.checksum = get("type")?.unwrap_or_default(),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, text: &str) -> Result<(), HeaderFault> {
        let text = text.trim();
        let Some(file) = &mut self.current else {
            if name == "revision" && !text.is_empty() {
                self.repomd.revision = Some(text.to_owned());
            }
            return Ok(());
        };
        let number = || text.parse().map_err(|_| fault("sizes in bytes", text));
        match name {
            "checksum" | "open-checksum" => {
                let sum = Checksum::read(&self.checksum, text)
                    .ok_or_else(|| fault("a checksum and its type", format!("{} {text}", self.checksum)))?;
                if name == "checksum" {
                    file.checksum = Some(sum);
                } else {
                    file.open_checksum = Some(sum);
                }
            }
            "size" => file.size = Some(number()?),
            "open-size" => file.open_size = Some(number()?),
            "data" => {
                if file.location.is_empty() {
                    return Err(fault("a location of each file", file.kind.clone()));
                }
                self.repomd.files.extend(self.current.take());
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
