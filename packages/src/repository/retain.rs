//! Older copies of the files about packages, for clients that still have an older `repomd.xml`.

use std::cmp::Reverse;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use super::kind::MetadataKind;
use crate::error::{Error, Result};

/// Links the newest `count` files of each kind from `old` into `staging`, where they keep their names.
pub(super) fn keep(old: &Path, staging: &Path, count: usize) -> Result<()> {
    let entries = match fs::read_dir(old) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read.map_err(Error::io("read the folder", old))?,
    };
    let mut files: Vec<(MetadataKind, Reverse<SystemTime>, String)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("read the folder", old))?;
        let metadata = entry.metadata().map_err(Error::io("read", &entry.path()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if let Some(kind) = kind(&name).filter(|_| metadata.is_file()) {
            let modified = metadata.modified().map_err(Error::io("read", &entry.path()))?;
            files.push((kind, Reverse(modified), name));
        }
    }
    files.sort_unstable_by(|one, other| (one.1, &one.2).cmp(&(other.1, &other.2)));
    for kind in MetadataKind::ALL {
        for (_, _, name) in files.iter().filter(|(of, _, _)| *of == kind).take(count) {
            let (from, to) = (old.join(name), staging.join(name));
            match fs::hard_link(&from, &to) {
                // The new one has this name.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                linked => linked.map_err(Error::io("link", &from))?,
            }
        }
    }
    Ok(())
}

/// What a file whose name begins with a checksum is about.
fn kind(name: &str) -> Option<MetadataKind> {
    let (sum, rest) = name.split_once('-')?;
    let is_sum = sum.len() >= 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    MetadataKind::ALL
        .into_iter()
        .find(|kind| rest.strip_prefix(kind.name()).is_some_and(|end| end.starts_with(".xml")))
        .filter(|_| is_sum)
}
