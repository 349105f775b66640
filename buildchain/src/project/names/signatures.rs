//! Names in rules for signatures of images.

use std::fmt;

use images::signatures::RepositoryPattern;

use super::{Check, ParsedName, text_name};

impl ParsedName for RepositoryPattern {
    const FORMAT: &'static str = "repository-pattern";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|reason| format!("`{text}` is not a pattern of repositories: {reason}"))
    }
}

text_name! {
    /// A person or a pipeline with a certificate, as the lock file names it: `release@example.com (https://accounts.example.com)`.
    CertifiedSigner, "certified-signer", None, |text| {
        let issuer = text.strip_suffix(')').and_then(|text| text.split_once(" ("));
        if issuer.is_some_and(|(subject, issuer)| !subject.is_empty() && !issuer.is_empty()) && !text.contains(char::is_control) {
            return Ok(());
        }
        Err(format!("`{text}` is not a signer: expected a subject, and its issuer in parentheses"))
    }
}

text_name! {
    /// The ID of a public key, as `ssh-keygen -l` prints it: `SHA256:` and 43 letters of base64.
    KeyId, "key-id", Some("^SHA256:[A-Za-z0-9+/]{43}$"), |text| {
        let is_base64 = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/');
        let letters = text.strip_prefix("SHA256:").filter(|letters| letters.len() == 43);
        if letters.is_some_and(|letters| letters.bytes().all(is_base64)) {
            return Ok(());
        }
        Err(format!("`{text}` is not the ID of a key: expected `SHA256:` and 43 letters of base64"))
    }
}
