//! Conditional and partial requests: RFC 9110, sections 13 and 14.

use http::{HeaderMap, Method, Response, StatusCode, header};

/// What a request asks for of a representation of `size` bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, 200.
    Whole,
    /// The bytes from the first to before the second, 206.
    Bytes(u64, u64),
    /// Nothing that exists, 416.
    Unsatisfiable,
    /// Nothing: the client has it already, 304.
    NotModified,
}

/// Whether the client has it already, by `If-None-Match` and, where that is not given, `If-Modified-Since`.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &str, modified: Option<&str>) -> bool {
    let mut wanted = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
    if wanted.peek().is_none() {
        let since = headers.get(header::IF_MODIFIED_SINCE);
        return since.zip(modified).is_some_and(|(since, modified)| since.as_bytes() == modified.as_bytes());
    }
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    wanted.filter_map(|value| value.to_str().ok()).any(|list| list.split(',').map(str::trim).any(same))
}

/// Whether `If-Match`, or where that is not given `If-Unmodified-Since`, does not hold for what is answered (RFC 9110,
/// sections 13.1.1, 13.1.4 and 13.2.2): then the answer is 412.
pub(crate) fn failed<B>(headers: &HeaderMap, answer: &Response<B>) -> bool {
    let status = answer.status();
    let judged =
        status.is_success() || matches!(status, StatusCode::NOT_MODIFIED | StatusCode::RANGE_NOT_SATISFIABLE);
    if !judged {
        return false;
    }
    let mut wanted = headers.get_all(header::IF_MATCH).iter().peekable();
    if wanted.peek().is_some() {
        let etag = answer.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
        // A weak tag never matches here, and none of ours is weak.
        let same = |tag: &str| tag == "*" || Some(tag) == etag;
        return !wanted
            .filter_map(|value| value.to_str().ok())
            .any(|list| list.split(',').map(str::trim).any(same));
    }
    let date = |value: Option<&header::HeaderValue>| httpdate::parse_http_date(value?.to_str().ok()?).ok();
    let since = date(headers.get(header::IF_UNMODIFIED_SINCE));
    let modified = date(answer.headers().get(header::LAST_MODIFIED));
    modified.zip(since).is_some_and(|(modified, since)| modified > since)
}

/// Decides by `If-None-Match`, `If-Modified-Since`, and for GET by `If-Range` and `Range`: for HEAD a range means nothing
/// (RFC 9110, section 14.2).
///
/// Several ranges are answered with the whole, which RFC 9110 allows (section 14.2) and which keeps a request from
/// asking for more bytes than there are.
pub(crate) fn part(
    method: &Method,
    headers: &HeaderMap,
    etag: &str,
    modified: Option<&str>,
    size: u64,
) -> Part {
    if not_modified(headers, etag, modified) {
        return Part::NotModified;
    }
    if *method != Method::GET {
        return Part::Whole;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(range) = text(header::RANGE) else { return Part::Whole };
    if let Some(condition) = text(header::IF_RANGE)
        && condition != etag
        && Some(condition) != modified
    {
        return Part::Whole;
    }
    if headers.get_all(header::RANGE).iter().count() > 1 {
        return Part::Whole;
    }
    parse(range, size)
}

/// One `bytes` range; anything else is as if it were not there.
fn parse(range: &str, size: u64) -> Part {
    let Some((unit, spec)) = range.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Part::Whole };
    let number = |text: &str| match text.parse::<u64>() {
        Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Some(number),
        // Too large for us is larger than anything we have.
        Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow => Some(u64::MAX),
        _ => None,
    };
    match (first, last) {
        ("", suffix) => match number(suffix) {
            None => Part::Whole,
            Some(0) => Part::Unsatisfiable,
            Some(_) if size == 0 => Part::Unsatisfiable,
            Some(count) => Part::Bytes(size.saturating_sub(count), size),
        },
        (first, "") => match number(first) {
            None => Part::Whole,
            Some(first) if first < size => Part::Bytes(first, size),
            Some(_) => Part::Unsatisfiable,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Part::Whole,
            (Some(first), Some(last)) if first < size => Part::Bytes(first, last.saturating_add(1).min(size)),
            (Some(_), Some(_)) => Part::Unsatisfiable,
            _ => Part::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let cases = [
            ("bytes=0-0", Part::Bytes(0, 1)),
            ("bytes=0-99", Part::Bytes(0, 10)),
            ("bytes=3-", Part::Bytes(3, 10)),
            ("bytes=-3", Part::Bytes(7, 10)),
            ("bytes=-30", Part::Bytes(0, 10)),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=10-20", Part::Unsatisfiable),
            ("bytes=5-4", Part::Whole),
            ("bytes=0-18446744073709551615", Part::Bytes(0, 10)),
            ("bytes=99999999999999999999-", Part::Unsatisfiable),
            ("bytes=-99999999999999999999", Part::Bytes(0, 10)),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("Bytes=1-2", Part::Bytes(1, 3)),
        ];
        for (range, expected) in cases {
            assert_eq!(parse(range, 10), expected, "{range}");
        }
        assert_eq!(parse("bytes=0-0", 0), Part::Unsatisfiable);
        assert_eq!(parse("bytes=-1", 0), Part::Unsatisfiable);
    }

    #[test]
    fn conditions() {
        let cases: [(&[(&str, &str)], Part); 11] = [
            (&[("if-none-match", "\"a\"")], Part::NotModified),
            (&[("if-none-match", "\"b\", W/\"a\"")], Part::NotModified),
            (&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], Part::NotModified),
            (&[("if-none-match", "*")], Part::NotModified),
            (&[("if-none-match", "\"b\""), ("if-modified-since", "then")], Part::Whole),
            (&[("if-modified-since", "then")], Part::NotModified),
            (&[("range", "bytes=1-"), ("if-range", "\"a\"")], Part::Bytes(1, 10)),
            (&[("range", "bytes=1-"), ("if-range", "then")], Part::Bytes(1, 10)),
            (&[("range", "bytes=1-"), ("if-range", "\"b\"")], Part::Whole),
            (&[("range", "bytes=1-"), ("range", "bytes=2-")], Part::Whole),
            (&[("range", "bytes=1-")], Part::Bytes(1, 10)),
        ];
        for (fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
                headers.append(name, http::HeaderValue::from_str(value).expect("a value"));
            }
            let part = |method| part(&method, &headers, "\"a\"", Some("then"), 10);
            assert_eq!(part(Method::GET), expected, "{fields:?}");
            let head = if expected == Part::NotModified { Part::NotModified } else { Part::Whole };
            assert_eq!(part(Method::HEAD), head, "HEAD {fields:?}");
        }
    }
}
