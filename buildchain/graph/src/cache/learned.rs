//! What tasks that learn their inputs have learned: a fresh clone has no list of them, so it cannot compute their keys.
//!
//! Under the digest of what such a task declares, the cache has the manifests of its last results. One whose inputs are as they
//! were gives the key of a result.

use std::io::{self, ErrorKind};

use content::{Digest, LinkPolicy};

use crate::cache::local::{RECORD_MAX, ResultCache};
use crate::record::journal::{self, JournalEntry};
use crate::record::key::{ByteReader, all_items, put_text};

/// How many manifests are kept for what a task declares: those of the branches that are built in turn.
const LEARNED_MAX: usize = 8;

impl ResultCache {
    /// The manifests that this machine has for what a task declares, the newest first.
    pub(crate) fn learned_here(&self, declared: Digest) -> io::Result<Vec<Vec<u8>>> {
        let path = self.record(declared);
        match content::open_read(&path, LinkPolicy::Refuse, RECORD_MAX) {
            Ok(bytes) => {
                self.touch(&path);
                Ok(parse(&bytes, declared).unwrap_or_default())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            // A damaged one is replaced by the next result.
            Err(_) if path.symlink_metadata().is_ok_and(|found| !found.is_file()) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Those that the remote cache has.
    pub(crate) fn learned_elsewhere(&self, declared: Digest) -> io::Result<Vec<Vec<u8>>> {
        let Some(connection) = &self.remote else { return Ok(Vec::new()) };
        let record = connection.call(|remote| remote.record(declared))?;
        let record = record.filter(|record| record.len() as u64 <= RECORD_MAX);
        Ok(record.and_then(|record| parse(&record, declared)).unwrap_or_default())
    }

    /// Stores the manifest of a new result, before those of earlier ones.
    pub(crate) fn store_learned(&self, declared: Digest, manifest: &[u8]) -> io::Result<()> {
        let _lock = self.lock_shared()?;
        let mut all = vec![manifest.to_vec()];
        let writes = self.remote.as_ref().is_some_and(|connection| connection.writes);
        let elsewhere = if writes { self.learned_elsewhere(declared)? } else { Vec::new() };
        for earlier in self.learned_here(declared)?.into_iter().chain(elsewhere) {
            if !all.contains(&earlier) {
                all.push(earlier);
            }
        }
        all.truncate(LEARNED_MAX);
        let mut record = pack(declared, &all);
        while record.len() as u64 > RECORD_MAX {
            if all.pop().is_none() {
                return Ok(());
            }
            record = pack(declared, &all);
        }
        self.add_record(declared, &record)?;
        self.send(declared, &record, &[])
    }
}

/// A record without outputs.
fn pack(declared: Digest, manifests: &[Vec<u8>]) -> Vec<u8> {
    let mut packed = Vec::new();
    manifests.iter().for_each(|manifest| put_text(&mut packed, manifest));
    let mut record = journal::MAGIC.to_vec();
    let entry = JournalEntry::Task { name: "", key: declared, manifest: &packed, outputs: b"", millis: 0 };
    journal::put(&mut record, &entry);
    record
}

/// The manifests in a record. `None` if it is damaged, or has another key.
fn parse(bytes: &[u8], declared: Digest) -> Option<Vec<Vec<u8>>> {
    let frames = bytes.strip_prefix(journal::MAGIC)?;
    let mut whole = 0;
    let entries = journal::entries(frames, &mut whole);
    let [JournalEntry::Task { key, manifest, outputs: [], .. }] = entries.as_slice() else { return None };
    if *key != declared || whole != frames.len() {
        return None;
    }
    unpack(manifest)
}

/// The manifests of a record that is intact, at most as many as are kept. `None` if one is malformed.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut manifests, mut rest) = (Vec::new(), ByteReader(packed));
    while !rest.0.is_empty() && manifests.len() < LEARNED_MAX {
        let manifest = rest.text()?;
        all_items(manifest)?;
        manifests.push(manifest.to_vec());
    }
    Some(manifests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::key::{ItemTag, ItemValue, ManifestItem, put};

    fn manifest(name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(
            &mut bytes,
            &ManifestItem { tag: ItemTag::Value, name: name.as_bytes(), value: ItemValue::Nothing },
        );
        bytes
    }

    #[test]
    fn the_last_manifests_are_kept_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ResultCache::new(folder.path().to_owned(), None);
        let key = Digest::of(b"declared");
        assert_eq!(cache.learned_here(key).unwrap().len(), 0);
        for name in 0..12 {
            cache.store_learned(key, &manifest(&name.to_string())).unwrap();
        }
        cache.store_learned(key, &manifest("7")).unwrap();
        let expected: Vec<_> =
            [7, 11, 10, 9, 8, 6, 5, 4].iter().map(|name| manifest(&name.to_string())).collect();
        assert_eq!(cache.learned_here(key).unwrap(), expected);
        // Eviction takes it for a result without files.
        assert_eq!(cache.evict(u64::MAX).unwrap().results, 0);
        assert_eq!(cache.learned_here(key).unwrap(), expected);
    }

    #[test]
    fn a_damaged_record_has_no_manifests() {
        let (key, other) = (Digest::of(b"declared"), Digest::of(b"other"));
        let record = pack(key, &[manifest("a"), manifest("b")]);
        assert_eq!(parse(&record, key).unwrap().len(), 2);
        assert!(parse(&record, other).is_none());
        for cut in 0..record.len() {
            assert!(parse(&record[..cut], key).is_none(), "cut at {cut}");
        }
        assert!(parse(&pack(key, &[b"no manifest".to_vec()]), key).is_none());
    }
}
