//! Pages for those who read the archive and nothing else: `documentation`. Markdown becomes HTML that needs no network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulldown_cmark::html::push_html;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use super::{Error, Place, place_file, spelled};
use crate::graph::{Input, Output, Task, Title};

/// The look of a page: readable on any screen, with nothing loaded from elsewhere.
const STYLE: &str = "body{max-width:50rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 sans-serif}\
    pre,code{font-family:monospace;background:#f3f3f3}pre{padding:.7rem;overflow:auto}\
    table{border-collapse:collapse}th,td{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}";

pub(super) fn add(place: &mut Place<'_>) -> Result<(), Error> {
    let project = Arc::clone(place.project);
    let folder = project.tree().join(archive::layout::DOCUMENTATION);
    for page in &project.documentation {
        let source = project.root.join(page);
        if !source.is_file() {
            return Err(Error::Read { path: source, source: std::io::ErrorKind::NotFound.into() });
        }
        let target = folder.join(page_name(page));
        let mut inputs = place.made_here();
        inputs.push(Input::file(&source));
        let pages = project.documentation.clone();
        inputs.push(Input::value("pages", format!("{pages:?}")));
        let (page, to) = (page.clone(), target.clone());
        place.push(Task {
            name: format!("_doc_deploy:{}", spelled(&page)),
            doc: format!("Turn {} into a page of the archive.", page.display()),
            title: Title::new("DOC HTML", place.shown(&target)),
            inputs,
            outputs: vec![Output::File(target)],
            action: Some(Box::new(move |_| {
                let text = std::fs::read_to_string(&source)?;
                Ok(place_file::write(&to, &html(&text, &page, &pages), 0o644)?)
            })),
            ..Task::default()
        });
    }
    place.group("documentation", "Turn the documentation into pages of the archive.", &["_doc_deploy:"]);
    Ok(())
}

/// `README.md` is the first page; others keep their name and folder.
fn page_name(page: &Path) -> PathBuf {
    if page == Path::new("README.md") { "index.html".into() } else { page.with_extension("html") }
}

/// The page of the Markdown text of `page`. Links to others of `pages` lead to their pages.
fn html(markdown: &str, page: &Path, pages: &[PathBuf]) -> String {
    let extensions = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    let events: Vec<Event<'_>> =
        Parser::new_ext(markdown, extensions).map(|event| relink(event, page, pages)).collect();
    let mut html =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
    // As an event, so that it is escaped.
    push_html(&mut html, std::iter::once(Event::Text(title(&events).into())));
    html.push_str("</title>\n<style>");
    html.push_str(STYLE);
    html.push_str("</style>\n</head>\n<body>\n");
    push_html(&mut html, events.into_iter());
    html.push_str("</body>\n</html>\n");
    html
}

/// The text of the first heading.
fn title(events: &[Event<'_>]) -> String {
    events
        .iter()
        .skip_while(|event| !matches!(event, Event::Start(Tag::Heading { .. })))
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(&**text),
            _ => None,
        })
        .collect()
}

fn relink<'a>(event: Event<'a>, page: &Path, pages: &[PathBuf]) -> Event<'a> {
    match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = linked_page(&dest_url, page, pages).map_or(dest_url, CowStr::from);
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        other => other,
    }
}

/// Where the link `url` of `page` leads if it names one of `pages`: `runtime/README.md#tls` to `runtime/README.html#tls`.
fn linked_page(url: &str, page: &Path, pages: &[PathBuf]) -> Option<String> {
    let (path, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let target = page.parent().unwrap_or(Path::new("")).join(path);
    if !pages.contains(&target) {
        return None;
    }
    let name = page_name(&target);
    let written = Path::new(path).with_file_name(name.file_name()?);
    Some(format!("{}{fragment}", written.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_pages_that_are_there() {
        let pages =
            ["README.md", "ARCHITECTURE.md", "runtime/README.md", "runtime/site.md"].map(PathBuf::from);
        for (page, url, expected) in [
            ("README.md", "ARCHITECTURE.md", Some("ARCHITECTURE.html")),
            ("README.md", "ARCHITECTURE.md#rooms", Some("ARCHITECTURE.html#rooms")),
            ("ARCHITECTURE.md", "README.md", Some("index.html")),
            ("README.md", "runtime/README.md", Some("runtime/README.html")),
            ("runtime/README.md", "site.md", Some("site.html")),
            ("README.md", "LICENSE", None),
            ("README.md", "https://example.test/README.md", None),
            ("README.md", "#rooms", None),
        ] {
            assert_eq!(linked_page(url, Path::new(page), &pages).as_deref(), expected, "{url} in {page}");
        }
    }

    #[test]
    fn a_page_is_whole_and_loads_nothing() {
        let page = html("# A & <b>\n\n| x |\n| - |\n| y |\n", Path::new("README.md"), &[]);
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        assert!(page.contains("<title>A &amp; </title>"), "{page}");
        assert!(page.contains("<td>y</td>"), "{page}");
        assert!(!page.contains("src=") && !page.contains("<script"), "{page}");
    }
}
