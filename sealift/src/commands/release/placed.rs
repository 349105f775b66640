//! The ISO of a release, from the build to the registry.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use archive::Tree;
use content::{AtomicFile, Digest, Durability, FileStamp, IoError, LinkPolicy, printable_path};

use crate::failure::Failure;
use crate::rebuild::Built;

/// An ISO with the bytes that were built, which is still open: what is signed and published is that.
#[derive(Debug)]
pub(super) struct PlacedIso {
    path: PathBuf,
    file: File,
    stamp: FileStamp,
    digest: Digest,
}

impl PlacedIso {
    /// Copies what was built to `target`, unless it is there. One of the two is read, and compared with the digest of the build.
    pub(super) fn place(built: &Built, target: &Path) -> Result<Self, Failure> {
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            content::create_folder(folder)?;
        }
        if target.symlink_metadata().is_ok() {
            let file = content::open(target, LinkPolicy::Refuse)?;
            let placed = Self::of(file, target, built.digest)?;
            let (found, _) =
                content::hash_reader(&placed.file, |_| Ok(())).map_err(IoError::at("read", target))?;
            if found == built.digest {
                placed.check()?;
                return Ok(placed);
            }
            let message = format!("{} exists, and is another ISO", printable_path(target));
            return Err(
                Failure::usage(message).remedy("move it away, or name another folder with --into DIR")
            );
        }
        let source = content::open(&built.iso, LinkPolicy::Refuse)?;
        let new = AtomicFile::create(target, 0o644, Durability::Durable)?;
        let (found, _) = content::copy_hashed(&source, &built.iso, new.file(), target)?;
        if found != built.digest {
            let message = format!("{} was changed after it was built", printable_path(&built.iso));
            return Err(Failure::failed(anyhow::Error::msg(message)).remedy("run the same command again"));
        }
        let file = new.file().try_clone().map_err(IoError::at("open", target))?;
        new.commit_new()?;
        let placed = Self::of(file, target, built.digest)?;
        placed.check()?;
        Ok(placed)
    }

    fn of(file: File, path: &Path, digest: Digest) -> Result<Self, Failure> {
        let stamp = FileStamp::of(&file.metadata().map_err(IoError::at("open", path))?);
        Ok(Self { path: path.to_owned(), file, stamp, digest })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its digest, which the build has computed.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// The archive in the open file.
    pub(super) fn tree(&self) -> Result<Tree, Failure> {
        let file = self.file.try_clone().map_err(IoError::at("open", &self.path))?;
        Ok(Tree::of_file(file, &self.path)?)
    }

    /// Checks that its path still leads to it, and that nobody has written to it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let same =
            |data: std::io::Result<Metadata>| data.is_ok_and(|data| FileStamp::of(&data) == self.stamp);
        if same(self.file.metadata()) && same(self.path.symlink_metadata()) {
            return Ok(());
        }
        let message = format!("{} was changed while the release was promoted", printable_path(&self.path));
        Err(Failure::failed(anyhow::Error::msg(message))
            .remedy("move it away, and run the same command again"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn built(folder: &Path) -> Built {
        let iso = folder.join("built.iso");
        fs::write(&iso, "ISO").unwrap();
        Built { iso, digest: Digest::of(b"ISO") }
    }

    fn text(placed: Result<(), Failure>) -> String {
        match placed.err() {
            Some(Failure::Failed(Some(report)) | Failure::Usage(report)) => report.error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_iso_is_placed_once_and_recognized_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let (built, target) = (built(folder.path()), folder.path().join("into/a.iso"));
        for _ in 0..2 {
            let placed = PlacedIso::place(&built, &target).unwrap();
            placed.check().unwrap();
            assert_eq!((fs::read(&target).unwrap(), placed.digest()), (b"ISO".to_vec(), built.digest));
        }
        fs::write(&target, "BAD").unwrap();
        let error = text(PlacedIso::place(&built, &target).map(drop));
        assert!(error.ends_with("a.iso exists, and is another ISO"), "{error}");
    }

    #[test]
    fn a_file_that_takes_the_place_of_the_iso_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut built, target) = (built(folder.path()), folder.path().join("a.iso"));
        let change = "a.iso was changed while the release was promoted";
        // Another file with the same bytes: whether it has them is not known without reading it.
        let placed = PlacedIso::place(&built, &target).unwrap();
        fs::rename(&target, folder.path().join("moved")).unwrap();
        assert!(text(placed.check()).ends_with(change));
        fs::write(&target, "ISO").unwrap();
        assert!(text(placed.check()).ends_with(change));
        // The same file with other bytes.
        let placed = PlacedIso::place(&built, &target).unwrap();
        fs::write(&target, "another").unwrap();
        assert!(text(placed.check()).ends_with(change));

        fs::remove_file(&target).unwrap();
        built.digest = Digest::of(b"what was built");
        let error = text(PlacedIso::place(&built, &target).map(drop));
        assert!(error.ends_with("built.iso was changed after it was built"), "{error}");
        assert!(!target.exists());
    }
}
