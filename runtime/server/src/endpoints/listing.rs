//! Pages that list a folder.

use std::sync::LazyLock;

use http::{Method, StatusCode};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use crate::http::response::{self, HTML, Response};
use crate::http::uri::encode_path;

/// The maximum number of entries on a page. A page is held in memory until the client has received it.
const ENTRIES_MAX: usize = 10_000;
/// The name decides that values are escaped as HTML.
const PAGE: &str = "listing.html";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    // A template that does not parse is reported where it is rendered.
    let _ = environment.add_template(PAGE, include_str!("listing.html"));
    environment
});

/// A line of a page.
#[derive(Debug)]
pub(super) struct ListingEntry {
    name: String,
    /// The name, percent-encoded.
    href: String,
    /// A size, or the target of a link.
    note: String,
}

impl ListingEntry {
    /// An entry that links to `name`, below the folder.
    pub(super) fn new(name: impl Into<String>, note: impl Into<String>) -> Self {
        let name = name.into();
        Self { href: encode_path(&name), name, note: note.into() }
    }
}

/// A page with a link to every entry of a folder, at most [`ENTRIES_MAX`].
pub(super) fn page(
    method: &Method,
    title: &str,
    entries: impl ExactSizeIterator<Item = ListingEntry>,
) -> Response {
    let more = entries.len().saturating_sub(ENTRIES_MAX);
    let value = |ListingEntry { name, href, note }| context! { name, href, note };
    let entries: Vec<Value> = entries.take(ENTRIES_MAX).map(value).collect();
    let page = TEMPLATES.get_template(PAGE).and_then(|page| page.render(context! { title, entries, more }));
    match page {
        Ok(page) => response::full(method, StatusCode::OK, HTML, page),
        Err(error) => response::plain(method, StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    fn rendered(title: &str, entries: Vec<ListingEntry>) -> String {
        let response = page(&Method::GET, title, entries.into_iter());
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut page = Vec::new();
        while let std::task::Poll::Ready(Some(frame)) = std::pin::Pin::new(&mut body).poll_frame(&mut context)
        {
            page.extend(frame.unwrap().into_data().unwrap());
        }
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn names_are_escaped_and_links_are_encoded() {
        let page =
            rendered("/a<b", vec![ListingEntry::new("c&d e:f/", "→ <g>"), ListingEntry::new("x", "5")]);
        let expected = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>&#x2f;a&lt;b</title></head>\n\
            <body><h1>&#x2f;a&lt;b</h1>\n<table>\n<tr><td><a href=\"../\">../</a></td><td></td></tr>\n\
            <tr><td><a href=\"./c%26d%20e:f/\">c&amp;d e:f&#x2f;</a></td><td>→ &lt;g&gt;</td></tr>\n\
            <tr><td><a href=\"./x\">x</a></td><td>5</td></tr>\n</table></body></html>\n";
        assert_eq!(page, expected);
    }
}
