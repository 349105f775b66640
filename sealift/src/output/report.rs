//! The report of a command: text for people, JSON or YAML for programs.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::Serialize;

use super::document::{Document, Envelope};
use super::{print, print_bytes};

/// How a command reports.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ReportOutput {
    /// Write the report as text, JSON or YAML
    #[arg(id = "output", long, short = 'o', value_enum, default_value_t, value_name = "FORM")]
    form: ReportForm,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ReportForm {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// The form in which this process reports why it ends.
static WANTED: AtomicU8 = AtomicU8::new(ReportForm::Text as u8);

/// Sets the form in which this process reports why it ends.
pub(crate) fn set_wanted(form: ReportForm) {
    WANTED.store(form as u8, Ordering::Relaxed);
}

/// The form in which this process reports why it ends.
pub(super) fn wanted() -> ReportForm {
    let wanted = WANTED.load(Ordering::Relaxed);
    [ReportForm::Json, ReportForm::Yaml].into_iter().find(|form| *form as u8 == wanted).unwrap_or_default()
}

impl ReportOutput {
    /// The form of the report.
    pub(crate) fn form(self) -> ReportForm {
        self.form
    }

    /// Whether people read the report.
    pub(crate) fn is_text(self) -> bool {
        self.form == ReportForm::Text
    }

    /// Writes the report to standard output: what `text` returns, or the document that `document` returns.
    pub(crate) fn report<D: Document>(
        self,
        document: impl FnOnce() -> D,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        match self.form {
            ReportForm::Text => print(&text())?,
            form => write(&document(), form)?,
        }
        Ok(())
    }
}

/// Writes `document` to standard output; text is not a form of documents.
pub(crate) fn write<D: Document>(document: &D, form: ReportForm) -> anyhow::Result<()> {
    match form {
        ReportForm::Yaml => print(&yaml(document)?)?,
        ReportForm::Text | ReportForm::Json => {
            print_bytes(json(&Envelope::new(document))?.as_bytes())?;
        }
    }
    Ok(())
}

/// A value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> io::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(content::printable_json(&text).to_string() + "\n")
}

/// A value as YAML.
pub(crate) fn yaml_value(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(content::printable_lines(&serde_saphyr::to_string(value)?).to_string())
}

/// A document as one line of JSON.
pub(super) fn json_line<D: Document>(document: &D) -> anyhow::Result<String> {
    let text = serde_json::to_string(&Envelope::new(document))?;
    Ok(content::printable_json(&text).to_string() + "\n")
}

/// A document as YAML.
pub(super) fn yaml<D: Document>(document: &D) -> anyhow::Result<String> {
    yaml_value(&Envelope::new(document))
}
