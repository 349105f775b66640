//! Conditional and partial requests: RFC 9110, sections 13 and 14.

use http::{HeaderMap, Method, Response, StatusCode, header};

/// The part of a representation that a request selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: 200.
    Whole,
    /// The bytes from the first up to, but not including, the second: 206.
    Bytes(u64, u64),
    /// Bytes that do not exist: 416.
    Unsatisfiable,
    /// Nothing, since the client has it already: 304.
    NotModified,
}

/// Whether the client has it already, by `If-None-Match` or, without that, `If-Modified-Since`.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &str, modified: Option<&str>) -> bool {
    let mut wanted = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if wanted.peek().is_none() {
        let since = headers.get(header::IF_MODIFIED_SINCE);
        return since.zip(modified).is_some_and(|(since, modified)| since.as_bytes() == modified.as_bytes());
    }
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    wanted.filter_map(|value| value.to_str().ok()).any(|list| list.split(',').map(str::trim).any(same))
}

/// Whether `If-Match` or, without that, `If-Unmodified-Since` is false for a response (RFC 9110, sections 13.1.1, 13.1.4
/// and 13.2.2): the client gets 412 instead of it.
pub(crate) fn precondition_failed<B>(headers: &HeaderMap, response: &Response<B>) -> bool {
    let status = response.status();
    let judged =
        status.is_success() || matches!(status, StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE);
    if !judged {
        return false;
    }
    let mut wanted = headers.get_all(header::IF_MATCH).iter().peekable();
    if wanted.peek().is_some() {
        let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
        // A weak tag never matches here, and none of ours is weak.
        let same = |tag: &str| tag == "*" || Some(tag) == etag;
        return !wanted
            .filter_map(|value| value.to_str().ok())
            .any(|list| list.split(',').map(str::trim).any(same));
    }
    let date = |value: Option<&header::HeaderValue>| httpdate::parse_http_date(value?.to_str().ok()?).ok();
    let since = date(headers.get(header::IF_UNMODIFIED_SINCE));
    let modified = date(response.headers().get(header::LAST_MODIFIED));
    modified.zip(since).is_some_and(|(modified, since)| modified > since)
}

/// The part that `If-None-Match`, `If-Modified-Since`, and for GET `If-Range` and `Range` select of a representation of
/// `size` bytes. HEAD ignores a range (RFC 9110, section 14.2).
///
/// Several ranges select the whole, which RFC 9110 allows (section 14.2): a request cannot ask for more bytes than exist.
pub(crate) fn select(
    method: &Method,
    headers: &HeaderMap,
    etag: &str,
    modified: Option<&str>,
    size: u64,
) -> Selection {
    if not_modified(headers, etag, modified) {
        return Selection::NotModified;
    }
    if *method != Method::GET {
        return Selection::Whole;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return Selection::Whole };
    if let Some(condition) = text(header::IF_RANGE)
        && condition != etag
        && Some(condition) != modified
    {
        return Selection::Whole;
    }
    if headers.get_all(header::RANGE).iter().count() > 1 {
        return Selection::Whole;
    }
    parse(range, size)
}

/// One `bytes` range; anything else is ignored.
fn parse(range: &str, size: u64) -> Selection {
    let Some((unit, spec)) = range.split_once('=') else { return Selection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Selection::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Selection::Whole };
    let number = |text: &str| match text.parse::<u64>() {
        Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(number),
        // A number that overflows is larger than any size.
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => Some(u64::MAX),
        _ => None,
    };
    match (first, last) {
        ("", suffix) => match number(suffix) {
            None => Selection::Whole,
            Some(0) => Selection::Unsatisfiable,
            Some(_) if size == 0 => Selection::Unsatisfiable,
            Some(count) => Selection::Bytes(size.saturating_sub(count), size),
        },
        (first, "") => match number(first) {
            None => Selection::Whole,
            Some(first) if first < size => Selection::Bytes(first, size),
            Some(_) => Selection::Unsatisfiable,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Selection::Whole,
            (Some(first), Some(last)) if first < size => {
                Selection::Bytes(first, last.saturating_add(1).min(size))
            }
            (Some(_), Some(_)) => Selection::Unsatisfiable,
            _ => Selection::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let cases = [
            ("bytes=0-0", Selection::Bytes(0, 1)),
            ("bytes=0-99", Selection::Bytes(0, 10)),
            ("bytes=3-", Selection::Bytes(3, 10)),
            ("bytes=-3", Selection::Bytes(7, 10)),
            ("bytes=-30", Selection::Bytes(0, 10)),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=10-", Selection::Unsatisfiable),
            ("bytes=10-20", Selection::Unsatisfiable),
            ("bytes=5-4", Selection::Whole),
            ("bytes=0-18446744073709551615", Selection::Bytes(0, 10)),
            ("bytes=99999999999999999999-", Selection::Unsatisfiable),
            ("bytes=-99999999999999999999", Selection::Bytes(0, 10)),
            ("bytes=0-1,3-4", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("bytes=a-b", Selection::Whole),
            ("bytes=", Selection::Whole),
            ("bytes", Selection::Whole),
            ("lines=1-2", Selection::Whole),
            ("Bytes=1-2", Selection::Bytes(1, 3)),
        ];
        for (range, expected) in cases {
            assert_eq!(parse(range, 10), expected, "{range}");
        }
        assert_eq!(parse("bytes=0-0", 0), Selection::Unsatisfiable);
        assert_eq!(parse("bytes=-1", 0), Selection::Unsatisfiable);
    }

    #[test]
    fn conditions() {
        let cases: [(&[(&str, &str)], Selection); 11] = [
            (&[("if-none-match", "\"a\"")], Selection::NotModified),
            (&[("if-none-match", "\"b\", W/\"a\"")], Selection::NotModified),
            (&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], Selection::NotModified),
            (&[("if-none-match", "*")], Selection::NotModified),
            (&[("if-none-match", "\"b\""), ("if-modified-since", "then")], Selection::Whole),
            (&[("if-modified-since", "then")], Selection::NotModified),
            (&[("range", "bytes=1-"), ("if-range", "\"a\"")], Selection::Bytes(1, 10)),
            (&[("range", "bytes=1-"), ("if-range", "then")], Selection::Bytes(1, 10)),
            (&[("range", "bytes=1-"), ("if-range", "\"b\"")], Selection::Whole),
            (&[("range", "bytes=1-"), ("range", "bytes=2-")], Selection::Whole),
            (&[("range", "bytes=1-")], Selection::Bytes(1, 10)),
        ];
        for (fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
                headers.append(name, http::HeaderValue::from_str(value).expect("a value"));
            }
            let select = |method| select(&method, &headers, "\"a\"", Some("then"), 10);
            assert_eq!(select(Method::GET), expected, "{fields:?}");
            let head =
                if expected == Selection::NotModified { Selection::NotModified } else { Selection::Whole };
            assert_eq!(select(Method::HEAD), head, "HEAD {fields:?}");
        }
    }
}
