//! The table of contents beside every page: the books of the project, then its other documents.

use std::fmt;
use std::path::{Path, PathBuf};

use minijinja::Value;

use super::links::{Documents, is_markdown, output};
use crate::project::{Book, SummaryItem};

/// The deepest level that is indented further than the one above it.
const DEPTH_MAX: usize = 4;

/// The title of the part that lists the documents beside the books.
const OTHERS: &str = "More documents";

/// The lines of the table of contents. Without a book there are none.
#[derive(Debug, Default)]
pub(super) struct Contents(Vec<Entry>);

#[derive(Debug)]
enum Entry {
    Part(String),
    Separator,
    Page {
        /// Its number with a blank after it, if it has one.
        number: String,
        title: String,
        depth: usize,
        /// The document; a draft has none.
        document: Option<PathBuf>,
    },
}

impl Contents {
    /// The contents of `books` and of `others`: documents and their titles, which may be empty.
    pub(super) fn new(books: &[Book], others: &[(&Path, String)]) -> Self {
        if books.is_empty() {
            return Self::default();
        }
        let page = |(document, title): &(&Path, String)| Entry::Page {
            number: String::new(),
            title: if title.is_empty() { file_name(document) } else { title.clone() },
            depth: 1,
            document: Some(document.to_path_buf()),
        };
        let (first, others): (Vec<_>, Vec<_>) =
            others.iter().partition(|(document, _)| output(document) == Path::new("index.html"));
        let mut entries: Vec<Entry> = first.into_iter().map(page).collect();
        entries.extend(books.iter().flat_map(|book| &book.items).map(entry));
        if !others.is_empty() {
            entries.push(Entry::Part(OTHERS.to_owned()));
            entries.extend(others.into_iter().map(page));
        }
        Self(entries)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines as the template takes them, with URLs that lead there from the page of `from`.
    pub(super) fn values(&self, from: &Path, documents: &Documents) -> Vec<Value> {
        let value = |entry: &Entry| match entry {
            Entry::Separator => minijinja::context! { separator => true },
            Entry::Part(title) => minijinja::context! { part => true, title },
            Entry::Page { number, title, depth, document } => {
                let url = document.as_ref().and_then(|document| documents.url(from, document)).map(safe);
                let current = document.as_deref() == Some(from);
                minijinja::context! { number, title, depth, url, current }
            }
        };
        self.0.iter().map(value).collect()
    }

    /// The pages before and after that of `document`, as the template takes them.
    pub(super) fn neighbors(&self, document: &Path, documents: &Documents) -> (Option<Value>, Option<Value>) {
        let pages = self.0.iter().filter_map(|entry| match entry {
            Entry::Page { title, document: Some(document), .. } => Some((title, document)),
            _ => None,
        });
        let pages: Vec<(&String, &PathBuf)> = pages.collect();
        let Some(place) = pages.iter().position(|(_, page)| *page == document) else { return (None, None) };
        let value = |place: Option<usize>| {
            let (title, page) = *pages.get(place?)?;
            let url = safe(documents.url(document, page)?);
            Some(minijinja::context! { title, url })
        };
        (value(place.checked_sub(1)), value(place.checked_add(1)))
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|entry| match entry {
            Entry::Separator => writeln!(f, "---"),
            Entry::Part(title) => writeln!(f, "# {title}"),
            Entry::Page { number, title, depth, document } => {
                let document = document.as_deref().unwrap_or(Path::new(""));
                writeln!(f, "{depth} {number}[{title}]({})", content::printable_path(document))
            }
        })
    }
}

fn entry(item: &SummaryItem) -> Entry {
    match item {
        SummaryItem::Part(title) => Entry::Part(title.clone()),
        SummaryItem::Separator => Entry::Separator,
        SummaryItem::Chapter(chapter) => {
            let figures: String = chapter.number.iter().map(|figure| format!("{figure}.")).collect();
            Entry::Page {
                number: if figures.is_empty() { figures } else { figures + " " },
                title: chapter.title.clone(),
                depth: chapter.number.len().clamp(1, DEPTH_MAX),
                document: chapter.path.clone(),
            }
        }
    }
}

/// A URL as a value that is not escaped a second time.
pub(super) fn safe(url: String) -> Value {
    Value::from_safe_string(url.replace('&', "&amp;"))
}

fn file_name(document: &Path) -> String {
    let name = if is_markdown(document) { document.file_stem() } else { document.file_name() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}
