//! A page: the HTML of a Markdown document.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use content::printable;
use pulldown_cmark::html::push_html;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use super::links::{Documents, Target, target};

/// The look of a page: readable on any screen, with nothing loaded from elsewhere.
const STYLE: &str = "body{max-width:50rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 sans-serif}\
    pre,code{font-family:monospace;background:#f3f3f3}pre{padding:.7rem;overflow:auto}img{max-width:100%}\
    table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}";

/// A page and what is wrong with its links, each with its line.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) html: String,
    pub(super) warnings: Vec<String>,
}

/// What a URL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Link,
    Picture,
}

/// The page of the Markdown text of `document`. Links to other documents lead to them in the archive.
pub(super) fn render(markdown: &str, document: &Path, documents: &Documents) -> Page {
    let mut warnings = Vec::new();
    let events = relinked(markdown, &mut |used, url, line| {
        let mut warn = |text: String| {
            warnings.push(format!("{}:{line}: {text}", content::printable_path(document)));
            None
        };
        let shown = printable(url);
        match (used, target(url, document)) {
            (_, Target::Here) | (Use::Link, Target::Network) => None,
            (Use::Picture, Target::Network) if url.starts_with("data:") => None,
            (Use::Picture, Target::Network) => warn(format!("the picture {shown} is on the network")),
            (used, Target::Local(path, fragment)) => match (documents.url(document, &path), used) {
                (Some(found), _) => Some(found + &fragment),
                (None, Use::Picture) => warn(format!("the picture {shown} does not exist")),
                (None, Use::Link) => warn(format!("the link to {shown} leads out of the documentation")),
            },
            (_, Target::Outside) => warn(format!("{shown} leads out of the project")),
        }
    });
    let events = with_anchors(events);
    let mut html =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
    // As an event, so that it is escaped.
    push_html(&mut html, std::iter::once(Event::Text(title(&events).into())));
    html.push_str("</title>\n<style>");
    html.push_str(STYLE);
    html.push_str("</style>\n</head>\n<body>\n");
    push_html(&mut html, events.into_iter());
    html.push_str("</body>\n</html>\n");
    Page { html, warnings }
}

/// The pictures of the project that the Markdown text of `document` shows.
pub(super) fn pictures(markdown: &str, document: &Path) -> BTreeSet<PathBuf> {
    let mut pictures = BTreeSet::new();
    relinked(markdown, &mut |used, url, _| {
        if let (Use::Picture, Target::Local(path, _)) = (used, target(url, document)) {
            pictures.insert(path);
        }
        None
    });
    pictures
}

/// Gives the use, the URL and the line of a link; the URL to take instead, if any.
type Relink<'r> = dyn FnMut(Use, &str, usize) -> Option<String> + 'r;

/// The events of a text, the URLs in it replaced.
fn relinked<'t>(markdown: &'t str, relink: &mut Relink<'_>) -> Vec<Event<'t>> {
    let extensions = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    let (mut line, mut counted) = (1, 0);
    let mut events = Vec::new();
    for (event, range) in Parser::new_ext(markdown, extensions).into_offset_iter() {
        // Footnotes may come out of order; then the last line stands.
        if let Some(passed) = markdown.get(counted..range.start) {
            line += passed.matches('\n').count();
            counted = range.start;
        }
        events.push(match event {
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = relink(Use::Link, &dest_url, line).map_or(dest_url, CowStr::from);
                Event::Start(Tag::Link { link_type, dest_url, title, id })
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let dest_url = relink(Use::Picture, &dest_url, line).map_or(dest_url, CowStr::from);
                Event::Start(Tag::Image { link_type, dest_url, title, id })
            }
            Event::Html(html) => Event::Html(relinked_html(&html, line, relink).into()),
            Event::InlineHtml(html) => Event::InlineHtml(relinked_html(&html, line, relink).into()),
            other => other,
        });
    }
    events
}

/// HTML with the URLs of its quoted attributes `src` and `href` replaced.
fn relinked_html(html: &str, line: usize, relink: &mut Relink<'_>) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(place) = rest.find('=') {
        let (before, after) = rest.split_at(place + 1);
        out.push_str(before);
        rest = after;
        let attribute = before.trim_end_matches('=').rsplit(char::is_whitespace).next().unwrap_or_default();
        let used = match attribute.to_ascii_lowercase().as_str() {
            "src" => Use::Picture,
            "href" => Use::Link,
            _ => continue,
        };
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
        let Some((url, _)) = rest.get(1..).and_then(|inner| inner.split_once(quote)) else { continue };
        out.push(quote);
        match relink(used, url, line) {
            Some(url) => out.push_str(&url),
            None => out.push_str(url),
        }
        rest = rest.get(1 + url.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Gives headings the names that links to them use: those that the hosts of Git repositories give.
fn with_anchors(mut events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for index in 0..events.len() {
        if !matches!(events.get(index), Some(Event::Start(Tag::Heading { id: None, .. }))) {
            continue;
        }
        let name = anchor(&heading(events.get(index..).unwrap_or_default()));
        let count = taken.entry(name.clone()).and_modify(|count| *count += 1).or_default();
        let name = if *count == 0 { name } else { format!("{name}-{count}") };
        if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(index) {
            *id = Some(name.into());
        }
    }
    events
}

/// `The `way` of, data` is `the-way-of-data`.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The text of the first heading.
fn title(events: &[Event<'_>]) -> String {
    let start = events.iter().position(|event| matches!(event, Event::Start(Tag::Heading { .. })));
    heading(start.and_then(|start| events.get(start..)).unwrap_or_default())
}

/// The text of the heading that `events` begin with.
fn heading(events: &[Event<'_>]) -> String {
    events
        .iter()
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(&**text),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> Documents {
        Documents::new(
            ["README.md", "docs/guide.md", "docs/img/a.png", "logo.svg", "manual.pdf"].map(PathBuf::from),
        )
    }

    #[test]
    fn a_page_is_whole_and_loads_nothing() {
        let page =
            render("# A & <b>\n\n| x |\n| - |\n| y |\n", Path::new("README.md"), &Documents::new([])).html;
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        assert!(page.contains("<title>A &amp; </title>"), "{page}");
        assert!(page.contains("<td>y</td>"), "{page}");
        assert!(!page.contains("src=") && !page.contains("<script"), "{page}");
    }

    #[test]
    fn links_and_pictures_work_in_markdown_and_in_html() {
        let text = "# Guide\n\n[home](../README.md#every-day) [pdf](../manual.pdf) [ref][r]\n\n![a](img/a.png \"t\")\n\n\
                    <p align=\"center\">\n<img alt=\"=\" src=\"../logo.svg\" width='3'>\n<a href='../README.md'>x</a>\n</p>\n\n\
                    text <img SRC='img/a.png'> [up](https://example.test/x.md) [here](#guide)\n\n[r]: /docs/guide.md\n";
        let page = render(text, Path::new("docs/guide.md"), &documents());
        assert_eq!(page.warnings, [""; 0]);
        for expected in [
            "<a href=\"../index.html#every-day\">",
            "<a href=\"../manual.pdf\">",
            "<a href=\"guide.html\">ref",
            "<img src=\"img/a.png\" alt=\"a\" title=\"t\"",
            "<img alt=\"=\" src=\"../logo.svg\" width='3'>",
            "<a href='../index.html'>x</a>",
            "text <img SRC='img/a.png'>",
            "href=\"https://example.test/x.md\"",
            "href=\"#guide\"",
            "<h1 id=\"guide\">",
        ] {
            assert!(page.html.contains(expected), "{expected}: {}", page.html);
        }
        let found = pictures(text, Path::new("docs/guide.md"));
        assert_eq!(found, ["docs/img/a.png", "logo.svg"].map(PathBuf::from).into());
    }

    #[test]
    fn links_that_lead_nowhere_are_named_with_their_line() {
        let text = "# A\n\n[l](../LICENSE)\n![b](https://example.test/badge.svg)\n\n![m](missing.png)\n[o](../../x)\n\
                    <img src=\"/gone.png\">\n![d](data:image/png;base64,AA==)\n";
        let page = render(text, Path::new("docs/guide.md"), &documents());
        assert_eq!(
            page.warnings,
            [
                "docs/guide.md:3: the link to ../LICENSE leads out of the documentation",
                "docs/guide.md:4: the picture https://example.test/badge.svg is on the network",
                "docs/guide.md:6: the picture missing.png does not exist",
                "docs/guide.md:7: ../../x leads out of the project",
                "docs/guide.md:8: the picture /gone.png does not exist",
            ]
        );
    }

    #[test]
    fn headings_have_the_names_that_links_use() {
        let text = "# The `way` of, *the* data!\n\n## Twice\n\n## Twice\n\n### Über_uns - 1.2\n";
        let html = render(text, Path::new("README.md"), &Documents::new([])).html;
        for id in ["the-way-of-the-data", "twice", "twice-1", "über_uns---12"] {
            assert!(html.contains(&format!("id=\"{id}\"")), "{id}: {html}");
        }
    }
}
