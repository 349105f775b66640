//! The files of a package, as they are installed, in a tar.

use std::io::{self, Read as _};
use std::path::Path;

use content::LinkPolicy;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::definition::RpmDefinition;
use crate::error::{Error, Result};

/// What rpm and the 32 bits of its sizes take.
const MAX_SIZE: u64 = u32::MAX as u64;

/// The tar of everything that the package has, also of what it only owns: rpmbuild wants to see it.
pub(super) fn archive(definition: &RpmDefinition, base_dir: &Path, date: u32) -> Result<Vec<u8>> {
    let memory = Path::new("the source package");
    let write = || Error::io("write", memory);
    // No name and no time in the header: equal files are equal bytes.
    let mut tar = Builder::new(GzBuilder::new().write(Vec::new(), Compression::default()));
    let mut append = |kind, mode: u16, path: &str, target: Option<&str>, size, content: &mut dyn io::Read| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode.into());
        header.set_mtime(date.into());
        header.set_size(size);
        let path = path.trim_start_matches('/');
        match target {
            Some(target) => tar.append_link(&mut header, path, target),
            None => tar.append_data(&mut header, path, content),
        }
    };
    let nothing = &mut io::empty();
    for directory in &definition.directories {
        append(EntryType::Directory, 0o755, &directory.path, None, 0, nothing).map_err(write())?;
    }
    for (number, file) in definition.files.iter().enumerate() {
        let source = base_dir.join(file.source().path());
        let opened = content::open(&source, LinkPolicy::Follow)?;
        let metadata = opened.metadata().map_err(Error::io("read", &source))?;
        let size = metadata.len();
        if !metadata.is_file() || size > MAX_SIZE {
            return Err(Error::Definition {
                package: definition.name.clone(),
                field: format!("files[{number}].from"),
                expected: "a regular file smaller than 4 GiB",
                found: source.display().to_string(),
            });
        }
        append(EntryType::Regular, file.mode().bits() | 0o600, &file.to, None, size, &mut opened.take(size))
            .map_err(Error::io("read", &source))?;
    }
    for link in &definition.symlinks {
        append(EntryType::Symlink, 0o777, &link.path, Some(&link.target), 0, nothing).map_err(write())?;
    }
    for ghost in &definition.ghosts {
        let kind = if ghost.directory { EntryType::Directory } else { EntryType::Regular };
        append(kind, 0o755, &ghost.path, None, 0, nothing).map_err(write())?;
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(write())
}
