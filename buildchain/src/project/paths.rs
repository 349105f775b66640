//! Where the paths of a project lead once every symbolic link on them is followed.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::error::Outside;

/// The folder in the build root with the state of builds.
const STATE_FOLDER: &str = ".sealift";

/// The folders that a project reads from: its own, the build root, and those that it names as external.
#[derive(Debug, Clone, Default)]
pub struct Territory {
    /// The project's folder, as it is given.
    root: PathBuf,
    /// The same without symbolic links.
    real_root: PathBuf,
    /// The build root and the external folders, without symbolic links.
    others: Vec<PathBuf>,
}

impl Territory {
    /// The territory of the project at `root`.
    pub(super) fn new(root: &Path, build_root: &Path) -> io::Result<Self> {
        let real_root = root.canonicalize()?;
        Ok(Self { root: root.into(), real_root, others: vec![physical(build_root)] })
    }

    /// Adds an external folder; a relative path starts from the project.
    pub(super) fn add(&mut self, folder: &str) -> io::Result<()> {
        self.others.push(self.root.join(folder).canonicalize()?);
        Ok(())
    }

    /// The place of `path`, which is relative to the project or in the build root, with every symbolic link on that part of
    /// it followed that exists.
    ///
    /// # Errors
    ///
    /// [`Outside`] if a link leads out of the project, and to no external folder.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, Outside> {
        let there = self.root.join(path);
        let real = physical(&there);
        if let Ok(inner) = real.strip_prefix(&self.real_root) {
            return Ok(if inner.as_os_str().is_empty() { self.root.clone() } else { self.root.join(inner) });
        }
        if self.others.iter().any(|folder| real.starts_with(folder)) {
            return Ok(real);
        }
        let path = there.strip_prefix(&self.root).unwrap_or(&there).to_path_buf();
        Err(Outside { path, target: real })
    }
}

/// The build root for the path `written`, which starts from the project at `root` where it is relative; no part of it
/// needs to exist.
///
/// # Errors
///
/// A sentence, if it is the project's folder or above it, or if it lies in the project by name and a symbolic link
/// leads out.
pub(super) fn build_root(root: &Path, written: &Path) -> Result<PathBuf, String> {
    let named = clean(&root.join(written));
    let (real, real_root) = (physical(&named), physical(root));
    if real_root.starts_with(&real) {
        return Err(format!(
            "`{}` contains the project: expected a folder in the project, or elsewhere",
            content::printable_path(written)
        ));
    }
    if let Some(link) = planted_link(&real) {
        return Err(format!(
            "{} is a symbolic link, through which a build would write elsewhere: remove it",
            content::printable_path(&link)
        ));
    }
    match (named.strip_prefix(root), real.strip_prefix(&real_root)) {
        (_, Ok(inner)) => Ok(root.join(inner)),
        (Ok(inner), Err(_)) => Err(format!(
            "`{}` leads through a symbolic link to {}, outside the project: \
             remove the link, or give `--build-root {}`",
            content::printable_path(inner),
            content::printable_path(&real),
            content::printable_path(&real)
        )),
        (Err(_), Err(_)) => Ok(real),
    }
}

/// A symbolic link in a build root where builds keep a folder or a file that they write in place.
fn planted_link(build_root: &Path) -> Option<PathBuf> {
    let links = |folder: &Path, to_folder: bool| {
        let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        entries.into_iter().find(|path| path.is_symlink() && (!to_folder || path.is_dir()))
    };
    links(build_root, true).or_else(|| links(&build_root.join(STATE_FOLDER), false))
}

/// `path` without `.` and `..`, by name.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean
}

/// `path` with all symbolic links followed on that part of it that exists.
fn physical(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|existing| {
            let real = existing.canonicalize().ok()?;
            let rest = path.strip_prefix(existing).ok()?;
            Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
        })
        .unwrap_or_else(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_resolves_below_the_project_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let (root, host) = (base.join("project"), base.join("host"));
        for path in ["project/a/b", "project/_build/bin", "host/shared", "elsewhere/bin", "project-2"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        for path in
            ["project/a/b/file", "host/secret", "host/shared/file", "elsewhere/bin/tool", "project-2/x"]
        {
            fs::write(base.join(path), "").unwrap();
        }
        for (link, target) in [
            ("in", "a/b"),
            ("in-absolute", root.join("a").to_str().unwrap()),
            ("chain", "in"),
            ("out", "../host"),
            ("out-absolute", host.to_str().unwrap()),
            ("a/out", "../../host/secret"),
            ("a/through", "../out"),
            ("shared", "../host/shared"),
            ("twin", "../project-2"),
            ("round", "round"),
            ("nowhere", "../nowhere"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let build_root = base.join("elsewhere");
        let plain = Territory::new(&root, &build_root).unwrap();
        let mut wide = plain.clone();
        wide.add("../host/shared").unwrap();
        for (path, expected, in_wide) in [
            ("a/b/file", Some("project/a/b/file"), true),
            ("in/file", Some("project/a/b/file"), true),
            ("in-absolute/b/file", Some("project/a/b/file"), true),
            ("chain", Some("project/a/b"), true),
            ("", Some("project"), true),
            ("_build/bin/later", Some("project/_build/bin/later"), true),
            ("out", None, false),
            ("out/secret", None, false),
            ("out-absolute/secret", None, false),
            ("a/out", None, false),
            ("a/through/secret", None, false),
            ("shared/file", None, true),
            ("out/shared/file", None, true),
            ("twin/x", None, false),
            // Whoever reads them says what is wrong.
            ("round", Some("project/round"), true),
            ("nowhere", Some("project/nowhere"), true),
            ("in/later", Some("project/a/b/later"), true),
            ("out/later", None, false),
        ] {
            assert_eq!(plain.resolve(Path::new(path)).ok(), expected.map(|path| base.join(path)), "{path}");
            assert_eq!(wide.resolve(Path::new(path)).is_ok(), in_wide, "{path}");
        }
        assert_eq!(plain.resolve(&build_root.join("bin/tool")), Ok(build_root.join("bin/tool")));
        let error = plain.resolve(Path::new("a/out")).unwrap_err().to_string();
        assert_eq!(error, format!("`a/out` leads to {}, outside the project", host.join("secret").display()));
    }

    #[test]
    fn a_build_root_is_any_folder_that_does_not_hold_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let root = base.join("project");
        fs::create_dir_all(root.join("inner")).unwrap();
        fs::create_dir(base.join("other")).unwrap();
        symlink("../other", root.join("linked")).unwrap();
        symlink("inner", root.join("near")).unwrap();
        symlink("project/inner", base.join("back")).unwrap();
        symlink("other", base.join("disk")).unwrap();
        for (build_root, link) in
            [("planted-1", "root"), ("planted-2", ".sealift"), ("planted-3", ".sealift/state")]
        {
            let link = root.join(build_root).join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(base.join("other"), link).unwrap();
        }
        for (written, expected) in [
            ("_build", Some("project/_build")),
            ("./a/../b", Some("project/b")),
            ("near/x", Some("project/inner/x")),
            ("../other/x/y", Some("other/x/y")),
            ("../disk/x", Some("other/x")),
            ("../back/x", Some("project/inner/x")),
            (".", None),
            ("inner/..", None),
            ("..", None),
            ("/", None),
            ("linked", None),
            ("linked/deep", None),
            ("planted-1", None),
            ("planted-2", None),
            ("planted-3", None),
        ] {
            let found = build_root(&root, Path::new(written));
            assert_eq!(found.clone().ok(), expected.map(|path| base.join(path)), "{written}: {found:?}");
        }
    }
}
