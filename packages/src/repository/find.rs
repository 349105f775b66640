//! What lies in a repository's folder: packages, and metadata beside them.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use content::printable_path;
use globset::{Glob, GlobMatcher};

use super::PackageSelection;
use crate::error::{Error, Result};
use crate::format::PackageFormat;

/// Folders below the repository's that are looked into.
const MAX_DEPTH: usize = 16;
/// Folders altogether: links can lead to the same ones again and again.
const MAX_FOLDERS: usize = 100_000;

/// What was found. Paths are relative to the repository's folder, sorted by their bytes.
#[derive(Debug, Default)]
pub(crate) struct FoundPackages {
    pub(crate) packages: Vec<FoundPackage>,
    /// Descriptions of modules, under the names that createrepo_c knows.
    pub(super) modules: Vec<String>,
    /// `comps.xml` and `updateinfo.xml` in the repository's folder itself.
    pub(super) groups: Vec<String>,
    pub(super) updates: Vec<String>,
    /// Files named like packages that are not packages, where the caller skips them.
    pub(crate) broken: Vec<Error>,
    pub(crate) warnings: Vec<String>,
}

/// A file named like a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FoundPackage {
    pub(crate) location: String,
    /// In bytes.
    pub(crate) size: u64,
    /// When it was modified, in Unix seconds.
    pub(crate) modified: i64,
}

/// What a name says about a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Package,
    Modules,
    Groups,
    Updates,
    Nothing,
}

impl Named {
    fn of(name: &str, depth: usize, formats: &[PackageFormat]) -> Self {
        if PackageFormat::of(name).is_some_and(|format| formats.contains(&format)) {
            return Self::Package;
        }
        if !formats.contains(&PackageFormat::Rpm) {
            return Self::Nothing;
        }
        let plain = [".gz", ".xz", ".zst", ".bz2"].iter().find_map(|packed| name.strip_suffix(packed));
        let plain = plain.unwrap_or(name);
        if ["modules.yaml", ".modulemd.yaml", ".modulemd-defaults.yaml"]
            .iter()
            .any(|end| plain.ends_with(end))
        {
            return Self::Modules;
        }
        match (plain, depth) {
            ("comps.xml", 0) => Self::Groups,
            ("updateinfo.xml", 0) => Self::Updates,
            _ => Self::Nothing,
        }
    }
}

struct Folder {
    path: PathBuf,
    prefix: String,
    /// Device and inode of this folder and all that it lies in.
    chain: Vec<(u64, u64)>,
}

/// The patterns of `--exclude`, and which of them matched.
struct Exclude<'a> {
    patterns: Vec<(&'a str, GlobMatcher, bool)>,
}

impl<'a> Exclude<'a> {
    fn new(patterns: &'a [String]) -> Result<Self> {
        let read = |pattern: &'a String| {
            let glob = Glob::new(pattern).map_err(|error| Error::Pattern {
                pattern: pattern.clone(),
                reason: error.kind().to_string(),
            })?;
            Ok((pattern.as_str(), glob.compile_matcher(), false))
        };
        Ok(Self { patterns: patterns.iter().map(read).collect::<Result<_>>()? })
    }

    /// As createrepo_c: the name of a file or folder or its path in the repository, where `*` takes `/` as well.
    fn matches(&mut self, name: &Path, location: &Path) -> bool {
        let mut any = false;
        for (_, glob, used) in &mut self.patterns {
            if glob.is_match(name) || glob.is_match(location) {
                (*used, any) = (true, true);
            }
        }
        any
    }
}

/// The packages that were listed as the only ones, and which of them were found.
struct Only<'a> {
    listed: Option<HashMap<&'a str, bool>>,
}

impl<'a> Only<'a> {
    fn new(selection: &'a PackageSelection) -> Self {
        let listed = selection.only.as_ref().map(|listed| {
            let paths = listed.iter().map(|path| path.trim());
            let paths = paths.map(|path| path.trim_start_matches("./")).filter(|path| !path.is_empty());
            paths.map(|path| (path, false)).collect()
        });
        Self { listed }
    }

    fn allows(&mut self, location: &str) -> bool {
        let Some(listed) = &mut self.listed else { return true };
        listed.get_mut(location).map(|found| *found = true).is_some()
    }

    fn missing(self) -> impl Iterator<Item = &'a str> {
        let listed = self.listed.unwrap_or_default();
        listed.into_iter().filter(|(_, found)| !found).map(|(path, _)| path)
    }
}

/// Looks for packages of these formats in `dir` and all folders below it, through links as well. What has one of the names `own`
/// in `dir` itself is left out, and so are packages that `keep` does not want by their location.
pub(crate) fn find(
    dir: &Path,
    options: &PackageSelection,
    formats: &[PackageFormat],
    own: &[&str],
    keep: &dyn Fn(&str) -> bool,
) -> Result<FoundPackages> {
    let mut only = Only::new(options);
    let mut exclude = Exclude::new(&options.exclude)?;
    let boundary =
        options.boundary.as_deref().map(|path| path.canonicalize().map_err(Error::io("read", path)));
    let boundary = boundary.transpose()?;
    let mut found = FoundPackages::default();
    let root = fs::metadata(dir).map_err(Error::io("read", dir))?;
    let mut folders =
        vec![Folder { path: dir.to_owned(), prefix: String::new(), chain: vec![(root.dev(), root.ino())] }];
    let mut visited = 0;
    while let Some(folder) = folders.pop() {
        visited += 1;
        if visited > MAX_FOLDERS {
            let reason = "it has more than 100000 folders, counting those behind links again";
            return Err(Error::Unindexable { path: dir.to_owned(), reason });
        }
        let depth = folder.chain.len() - 1;
        for entry in fs::read_dir(&folder.path).map_err(Error::io("read the folder", &folder.path))? {
            let entry = entry.map_err(Error::io("read the folder", &folder.path))?;
            let (path, name) = (entry.path(), entry.file_name());
            let location = Path::new(&folder.prefix).join(&name);
            let is_own = depth == 0 && own.iter().any(|own| name == *own);
            if is_own || exclude.matches(Path::new(&name), &location) {
                continue;
            }
            let unindexable = |reason| Error::Unindexable { path: path.clone(), reason };
            let is_link = entry.file_type().map_err(Error::io("read", &path))?.is_symlink();
            if is_link && options.skip_links {
                continue;
            }
            let named = name.to_str().map_or_else(
                || {
                    let is_package =
                        |format: &PackageFormat| path.extension().is_some_and(|end| end == format.ending());
                    if formats.iter().any(is_package) { Named::Package } else { Named::Nothing }
                },
                |name| Named::of(name, depth, formats),
            );
            let metadata = fs::metadata(&path);
            let is_folder = metadata.as_ref().is_ok_and(fs::Metadata::is_dir);
            if named == Named::Nothing && !is_folder {
                continue;
            }
            let name = name.into_string().map_err(|_| unindexable("its name is not UTF-8"))?;
            if name.chars().any(char::is_control) {
                return Err(unindexable("its name has control characters"));
            }
            let location = format!("{}{name}", folder.prefix);
            if named == Named::Package && !is_folder {
                let is_listed = only.allows(&location);
                if !is_listed || !keep(&location) {
                    continue;
                }
            }
            let metadata = match metadata {
                Ok(metadata) if is_folder || metadata.is_file() => metadata,
                Err(error) if !is_link => return Err(Error::io("read", &path)(error)),
                other => {
                    let broken = unindexable(match (other, named) {
                        (Err(_), _) => "it is a link whose target does not exist",
                        (Ok(_), Named::Package) => "it is named like a package but is no regular file",
                        (Ok(_), _) => "it is named like metadata but is no regular file",
                    });
                    if named != Named::Package || !options.skip_broken {
                        return Err(broken);
                    }
                    found.broken.push(broken);
                    continue;
                }
            };
            if let Some(boundary) = boundary.as_ref().filter(|_| is_link) {
                let target = path.canonicalize().map_err(Error::io("read", &path))?;
                if !target.starts_with(boundary) {
                    return Err(unindexable("it is a link that leads out of the archive"));
                }
            }
            if is_folder {
                let id = (metadata.dev(), metadata.ino());
                if folder.chain.contains(&id) {
                    let text = "skipped, a link to a folder that it lies in";
                    found.warnings.push(format!("{}: {text}", printable_path(&path)));
                } else if depth == MAX_DEPTH {
                    return Err(unindexable("it lies more than 16 folders deep"));
                } else {
                    let chain = folder.chain.iter().copied().chain([id]).collect();
                    folders.push(Folder { path, prefix: format!("{location}/"), chain });
                }
                continue;
            }
            match named {
                Named::Package => {
                    let (size, modified) = (metadata.len(), metadata.mtime());
                    found.packages.push(FoundPackage { location, size, modified });
                }
                Named::Modules => found.modules.push(location),
                Named::Groups => found.groups.push(location),
                Named::Updates => found.updates.push(location),
                Named::Nothing => {}
            }
        }
    }
    for (pattern, _, _) in exclude.patterns.iter().filter(|(_, _, used)| !used) {
        found.warnings.push(format!("the pattern `{pattern}` excludes nothing in {}", printable_path(dir)));
    }
    let mut missing: Vec<_> = only.missing().collect();
    missing.sort_unstable();
    for location in missing {
        let (path, reason) = (dir.join(location), "a list names it, and it does not exist");
        let missing = Error::Unindexable { path, reason };
        if !options.skip_broken {
            return Err(missing);
        }
        found.broken.push(missing);
    }
    found.warnings.sort_unstable();
    found.packages.sort_unstable();
    for list in [&mut found.modules, &mut found.groups, &mut found.updates] {
        list.sort_unstable();
    }
    Ok(found)
}
