//! Changelogs in Markdown, with a heading of the second level for each version, as Keep a Changelog 1.1.0 has them.

use std::collections::BTreeSet;
use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

/// What the changelog says about one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// The version that the heading names, without `v` and brackets: `1.2.0`. Of another heading, its first word.
    pub(super) version: String,
    /// The heading as it is written, without `## `, on one line.
    pub(super) heading: String,
    /// What is below it, without blank lines at both ends and without definitions of links.
    pub(super) text: String,
    /// The definitions of links that the heading and the text use, as they are written.
    pub(super) links: BTreeSet<String>,
    /// Whether the text is empty, or has only headings and comments.
    pub(super) is_empty: bool,
}

impl Section {
    /// Whether the heading says that the version is not released.
    pub(super) fn is_unreleased(&self) -> bool {
        self.heading.to_ascii_lowercase().contains("unreleased")
    }
}

/// A section that is being read.
struct Reading {
    /// The words of the heading.
    words: String,
    /// Where the content of the heading is.
    heading: Range<usize>,
    /// Where the text starts.
    start: usize,
    links: BTreeSet<String>,
    is_empty: bool,
}

impl Reading {
    fn new(heading: &Range<usize>) -> Self {
        let (start, links) = (heading.end, BTreeSet::new());
        Self { words: String::new(), heading: start..start, start, links, is_empty: true }
    }

    /// The section, whose text ends at `end`. `definitions` are the places of the definitions of links, in their order.
    fn finish(self, all: &str, end: usize, definitions: &[Range<usize>]) -> Section {
        let mut text = String::new();
        let mut place = self.start;
        for definition in definitions.iter().filter(|one| one.start >= self.start && one.end <= end) {
            text.push_str(all.get(place..definition.start).unwrap_or_default());
            place = definition.end;
        }
        text.push_str(all.get(place..end).unwrap_or_default());
        let heading = all.get(self.heading).unwrap_or_default();
        Section {
            version: version(&self.words).to_owned(),
            heading: heading.split_whitespace().collect::<Vec<_>>().join(" "),
            text: text.trim().to_owned(),
            links: self.links,
            is_empty: self.is_empty,
        }
    }
}

/// The sections in their order. Headings inside of other blocks, such as code and quotes, start no section.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut events = Parser::new(text).into_offset_iter();
    let all = events.reference_definitions().iter();
    let mut definitions: Vec<Range<usize>> = all.map(|(_, one)| one.span.clone()).collect();
    definitions.sort_unstable_by_key(|span| span.start);
    let mut sections = Vec::new();
    let mut reading: Option<Reading> = None;
    // How many blocks and marks are open, and whether one of them is the heading of the section, or another heading.
    let (mut depth, mut in_own_heading, mut in_heading) = (0_usize, false, false);
    while let Some((event, range)) = events.next() {
        if let Event::Start(Tag::Heading { level, .. }) = &event {
            in_heading = true;
            if depth == 0 && *level <= HeadingLevel::H2 {
                sections.extend(reading.take().map(|last| last.finish(text, range.start, &definitions)));
                in_own_heading = *level == HeadingLevel::H2;
                reading = in_own_heading.then(|| Reading::new(&range));
                depth += 1;
                continue;
            }
        }
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                if matches!(end, TagEnd::Heading(_)) {
                    (in_heading, in_own_heading) = (false, false);
                }
                continue;
            }
            _ => {}
        }
        let Some(reading) = &mut reading else { continue };
        if let Event::Start(Tag::Link { id, .. } | Tag::Image { id, .. }) = &event
            && let Some(definition) = events.reference_definitions().get(id)
        {
            let written = text.get(definition.span.clone()).unwrap_or_default();
            reading.links.insert(written.trim().to_owned());
        }
        if in_own_heading {
            if reading.heading.is_empty() {
                reading.heading = range.clone();
            }
            reading.heading.end = reading.heading.end.max(range.end);
            match &event {
                Event::Text(words) | Event::Code(words) => reading.words.push_str(words),
                Event::SoftBreak | Event::HardBreak => reading.words.push(' '),
                _ => {}
            }
            continue;
        }
        let is_content = match &event {
            Event::Text(_) | Event::Code(_) | Event::Start(Tag::Image { .. }) => true,
            Event::Start(Tag::HtmlBlock) => !is_comment(text.get(range).unwrap_or_default()),
            Event::InlineHtml(html) => !is_comment(html),
            _ => false,
        };
        reading.is_empty &= in_heading || !is_content;
    }
    sections.extend(reading.map(|last| last.finish(text, text.len(), &definitions)));
    sections
}

/// Whether HTML is a comment alone.
fn is_comment(html: &str) -> bool {
    let html = html.trim();
    html.starts_with("<!--") && html.rsplit_once("-->").is_none_or(|(_, rest)| rest.is_empty())
}

/// The version that the words of a heading such as `[v1.2.0] – 2026-01-31` name.
fn version(words: &str) -> &str {
    let word = words.trim_start().trim_start_matches('[');
    let word = word.split([' ', ']', '(', ':', ',']).next().unwrap_or_default();
    match word.strip_prefix('v') {
        Some(version) if version.starts_with(|first: char| first.is_ascii_digit()) => version,
        _ => word,
    }
}
