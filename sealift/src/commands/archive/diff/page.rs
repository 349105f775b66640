//! The report as a document for others: Markdown and HTML.

use archive::diff::{Comparison, FileState, PackageChange, Sameness};
use content::printable;

use super::{SAME_FILES, described, names, tags};
use crate::output::size;
use crate::page::{self, Block, Column, Page, Paragraph};

/// A part of the report: a table below a heading.
struct Section {
    heading: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// The sentences about the archives as a whole.
fn summary(found: &Comparison) -> Vec<String> {
    match found.sameness {
        Sameness::Identical => return vec!["The archives are equal.".to_owned()],
        Sameness::SameFiles => {
            let mut sentence = SAME_FILES.replacen("the", "The", 1);
            sentence.push('.');
            return vec![sentence];
        }
        Sameness::Different => {}
    }
    let [former, new] = names(found);
    [(former, &found.former, found.former_bytes), (new, &found.new, found.new_bytes)]
        .map(|(name, archive, own)| {
            let iso = archive.image_bytes.map(|bytes| format!(", an ISO of {}", size(bytes)));
            let files = crate::output::count(archive.files, "file");
            let iso = iso.unwrap_or_default();
            format!("{name} has {files}{iso}, and {} of content that the other one does not have.", size(own))
        })
        .into()
}

fn title(found: &Comparison) -> String {
    match (&found.former.product, &found.new.product) {
        (Some(former), Some(new)) if former.name == new.name && former.version != new.version => {
            format!("{} {} to {}", printable(&new.name), printable(&former.version), printable(&new.version))
        }
        _ => names(found).join(" to "),
    }
}

fn word(change: PackageChange) -> &'static str {
    match change {
        PackageChange::Added => "added",
        PackageChange::Removed => "removed",
        PackageChange::Upgraded => "upgraded",
        PackageChange::Downgraded => "downgraded",
        PackageChange::Changed => "changed",
    }
}

fn sections(found: &Comparison) -> Vec<Section> {
    let images = found.contents.images.iter();
    let images = images.map(|one| vec![one.name.clone(), tags(&one.former), tags(&one.new)]);
    let packages = found.contents.packages.iter().map(|one| {
        let (former, new) = (one.former.join(", "), one.new.join(", "));
        let word = word(one.change()).to_owned();
        vec![one.name.clone(), one.arch.clone(), word, former, new, one.repository.clone()]
    });
    let in_images = found.image_packages.iter().map(|one| {
        let (former, new) = (one.former.join(", "), one.new.join(", "));
        let (kind, word) = (one.ecosystem.name().to_owned(), word(one.change()).to_owned());
        vec![one.image.clone(), one.name.clone(), kind, word, former, new]
    });
    let state = |state: &Option<FileState>| state.as_ref().map(described).unwrap_or_default();
    let files = found.files.iter().map(|one| vec![one.path.clone(), state(&one.former), state(&one.new)]);
    let all = [
        Section { heading: "Images", columns: &["Image", "Former", "New"], rows: images.collect() },
        Section {
            heading: "Packages in images",
            columns: &["Image", "Package", "Kind", "Change", "Former", "New"],
            rows: in_images.collect(),
        },
        Section {
            heading: "Packages",
            columns: &["Package", "Architecture", "Change", "Former", "New", "Repository"],
            rows: packages.collect(),
        },
        Section { heading: "Other files", columns: &["File", "Former", "New"], rows: files.collect() },
    ];
    all.into_iter().filter(|section| !section.rows.is_empty()).collect()
}

/// The report in the Markdown of GitHub, with a table for images, the packages in them, packages and files.
pub(super) fn markdown(found: &Comparison) -> String {
    let cell = |text: &str| format!(" {} |", escaped(&printable(text).to_string()));
    let mut text = format!("# {}\n", escaped(&title(found)));
    for sentence in summary(found) {
        text += &format!("\n{}\n", escaped(&sentence));
    }
    for Section { heading, columns, rows } in sections(found) {
        text += &format!("\n## {heading}\n\n|");
        text.extend(columns.iter().map(|column| cell(column)));
        text += "\n|";
        text.extend(columns.iter().map(|_| " --- |"));
        for row in rows {
            text += "\n|";
            text.extend(row.iter().map(|value| cell(value)));
        }
        text.push('\n');
    }
    text
}

/// The report as one HTML page.
pub(super) fn html(found: &Comparison) -> anyhow::Result<String> {
    let tables = sections(found).into_iter().map(|Section { heading, columns, rows }| {
        let columns: Vec<Column> = columns.iter().map(|name| Column::text(name)).collect();
        page::Section { heading, blocks: vec![Block::table(&columns, rows)] }
    });
    let lead = summary(found).into_iter().map(Paragraph::new).collect();
    Page { title: title(found), lead, sections: tables.collect(), footer: None }.html()
}

/// What a name could act as in a cell of a table, and what stands for it.
const MARKDOWN: &[(char, &str)] = &[
    ('\\', "\\\\"),
    ('|', "\\|"),
    ('`', "\\`"),
    ('*', "\\*"),
    ('_', "\\_"),
    ('[', "\\["),
    (']', "\\]"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('&', "&amp;"),
    ('#', "\\#"),
    ('~', "\\~"),
    ('\n', " "),
];

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match MARKDOWN.iter().find(|(from, _)| *from == char) {
            Some((_, to)) => out.push_str(to),
            None => out.push(char),
        }
    }
    out
}
