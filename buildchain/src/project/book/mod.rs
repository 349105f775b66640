//! Books: a `SUMMARY.md` among the documents, and the chapters that it lists.

mod link;
mod summary;

use std::path::{Path, PathBuf};

pub(crate) use self::link::{LinkTarget, target};
pub use self::summary::{Chapter, SummaryItem};
use super::error::{Error, Mistakes, Origin};
use super::paths::Territory;
use super::read::read;

/// The file name that makes a document the table of contents of a book.
const SUMMARY: &str = "SUMMARY.md";

/// A document of the archive.
#[derive(Debug, Clone)]
pub struct MarkdownDocument {
    /// The entry that asks for it.
    pub origin: Origin,
    /// Its path, relative to the project.
    pub path: PathBuf,
}

/// A book: its table of contents.
#[derive(Debug, Clone)]
pub struct Book {
    /// Its `SUMMARY.md`, relative to the project.
    pub path: PathBuf,
    /// The lines of its table of contents.
    pub items: Vec<SummaryItem>,
}

impl Book {
    /// Whether the document at `path` is a book.
    pub(super) fn is(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == SUMMARY)
    }

    /// Reads the table of contents at `path`, relative to the project at `root`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, and every mistake in it, a chapter whose file is missing included.
    pub(super) fn read(root: &Path, territory: &Territory, path: &Path) -> Result<Self, Error> {
        territory.resolve(path)?;
        let file = root.join(path);
        let items = summary::parse(&read(&file)?, &file, path)?;
        let mut mistakes = Mistakes::default();
        let book = Self { path: path.to_path_buf(), items };
        for document in book.chapters() {
            mistakes.note(territory.resolve(&document.path).map_err(Error::from));
            if !root.join(&document.path).is_file() {
                let message = format!("{} does not exist", content::printable_path(&document.path));
                mistakes.note::<()>(Err(Error::of(&document.origin, message)));
            }
        }
        mistakes.end(book)
    }

    /// The chapters that have a page, as documents.
    pub(super) fn chapters(&self) -> impl Iterator<Item = MarkdownDocument> {
        self.items.iter().filter_map(|item| match item {
            SummaryItem::Chapter(Chapter { path: Some(path), origin, .. }) => {
                Some(MarkdownDocument { origin: origin.clone(), path: path.clone() })
            }
            _ => None,
        })
    }
}
