//! Why a command ended.

use schemars::JsonSchema;
use serde::Serialize;

use crate::output::document::Document;

/// Why a command ended: written to standard error instead of the text for people.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorDocument {
    /// What failed.
    pub(crate) message: String,
    /// Why, each the cause of the one before.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// The exit code of the command, unless a signal or another archive decides it.
    pub(crate) exit_code: u8,
}

impl Document for ErrorDocument {
    const KIND: &'static str = "Error";
}
