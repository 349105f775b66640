//! Where links between documents lead, in the project and in the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What is escaped in the path of a URL.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`').add(b':');

/// What a link to a folder means, if it is a document.
const INDEXES: [&str; 2] = ["README.md", "index.md"];

/// The documents of an archive by their paths in the project, pictures included.
#[derive(Debug, Default)]
pub(super) struct Documents {
    paths: BTreeSet<PathBuf>,
    /// For each `SUMMARY.md`, the first chapter of its book.
    books: BTreeMap<PathBuf, PathBuf>,
}

impl Documents {
    #[cfg(test)]
    pub(super) fn new(documents: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: documents.into_iter().collect(), books: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, documents: impl IntoIterator<Item = PathBuf>) {
        self.paths.extend(documents);
    }

    /// Links to the table of contents at `summary` open `first`.
    pub(super) fn add_book(&mut self, summary: PathBuf, first: PathBuf) {
        self.books.insert(summary, first);
    }

    pub(super) fn contains(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// The URL that leads from the page of `from` to the document at `path`, or to the one that stands for this folder.
    pub(super) fn url(&self, from: &Path, path: &Path) -> Option<String> {
        Some(relative(&output(from), &output(&self.opened(path)?)))
    }

    /// The document that a link to `path` opens: the one there, the one that stands for this folder, or the first chapter of
    /// this book.
    pub(super) fn opened(&self, path: &Path) -> Option<PathBuf> {
        if let Some(first) = self.books.get(path) {
            return Some(first.clone());
        }
        let index = || INDEXES.iter().map(|name| path.join(name)).find(|index| self.contains(index));
        if self.contains(path) { Some(path.to_path_buf()) } else { index() }
    }
}

impl fmt::Display for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.paths.iter().try_for_each(|document| writeln!(f, "{}", content::printable_path(document)))?;
        self.books.iter().try_for_each(|(summary, first)| {
            writeln!(f, "{} is {}", content::printable_path(summary), content::printable_path(first))
        })
    }
}

/// The URL that leads from the page `from` to the file `to`, both below the folder of the documentation.
pub(super) fn relative(from: &Path, to: &Path) -> String {
    let from: Vec<_> = from.parent().unwrap_or(Path::new("")).components().collect();
    let to: Vec<_> = to.components().collect();
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = from.iter().skip(common).map(|_| "..".to_owned());
    let down = to.iter().skip(common).map(|part| {
        let name = part.as_os_str().to_string_lossy();
        utf8_percent_encode(&name, PATH).to_string()
    });
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// Whether a document is turned into a page.
pub(super) fn is_markdown(document: &Path) -> bool {
    let ending = document.extension().map(|ending| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| ending == "md" || ending == "markdown")
}

/// Where a document lies below the folder of the documentation: `README.md` of the project is the first page, other
/// documents keep their folder and name.
pub(super) fn output(document: &Path) -> PathBuf {
    if document == Path::new("README.md") {
        "index.html".into()
    } else if is_markdown(document) {
        document.with_extension("html")
    } else {
        document.to_path_buf()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::{LinkTarget, target};

    #[test]
    fn links_lead_to_documents_from_wherever_they_stand() {
        let documents = Documents::new(
            [
                "README.md",
                "ARCHITECTURE.md",
                "runtime/README.md",
                "runtime/a/b.md",
                "manual.pdf",
                "img/with space.png",
            ]
            .map(PathBuf::from),
        );
        for (page, url, expected) in [
            ("README.md", "ARCHITECTURE.md", Some("ARCHITECTURE.html")),
            ("README.md", "./ARCHITECTURE.md#rooms", Some("ARCHITECTURE.html#rooms")),
            ("README.md", "ARCHITECTURE.md?plain=1#rooms", Some("ARCHITECTURE.html#rooms")),
            ("ARCHITECTURE.md", "README.md", Some("index.html")),
            ("README.md", "runtime/README.md", Some("runtime/README.html")),
            ("README.md", "runtime/", Some("runtime/README.html")),
            ("README.md", "runtime#x", Some("runtime/README.html#x")),
            ("runtime/README.md", "a/b.md", Some("a/b.html")),
            ("runtime/a/b.md", "../README.md", Some("../README.html")),
            ("runtime/a/b.md", "../../README.md#x", Some("../../index.html#x")),
            ("runtime/a/b.md", "/ARCHITECTURE.md", Some("../../ARCHITECTURE.html")),
            ("runtime/a/b.md", "../../manual.pdf#page=2", Some("../../manual.pdf#page=2")),
            ("runtime/a/b.md", "../../img/with%20space.png", Some("../../img/with%20space.png")),
            ("README.md", "LICENSE", None),
            ("README.md", "runtime/a", None),
        ] {
            let LinkTarget::Local(path, fragment) = target(url, Path::new(page)) else { panic!("{url}") };
            let found = documents.url(Path::new(page), &path).map(|url| url + &fragment);
            assert_eq!(found.as_deref(), expected, "{url} in {page}");
        }
        for (url, expected) in [
            ("#rooms", LinkTarget::Here),
            ("", LinkTarget::Here),
            ("?q", LinkTarget::Here),
            ("https://example.test/README.md", LinkTarget::Network),
            ("mailto:someone@example.test", LinkTarget::Network),
            ("//example.test/x", LinkTarget::Network),
            ("../../x", LinkTarget::Outside),
            ("/../x", LinkTarget::Outside),
        ] {
            assert_eq!(target(url, Path::new("runtime/README.md")), expected, "{url}");
        }
    }
}
