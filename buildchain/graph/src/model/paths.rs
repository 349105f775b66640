//! Paths of the graph: relative to its root, normalized, comparable as bytes.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// `path` relative to `root` if it is below it, absolute otherwise; without `.`, `..` and doubled slashes. `..` is resolved
/// by name, as if no folder of the path were a symbolic link. The root itself is the empty path.
pub(crate) fn normal(root: &Path, path: &Path) -> PathBuf {
    if is_normal(path) {
        return path.to_owned();
    }
    let mut clean = PathBuf::new();
    for component in root.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            component => clean.push(component),
        }
    }
    clean.strip_prefix(root).map(Path::to_owned).unwrap_or(clean)
}

/// Normalizes `path` as [`normal`] does.
pub(crate) fn normalize(root: &Path, path: &mut PathBuf) {
    if !is_normal(path) {
        *path = normal(root, path);
    }
}

/// Whether `path` is relative and as [`normal`] returns it.
pub(crate) fn is_normal(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    !bytes.is_empty() && bytes.split(|&byte| byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

/// Whether `path` is `folder` or below it. Both are normalized.
pub(crate) fn is_within(path: &Path, folder: &Path) -> bool {
    relative_to(path, folder).is_some()
}

/// `path` relative to `folder`, empty if they are equal; `None` if it is not below.
pub(crate) fn relative_to<'a>(path: &'a Path, folder: &Path) -> Option<&'a Path> {
    let (path, folder) = (path.as_os_str().as_bytes(), folder.as_os_str().as_bytes());
    let rest = if folder.is_empty() {
        // The root: above every relative path.
        (path.first() != Some(&b'/')).then_some(path)?
    } else {
        match path.strip_prefix(folder)? {
            [] => &[],
            [b'/', rest @ ..] => rest,
            rest if folder == b"/" => rest,
            _ => return None,
        }
    };
    Some(Path::new(OsStr::from_bytes(rest)))
}

/// The order in which a folder comes directly before all that is below it.
pub(crate) fn order(a: &Path, b: &Path) -> Ordering {
    let (a, b) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
    let weight = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((&x, &y)) => weight(x).cmp(&weight(y)),
        None => a.len().cmp(&b.len()),
    }
}

/// `path` and the folders above it, nearest first, without the root.
pub(crate) fn upwards(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().filter(|folder| !folder.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_path_are_normalized() {
        for (written, normalized) in [
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("a/x/../b", "a/b"),
            ("/r/a/b", "a/b"),
            ("/r/./a/b", "a/b"),
            ("/r", ""),
            (".", ""),
            ("../o/f", "/o/f"),
            ("/rr/a", "/rr/a"),
            ("../../../f", "/f"),
        ] {
            assert_eq!(normal(Path::new("/r"), Path::new(written)), Path::new(normalized), "{written}");
        }
    }

    #[test]
    fn only_whole_names_count_for_is_within() {
        for (path, folder, rest) in [
            ("a/b", "a", Some("b")),
            ("a", "a", Some("")),
            ("ab", "a", None),
            ("a/b", "", Some("a/b")),
            ("/a/b", "", None),
            ("/a/b", "/", Some("a/b")),
            ("/a/b", "/a", Some("b")),
        ] {
            assert_eq!(
                relative_to(Path::new(path), Path::new(folder)),
                rest.map(Path::new),
                "{path} in {folder}"
            );
        }
    }

    #[test]
    fn a_folder_comes_directly_before_its_content() {
        let mut paths = ["a.b", "a/c", "a", "a-b", "a/b/c", "b", "a/b"].map(Path::new);
        paths.sort_by(|a, b| order(a, b));
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a/c", "a-b", "a.b", "b"].map(Path::new));
    }
}
