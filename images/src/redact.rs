//! Text that may hold secrets, as it may be shown.

/// A URL that cannot be parsed, as it may be shown: without what could be a user name, a password or a signature.
#[must_use]
pub fn redacted(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = text.split_at_checked(start).unwrap_or(("", text));
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        for (text, expected) in [
            ("https://user:pass@host/x?X-Amz-Signature=abc", "https://host/x"),
            ("user:pass@host:3128", "host:3128"),
            ("ftp://user:p@ss/w@host", "ftp://host"),
            ("https://host/x", "https://host/x"),
            ("://:@", "://"),
            ("", ""),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }
}
