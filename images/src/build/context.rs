//! The folder that a `Containerfile` copies from, without what its `.dockerignore` leaves out.
//!
//! What is left is copied before the engine sees it: the files that are the build's inputs and the files that an engine finds
//! are the same ones, however it reads the patterns.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, Result, io};
use crate::store::read_limited;
use crate::tree::copy_file;

/// The files that list what to leave out; the first that exists counts.
const IGNORE_FILES: [&str; 2] = [".containerignore", ".dockerignore"];
/// The largest of them that is read.
const IGNORE_MAX: u64 = 1 << 20;

/// Something in a context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContextEntry {
    /// Its path in the context.
    pub path: PathBuf,
    /// What it is.
    pub kind: ContextEntryKind,
}

/// What an entry of a context is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContextEntryKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link, and where it leads.
    Link(PathBuf),
}

/// A folder to build from.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// The folder.
    pub folder: PathBuf,
    /// Folders that are left out whatever the patterns say: where the build writes to.
    pub without: Vec<PathBuf>,
}

impl BuildContext {
    /// The file with the patterns, if there is one.
    #[must_use]
    pub fn ignore_file(&self) -> Option<PathBuf> {
        IGNORE_FILES.iter().map(|name| self.folder.join(name)).find(|path| path.is_file())
    }

    /// All that the engine is given, sorted by path, folders before what is in them.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] for what is neither file, folder nor link, [`Error::Definition`] for a wrong pattern, [`Error::Io`].
    pub fn entries(&self) -> Result<Vec<ContextEntry>> {
        let patterns = match self.ignore_file() {
            Some(path) => Patterns::read(&path)?,
            None => Patterns::default(),
        };
        let mut entries = Vec::new();
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            let here = self.folder.join(&folder);
            for entry in fs::read_dir(&here).map_err(io("read", &here))? {
                let entry = entry.map_err(io("read", &here))?;
                let (path, there) = (folder.join(entry.file_name()), entry.path());
                let top = folder.as_os_str().is_empty();
                if self.without.contains(&there)
                    || (top && IGNORE_FILES.iter().any(|name| path == Path::new(name)))
                {
                    continue;
                }
                let ignored = patterns.ignore(&path);
                let found = entry.metadata().map_err(io("stat", &there))?;
                if found.is_dir() && (!ignored || patterns.exceptions) {
                    waiting.push(path.clone());
                }
                if ignored {
                    continue;
                }
                let kind = if found.is_dir() {
                    ContextEntryKind::Folder
                } else if found.is_file() {
                    ContextEntryKind::File
                } else if found.is_symlink() {
                    ContextEntryKind::Link(fs::read_link(&there).map_err(io("read", &there))?)
                } else {
                    let reason =
                        "neither a file, a folder nor a symbolic link; `.dockerignore` can leave it out";
                    return Err(Error::Layout { path: there, reason: reason.into() });
                };
                entries.push(ContextEntry { path, kind });
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// Copies the build context to `target`, an existing empty folder. Modes are those that git keeps, 0755 for
    /// folders and programs and 0644 for other files: all others come from the umask of the clone.
    ///
    /// # Errors
    ///
    /// As [`BuildContext::entries`].
    pub fn stage(&self, target: &Path) -> Result<()> {
        let set_mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .map_err(io("change the mode of", path))
        };
        set_mode(target, 0o755)?;
        for ContextEntry { path, kind } in self.entries()? {
            let (from, to) = (self.folder.join(&path), target.join(&path));
            // A folder that is left out, with something in it that is not.
            let missing: Vec<&Path> = to.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
            for folder in missing.into_iter().rev() {
                fs::create_dir(folder).map_err(io("create", folder))?;
                set_mode(folder, 0o755)?;
            }
            match kind {
                ContextEntryKind::Folder => {
                    fs::create_dir(&to).map_err(io("create", &to))?;
                    set_mode(&to, 0o755)?;
                }
                ContextEntryKind::File => {
                    let is_program = copy_file(&from, &to)?.mode() & 0o100 != 0;
                    set_mode(&to, if is_program { 0o755 } else { 0o644 })?;
                }
                ContextEntryKind::Link(leads) => symlink(leads, &to).map_err(io("create", &to))?,
            }
        }
        Ok(())
    }
}

/// The lines of a `.dockerignore`: the last that matches a path, or a folder above it, decides.
#[derive(Default)]
struct Patterns {
    lines: Vec<Pattern>,
    /// Some line takes back in what another leaves out.
    exceptions: bool,
}

struct Pattern {
    glob: GlobMatcher,
    /// `!pattern`
    exception: bool,
}

impl Patterns {
    fn read(path: &Path) -> Result<Self> {
        let bytes = read_limited(path, IGNORE_MAX)?;
        let wrong = |line: usize, reason: String| Error::Definition {
            field: format!("{}, line {line}", path.display()),
            reason,
        };
        let text = String::from_utf8(bytes).map_err(|_| wrong(1, "is not UTF-8".into()))?;
        let mut patterns = Self::default();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (exception, pattern) =
                line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let pattern = plain(pattern);
            if pattern.is_empty() {
                continue;
            }
            let glob = GlobBuilder::new(&pattern).literal_separator(true).backslash_escape(true).build();
            let glob = glob.map_err(|error| wrong(number + 1, error.to_string()))?.compile_matcher();
            patterns.exceptions |= exception;
            patterns.lines.push(Pattern { glob, exception });
        }
        Ok(patterns)
    }

    fn ignore(&self, path: &Path) -> bool {
        let mut above: Vec<&Path> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
        above.reverse();
        let decides = |line: &&Pattern| above.iter().any(|path| line.glob.is_match(path));
        self.lines.iter().rev().find(decides).is_some_and(|line| !line.exception)
    }
}

/// A pattern relative to the context, without `.`, `..` and needless slashes. Braces mean nothing in these files.
fn plain(pattern: &str) -> String {
    let mut parts = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.replace('{', "\\{").replace('}', "\\}")),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 9] = [
        "a.txt",
        "b.md",
        "keep.md",
        "x/a.txt",
        "x/y/b.md",
        "x/y/keep.md",
        "z/{b}",
        "z/.hidden",
        ".dockerignore",
    ];

    fn kept(ignore: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for file in FILES {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, ignore).unwrap();
        }
        let context = BuildContext { folder: folder.path().into(), without: Vec::new() };
        let entries = context.entries().unwrap();
        let staged = tempfile::tempdir().unwrap();
        context.stage(staged.path()).unwrap();
        let again = BuildContext { folder: staged.path().into(), without: Vec::new() };
        let names = |entries: &[ContextEntry]| -> Vec<String> {
            let files = entries.iter().filter(|entry| entry.kind == ContextEntryKind::File);
            files.map(|entry| entry.path.to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&again.entries().unwrap()), names(&entries));
        names(&entries)
    }

    #[test]
    fn patterns_leave_out_what_docker_would() {
        let all = &FILES[..8];
        for (ignore, expected) in [
            ("", all),
            ("# *\n\n/\n.\n", all),
            ("*.md", &["a.txt", "x/a.txt", "x/y/b.md", "x/y/keep.md", "z/{b}", "z/.hidden"]),
            ("**/*.md\n!**/keep.md", &["a.txt", "keep.md", "x/a.txt", "x/y/keep.md", "z/{b}", "z/.hidden"]),
            ("x\nz/", &["a.txt", "b.md", "keep.md"]),
            ("/x/y\n", &["a.txt", "b.md", "keep.md", "x/a.txt", "z/{b}", "z/.hidden"]),
            ("*\n!x/y/keep.md", &["x/y/keep.md"]),
            ("*\n!x\nx/*/b.md", &["x/a.txt", "x/y/keep.md"]),
            ("!x\nx", &["a.txt", "b.md", "keep.md", "z/{b}", "z/.hidden"]),
            ("z/{b}\n  ./x/../x  ", &["a.txt", "b.md", "keep.md", "z/.hidden"]),
            ("?.txt\n[b-c].md\n**/.hid*", &["keep.md", "x/a.txt", "x/y/b.md", "x/y/keep.md", "z/{b}"]),
        ] {
            let mut expected = expected.to_vec();
            expected.sort_by_key(|path| Path::new(path).to_owned());
            assert_eq!(kept(ignore), expected, "{ignore:?}");
        }
    }

    #[test]
    fn links_and_folders_are_kept_and_the_build_is_not_its_own_context() {
        let folder = tempfile::tempdir().unwrap();
        let (root, staged) = (folder.path().join("context"), folder.path().join("staged"));
        fs::create_dir_all(root.join("empty")).unwrap();
        fs::create_dir_all(root.join("_build/root")).unwrap();
        fs::create_dir(&staged).unwrap();
        fs::write(root.join("run"), "x").unwrap();
        symlink("../outside", root.join("link")).unwrap();
        let context = BuildContext { folder: root.clone(), without: vec![root.join("_build")] };
        let entries = context.entries().unwrap();
        assert_eq!(
            entries,
            [
                ContextEntry { path: "empty".into(), kind: ContextEntryKind::Folder },
                ContextEntry { path: "link".into(), kind: ContextEntryKind::Link("../outside".into()) },
                ContextEntry { path: "run".into(), kind: ContextEntryKind::File },
            ]
        );
        context.stage(&staged).unwrap();
        assert_eq!(BuildContext { folder: staged.clone(), without: Vec::new() }.entries().unwrap(), entries);
        fs::write(root.join(".dockerignore"), "a[").unwrap();
        assert!(context.entries().unwrap_err().to_string().contains(".dockerignore, line 1"));
    }

    #[test]
    fn an_engine_sees_the_modes_that_git_keeps_and_not_those_of_a_umask() {
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        for (folders, program, file) in
            [(0o700, 0o700, 0o600), (0o777, 0o777, 0o666), (0o2775, 0o4755, 0o664)]
        {
            let folder = tempfile::tempdir().unwrap();
            let (root, staged) = (folder.path().join("context"), folder.path().join("staged"));
            fs::create_dir_all(root.join("a/b")).unwrap();
            fs::create_dir(&staged).unwrap();
            fs::write(root.join("a/b/run"), "x").unwrap();
            fs::write(root.join("a/b/text"), "x").unwrap();
            // The folders above what a pattern takes back in are made here, too.
            fs::write(root.join(".dockerignore"), "*\n!a/b/run\n!a/b/text\n").unwrap();
            for (path, mode) in [("a", folders), ("a/b", folders), ("a/b/run", program), ("a/b/text", file)] {
                fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
            }
            fs::set_permissions(&staged, fs::Permissions::from_mode(folders)).unwrap();
            BuildContext { folder: root, without: Vec::new() }.stage(&staged).unwrap();
            let modes = ["", "a", "a/b", "a/b/run", "a/b/text"].map(|path| mode(&staged.join(path)));
            assert_eq!(modes, [0o755, 0o755, 0o755, 0o755, 0o644], "{folders:o}");
        }
    }
}
