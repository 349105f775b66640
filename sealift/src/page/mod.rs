//! Reports as one HTML page: without scripts, and without links to other files. It has the style sheet of the status page.
//!
//! All texts can come from an archive. They are escaped, and long texts and tables are cut.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;

/// The most rows of a table, and lines of a list.
pub(crate) const ROWS_MAX: usize = 5000;
/// The most characters of a text.
const TEXT_MAX: usize = 500;
const TEMPLATE: &str = "page.html";

/// A page.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Page {
    /// The title, which is the heading, too.
    pub(crate) title: String,
    /// What stands below the title.
    pub(crate) lead: Vec<Paragraph>,
    pub(crate) sections: Vec<Section>,
    pub(crate) footer: Option<String>,
}

/// A part of a page below a heading.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) blocks: Vec<Block>,
}

/// What a section has.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Block {
    Text(Paragraph),
    /// A command to type.
    Command {
        text: String,
    },
    /// Names and their values.
    Facts {
        facts: Vec<Fact>,
    },
    /// What is wrong.
    Findings {
        lines: Vec<String>,
        /// How many more there are.
        more: u64,
    },
    Table(Table),
}

/// Sentences, after a word in color.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Paragraph {
    badge: Option<Badge>,
    pub(crate) text: String,
}

#[derive(Clone, Debug, Serialize)]
struct Badge {
    state: State,
    word: &'static str,
}

/// What the color of a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    Good,
    Warn,
    Bad,
}

/// A value with its name.
#[derive(Debug, Serialize)]
pub(crate) struct Fact {
    name: &'static str,
    value: String,
    code: bool,
}

/// A table. The first column names the rows.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// How many more rows there are.
    more: usize,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Column {
    name: &'static str,
    code: bool,
}

impl Paragraph {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { badge: None, text: text.into() }
    }

    pub(crate) fn marked(state: State, word: &'static str, text: impl Into<String>) -> Self {
        Self { badge: Some(Badge { state, word }), text: text.into() }
    }
}

impl Block {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Paragraph::new(text))
    }

    /// The first [`ROWS_MAX`] of these lines; `more` were left out before.
    pub(crate) fn findings(lines: impl IntoIterator<Item = String>, more: u64) -> Self {
        let mut lines = lines.into_iter();
        let kept = lines.by_ref().take(ROWS_MAX).collect();
        Self::Findings { lines: kept, more: more.saturating_add(lines.count() as u64) }
    }

    /// The first [`ROWS_MAX`] of these rows.
    pub(crate) fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let mut rows = rows.into_iter();
        let kept = rows.by_ref().take(ROWS_MAX).collect();
        Self::Table(Table { columns: columns.to_vec(), rows: kept, more: rows.count() })
    }
}

impl Fact {
    pub(crate) fn text(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), code: false }
    }

    /// A value as programs write it: a digest, a path.
    pub(crate) fn code(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), code: true }
    }
}

impl Column {
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { name, code: false }
    }

    /// A column of values as programs write them.
    pub(crate) const fn code(name: &'static str) -> Self {
        Self { name, code: true }
    }
}

impl Page {
    /// The page as HTML.
    pub(crate) fn html(&self) -> anyhow::Result<String> {
        let page = minijinja::Value::from(Serde(self));
        Ok(TEMPLATES.get_template(TEMPLATE)?.render(context! { page, style => server::STYLE })?)
    }
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("shown", |text: &str| content::printable_start(text, TEXT_MAX));
    // A template that does not parse is reported where it is rendered.
    let _ = environment.add_template(TEMPLATE, include_str!("page.html"));
    environment
});

#[cfg(test)]
mod tests {
    use super::*;

    fn section(block: Block) -> Page {
        let section = Section { heading: "Things", blocks: vec![block] };
        Page { sections: vec![section], ..Page::default() }
    }

    #[test]
    fn names_do_not_act_in_the_page() {
        let odd = "</title><script>alert('\"')</script>\u{1b}[2J\u{202e}";
        let texts = || vec![odd.to_owned(), odd.to_owned()];
        let columns = [Column::text("A"), Column::code("B")];
        let blocks = vec![
            Block::Text(Paragraph::marked(State::Bad, "Odd", odd)),
            Block::Command { text: odd.into() },
            Block::Facts { facts: vec![Fact::text("A", odd), Fact::code("B", odd)] },
            Block::findings(texts(), 0),
            Block::table(&columns, [texts()]),
        ];
        let page = Page {
            title: odd.into(),
            lead: vec![Paragraph::new(odd)],
            sections: vec![Section { heading: "Odd", blocks }],
            footer: Some(odd.into()),
        };
        let html = page.html().unwrap();
        assert_eq!(html.matches("&lt;script&gt;").count(), 12, "{html}");
        for part in ["<script", "alert('", "\u{1b}", "\u{202e}"] {
            assert!(!html.contains(part), "{part:?}: {html}");
        }
    }

    #[test]
    fn long_tables_lists_and_texts_are_cut() {
        let rows = || (0..ROWS_MAX + 2).map(|number| vec![number.to_string()]);
        let html = section(Block::table(&[Column::text("A")], rows())).html().unwrap();
        assert_eq!(html.matches("scope=\"row\"").count(), ROWS_MAX);
        assert!(html.contains("<p>And 2 more.</p>"), "{}", html.len());
        let html = section(Block::findings(rows().flatten(), 3)).html().unwrap();
        assert!(html.contains("And 5 more."), "{}", html.len());
        let html = section(Block::text("x".repeat(TEXT_MAX + 1))).html().unwrap();
        assert!(html.contains(&format!("{}…<", "x".repeat(TEXT_MAX))), "{html}");
    }
}
