//! `LINKS.mtree`: the symbolic links of an archive with their targets, which `sha256sum` cannot list.
//!
//! The format is mtree(5), which `bsdtar`, `mtree` and `gomtree` read: the line `#mtree`, then a line
//! `./PATH type=link link=TARGET` for each link, sorted by path. What is not a letter, digit or plain punctuation is written as a
//! backslash and three octal digits, byte by byte.
//!
//! Links below the hidden folder are in `pillar/LINKS.mtree`. Both lists are files that `SHA256SUMS` covers. Folders, modes,
//! owners and times are in no list: nothing that is served or read depends on them.

use std::fmt::Write as _;

use crate::lines::Lines;
use crate::{Error, Result, layout, tree};

/// The most bytes of an honest list.
pub const LIMIT: u64 = 256 * 1024 * 1024;
const HEADER: &str = "#mtree";

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedLink {
    /// Its path relative to the root of the archive.
    pub path: String,
    /// Its target, as it is written.
    pub target: String,
}

/// A target as an ISO holds it: the components alone, so neither a slash at the end nor two in a row.
#[must_use]
pub fn components(target: &str) -> String {
    let parts: Vec<&str> = target.split('/').filter(|part| !part.is_empty()).collect();
    let root = if target.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The content of a list of these links, in the given order, each target as [`components`] has it.
///
/// ```
/// let link = archive::links::ListedLink { path: "a b".into(), target: "../c".into() };
/// assert_eq!(archive::links::render(&[link]), "#mtree\n./a\\040b type=link link=../c\n");
/// ```
#[must_use]
pub fn render(links: &[ListedLink]) -> String {
    let mut text = format!("{HEADER}\n");
    for ListedLink { path, target } in links {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "./{} type=link link={}", escape(path), escape(&components(target)));
    }
    text
}

/// Calls `visit` with each link of the link lists of an archive; returns whether the archive has one. A path that
/// is listed twice is visited twice.
///
/// # Errors
///
/// [`Error::Syntax`] with the line, [`Error::Limit`] for a list that no archive needs, what reading it gives, and what `visit`
/// returns as the problem of a line.
pub fn each(tree: &tree::Tree, visit: &mut dyn FnMut(ListedLink) -> Result<(), String>) -> Result<bool> {
    for file in [layout::LINKS, layout::HIDDEN_LINKS] {
        let there = tree.entry(file)?.is_some_and(|entry| entry.kind == tree::EntryKind::File);
        if !there {
            if file == layout::LINKS {
                return Ok(false);
            }
            continue;
        }
        let mut first = true;
        Lines::open(tree, file, LIMIT)?.each(&mut |line| {
            if std::mem::take(&mut first) {
                return if line == HEADER { Ok(()) } else { Err(format!("expected {HEADER}")) };
            }
            let link = line_of(line)?;
            if file == layout::HIDDEN_LINKS && !layout::is_hidden(&link.path) {
                return Err(format!("{:?} is not below {}", link.path, layout::PILLAR));
            }
            visit(link)
        })?;
        if first {
            let problem = format!("expected {HEADER}");
            return Err(Error::Syntax { file: file.into(), line: 1, problem });
        }
    }
    Ok(true)
}

/// The links in the text of a list.
///
/// # Errors
///
/// [`Error::Syntax`] with the line: anything but what [`render`] writes.
pub fn parse(text: &str) -> Result<Vec<ListedLink>> {
    let wrong = |index, problem| Error::Syntax { file: layout::LINKS.into(), line: index + 1, problem };
    let mut lines = text.split_terminator('\n').enumerate();
    if lines.next().is_none_or(|(_, line)| line != HEADER) {
        return Err(wrong(0, format!("expected {HEADER}")));
    }
    lines.map(|(index, line)| line_of(line).map_err(|problem| wrong(index, problem))).collect()
}

fn line_of(line: &str) -> Result<ListedLink, String> {
    let parts = line.strip_prefix("./").and_then(|rest| rest.split_once(" type=link link="));
    let (path, target) = parts.ok_or("expected ./PATH type=link link=TARGET")?;
    let plain =
        |text: &str| unescape(text).ok_or_else(|| format!("{text:?} is not escaped as mtree(5) requires"));
    let (path, target) = (plain(path)?, plain(target)?);
    tree::check_path(&path).map_err(|error| error.to_string())?;
    if path.is_empty() || target.is_empty() {
        return Err("a path or a target is empty".into());
    }
    if components(&target) != target {
        return Err(format!("the target {target:?} has an empty component"));
    }
    Ok(ListedLink { path, target })
}

/// What stands for itself: no blank, no `#`, `=`, backslash, and nothing that is a pattern in mtree(5).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!%&'()+,-./:;<>@^_`{|}~$\"".contains(&byte)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "\\{byte:03o}");
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => {
                let mut value = 0_u32;
                for _ in 0..3 {
                    value = value * 8 + char::from(bytes.next()?).to_digit(8)?;
                }
                u8::try_from(value).ok()?
            }
            plain if is_plain(plain) => plain,
            _ => return None,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::put;

    fn read(text: &str) -> Result<Vec<ListedLink>> {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), layout::LINKS, text.as_bytes());
        let mut links = Vec::new();
        each(&tree::Tree::open(folder.path())?, &mut |link| {
            links.push(link);
            Ok(())
        })?;
        Ok(links)
    }

    #[test]
    fn refused_with_the_line() {
        for (text, expected) in [
            ("", "line 1: expected #mtree"),
            ("./a type=link link=b\n", "line 1: expected #mtree"),
            ("#mtree\n./a type=file\n", "line 2: expected ./PATH type=link link=TARGET"),
            ("#mtree\na type=link link=b\n", "line 2: expected ./PATH"),
            ("#mtree\n./a type=link link=\\09\n", "is not escaped as mtree(5) requires"),
            ("#mtree\n./a type=link link=\\777\n", "is not escaped as mtree(5) requires"),
            ("#mtree\n./a type=link link=b c\n", "is not escaped as mtree(5) requires"),
            ("#mtree\n./a type=link link=\n", "a path or a target is empty"),
            ("#mtree\n./a type=link link=b/\n", "the target \"b/\" has an empty component"),
            ("#mtree\n./a type=link link=b//c\n", "the target \"b//c\" has an empty component"),
            ("#mtree\n./../a type=link link=b\n", "is not a path inside an archive"),
            ("#mtree\n\u{fc}\n", "line 2: expected ./PATH"),
        ] {
            assert!(parse(text).is_err(), "{text}");
            let error = read(text).expect_err(text).to_string();
            assert!(error.starts_with("LINKS.mtree, ") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_target_is_its_components() {
        for (target, expected) in
            [("a/", "a"), ("a//b", "a/b"), ("./a/..//", "./a/.."), ("/a", "/a"), ("//", "/"), (".", ".")]
        {
            assert_eq!(components(target), expected);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(128))]

        #[test]
        fn any_link_survives(path in "[a-z# =*\\\\\r\n\tü\u{1b}]{1,20}", target in "[a-z.][a-z/. #=\\\\\nü]{1,20}") {
            let links = vec![ListedLink { path, target: components(&target) }];
            let asked = render(&[ListedLink { target: target.clone(), ..links[0].clone() }]);
            proptest::prop_assert_eq!(&render(&links), &asked);
            proptest::prop_assert_eq!(parse(&render(&links)).ok(), Some(links.clone()));
            proptest::prop_assert_eq!(read(&render(&links)).ok(), Some(links));
        }
    }
}
