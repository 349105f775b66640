//! `SHA256SUMS`: the format of coreutils' `sha256sum`, which can check it (`sha256sum -c SHA256SUMS`).
//!
//! A line is 64 hexadecimal digits, a blank, a blank or `*`, and the path. Where the path has a backslash, a newline
//! or a carriage return, these are written `\\`, `\n`, `\r` and the line begins with a backslash.
//!
//! It lists every regular file, with one exception: of the folder that servers do not serve ([`layout::is_hidden`]) it lists
//! only `pillar/SHA256SUMS`, which lists the others in the same format. Symbolic links are in [`crate::links`], which it lists
//! too, so one signature of `SHA256SUMS` covers everything.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use content::Digest;

use crate::lines::Lines;
use crate::{Error, Result, layout, links, tree};

/// The most bytes of an honest `SHA256SUMS`.
pub const LIMIT: u64 = 256 * 1024 * 1024;

/// One line: a file and its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileChecksum {
    /// The path relative to the root of the archive, parts separated by `/`.
    pub path: String,
    /// The SHA-256 of the content.
    pub digest: Digest,
}

/// Parses the content of a `SHA256SUMS`.
///
/// A leading `./` of a path is dropped, as `sha256sum ./x` writes it.
///
/// # Errors
///
/// [`Error::Syntax`] with the line: anything `sha256sum -c --strict` refuses, a path that leaves the archive or that
/// is listed twice.
///
/// ```
/// let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  images/empty\n";
/// let sums = archive::sums::parse(text)?;
/// assert_eq!(sums[0].path, "images/empty");
/// assert_eq!(archive::sums::render(&sums), text);
/// # Ok::<(), archive::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Vec<FileChecksum>> {
    let mut seen = HashSet::new();
    let mut sums = Vec::new();
    // Not `lines()`: a carriage return before the newline belongs to the path.
    for (index, line) in text.split_terminator('\n').enumerate() {
        let wrong = |problem| Error::Syntax { file: layout::SUMS.into(), line: index + 1, problem };
        let sum = line_of(line).map_err(wrong)?;
        if !seen.insert(sum.path.clone()) {
            return Err(wrong("the path is listed twice".into()));
        }
        sums.push(sum);
    }
    Ok(sums)
}

fn line_of(line: &str) -> Result<FileChecksum, String> {
    let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |rest| (true, rest));
    let (digits, rest) = line.split_at_checked(64).ok_or("expected 64 hexadecimal digits")?;
    // `sha256sum -c` accepts capital digits.
    let digest = Digest::from_hex(&digits.to_ascii_lowercase());
    let digest = digest.map_err(|_| "expected 64 hexadecimal digits")?;
    let path = rest
        .strip_prefix("  ")
        .or_else(|| rest.strip_prefix(" *"))
        .ok_or("expected two blanks, or a blank and *, before the path")?;
    let path = if escaped { unescape(path).ok_or("unknown escape in the path")? } else { path.into() };
    let path = path.strip_prefix("./").unwrap_or(&path);
    tree::check_path(path).map_err(|error| error.to_string())?;
    if path.is_empty() {
        return Err("the path is empty".into());
    }
    Ok(FileChecksum { path: path.to_owned(), digest })
}

/// Calls `visit` with each line of the `SHA256SUMS` of an archive and of its list of hidden files; returns whether the
/// archive has such a list. The list is never in memory as a whole. A path that is listed twice is visited twice.
///
/// # Errors
///
/// [`Error::Syntax`] and [`Error::Content`] for what breaks the format, [`Error::Limit`] for a list of more than [`LIMIT`]
/// bytes or more files than an archive can have, what reading it gives, and what `visit` returns as the problem of a line.
pub fn each(tree: &tree::Tree, visit: &mut dyn FnMut(FileChecksum) -> Result<(), String>) -> Result<bool> {
    for file in [layout::SUMS, layout::HIDDEN_SUMS] {
        match tree.entry(file)? {
            Some(entry) if entry.kind == tree::EntryKind::File => {}
            // Another `pillar/SHA256SUMS` than ours is a file like any other.
            Some(_) if file == layout::SUMS => {
                let problem = "it is not a file".into();
                return Err(Error::Content { file: file.into(), problem });
            }
            None if file == layout::SUMS => return Ok(false),
            _ => continue,
        }
        Lines::open(tree, file, LIMIT)?.each(&mut |line| {
            let sum = line_of(line)?;
            if file == layout::HIDDEN_SUMS && !layout::is_hidden(&sum.path) {
                return Err(format!("{:?} is not below {}", sum.path, layout::PILLAR));
            }
            visit(sum)
        })?;
    }
    Ok(true)
}

/// Calls `visit` with each line of one list of an archive, without the check that belongs to [`each`], and returns the digest of
/// the list. The first line that breaks the format is returned beside it: whoever compares the digest does so first.
///
/// # Errors
///
/// As [`each`]; [`Error::Syntax`] only for a line that is not UTF-8.
pub(crate) fn each_hashed(
    tree: &tree::Tree,
    file: &str,
    visit: &mut dyn FnMut(FileChecksum) -> Result<(), String>,
) -> Result<(Digest, Option<String>)> {
    let mut number = 0;
    let mut problem = None;
    let digest = Lines::open(tree, file, LIMIT)?.each_hashed(&mut |line| {
        number += 1;
        if problem.is_none()
            && let Err(reason) = line_of(line).and_then(&mut *visit)
        {
            problem = Some(format!("{file}, line {number}: {reason}"));
        }
        Ok(())
    })?;
    Ok((digest, problem))
}

/// All lines that [`each`] visits; `None` if the archive has no such list.
///
/// # Errors
///
/// Those of [`each`]; a path that is listed twice.
pub fn of(tree: &tree::Tree) -> Result<Option<Vec<FileChecksum>>> {
    let mut sums = Vec::new();
    if !each(tree, &mut |sum| {
        sums.push(sum);
        Ok(())
    })? {
        return Ok(None);
    }
    sums.sort_unstable();
    if let Some([twice, _]) = sums.array_windows().find(|[one, other]| one.path == other.path) {
        let problem = format!("{:?} is listed twice", twice.path);
        return Err(Error::Content { file: layout::SUMS.into(), problem });
    }
    Ok(Some(sums))
}

/// The content of a `SHA256SUMS` with these lines, in the given order.
#[must_use]
pub fn render(sums: &[FileChecksum]) -> String {
    let mut text = String::with_capacity(sums.iter().map(|sum| 67 + sum.path.len()).sum());
    for FileChecksum { path, digest } in sums {
        let escaped = path.contains(['\\', '\n', '\r']);
        if escaped {
            text.push('\\');
        }
        text.push_str(&digest.hex());
        text.push_str("  ");
        for letter in path.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                other => text.push(other),
            }
        }
        text.push('\n');
    }
    text
}

/// Writes the lists of an archive into the folder `root`: [`layout::SUMS`] and [`layout::LINKS`], and, if the folder of
/// hidden files exists, [`layout::HIDDEN_SUMS`] and [`layout::HIDDEN_LINKS`]. Returns the lines of `SHA256SUMS`, sorted by
/// path.
///
/// `digest_of` returns the digest of a file by its full path (`root` joined with the relative path), so that a caller who
/// knows digests already reads nothing twice; [`digest_file`] is for a caller who does not. Each list appears whole or not at
/// all, `SHA256SUMS` last.
///
/// # Errors
///
/// [`Error::Io`] for what cannot be read or written, [`Error::Path`] for a name that is not UTF-8.
pub fn write(root: &Path, digest_of: &dyn Fn(&Path) -> std::io::Result<Digest>) -> Result<Vec<FileChecksum>> {
    let lists = [layout::SUMS, layout::LINKS, layout::HIDDEN_SUMS, layout::HIDDEN_LINKS];
    let (mut public, mut hidden) = (Lists::default(), Lists::default());
    let mut has_hidden = false;
    tree::Tree::open(root)?.each_folder("", &mut |folder, entries| {
        has_hidden |= folder == layout::PILLAR;
        let lists_of = if layout::is_hidden(folder) { &mut hidden } else { &mut public };
        for entry in entries {
            let path = tree::join(folder, &entry.name);
            match entry.kind {
                tree::EntryKind::File if !lists.contains(&path.as_str()) => {
                    let file = root.join(&path);
                    let digest = digest_of(&file).map_err(|source| Error::io("hash", &file, source))?;
                    lists_of.sums.push(FileChecksum { path, digest });
                }
                tree::EntryKind::Symlink(target) => lists_of.links.push(links::ListedLink { path, target }),
                _ => {}
            }
        }
        Ok(())
    })?;
    let put = |sums: &mut Vec<FileChecksum>, path: &str, text: &str| {
        sums.push(FileChecksum { path: path.to_owned(), digest: Digest::of(text.as_bytes()) });
        sums.sort();
        write_list(root, path, text)
    };
    if has_hidden {
        hidden.links.sort();
        put(&mut hidden.sums, layout::HIDDEN_LINKS, &links::render(&hidden.links))?;
        put(&mut public.sums, layout::HIDDEN_SUMS, &render(&hidden.sums))?;
    }
    public.links.sort();
    put(&mut public.sums, layout::LINKS, &links::render(&public.links))?;
    write_list(root, layout::SUMS, &render(&public.sums))?;
    Ok(public.sums)
}

/// What two lists of an archive say.
#[derive(Default)]
struct Lists {
    sums: Vec<FileChecksum>,
    links: Vec<links::ListedLink>,
}

fn write_list(root: &Path, path: &str, text: &str) -> Result<()> {
    let target = root.join(path);
    let folder = target.parent().unwrap_or(root);
    let failed = |source| Error::io("write", &target, source);
    let mut temporary =
        tempfile::Builder::new().prefix(".SHA256SUMS.").tempfile_in(folder).map_err(failed)?;
    temporary.write_all(text.as_bytes()).map_err(failed)?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary.as_file().set_permissions(readable).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The SHA-256 of a file, read in pieces.
///
/// # Errors
///
/// What opening or reading it gives.
pub fn digest_file(path: &Path) -> std::io::Result<Digest> {
    let (digest, _) = content::hash_file(path, content::LinkPolicy::Follow)?;
    Ok(digest)
}

fn unescape(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn refused_with_the_line() {
        let line = |rest: &str| format!("{ZERO}  ok\n{rest}\n");
        let cases = [
            (line("abc  x"), "expected 64 hexadecimal digits"),
            (line(""), "expected 64 hexadecimal digits"),
            (line(&format!("{}zz  x", "0".repeat(62))), "expected 64 hexadecimal digits"),
            (line(&format!("{ZERO} x")), "expected two blanks, or a blank and *, before the path"),
            (line(&format!("\\{ZERO}  a\\x")), "unknown escape in the path"),
            (line(&format!("{ZERO}  ")), "the path is empty"),
            (line(&format!("{ZERO}  ok")), "the path is listed twice"),
            (line(&format!("{ZERO}  ./ok")), "the path is listed twice"),
            (
                line(&format!("{ZERO}  ../x")),
                "\"../x\" is not a path inside an archive: a part of it is `.` or `..`",
            ),
            (line(&format!("{ZERO}  /x")), "\"/x\" is not a path inside an archive: it is absolute"),
        ];
        for (text, problem) in cases {
            assert_eq!(parse(&text).expect_err(&text).to_string(), format!("SHA256SUMS, line 2: {problem}"));
        }
    }

    #[test]
    fn written_for_every_other_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/c")).expect("folders");
        for (path, content) in
            [("b/c/file", "one"), ("a", "two"), ("SHA256SUMS", "old"), ("b/back\\slash", "")]
        {
            std::fs::write(root.join(path), content).expect(path);
        }
        std::os::unix::fs::symlink("a", root.join("link")).expect("a link");
        let sums = write(root, &digest_file).expect("written");
        let text = std::fs::read_to_string(root.join(layout::SUMS)).expect("read");
        assert_eq!(parse(&text).expect("parsed"), sums);
        let paths: Vec<_> = sums.iter().map(|sum| sum.path.as_str()).collect();
        assert_eq!(paths, ["LINKS.mtree", "a", "b/back\\slash", "b/c/file"]);
        assert!(text.contains(
            "\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b/back\\\\slash\n"
        ));
        assert_eq!(std::fs::read_dir(root).expect("listed").count(), 5, "nothing temporary is left");
        let links = std::fs::read_to_string(root.join(layout::LINKS)).expect("read");
        assert_eq!(links, "#mtree\n./link type=link link=a\n");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(256))]

        #[test]
        fn any_text_is_parsed_or_refused(text in "(\\\\?[0-9a-f]{63,65} [ *]\\PC{0,20}\r?\n?){0,4}") {
            if let Ok(sums) = parse(&text) {
                proptest::prop_assert_eq!(parse(&render(&sums)).ok(), Some(sums));
            }
        }

        #[test]
        fn any_path_survives(path in "[a-z\\\\\r\nü]{1,20}") {
            let sums = vec![FileChecksum { path, digest: Digest::of(b"") }];
            proptest::prop_assert_eq!(parse(&render(&sums)).ok(), Some(sums));
        }
    }
}
