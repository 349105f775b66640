//! Secrets, and documents that hold them.

use serde_json::error::Category;

/// The most bytes of a file of credentials, and of the output of a helper.
pub(super) const DOCUMENT_MAX: u64 = 1 << 20;

/// What proves to a registry who the user is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// User name and password.
    Basic { user: String, password: String },
    /// An OAuth2 refresh token ("identity token").
    Identity(String),
    /// A token that is sent as it is.
    Bearer(String),
}

/// Says why JSON that holds secrets cannot be parsed, without the parser's own words, which could quote one.
pub(super) fn syntax_error(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Data => "it does not have the expected form",
        Category::Io | Category::Syntax => "it is not JSON",
    };
    format!("line {}, column {}: {what}", error.line(), error.column())
}
