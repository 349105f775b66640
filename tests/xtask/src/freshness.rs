//! Whether the binary is newer than all it was made of, seen without starting cargo: that alone takes longer than a build in
//! which nothing changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What pins the dependencies and the way they are compiled, in the root of the workspace.
const PINS: [&str; 4] = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"];

/// Whether `binary` was built after every change of its sources. Anything in doubt is a no: cargo then has the last word.
pub(crate) fn is_fresh(root: &Path, binary: &Path) -> bool {
    built_from(root, binary).is_ok_and(|newest| {
        fs::metadata(stamp(binary)).and_then(|stamp| stamp.modified()).is_ok_and(|built| newest < built)
    })
}

/// Marks the moment before a build: what changes while cargo compiles is newer than that. The mark counts once the build has
/// succeeded, see [`Mark::keep`].
pub(crate) fn mark(binary: &Path) -> io::Result<Mark> {
    let stamp = stamp(binary);
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder)?;
    }
    // By the file system's clock, as the sources have it; of this process alone, since another may build at the same time.
    let fresh = stamp.with_extension(format!("{}.building", std::process::id()));
    fs::write(&fresh, "")?;
    let began = fs::metadata(&fresh).and_then(|metadata| metadata.modified());
    fs::remove_file(&fresh)?;
    Ok(Mark { began: began?, fresh, stamp })
}

/// The moment before a build.
pub(crate) struct Mark {
    began: SystemTime,
    fresh: PathBuf,
    stamp: PathBuf,
}

impl Mark {
    /// The build has succeeded.
    pub(crate) fn keep(self) -> io::Result<()> {
        fs::File::create(&self.fresh)?.set_modified(self.began)?;
        fs::rename(self.fresh, self.stamp)
    }
}

fn stamp(binary: &Path) -> PathBuf {
    binary.with_extension("built")
}

/// When the newest of what `binary` is made of was changed. Cargo lists the sources of the workspace beside the binary, as a
/// line of make: `binary: source source`.
fn built_from(root: &Path, binary: &Path) -> io::Result<SystemTime> {
    let modified = |path: &Path| fs::metadata(path)?.modified();
    let listed = fs::read_to_string(binary.with_extension("d"))?;
    let (_, sources) = listed.split_once(": ").ok_or(io::ErrorKind::InvalidData)?;
    // This program knows the flags that the binary is compiled with.
    let mut newest = modified(&std::env::current_exe()?)?;
    modified(binary)?;
    let mut folders = Vec::new();
    for source in sources.trim_end().replace("\\ ", "\0").split(' ') {
        let source = PathBuf::from(source.replace('\0', " "));
        newest = newest.max(modified(&source)?);
        // The manifest of its package.
        let package = source.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file());
        folders.extend(package.map(Path::to_path_buf).filter(|folder| !folders.contains(folder)));
    }
    for folder in folders {
        newest = newest.max(modified(&folder.join("Cargo.toml"))?);
    }
    for pin in PINS.map(|name| root.join(name)).iter().filter(|path| path.exists()) {
        newest = newest.max(modified(pin)?);
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_binary_is_fresh_until_something_it_was_made_of_changes() {
        let root = std::env::temp_dir().join(format!("xtask-freshness-{}", std::process::id()));
        let binary = root.join("target/sealift");
        let source = root.join("room with blank/src/lib.rs");
        for (path, content) in [
            (&binary, String::new()),
            (&source, String::new()),
            (&root.join("Cargo.lock"), String::new()),
            (&root.join("room with blank/Cargo.toml"), String::new()),
            (&binary.with_extension("d"), format!("{}: {}\n", escaped(&binary), escaped(&source))),
        ] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        assert!(!is_fresh(&root, &binary), "nothing says that it was ever built");
        let mark = mark(&binary).unwrap();
        assert!(!is_fresh(&root, &binary), "the build has not succeeded");
        // Another build of the same moment is in nobody's way.
        super::mark(&binary).unwrap().keep().unwrap();
        mark.keep().unwrap();
        let built = fs::metadata(stamp(&binary)).unwrap().modified().unwrap();
        let change = |path: &Path, time| fs::File::open(path).unwrap().set_modified(time).unwrap();
        let (before, after) = (built - Duration::from_secs(1), built + Duration::from_secs(1));
        let made_of = [&source, &root.join("Cargo.lock"), &root.join("room with blank/Cargo.toml")];
        made_of.iter().for_each(|path| change(path, before));
        assert!(is_fresh(&root, &binary));
        for path in made_of {
            change(path, after);
            assert!(!is_fresh(&root, &binary), "{} changed", path.display());
            change(path, before);
        }
        fs::remove_file(&source).unwrap();
        assert!(!is_fresh(&root, &binary), "a source is gone");
        fs::remove_dir_all(root).unwrap();
    }

    fn escaped(path: &Path) -> String {
        path.display().to_string().replace(' ', "\\ ")
    }
}
