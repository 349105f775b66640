//! Metalinks of a `repomd.xml`, as Fedora (Metalink 3) and SUSE (Metalink 4, RFC 5854) publish them.

use crate::metadata::xml::{self, Attributes, Elements};
use crate::metadata::{Checksum, ChecksumKind};
use crate::repository::HeaderFault;

use super::{SourceFault, URLS_MAX, is_url};

/// The files of a metalink that are looked at.
const FILES_MAX: usize = 100;
/// Older files that the metalink accepts.
const ALTERNATES_MAX: usize = 1000;

/// A metalink of a `repomd.xml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metalink {
    /// The file, then older ones that mirrors may still have.
    pub accepted: Vec<ListedRepomd>,
    /// URLs with http, https or file, the best first.
    pub urls: Vec<String>,
}

/// What a metalink says of one `repomd.xml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedRepomd {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its checksums of kinds that are known.
    pub checksums: Vec<Checksum>,
}

impl ListedRepomd {
    /// Whether these are the bytes: by their size and by the strongest checksum. Without a checksum they are not.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        let strength = |checksum: &&Checksum| checksum.kind.digits();
        let strongest = self.checksums.iter().max_by_key(strength);
        self.size.is_none_or(|size| size == bytes.len() as u64)
            && strongest
                .is_some_and(|checksum| checksum.kind.of(&mut &*bytes).is_ok_and(|found| found == *checksum))
    }
}

impl Metalink {
    /// Reads a metalink of version 3 or 4.
    ///
    /// # Errors
    ///
    /// If it is not a metalink of a `repomd.xml`, or has no URL or no checksum of it.
    pub fn read(text: &str) -> Result<Self, SourceFault> {
        let mut reading = Reading::default();
        xml::read(text.as_bytes(), &mut reading).map_err(|HeaderFault { expected, found, .. }| {
            SourceFault::new(0, format!("expected {expected}, found {found}"))
        })?;
        let Reading { mut urls, accepted, has_root, .. } = reading;
        if !has_root {
            return Err(SourceFault::new(0, "it is not a metalink"));
        }
        // Of equal preference, in the order of the file.
        urls.sort_by_key(|(rank, _)| *rank);
        let urls: Vec<String> = urls.into_iter().map(|(_, url)| url).collect();
        if urls.is_empty() {
            return Err(SourceFault::new(0, "the metalink has no URL of a repomd.xml"));
        }
        if accepted.first().is_none_or(|file| file.checksums.is_empty()) {
            return Err(SourceFault::new(0, "the metalink has no checksum of the repomd.xml"));
        }
        Ok(Self { accepted, urls })
    }
}

#[derive(Default)]
struct Reading {
    has_root: bool,
    is_version_4: bool,
    files: usize,
    /// Whether the file that is being read is the `repomd.xml`.
    is_wanted: bool,
    accepted: Vec<ListedRepomd>,
    is_alternate: bool,
    checksum: Option<ChecksumKind>,
    /// The rank of the URL that is being read; `None` where its kind is not used.
    url: Option<i64>,
    urls: Vec<(i64, String)>,
}

fn fault(expected: &str, found: impl Into<String>) -> HeaderFault {
    HeaderFault::new("metalink", expected, found)
}

impl Elements for Reading {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), HeaderFault> {
        if !self.has_root {
            if name != "metalink" {
                return Err(fault("the element metalink", name));
            }
            self.has_root = true;
            self.is_version_4 = attributes.get("xmlns")?.is_some_and(|space| space.starts_with("urn:ietf:"));
            return Ok(());
        }
        let number = |text: Option<std::borrow::Cow<'_, str>>| text.and_then(|text| text.parse::<i64>().ok());
        match name {
            "file" => {
                self.files += 1;
                if self.files > FILES_MAX {
                    return Err(fault("100 files at most", "more"));
                }
                let file = attributes.get("name")?.unwrap_or_default().into_owned();
                self.is_wanted = file.rsplit('/').next() == Some("repomd.xml") && self.accepted.is_empty();
                self.is_alternate = false;
                if self.is_wanted {
                    self.accepted.push(ListedRepomd::default());
                }
            }
            "alternate" if self.is_wanted => {
                if self.accepted.len() > ALTERNATES_MAX {
                    return Err(fault("1000 older files at most", "more"));
                }
                self.is_alternate = true;
                self.accepted.push(ListedRepomd::default());
            }
            "hash" => {
                let kind = attributes.get("type")?.unwrap_or_default().replace('-', "");
                self.checksum = ChecksumKind::from_name(&kind);
            }
            "url" => {
                let kind = attributes.get("protocol")?.map(std::borrow::Cow::into_owned);
                let is_usable = kind.is_none_or(|kind| matches!(kind.as_str(), "http" | "https" | "file"));
                // In version 3, 100 is the best; in version 4, 1 is, and no number is the worst.
                let rank = match self.is_version_4 {
                    true => number(attributes.get("priority")?).unwrap_or(999_999),
                    false => -number(attributes.get("preference")?).unwrap_or(0).clamp(0, 100),
                };
                self.url = (self.is_wanted && is_usable).then_some(rank);
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, text: &str) -> Result<(), HeaderFault> {
        let text = text.trim();
        let current = self.accepted.last_mut().filter(|_| self.is_wanted);
        match name {
            "file" => self.is_wanted = false,
            "size" => {
                if let Some(file) = current {
                    file.size = Some(text.parse().map_err(|_| fault("sizes in bytes", text))?);
                }
            }
            "hash" => {
                let kind = self.checksum.take();
                if let (Some(file), Some(kind)) = (current, kind) {
                    let sum = Checksum::read(kind.as_str(), text);
                    file.checksums.push(sum.ok_or_else(|| fault("a checksum", text))?);
                }
            }
            "url" => {
                let is_usable = is_url(text) && ["http", "file"].iter().any(|kind| text.starts_with(kind));
                if let Some(rank) = self.url.take()
                    && is_usable
                    && text.ends_with("/repodata/repomd.xml")
                {
                    if self.urls.len() == URLS_MAX {
                        return Err(fault("1000 URLs at most", "more"));
                    }
                    self.urls.push((rank, text.to_owned()));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
