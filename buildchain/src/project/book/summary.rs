//! `SUMMARY.md`, the table of contents of a book, in mdBook's format: prefix chapters, part titles, nested numbered chapters,
//! separators and suffix chapters.

use std::path::{Path, PathBuf};

use content::printable;
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use super::link::{LinkTarget, target};
use crate::project::error::{Error, Mistakes, Origin};

/// The deepest nesting of chapters.
const DEPTH_MAX: usize = 16;

/// One line of a table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SummaryItem {
    /// The title of a part, or of the book.
    Part(String),
    /// A line between chapters.
    Separator,
    /// A chapter.
    Chapter(Chapter),
}

/// A chapter of a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// The text of its link.
    pub title: String,
    /// Its page, relative to the project; a draft has none.
    pub path: Option<PathBuf>,
    /// Its number, one figure for each level; prefix and suffix chapters have none.
    pub number: Vec<usize>,
    /// Its place in `SUMMARY.md`.
    pub origin: Origin,
}

/// The section of the file that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Prefix,
    Numbered,
    Suffix,
}

/// Reads `text`, the content of `file`, which is `path` relative to the project.
///
/// # Errors
///
/// Every mistake with its place: text that is not a link, a link to another host or out of the project, a list after suffix
/// chapters, a file without chapters.
pub(super) fn parse(text: &str, file: &Path, path: &Path) -> Result<Vec<SummaryItem>, Error> {
    let mut reader = Reader {
        path,
        section: Section::Prefix,
        items: Vec::new(),
        number: Vec::new(),
        linked: Vec::new(),
        mistakes: Mistakes::default(),
    };
    let mut collected: Option<String> = None;
    let mut link: Option<(String, Origin)> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        let place = || origin(file, text, range.start);
        match event {
            Event::Start(Tag::Heading { .. }) => collected = Some(String::new()),
            Event::End(TagEnd::Heading(level)) => reader.heading(level, collected.take()),
            Event::Start(Tag::Link { dest_url, .. }) => {
                link = Some((dest_url.into_string(), place()));
                collected = Some(String::new());
            }
            Event::End(TagEnd::Link) => {
                if let (Some((url, place)), Some(title)) = (link.take(), collected.take()) {
                    reader.chapter(&title, &url, place);
                }
            }
            Event::Text(text) | Event::Code(text) => match &mut collected {
                Some(collected) => collected.push_str(&text),
                None => reader.text(&text, &place()),
            },
            Event::SoftBreak => {
                if let Some(collected) = &mut collected {
                    collected.push(' ');
                }
            }
            Event::Start(Tag::List(_)) => reader.list(&place()),
            Event::End(TagEnd::List(_)) => reader.end_list(),
            Event::Start(Tag::Item) => reader.item(),
            Event::End(TagEnd::Item) => reader.end_item(&place()),
            Event::Rule => reader.items.push(SummaryItem::Separator),
            _ => {}
        }
    }
    reader.end(&origin(file, text, 0))
}

struct Reader<'p> {
    path: &'p Path,
    section: Section,
    items: Vec<SummaryItem>,
    /// The number of the current chapter, one figure for each list that is open. The first figure stays between lists, so
    /// that numbers continue in the next part.
    number: Vec<usize>,
    /// For each list item that is open, whether it has a link.
    linked: Vec<bool>,
    mistakes: Mistakes,
}

impl Reader<'_> {
    fn mistake(&mut self, place: &Origin, text: &str) {
        self.mistakes.note::<()>(Err(Error::of(place, text)));
    }

    /// A heading before all else is the title of the book; the ones after it are titles of parts.
    fn heading(&mut self, level: HeadingLevel, text: Option<String>) {
        let first = self.items.is_empty() && self.section == Section::Prefix;
        let text = text.unwrap_or_default();
        if level == HeadingLevel::H1 && !(first && text.eq_ignore_ascii_case("summary")) {
            self.items.push(SummaryItem::Part(text));
        }
    }

    fn chapter(&mut self, title: &str, url: &str, place: Origin) {
        let in_list = !self.linked.is_empty();
        if !in_list && self.section == Section::Numbered {
            self.section = Section::Suffix;
        }
        if self.linked.last_mut().is_some_and(|linked| std::mem::replace(linked, true)) {
            return self.mistake(&place, "more than one link in an item; start a new item");
        }
        if title.trim().is_empty() {
            return self.mistake(&place, "a chapter without a title; write `[Title](page.md)`");
        }
        let path = match target(url, self.path) {
            LinkTarget::Local(path, _) => Some(path),
            LinkTarget::Here => None,
            LinkTarget::Network => {
                let shown = printable(url);
                return self
                    .mistake(&place, &format!("{shown} is on the network; a chapter is a file of the book"));
            }
            LinkTarget::Outside => {
                return self.mistake(&place, &format!("{} leads out of the project", printable(url)));
            }
        };
        let number = if in_list { self.number.clone() } else { Vec::new() };
        self.items.push(SummaryItem::Chapter(Chapter {
            title: title.trim().into(),
            path,
            number,
            origin: place,
        }));
    }

    fn text(&mut self, text: &str, place: &Origin) {
        if text.trim().is_empty() {
            return;
        }
        if let Some(linked) = self.linked.last_mut() {
            *linked = true;
            let shown = printable(text.trim());
            self.mistake(place, &format!("expected a link such as `[Title](page.md)`, found `{shown}`"));
        }
    }

    fn list(&mut self, place: &Origin) {
        if self.section == Section::Suffix {
            self.mistake(place, "a list after suffix chapters; move it before them");
        }
        self.section = Section::Numbered;
        if self.linked.len() == DEPTH_MAX {
            self.mistake(place, &format!("chapters are nested more than {DEPTH_MAX} deep"));
        }
        if !self.linked.is_empty() || self.number.is_empty() {
            self.number.push(0);
        }
    }

    fn end_list(&mut self) {
        if !self.linked.is_empty() {
            self.number.pop();
        }
    }

    fn item(&mut self) {
        if let Some(last) = self.number.last_mut() {
            *last += 1;
        }
        self.linked.push(false);
    }

    fn end_item(&mut self, place: &Origin) {
        if self.linked.pop() == Some(false) {
            self.mistake(place, "expected a link such as `[Title](page.md)`");
        }
    }

    fn end(mut self, start: &Origin) -> Result<Vec<SummaryItem>, Error> {
        let page = |item: &SummaryItem| matches!(item, SummaryItem::Chapter(Chapter { path: Some(_), .. }));
        if self.mistakes.is_empty() && !self.items.iter().any(page) {
            self.mistake(start, "no chapter; write one line for each page, such as `- [Title](page.md)`");
        }
        self.mistakes.end(self.items)
    }
}

/// The place in `file` where `text` has its byte `offset`.
fn origin(file: &Path, text: &str, offset: usize) -> Origin {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
    Origin { path: file.into(), line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of contents as lines: number, title, path.
    fn read(text: &str) -> Result<Vec<String>, Vec<String>> {
        let path = Path::new("docs/SUMMARY.md");
        let items = parse(text, path, path)
            .map_err(|error| error.to_string().lines().map(str::to_owned).collect::<Vec<_>>())?;
        let shown = items.into_iter().map(|item| match item {
            SummaryItem::Part(title) => format!("# {title}"),
            SummaryItem::Separator => "---".to_owned(),
            SummaryItem::Chapter(chapter) => {
                let number: String = chapter.number.iter().map(|figure| format!("{figure}.")).collect();
                let path = chapter.path.map_or("draft".into(), |path| path.display().to_string());
                format!("{number} {} -> {path}", chapter.title)
            }
        });
        Ok(shown.collect())
    }

    #[test]
    fn every_kind_of_item_of_mdbook_is_read() {
        let text = "# Summary\n\n[Preface](preface.md)\n[About `it`](a/about.md)\n\n# Part *one*\n\n\
                    - [First](first.md)\n  - [Nested](first/nested.md)\n    - [Deeper](<first/with space.md>)\n  - [Draft]()\n\
                    * [Second](second.md#here)\n\n---\n\n# Part two\n\n1. [Third](sub/README.md)\n    1. [Up](../up.md)\n\n---\n\n\
                    [Words](words.md)\n\n[Makers](makers%20of.md)\n";
        assert_eq!(
            read(text).unwrap(),
            [
                " Preface -> docs/preface.md",
                " About it -> docs/a/about.md",
                "# Part one",
                "1. First -> docs/first.md",
                "1.1. Nested -> docs/first/nested.md",
                "1.1.1. Deeper -> docs/first/with space.md",
                "1.2. Draft -> draft",
                "2. Second -> docs/second.md",
                "---",
                "# Part two",
                "3. Third -> docs/sub/README.md",
                "3.1. Up -> up.md",
                "---",
                " Words -> docs/words.md",
                " Makers -> docs/makers of.md",
            ]
        );
    }

    #[test]
    fn a_title_other_than_summary_is_kept() {
        assert_eq!(read("# The handbook\n\n- [A](a.md)\n").unwrap(), ["# The handbook", "1. A -> docs/a.md"]);
        assert_eq!(read("- [A](a.md)\n").unwrap(), ["1. A -> docs/a.md"]);
    }

    #[test]
    fn items_separated_by_blank_lines_are_one_list() {
        let text = "- [A](a.md)\n\n- [B](b.md)\n\n  - [C](c.md)\n\n- [D](d.md)\n";
        assert_eq!(
            read(text).unwrap(),
            ["1. A -> docs/a.md", "2. B -> docs/b.md", "2.1. C -> docs/c.md", "3. D -> docs/d.md"]
        );
    }

    #[test]
    fn mistakes_are_listed_with_their_lines() {
        let text = "# Summary\n\n- [A](https://example.test/a.md)\n- text\n-\n- [](b.md)\n- [C](c.md) [D](d.md)\n\n\
                    [E](../../e.md)\n\n- [F](f.md)\n";
        assert_eq!(
            read(text).unwrap_err(),
            [
                "docs/SUMMARY.md:3:3: https://example.test/a.md is on the network; a chapter is a file of the book",
                "docs/SUMMARY.md:4:3: expected a link such as `[Title](page.md)`, found `text`",
                "docs/SUMMARY.md:5:1: expected a link such as `[Title](page.md)`",
                "docs/SUMMARY.md:6:3: a chapter without a title; write `[Title](page.md)`",
                "docs/SUMMARY.md:7:13: more than one link in an item; start a new item",
                "docs/SUMMARY.md:9:1: ../../e.md leads out of the project",
                "docs/SUMMARY.md:11:1: a list after suffix chapters; move it before them",
            ]
        );
        let nothing =
            "docs/SUMMARY.md:1:1: no chapter; write one line for each page, such as `- [Title](page.md)`";
        for text in ["", "# Summary\n", "- [Draft]()\n"] {
            assert_eq!(read(text).unwrap_err(), [nothing], "{text:?}");
        }
    }

    #[test]
    fn deep_nesting_has_a_bound() {
        let text: String =
            (0..40).map(|depth| format!("{}- [A](a{depth}.md)\n", "  ".repeat(depth))).collect();
        let mistakes = read(&text).unwrap_err();
        assert_eq!(mistakes, ["docs/SUMMARY.md:17:33: chapters are nested more than 16 deep"]);
    }
}
