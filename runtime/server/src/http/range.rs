//! Conditional and partial requests: RFC 9110, sections 13 and 14.

use http::{HeaderMap, Method, Response, StatusCode, header};

/// The part of a representation that a request selects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RangeSelection {
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
) -> RangeSelection {
    if not_modified(headers, etag, modified) {
        return RangeSelection::NotModified;
    }
    if *method != Method::GET {
        return RangeSelection::Whole;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return RangeSelection::Whole };
    if let Some(condition) = text(header::IF_RANGE)
        && condition != etag
        && Some(condition) != modified
    {
        return RangeSelection::Whole;
    }
    if headers.get_all(header::RANGE).iter().count() > 1 {
        return RangeSelection::Whole;
    }
    parse(range, size)
}

/// One `bytes` range; anything else is ignored.
fn parse(range: &str, size: u64) -> RangeSelection {
    let Some((unit, spec)) = range.split_once('=') else { return RangeSelection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return RangeSelection::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return RangeSelection::Whole };
    let number = |text: &str| match text.parse::<u64>() {
        Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(number),
        // A number that overflows is larger than any size.
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => Some(u64::MAX),
        _ => None,
    };
    match (first, last) {
        ("", suffix) => match number(suffix) {
            None => RangeSelection::Whole,
            Some(0) => RangeSelection::Unsatisfiable,
            Some(_) if size == 0 => RangeSelection::Unsatisfiable,
            Some(count) => RangeSelection::Bytes(size.saturating_sub(count), size),
        },
        (first, "") => match number(first) {
            None => RangeSelection::Whole,
            Some(first) if first < size => RangeSelection::Bytes(first, size),
            Some(_) => RangeSelection::Unsatisfiable,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => RangeSelection::Whole,
            (Some(first), Some(last)) if first < size => {
                RangeSelection::Bytes(first, last.saturating_add(1).min(size))
            }
            (Some(_), Some(_)) => RangeSelection::Unsatisfiable,
            _ => RangeSelection::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let cases = [
            ("bytes=0-0", RangeSelection::Bytes(0, 1)),
            ("bytes=0-99", RangeSelection::Bytes(0, 10)),
            ("bytes=3-", RangeSelection::Bytes(3, 10)),
            ("bytes=-3", RangeSelection::Bytes(7, 10)),
            ("bytes=-30", RangeSelection::Bytes(0, 10)),
            ("bytes=-0", RangeSelection::Unsatisfiable),
            ("bytes=10-", RangeSelection::Unsatisfiable),
            ("bytes=10-20", RangeSelection::Unsatisfiable),
            ("bytes=5-4", RangeSelection::Whole),
            ("bytes=0-18446744073709551615", RangeSelection::Bytes(0, 10)),
            ("bytes=99999999999999999999-", RangeSelection::Unsatisfiable),
            ("bytes=-99999999999999999999", RangeSelection::Bytes(0, 10)),
            ("bytes=0-1,3-4", RangeSelection::Whole),
            ("bytes=+1-2", RangeSelection::Whole),
            ("bytes=a-b", RangeSelection::Whole),
            ("bytes=", RangeSelection::Whole),
            ("bytes", RangeSelection::Whole),
            ("lines=1-2", RangeSelection::Whole),
            ("Bytes=1-2", RangeSelection::Bytes(1, 3)),
        ];
        for (range, expected) in cases {
            assert_eq!(parse(range, 10), expected, "{range}");
        }
        assert_eq!(parse("bytes=0-0", 0), RangeSelection::Unsatisfiable);
        assert_eq!(parse("bytes=-1", 0), RangeSelection::Unsatisfiable);
    }

    #[test]
    fn conditions() {
        let cases: [(&[(&str, &str)], RangeSelection); 11] = [
            (&[("if-none-match", "\"a\"")], RangeSelection::NotModified),
            (&[("if-none-match", "\"b\", W/\"a\"")], RangeSelection::NotModified),
            (&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], RangeSelection::NotModified),
            (&[("if-none-match", "*")], RangeSelection::NotModified),
            (&[("if-none-match", "\"b\""), ("if-modified-since", "then")], RangeSelection::Whole),
            (&[("if-modified-since", "then")], RangeSelection::NotModified),
            (&[("range", "bytes=1-"), ("if-range", "\"a\"")], RangeSelection::Bytes(1, 10)),
            (&[("range", "bytes=1-"), ("if-range", "then")], RangeSelection::Bytes(1, 10)),
            (&[("range", "bytes=1-"), ("if-range", "\"b\"")], RangeSelection::Whole),
            (&[("range", "bytes=1-"), ("range", "bytes=2-")], RangeSelection::Whole),
            (&[("range", "bytes=1-")], RangeSelection::Bytes(1, 10)),
        ];
        for (fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
                headers.append(name, http::HeaderValue::from_str(value).expect("a value"));
            }
            let select = |method| select(&method, &headers, "\"a\"", Some("then"), 10);
            assert_eq!(select(Method::GET), expected, "{fields:?}");
            let head = if expected == RangeSelection::NotModified {
                RangeSelection::NotModified
            } else {
                RangeSelection::Whole
            };
            assert_eq!(select(Method::HEAD), head, "HEAD {fields:?}");
        }
    }
}
