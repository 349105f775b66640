//! Changelogs in Markdown, with a heading of the second level for each version, as Keep a Changelog 1.1.0 has them.

/// What the changelog says about one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// The version that the heading names, without `v` and brackets: `1.2.0`. Of another heading, its first word.
    pub(super) version: &'a str,
    /// The heading, without `## `.
    pub(super) heading: &'a str,
    /// The lines below it, without blank ones at both ends.
    pub(super) text: &'a str,
}

impl Section<'_> {
    /// Whether the heading says that the version is not released.
    pub(super) fn is_unreleased(&self) -> bool {
        self.heading.to_ascii_lowercase().contains("unreleased")
    }
}

/// The sections in their order. Headings in code are none.
pub(super) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    // Where the text of the last section starts.
    let mut start = None;
    let mut fence: Option<&str> = None;
    let mut place = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        if fence.is_none()
            && let Some(heading) = line.strip_prefix("## ")
        {
            if let (Some(last), Some(start)) = (sections.last_mut(), start) {
                last.text = text.get(start..place).unwrap_or_default().trim();
            }
            let heading = heading.trim();
            sections.push(Section { version: version(heading), heading, text: "" });
            start = Some(place + line.len());
        }
        place += line.len();
    }
    if let (Some(last), Some(start)) = (sections.last_mut(), start) {
        last.text = text.get(start..).unwrap_or_default().trim();
    }
    sections
}

/// The version that a heading such as `[v1.2.0](URL) – 2026-01-31` names.
fn version(heading: &str) -> &str {
    let word = heading.trim_start_matches('[');
    let word = word.split([' ', ']', '(', ':', ',']).next().unwrap_or_default();
    match word.strip_prefix('v') {
        Some(version) if version.starts_with(|first: char| first.is_ascii_digit()) => version,
        _ => word,
    }
}
