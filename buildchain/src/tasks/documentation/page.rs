//! A page: the HTML of a Markdown document.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use content::printable;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value};
use percent_encoding::percent_decode_str;
use pulldown_cmark::html::push_html;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use super::contents::{Contents, safe};
use super::include::IncludedText;
use super::links::{Documents, is_markdown, output, relative};
use super::{STYLE_NAME, Site};
use crate::project::{LinkTarget, target};

/// The frame of every page.
const TEMPLATE: &str = include_str!("page.html");

/// The most bytes of a heading's name that is so short that any other would be close to it.
const NAME_MIN: usize = 3;

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

/// A place in a Markdown text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// The page of `document`, whose Markdown is `text`. Links to other documents lead to them in the archive.
///
/// # Errors
///
/// If the frame cannot be filled in.
pub(super) fn render(text: &IncludedText, document: &Path, site: &Site) -> Result<Page, minijinja::Error> {
    let mut warnings = Vec::new();
    let events = relinked(&text.text, &mut |used, url, position| {
        let mut warn = |message: String| {
            let line = text.line(position.line);
            warnings.push(format!("{}:{line}: {message}", content::printable_path(document)));
            None
        };
        let shown = printable(url);
        match (used, target(url, document)) {
            (_, LinkTarget::Here) | (Use::Link, LinkTarget::Network) => None,
            (Use::Picture, LinkTarget::Network) if url.starts_with("data:") => None,
            (Use::Picture, LinkTarget::Network) => warn(format!("the picture {shown} is on the network")),
            (used, LinkTarget::Local(path, fragment)) => match (site.documents.url(document, &path), used) {
                (Some(found), _) => Some(found + &fragment),
                (None, Use::Picture) => warn(format!("the picture {shown} does not exist")),
                (None, Use::Link) => warn(format!("the link to {shown} leads out of the documentation")),
            },
            (_, LinkTarget::Outside) => warn(format!("{shown} leads out of the project")),
        }
    });
    let events = with_anchors(events);
    let title = title(&events);
    let mut body = String::new();
    push_html(&mut body, events.into_iter());
    let html = framed(&title, &body, document, &site.documents, &site.contents)?;
    Ok(Page { html, warnings })
}

/// The first page of a documentation that has no document for it: the table of contents alone.
///
/// # Errors
///
/// If the frame cannot be filled in.
pub(super) fn front(site: &Site) -> Result<String, minijinja::Error> {
    framed("Contents", "<h1>Contents</h1>", Path::new("index.html"), &site.documents, &site.contents)
}

/// The whole page with this title and body.
fn framed(
    title: &str,
    body: &str,
    document: &Path,
    documents: &Documents,
    contents: &Contents,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    environment.add_template("page.html", TEMPLATE)?;
    let (before, after) = contents.neighbors(document, documents);
    environment.get_template("page.html")?.render(minijinja::context! {
        title,
        body => Value::from_safe_string(body.trim_end().to_owned()),
        style => safe(relative(&output(document), Path::new(STYLE_NAME))),
        contents => contents.values(document, documents),
        before,
        after,
    })
}

/// The files of the project that the Markdown text of `document` needs: its pictures and, with `links`, the files that are
/// no pages and that it links to.
pub(super) fn files(markdown: &str, document: &Path, links: bool) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    relinked(markdown, &mut |used, url, _| {
        match (used, target(url, document)) {
            (Use::Picture, LinkTarget::Local(path, _)) => {
                files.insert(path);
            }
            (Use::Link, LinkTarget::Local(path, _)) if links && !is_markdown(&path) => {
                files.insert(path);
            }
            _ => {}
        }
        None
    });
    files
}

/// What is wrong with the links of the Markdown text of `document`, a chapter of a book: those that lead to no document, and to
/// no place in one. `anchors` has the places of each page.
pub(super) fn broken_links(
    markdown: &str,
    document: &Path,
    documents: &Documents,
    anchors: &HashMap<PathBuf, BTreeSet<String>>,
    exists: &dyn Fn(&Path) -> bool,
) -> Vec<(Position, String)> {
    let mut broken = Vec::new();
    relinked(markdown, &mut |used, url, position| {
        let shown = printable(url);
        let (path, fragment) = match target(url, document) {
            LinkTarget::Network => return None,
            LinkTarget::Here => (
                document.to_path_buf(),
                url.find('#').and_then(|at| url.get(at..)).unwrap_or_default().to_owned(),
            ),
            LinkTarget::Local(path, fragment) => (path, fragment),
            LinkTarget::Outside => {
                broken.push((position, format!("{shown} leads out of the project")));
                return None;
            }
        };
        let Some(opened) = documents.opened(&path) else {
            let what = if used == Use::Picture { "the picture" } else { "the link" };
            let why = if exists(&path) { "is not part of the documentation" } else { "does not exist" };
            let path = content::printable_path(&path);
            broken.push((position, format!("{what} {shown} leads to {path}, which {why}")));
            return None;
        };
        let name = percent_decode_str(fragment.trim_start_matches('#')).decode_utf8_lossy().into_owned();
        if let Some(anchors) =
            anchors.get(&opened).filter(|anchors| !name.is_empty() && !anchors.contains(&name))
        {
            let known =
                content::nearest(&name, anchors.iter().map(String::as_str).filter(|_| name.len() > NAME_MIN));
            let hint = known.map(|known| format!("; did you mean #{known}?")).unwrap_or_default();
            broken.push((position, format!("{shown}: no such heading{hint}")));
        }
        None
    });
    broken
}

/// The names of the places in a Markdown text that links can lead to.
pub(super) fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for event in with_anchors(relinked(markdown, &mut |_, _, _| None)) {
        match event {
            Event::Start(Tag::Heading { id: Some(id), .. }) => drop(anchors.insert(id.into_string())),
            Event::Html(html) | Event::InlineHtml(html) => {
                for attribute in [" id=\"", " name=\""] {
                    let names = html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
                    anchors.extend(names.map(str::to_owned));
                }
            }
            _ => {}
        }
    }
    anchors
}

/// The text of the first heading of a Markdown text.
pub(super) fn title_of(markdown: &str) -> String {
    title(&relinked(markdown, &mut |_, _, _| None))
}

/// Gives the use, the URL and the place of a link; the URL to take instead, if any.
type Relink<'r> = dyn FnMut(Use, &str, Position) -> Option<String> + 'r;

/// The events of a text, the URLs in it replaced.
fn relinked<'t>(markdown: &'t str, relink: &mut Relink<'_>) -> Vec<Event<'t>> {
    let extensions = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let (mut line, mut counted) = (1, 0);
    let mut events = Vec::new();
    for (event, range) in Parser::new_ext(markdown, extensions).into_offset_iter() {
        // Footnotes may come out of order; then the last line stands.
        if let Some(passed) = markdown.get(counted..range.start) {
            line += passed.bytes().filter(|byte| *byte == b'\n').count() as u64;
            counted = range.start;
        }
        let start = markdown.get(..range.start).and_then(|before| before.rsplit('\n').next());
        let column = start.unwrap_or_default().chars().count() as u64 + 1;
        let position = Position { line, column };
        events.push(match event {
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = relink(Use::Link, &dest_url, position).map_or(dest_url, CowStr::from);
                Event::Start(Tag::Link { link_type, dest_url, title, id })
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let dest_url = relink(Use::Picture, &dest_url, position).map_or(dest_url, CowStr::from);
                Event::Start(Tag::Image { link_type, dest_url, title, id })
            }
            Event::Html(html) => Event::Html(relinked_html(&html, position, relink).into()),
            Event::InlineHtml(html) => Event::InlineHtml(relinked_html(&html, position, relink).into()),
            other => other,
        });
    }
    events
}

/// HTML with the URLs of its quoted attributes `src` and `href` replaced.
fn relinked_html(html: &str, position: Position, relink: &mut Relink<'_>) -> String {
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
        match relink(used, url, position) {
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

    fn site() -> Site {
        let documents = ["README.md", "docs/guide.md", "docs/img/a.png", "logo.svg", "manual.pdf"];
        Site { documents: Documents::new(documents.map(PathBuf::from)), contents: Contents::default() }
    }

    fn rendered(text: &str, document: &str) -> Page {
        render(&IncludedText::from(text), Path::new(document), &site()).unwrap()
    }

    #[test]
    fn a_page_is_whole_and_loads_nothing() {
        let page = rendered("# A & <b>\n\n| x |\n| - |\n| y |\n", "README.md").html;
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
        let page = rendered(text, "docs/guide.md");
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
        let found = |links| files(text, Path::new("docs/guide.md"), links);
        assert_eq!(found(false), ["docs/img/a.png", "logo.svg"].map(PathBuf::from).into());
        assert_eq!(found(true), ["docs/img/a.png", "logo.svg", "manual.pdf"].map(PathBuf::from).into());
    }

    #[test]
    fn links_that_lead_nowhere_are_named_with_their_line() {
        let text = "# A\n\n[l](../LICENSE)\n![b](https://example.test/badge.svg)\n\n![m](missing.png)\n[o](../../x)\n\
                    <img src=\"/gone.png\">\n![d](data:image/png;base64,AA==)\n";
        let page = rendered(text, "docs/guide.md");
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
        let text = "# The `way` of, *the* data!\n\n## Twice\n\n## Twice\n\n### Über_uns - 1.2\n\n## Own {#own-name}\n";
        let html = rendered(text, "README.md").html;
        for id in ["the-way-of-the-data", "twice", "twice-1", "über_uns---12", "own-name"] {
            assert!(html.contains(&format!("id=\"{id}\"")), "{id}: {html}");
        }
    }

    #[test]
    fn broken_links_of_a_chapter_have_their_places() {
        let text = "# A\n\n[ok](../README.md#bravo) [l](../LICENSE)\n\n- ![m](missing.png) [x](#a) [y](#b)\n- [z](../README.md#braco)\n\
                    \n[o](../../x) [n](https://example.test/#q) <a id=\"here\" href='gone.md'>g</a> [h](#here) \
                    [f](../manual.pdf#page=2)\n";
        let document = Path::new("docs/guide.md");
        let anchors = [("README.md", "# Bravo\n"), ("docs/guide.md", text)];
        let anchors = anchors.map(|(path, text)| (PathBuf::from(path), super::anchors(text))).into();
        let exists = |path: &Path| path == Path::new("LICENSE");
        let found = broken_links(text, document, &site().documents, &anchors, &exists);
        let found: Vec<String> =
            found.iter().map(|(place, text)| format!("{}:{} {text}", place.line, place.column)).collect();
        assert_eq!(
            found,
            [
                "3:26 the link ../LICENSE leads to LICENSE, which is not part of the documentation",
                "5:3 the picture missing.png leads to docs/missing.png, which does not exist",
                "5:29 #b: no such heading",
                "6:3 ../README.md#braco: no such heading; did you mean #bravo?",
                "8:1 ../../x leads out of the project",
                "8:43 the link gone.md leads to docs/gone.md, which does not exist",
            ]
        );
    }
}
