//! The files that the folders and patterns of a definition stand for.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::check::Mistake;
use crate::definition::{PackageDirectory, PackageFile, PackageMode, PackageSymlink, RpmDefinition};
use crate::error::{Error, Result};
use crate::pattern::{Exclude, PackageSource, escape, glob};

/// The most files, folders and links that are listed for one entry.
const ENTRIES_MAX: usize = 100_000;
/// The most folders in each other.
const DEPTH_MAX: usize = 64;
/// How a definition is expanded.
pub struct ExpandOptions<'a> {
    /// The folder that sources are relative to.
    pub base_dir: &'a Path,
    /// Folders and files that no entry takes, by their paths.
    pub left_out: &'a [PathBuf],
    /// Which entries stay as they are, because what they stand for does not exist yet.
    pub keeps: &'a dyn Fn(&PackageFile) -> bool,
}

/// A definition whose sources are single files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandedDefinition {
    /// The definition.
    pub definition: RpmDefinition,
    /// The symbolic links that are now in it, relative to the folder that sources are relative to.
    pub links: Vec<PathBuf>,
    /// What is probably not intended, in sentences.
    pub warnings: Vec<String>,
}

impl From<RpmDefinition> for ExpandedDefinition {
    fn from(definition: RpmDefinition) -> Self {
        Self { definition, links: Vec::new(), warnings: Vec::new() }
    }
}

impl RpmDefinition {
    /// The definition with single files, links and folders in the place of its folders and patterns, in the order of their paths.
    ///
    /// Hidden files are included; every `.git` is left out.
    /// Symbolic links in folders become links of the package with the same target. A link in the place of a source is followed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a folder cannot be read. [`Error::Definition`] if a pattern matches nothing, if something is neither
    /// a file, a folder nor a link, if it cannot be in a package, and if there is too much. [`Error::Pattern`] for an invalid
    /// pattern.
    pub fn expand(&self, base_dir: &Path) -> Result<ExpandedDefinition> {
        self.expand_with(&ExpandOptions { base_dir, left_out: &[], keeps: &|_| false })
    }

    /// [`RpmDefinition::expand`], for a part of the sources.
    ///
    /// # Errors
    ///
    /// As for [`RpmDefinition::expand`].
    pub fn expand_with(&self, options: &ExpandOptions<'_>) -> Result<ExpandedDefinition> {
        if self.files.iter().all(|file| file.source().is_file()) {
            return Ok(ExpandedDefinition::from(self.clone()));
        }
        let mut expanded = ExpandedDefinition::from(Self { files: Vec::new(), ..self.clone() });
        // Which entry of `files` each file, folder and link is from.
        let declared = self.directories.iter().map(|directory| directory.path.clone());
        let mut from = Origins { owned: declared.collect(), ..Origins::default() };
        for (index, file) in self.files.iter().enumerate() {
            let source = file.source();
            if source.is_file() || (options.keeps)(file) {
                from.files.push(index);
                expanded.definition.files.push(file.clone());
                continue;
            }
            let entry = Entry { package: &self.name, index, file, source: &source };
            entry.expand(options, &mut expanded, &mut from)?;
        }
        let Some(mistake) = expanded.definition.mistakes().into_iter().next() else { return Ok(expanded) };
        let field = from.field(self, &mistake.field);
        Err(Mistake { field, ..mistake }.in_package(&self.name))
    }
}

/// By their position in the expanded definition, the entry of `files` that each one is from. The folders and links are those after
/// the declared ones.
#[derive(Default)]
struct Origins {
    /// The folders of the package.
    owned: HashSet<String>,
    files: Vec<usize>,
    directories: Vec<usize>,
    symlinks: Vec<usize>,
}

impl Origins {
    /// What the definition calls the field `field` of the expanded one.
    fn field(&self, definition: &RpmDefinition, field: &str) -> String {
        let lists = [
            ("files[", 0, &self.files),
            ("directories[", definition.directories.len(), &self.directories),
            ("symlinks[", definition.symlinks.len(), &self.symlinks),
        ];
        for (list, declared, origins) in lists {
            let Some((index, key)) = field.strip_prefix(list).and_then(|rest| rest.split_once("].")) else {
                continue;
            };
            let origin = index.parse::<usize>().ok().and_then(|index| index.checked_sub(declared));
            let Some(origin) = origin.and_then(|index| origins.get(index)) else { break };
            let is_file = definition.files.get(*origin).is_some_and(|file| file.source().is_file());
            return format!("files[{origin}].{}", if is_file { key } else { "from" });
        }
        field.to_owned()
    }
}

/// An entry that stands for several files.
struct Entry<'a> {
    package: &'a str,
    index: usize,
    file: &'a PackageFile,
    source: &'a PackageSource,
}

/// What lies in a folder.
enum Found {
    File { executable: bool },
    Folder,
    Link(String),
}

impl Entry<'_> {
    fn wrong(&self, key: &str, expected: &'static str, found: impl Into<String>) -> Error {
        let (package, field) = (self.package.to_owned(), format!("files[{}].{key}", self.index));
        Error::Definition { package, field, expected, found: found.into() }
    }

    fn expand(
        &self,
        options: &ExpandOptions<'_>,
        expanded: &mut ExpandedDefinition,
        from: &mut Origins,
    ) -> Result<()> {
        let pattern = match self.source {
            PackageSource::Pattern { pattern, .. } => Some(glob(pattern)?),
            _ => None,
        };
        let to = self.file.to.trim_end_matches('/');
        let mut any = false;
        let mut owned = BTreeSet::from([to.to_owned()]);
        for (path, found) in self.list(options, &mut expanded.warnings)? {
            let is_folder = matches!(found, Found::Folder);
            if pattern.as_ref().is_some_and(|pattern| is_folder || !pattern.is_match(&path)) {
                continue;
            }
            any |= !is_folder;
            let installed = format!("{to}/{path}");
            let above = Path::new(&installed).ancestors().skip(1).filter_map(Path::to_str);
            owned.extend(above.filter(|folder| folder.len() > to.len()).map(str::to_owned));
            match found {
                Found::File { executable } => {
                    let source = self.source.path().join(&path);
                    let source = source.to_str().ok_or_else(|| self.not_utf8(&source))?;
                    from.files.push(self.index);
                    expanded.definition.files.push(PackageFile {
                        from: escape(source),
                        to: installed,
                        mode: Some(self.file.mode.unwrap_or_else(|| PackageMode::of(executable))),
                        exclude: Vec::new(),
                        own_directories: false,
                        ..self.file.clone()
                    });
                }
                Found::Link(target) => {
                    expanded.links.push(self.source.path().join(&path));
                    from.symlinks.push(self.index);
                    expanded.definition.symlinks.push(PackageSymlink { path: installed, target });
                }
                Found::Folder => drop(owned.insert(installed)),
            }
        }
        for path in owned.into_iter().filter(|_| self.file.own_directories) {
            if from.owned.insert(path.clone()) {
                from.directories.push(self.index);
                let (owner, group) = (self.file.owner.clone(), self.file.group.clone());
                let mode = PackageMode::directory();
                expanded.definition.directories.push(PackageDirectory { path, mode, owner, group });
            }
        }
        match (any, pattern) {
            (false, Some(_)) => Err(self.wrong("from", "a pattern that matches a file", &self.file.from)),
            (false, None) => {
                let folder = content::printable(&self.file.from);
                expanded.warnings.push(format!("files[{}].from: the folder `{folder}` is empty", self.index));
                Ok(())
            }
            (true, _) => Ok(()),
        }
    }

    fn not_utf8(&self, path: &Path) -> Error {
        self.wrong("from", "names in UTF-8", content::printable_path(path).to_string())
    }

    /// All in the folder that is not excluded, with its path there, in the order of these paths.
    fn list(&self, options: &ExpandOptions<'_>, warnings: &mut Vec<String>) -> Result<Vec<(String, Found)>> {
        let root = options.base_dir.join(self.source.path());
        let mut exclude = Exclude::new(&self.file.exclude)?;
        let mut all = Vec::new();
        let mut folders = vec![(root, String::new(), 0_usize)];
        while let Some((folder, prefix, depth)) = folders.pop() {
            if depth == DEPTH_MAX {
                return Err(self.wrong("from", "at most 64 folders in each other", &self.file.from));
            }
            for entry in fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
                let entry = entry.map_err(Error::io("read", &folder))?;
                let path = entry.path();
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| self.not_utf8(&path))?;
                let inner = format!("{prefix}{name}");
                let kind = entry.file_type().map_err(Error::io("read", &path))?;
                if exclude.matches(name, &inner) || options.left_out.contains(&path) {
                    continue;
                }
                let found = if kind.is_dir() {
                    folders.push((path, format!("{inner}/"), depth + 1));
                    Found::Folder
                } else if kind.is_symlink() {
                    let target = fs::read_link(&path).map_err(Error::io("read", &path))?;
                    Found::Link(target.to_str().ok_or_else(|| self.not_utf8(&path))?.to_owned())
                } else if kind.is_file() {
                    let mode = entry.metadata().map_err(Error::io("read", &path))?.permissions().mode();
                    Found::File { executable: mode & 0o100 != 0 }
                } else {
                    let path = content::printable_path(&path).to_string();
                    return Err(self.wrong("from", "files, folders and symbolic links", path));
                };
                all.push((inner, found));
                if all.len() > ENTRIES_MAX {
                    return Err(self.wrong("from", "at most 100000 files", &self.file.from));
                }
            }
        }
        for pattern in exclude.unused() {
            let (pattern, folder) = (content::printable(pattern), content::printable(&self.file.from));
            warnings
                .push(format!("files[{}].exclude: `{pattern}` matches nothing in `{folder}`", self.index));
        }
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;

    use super::*;

    fn definition(more: &str) -> RpmDefinition {
        let minimal = "name: a\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\n";
        serde_saphyr::from_str(&format!("{minimal}{more}\n")).unwrap()
    }

    /// A folder `conf` with files, a hidden file, a folder, links and a `.git`.
    fn folder() -> tempfile::TempDir {
        let base = tempfile::tempdir().unwrap();
        for (path, mode) in [
            ("conf/b.yaml", 0o600),
            ("conf/a.yaml", 0o664),
            ("conf/.hidden", 0o644),
            ("conf/run", 0o700),
            ("conf/sub/c.yaml", 0o644),
            ("conf/sub/d.tmp", 0o644),
            ("conf/.git/config", 0o644),
            ("conf/x[1].txt", 0o644),
        ] {
            let path = base.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        symlink("../outside", base.path().join("conf/link.yaml")).unwrap();
        symlink("sub", base.path().join("conf/to-sub")).unwrap();
        base
    }

    /// Each file with its mode, each link with its target, each folder with `/`.
    fn expanded(base: &Path, more: &str) -> Vec<String> {
        let found = definition(more).expand(base).unwrap().definition;
        let files = found.files.iter().map(|file| format!("{} {} {}", file.to, file.from, file.mode()));
        let links = found.symlinks.iter().map(|link| format!("{} -> {}", link.path, link.target));
        let folders = found.directories.iter().map(|folder| format!("{}/ {}", folder.path, folder.owner));
        files.chain(links).chain(folders).collect()
    }

    #[test]
    fn a_folder_is_all_files_and_links_in_it_in_the_order_of_their_paths() {
        let base = folder();
        assert_eq!(
            expanded(base.path(), "files: [{from: conf/, to: /etc/a/, exclude: ['*.tmp']}]"),
            [
                "/etc/a/.hidden conf/.hidden 0644",
                "/etc/a/a.yaml conf/a.yaml 0644",
                "/etc/a/b.yaml conf/b.yaml 0644",
                "/etc/a/run conf/run 0755",
                "/etc/a/sub/c.yaml conf/sub/c.yaml 0644",
                r"/etc/a/x[1].txt conf/x\[1\].txt 0644",
                "/etc/a/link.yaml -> ../outside",
                "/etc/a/to-sub -> sub",
            ]
        );
        assert_eq!(
            expanded(base.path(), "files: [{from: conf/sub/, to: /, mode: '0600', exclude: [c.yaml]}]"),
            ["/d.tmp conf/sub/d.tmp 0600"]
        );
    }

    #[test]
    fn a_pattern_is_the_files_that_match_below_its_folder() {
        let base = folder();
        for (entry, found) in [
            (
                "{from: conf/*.yaml, to: /etc, exclude: [link.yaml]}",
                ["/etc/a.yaml", "/etc/b.yaml"].as_slice(),
            ),
            ("{from: 'conf/**/*.yaml', to: /etc, exclude: ['[al]*']}", &["/etc/b.yaml", "/etc/sub/c.yaml"]),
            ("{from: '*/sub/*', to: /etc, exclude: [conf/sub/d.tmp]}", &["/etc/conf/sub/c.yaml"]),
            (r"{from: 'conf/x\[?\].*', to: /etc}", &["/etc/x[1].txt"]),
            ("{from: 'conf/{run,none}', to: /etc}", &["/etc/run"]),
            // A link that leads to a folder is a link.
            ("{from: 'conf/**/to-*', to: /etc}", &["/etc/to-sub"]),
        ] {
            let all = expanded(base.path(), &format!("files: [{entry}]"));
            let paths: Vec<&str> = all.iter().map(|one| one.split(' ').next().unwrap()).collect();
            assert_eq!(paths, found, "{entry}");
        }
    }

    #[test]
    fn folders_are_owned_once_where_the_definition_says_so() {
        let base = folder();
        let more = "directories: [{path: /etc/a, mode: '0700'}]\nfiles:\n\
                    - {from: conf/, to: /etc/a, ownDirectories: true, exclude: ['*.*', run, to-sub]}\n\
                    - {from: 'conf/**/c.yaml', to: /etc/a, ownDirectories: true, owner: b}\n\
                    - {from: 'conf/**/d.tmp', to: /etc/b, ownDirectories: true, owner: b}";
        let all = expanded(base.path(), more);
        let folders: Vec<&String> = all.iter().filter(|one| one.contains("/ ")).collect();
        assert_eq!(folders, ["/etc/a/ root", "/etc/a/sub/ root", "/etc/b/ b", "/etc/b/sub/ b"]);
    }

    #[test]
    fn what_cannot_be_in_a_package_is_named_with_its_entry() {
        let base = folder();
        std::os::unix::net::UnixListener::bind(base.path().join("socket")).unwrap();
        fs::create_dir(base.path().join("empty")).unwrap();
        for (files, said) in [
            (
                "{from: conf/*.json, to: /x}",
                "files[0].from: expected a pattern that matches a file, found `conf/*.json`",
            ),
            ("{from: none/, to: /x}", "/none: No such file"),
            ("{from: './', to: /x, exclude: [conf]}", "expected files, folders and symbolic links, found"),
            (
                "{from: conf/a.yaml, to: /x/a.yaml}, {from: conf/, to: /x}",
                "files[1].from: expected a path that no other entry installs, found `/x/a.yaml`",
            ),
            (
                "{from: conf/run, to: /x}, {from: conf/*.yaml, to: /x, exclude: [link.yaml]}",
                "files[1].from: expected a path that lies below no file and no link, found `/x/a.yaml`",
            ),
            (
                "{from: conf/, to: /x}, {from: conf/, to: /x, exclude: ['[!l]*', '.*']}",
                "files[1].from: expected a path that no other entry installs, found `/x/link.yaml`",
            ),
        ] {
            let error = definition(&format!("files: [{files}]")).expand(base.path()).unwrap_err().to_string();
            assert!(error.contains(said), "{files}: {error}");
        }
        let warnings = |files: &str| definition(files).expand(base.path()).unwrap().warnings;
        assert_eq!(
            warnings("files: [{from: empty/, to: /x, exclude: ['*.o']}]"),
            [
                "files[0].exclude: `*.o` matches nothing in `empty/`",
                "files[0].from: the folder `empty/` is empty"
            ]
        );
    }

    #[test]
    fn nesting_is_bounded_and_paths_are_left_out() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir_all(base.path().join("a").join("b/".repeat(DEPTH_MAX))).unwrap();
        let definition = definition("files: [{from: a/, to: /x}]");
        let error = definition.expand(base.path()).unwrap_err().to_string();
        assert!(error.contains("at most 64 folders in each other"), "{error}");
        fs::write(base.path().join("a/c"), "").unwrap();
        let left_out = [base.path().join("a/b")];
        let options = ExpandOptions { base_dir: base.path(), left_out: &left_out, keeps: &|_| false };
        assert_eq!(definition.expand_with(&options).unwrap().definition.files.len(), 1);
        let options = ExpandOptions { keeps: &|_| true, ..options };
        assert_eq!(definition.expand_with(&options).unwrap().definition, definition);
    }

    #[test]
    fn equal_folders_give_equal_packages_whatever_the_order_of_their_files() {
        let build = |names: [&str; 3]| {
            let base = tempfile::tempdir().unwrap();
            fs::create_dir(base.path().join("conf")).unwrap();
            for name in names {
                fs::write(base.path().join("conf").join(name), name).unwrap();
            }
            let definition = definition("files: [{from: conf/, to: /x, ownDirectories: true}]");
            crate::build_in_memory(&definition, base.path(), 1_700_000_000).unwrap().0
        };
        assert!(build(["a", "b", "c"]) == build(["c", "a", "b"]));
    }
}
