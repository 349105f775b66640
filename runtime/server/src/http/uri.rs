//! The target of a request: its path and its query.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The characters that are encoded in a part of a path or query.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The path of a request, decoded, without its first slash; or why it is refused.
///
/// An encoded slash or NUL is refused: the decoded path would have other parts than the one that was sent. Control
/// characters and invalid UTF-8 are refused, too.
pub(crate) fn path(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    let raw = raw.strip_prefix('/').ok_or("the path must begin with a slash")?;
    if raw.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"%2f")) {
        return Err("a slash in the path must not be encoded");
    }
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| "the path is not UTF-8")?;
    if decoded.contains(char::is_control) {
        return Err("the path has a control character");
    }
    Ok(decoded)
}

/// A part of a path or query, encoded.
pub(crate) fn encode(part: &str) -> String {
    utf8_percent_encode(part, ENCODED).to_string()
}

/// A path, each part of it encoded.
pub(crate) fn encode_path(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(encode).collect();
    parts.join("/")
}

/// The fields of a query.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let fields = query.unwrap_or_default().split('&').filter(|field| !field.is_empty()).take(32);
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        Self(
            fields
                .map(|field| field.split_once('=').unwrap_or((field, "")))
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let cases = [
            ("/v2/", Ok("v2/")),
            ("/v2/a/blobs/sha256%3Aab", Ok("v2/a/blobs/sha256:ab")),
            ("/a%20b/%C3%BC", Ok("a b/ü")),
            ("/a%2fb", Err("a slash in the path must not be encoded")),
            ("/a%2Fb", Err("a slash in the path must not be encoded")),
            ("/a%00b", Err("the path has a control character")),
            ("/a%0ab", Err("the path has a control character")),
            ("/a\0b", Err("the path has a control character")),
            ("/a%ff", Err("the path is not UTF-8")),
            ("/a%zz", Ok("a%zz")),
            ("/%252e%252e/", Ok("%2e%2e/")),
            ("a", Err("the path must begin with a slash")),
        ];
        for (raw, expected) in cases {
            assert_eq!(path(raw).as_deref().map_err(|problem| *problem), expected, "{raw}");
        }
    }

    #[test]
    fn queries() {
        let query = Query::parse(Some("n=2&last=a%2Fb&empty=&n=3&flag&x=a+b"));
        let cases = [
            ("n", Some("2")),
            ("last", Some("a/b")),
            ("empty", Some("")),
            ("flag", Some("")),
            ("x", Some("a b")),
            ("no", None),
        ];
        for (name, expected) in cases {
            assert_eq!(query.get(name), expected, "{name}");
        }
        assert_eq!(Query::parse(None).get("n"), None);
    }
}
