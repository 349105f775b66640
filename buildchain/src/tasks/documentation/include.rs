//! The text of a page, with the files that a chapter of a book includes as mdBook does: `{{#include FILE}}`, a range of lines
//! (`FILE:2:10`) or a part between `ANCHOR: NAME` and `ANCHOR_END: NAME` (`FILE:NAME`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use content::{LinkPolicy, printable};

use crate::project::{self, LinkTarget, Origin, Project, target};
use crate::tasks::Error;

/// The most bytes of a page, included files included.
const TEXT_MAX: u64 = 16 << 20;

/// The most directives of a page, those of included files included.
const INCLUDES_MAX: usize = 10_000;

/// The deepest nesting of files that include others, as in mdBook.
const DEPTH_MAX: usize = 10;

/// The text of a page.
#[derive(Debug, Default)]
pub(super) struct IncludedText {
    pub(super) text: String,
    /// For each line of the text, the line of the document that it is from.
    lines: Vec<u64>,
    /// How many directives were followed.
    count: usize,
    /// The files that it includes, relative to the project.
    pub(super) included: BTreeSet<PathBuf>,
}

impl IncludedText {
    /// The text of the document at `path` of `project`. In a chapter of a book, directives are replaced by what they include.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, leads out of the project or is too long, and for a range or anchor that it does not have; with
    /// the place of the directive.
    pub(super) fn read(project: &Project, path: &Path, chapter: bool) -> Result<Self, Error> {
        let text = file(project, path)?;
        if !chapter {
            return Ok(Self { text, ..Self::default() });
        }
        let mut expanded = Self::default();
        let mut mistakes = project::Mistakes::default();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let number = index as u64 + 1;
            let result = expanded.add(project, path, line, number, 0).map_err(|(column, message)| {
                let origin = Origin { path: project.root.join(path), line: number, column };
                project::Error::of(&origin, message)
            });
            mistakes.note(result);
        }
        Ok(mistakes.end(expanded)?)
    }

    /// The line of the document that the text has at `line`.
    pub(super) fn line(&self, line: u64) -> u64 {
        let index = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        self.lines.get(index).copied().unwrap_or(line)
    }

    /// Adds a line of the file at `path`, which is from line `number` of the document. A mistake has its column.
    fn add(
        &mut self,
        project: &Project,
        path: &Path,
        line: &str,
        number: u64,
        depth: usize,
    ) -> Result<(), (u64, String)> {
        let mut rest = line;
        while let Some(start) = rest.find("{{#") {
            let (before, directive) = rest.split_at(start);
            let Some(end) = directive.find("}}") else { break };
            let (directive, after) = directive.split_at(end + 2);
            let column = (line.len() - rest.len() + start) as u64 + 1;
            if let Some(before) = before.strip_suffix('\\') {
                self.push(before, number);
                self.push(directive, number);
            } else {
                self.push(before, number);
                let inner = directive.trim_start_matches("{{#").trim_end_matches("}}");
                let (name, argument) = inner.trim().split_once(char::is_whitespace).unwrap_or((inner, ""));
                match name {
                    "include" | "rustdoc_include" => {
                        self.include(project, path, argument.trim(), number, depth)
                            .map_err(|why| (column, why))?;
                    }
                    "playground" => {
                        let file = argument.split_whitespace().next().unwrap_or_default();
                        self.push("```rust\n", number);
                        self.include(project, path, file, number, depth).map_err(|why| (column, why))?;
                        self.push("\n```", number);
                    }
                    "title" => {}
                    _ => self.push(directive, number),
                }
            }
            rest = after;
        }
        self.push(rest, number);
        if self.text.len() as u64 > TEXT_MAX {
            return Err((1, format!("the page has more than {TEXT_MAX} bytes with what it includes")));
        }
        Ok(())
    }

    fn push(&mut self, text: &str, number: u64) {
        if self.lines.is_empty() && !text.is_empty() {
            self.lines.push(number);
        }
        for piece in text.split_inclusive('\n') {
            // The first text of a line says where the line is from.
            let starts = self.text.is_empty() || self.text.ends_with('\n');
            if let Some(last) = self.lines.last_mut().filter(|_| starts) {
                *last = number;
            }
            self.text.push_str(piece);
            if piece.ends_with('\n') {
                self.lines.push(number);
            }
        }
    }

    /// Adds what `argument` of the file at `path` asks for.
    fn include(
        &mut self,
        project: &Project,
        path: &Path,
        argument: &str,
        number: u64,
        depth: usize,
    ) -> Result<(), String> {
        let (url, part) = argument.split_once(':').unwrap_or((argument, ""));
        let LinkTarget::Local(file_path, _) = target(&url.replace('%', "%25").replace('#', "%23"), path)
        else {
            return Err(format!("{}: expected a file of the project", printable(argument)));
        };
        self.count += 1;
        if self.count > INCLUDES_MAX {
            return Err(format!("the page includes more than {INCLUDES_MAX} files"));
        }
        if depth == DEPTH_MAX {
            return Err(format!("files include each other more than {DEPTH_MAX} deep"));
        }
        if !project.root.join(&file_path).is_file() {
            return Err(format!("{} does not exist", content::printable_path(&file_path)));
        }
        let text = file(project, &file_path).map_err(|error| error.to_string())?;
        self.included.insert(file_path.clone());
        let part =
            select(&text, part).map_err(|why| format!("{}: {why}", content::printable_path(&file_path)))?;
        for line in part.trim_end_matches('\n').split_inclusive('\n') {
            self.add(project, &file_path, line, number, depth + 1).map_err(|(_, why)| why)?;
        }
        Ok(())
    }
}

/// The part of a text: all of it, `FROM:TO`, a single line, or the name of an anchor.
fn select(text: &str, part: &str) -> Result<String, String> {
    if part.is_empty() {
        return Ok(text.to_owned());
    }
    let numbers: Option<Vec<Option<usize>>> = part
        .splitn(3, ':')
        .map(|number| if number.is_empty() { Some(None) } else { number.parse().ok().map(Some) })
        .collect();
    let Some(numbers) = numbers else { return anchored(text, part) };
    let (from, to) = match *numbers.as_slice() {
        [line] => (line, line),
        [from, to, ..] => (from, to),
        [] => (None, None),
    };
    let from = from.unwrap_or(1).max(1);
    let count = text.lines().count();
    if from > count {
        return Err(format!("it has {count} lines, not {from}"));
    }
    let lines = text.split_inclusive('\n').skip(from - 1);
    Ok(lines.take(to.unwrap_or(count).saturating_sub(from - 1)).collect())
}

/// The lines between the marks of an anchor, without the marks of others.
fn anchored(text: &str, name: &str) -> Result<String, String> {
    let mark = |line: &str, kind: &str| -> Option<String> {
        let (_, rest) = line.split_once(kind)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let (mut inside, mut found, mut part) = (false, false, String::new());
    for line in text.split_inclusive('\n') {
        if let Some(end) = mark(line, "ANCHOR_END:") {
            inside &= end != name;
        } else if let Some(start) = mark(line, "ANCHOR:") {
            inside |= start == name;
            found |= inside;
        } else if inside {
            part.push_str(line);
        }
    }
    if found { Ok(part) } else { Err(format!("it has no anchor `{}`", printable(name))) }
}

/// The text of the file at `path` of a project.
fn file(project: &Project, path: &Path) -> Result<String, Error> {
    let source = project.territory.resolve(path).map_err(project::Error::from)?;
    let failed = |error| Error::Read { path: source.clone(), source: error };
    let bytes =
        content::open_read(&source, LinkPolicy::Follow, TEXT_MAX).map_err(|error| failed(error.source))?;
    String::from_utf8(bytes).map_err(|error| failed(std::io::Error::other(error.utf8_error())))
}

#[cfg(test)]
impl From<&str> for IncludedText {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "one\n// ANCHOR: all\ntwo\n// ANCHOR: x\nthree\n// ANCHOR_END: x\nfour\n// ANCHOR_END: all\nfive\n";

    #[test]
    fn parts_are_chosen_as_mdbook_does() {
        for (part, expected) in [
            ("", FILE),
            ("1", "one\n"),
            ("3", "two\n"),
            ("8:", "// ANCHOR_END: all\nfive\n"),
            (":1", "one\n"),
            ("1:1", "one\n"),
            ("3:3", "two\n"),
            ("9:20", "five\n"),
            ("3:1", ""),
            ("all", "two\nthree\nfour\n"),
            ("x", "three\n"),
        ] {
            assert_eq!(select(FILE, part).as_deref(), Ok(expected), "{part:?}");
        }
        assert_eq!(select(FILE, "y").unwrap_err(), "it has no anchor `y`");
        assert_eq!(select(FILE, "10").unwrap_err(), "it has 9 lines, not 10");
    }

    #[test]
    fn lines_are_those_of_the_document() {
        let mut text = IncludedText::default();
        text.push("a\n", 1);
        text.push("b ", 2);
        text.push("x\ny\nz", 2);
        text.push(" c\n", 2);
        text.push("d\n", 3);
        assert_eq!(text.text, "a\nb x\ny\nz c\nd\n");
        assert_eq!((1..=6).map(|line| text.line(line)).collect::<Vec<_>>(), [1, 2, 2, 2, 3, 3]);
    }
}
