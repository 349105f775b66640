//! Invariant: an accepted path has as many parts as the encoded one, none of them with a control character, and is the same
//! when it is encoded and decoded again; a range lies in the content and is not empty; the registry of a request is a canonical
//! host, or none.
//!
//! The input's first line is the target of a request, the next lines are the header fields that select a part. To run it, in
//! `runtime/server/`: `cargo +nightly fuzz run requests`. The modules are included from the crate's sources, since its
//! public interface is a socket.
#![no_main]

#[path = "../../src/http/range.rs"]
mod range;
#[path = "../../src/http/uri.rs"]
mod uri;

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

use images::original_names::{NameMeaning, RequestedRegistry, canonical_host, host_of_part, host_part};
use range::RangeSelection;

fuzz_target!(|input: &str| {
    let mut lines = input.split('\n');
    let target = lines.next().unwrap_or_default();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    if let Ok(decoded) = uri::path(path) {
        assert_eq!(decoded.matches('/').count() + 1, path.matches('/').count());
        assert!(!decoded.contains(char::is_control));
        let again: Vec<String> = decoded.split('/').map(uri::encode).collect();
        assert_eq!(uri::path(&format!("/{}", again.join("/"))).as_deref(), Ok(&*decoded));
    }
    let query = uri::Query::parse(query);
    assert!(query.get("n").is_none_or(|n| n.len() <= target.len() * 3));

    // The last line is the `Host` field.
    let host = input.rsplit('\n').next();
    for serves in [true, false] {
        let registry = RequestedRegistry::of(query.get("ns"), None, host, |_| serves);
        let registry_of = &registry;
        if let RequestedRegistry::Other(registry) = &registry {
            assert_eq!(canonical_host(registry).as_ref(), Some(registry));
            assert!(!registry.contains(['/', '%', '?', ' ']) && !registry.contains(char::is_control));
            let part = host_part(registry);
            assert!(part.is_none_or(|part| host_of_part(&part).as_ref() == Some(registry)));
            // An image alone is not one of another registry.
            let is_bare = |meaning: &NameMeaning<'_>| matches!(meaning, NameMeaning::Own { prefix: None, .. });
            assert!(!registry_of.meanings(path).iter().any(is_bare));
        }
        assert!(query.get("ns").is_none_or(|ns| canonical_host(ns).is_some()) || registry == RequestedRegistry::Invalid);
    }

    let mut headers = HeaderMap::new();
    for (name, line) in [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE].into_iter().zip(&mut lines) {
        if let (false, Ok(value)) = (line.is_empty(), HeaderValue::from_str(line)) {
            headers.insert(name, value);
        }
    }
    for size in [0, 1, 10, u64::MAX] {
        if let RangeSelection::Bytes(first, end) = range::select(&http::Method::GET, &headers, "\"tag\"", Some("then"), size) {
            assert!(first < end && end <= size, "{first} to {end} of {size}");
        }
    }
});
