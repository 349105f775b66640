//! `SHA256SUMS`: the format of coreutils' `sha256sum`, which can check it (`sha256sum -c SHA256SUMS`).
//!
//! A line is 64 hexadecimal digits, a blank, a blank or `*`, and the path. Where the path has a backslash, a newline
//! or a carriage return, these are written `\\`, `\n`, `\r` and the line begins with a backslash.

use std::io::{Read as _, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Error, Result, layout, tree};

/// The most bytes of an honest `SHA256SUMS`.
pub const LIMIT: u64 = 256 * 1024 * 1024;

/// One line: a file and its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    /// The path relative to the root of the archive, parts separated by `/`.
    pub path: String,
    /// The SHA-256 of the content.
    pub digest: [u8; 32],
}

/// Parses the content of a `SHA256SUMS`.
///
/// A leading `./` of a path is dropped, as `sha256sum ./x` writes it.
///
/// # Errors
///
/// [`Error::Syntax`] with the line: anything `sha256sum -c --strict` refuses, a path that leaves the archive or that
/// stands twice.
///
/// ```
/// let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  images/empty\n";
/// let sums = archive::sums::parse(text)?;
/// assert_eq!(sums[0].path, "images/empty");
/// assert_eq!(archive::sums::render(&sums), text);
/// # Ok::<(), archive::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Vec<Sum>> {
    let mut sums = Vec::new();
    let mut seen = std::collections::HashSet::new();
    // Not `lines()`: a carriage return before the newline belongs to the path.
    for (index, line) in text.split_terminator('\n').enumerate() {
        let wrong = |problem: &str| Error::Syntax {
            file: layout::SUMS.into(),
            line: index + 1,
            problem: problem.into(),
        };
        let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |rest| (true, rest));
        let (digits, rest) =
            line.split_at_checked(64).ok_or_else(|| wrong("expected 64 hexadecimal digits"))?;
        let digest = from_hex(digits).ok_or_else(|| wrong("expected 64 hexadecimal digits"))?;
        let path = rest
            .strip_prefix("  ")
            .or_else(|| rest.strip_prefix(" *"))
            .ok_or_else(|| wrong("expected two blanks, or a blank and *, before the path"))?;
        let path = if escaped {
            unescape(path).ok_or_else(|| wrong("unknown escape in the path"))?
        } else {
            path.into()
        };
        let path = path.strip_prefix("./").unwrap_or(&path);
        tree::check_path(path).map_err(|error| wrong(&error.to_string()))?;
        if path.is_empty() {
            return Err(wrong("the path is empty"));
        }
        if !seen.insert(path.to_owned()) {
            return Err(wrong("the path stands twice"));
        }
        sums.push(Sum { path: path.to_owned(), digest });
    }
    Ok(sums)
}

/// What the `SHA256SUMS` of an archive lists; `None` where it has none.
///
/// # Errors
///
/// Those of [`parse`] and of reading it; [`Error::Limit`] for more than [`LIMIT`].
pub fn of(tree: &tree::Tree) -> Result<Option<Vec<Sum>>> {
    if tree.entry(layout::SUMS)?.is_none() {
        return Ok(None);
    }
    let text = tree.read(layout::SUMS, LIMIT)?;
    let text = String::from_utf8(text)
        .map_err(|_| Error::Content { file: layout::SUMS.into(), problem: "it is not UTF-8".into() })?;
    parse(&text).map(Some)
}

/// The content of a `SHA256SUMS` with these lines, in the given order.
#[must_use]
pub fn render(sums: &[Sum]) -> String {
    let mut text = String::with_capacity(sums.iter().map(|sum| 67 + sum.path.len()).sum());
    for Sum { path, digest } in sums {
        let escaped = path.contains(['\\', '\n', '\r']);
        if escaped {
            text.push('\\');
        }
        text.push_str(&hex::encode(digest));
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

/// Writes `SHA256SUMS` into the folder `root`: a line for every other regular file below it, sorted by path.
///
/// `digest_of` is asked for each file by its full path (`root` joined with the relative path), so that a caller who
/// knows digests already reads nothing twice; [`digest_file`] is the answer of one who does not. The file appears
/// whole or not at all.
///
/// # Errors
///
/// [`Error::Io`] for what cannot be read or written, [`Error::Path`] for a name that is not UTF-8.
pub fn write(root: &Path, digest_of: &dyn Fn(&Path) -> std::io::Result<[u8; 32]>) -> Result<Vec<Sum>> {
    let mut sums = Vec::new();
    for (path, entry) in tree::Tree::open(root)?.walk()? {
        if !matches!(entry.kind, tree::Kind::File) || path == layout::SUMS {
            continue;
        }
        let file = root.join(&path);
        let digest = digest_of(&file).map_err(|source| Error::io("hash", &file, source))?;
        sums.push(Sum { path, digest });
    }
    sums.sort();
    let target = root.join(layout::SUMS);
    let failed = |source| Error::io("write", &target, source);
    let mut temporary = tempfile::Builder::new().prefix(".SHA256SUMS.").tempfile_in(root).map_err(failed)?;
    temporary.write_all(render(&sums).as_bytes()).map_err(failed)?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary.as_file().set_permissions(readable).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(&target).map_err(|error| failed(error.error))?;
    Ok(sums)
}

/// The SHA-256 of a file, read in pieces.
///
/// # Errors
///
/// What opening or reading it gives.
pub fn digest_file(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut hash = Sha256::new();
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// 64 hexadecimal digits as the 32 bytes they stand for.
pub(crate) fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    Some(digest)
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
            (line(&format!("{ZERO}  ok")), "the path stands twice"),
            (line(&format!("{ZERO}  ./ok")), "the path stands twice"),
            (
                line(&format!("{ZERO}  ../x")),
                "\"../x\" is no path inside an archive: a part of it is `.` or `..`",
            ),
            (line(&format!("{ZERO}  /x")), "\"/x\" is no path inside an archive: it is absolute"),
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
        assert_eq!(paths, ["a", "b/back\\slash", "b/c/file"]);
        assert!(text.contains(
            "\\e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b/back\\\\slash\n"
        ));
        assert_eq!(std::fs::read_dir(root).expect("listed").count(), 4, "nothing temporary is left");
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
            let sums = vec![Sum { path, digest: [7; 32] }];
            proptest::prop_assert_eq!(parse(&render(&sums)).ok(), Some(sums));
        }
    }
}
