//! The same requests to nginx and to our server for the same archive: a site may change from one to the other.

use std::collections::BTreeSet;
use std::fs;

use tests::http::{Answer, ask};
use tests::nginx;

use super::nodes::include;
use super::site::{IMAGES, Running, Site};

/// The header fields that matter to clients. `date`, `server` and `connection` do not, and `etag` and `last-modified` matter
/// only to the server that sends them.
const FIELDS: [&str; 11] = [
    "accept-ranges",
    "allow",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "docker-distribution-api-version",
    "link",
    "location",
];

/// The differences: the aspect, a part of the requests that show it (or two, with `…` between them), and its row in the
/// table of `docs/guide/nginx.md`.
const DIFFERENCES: [(&str, &str, &str); 17] = [
    ("allow", "", ALLOW),
    ("accept-ranges", "", RANGES),
    ("body", "/tags/list", PREFIX),
    ("content-length", "/tags/list", PREFIX),
    ("cache-control", "/manifests/sha256:", CACHES),
    ("error code", "/none/manifests/", CODES),
    ("error code", "/manifests/-bad", CODES),
    ("error code", "/manifests/tttt", CODES),
    ("error code", "/UPPER/", CODES),
    ("status", "/blobs/sha256:short", CODES),
    ("error code", "/blobs/sha256:short", CODES),
    ("any", "/../", TIDY),
    ("any", "//curl", TIDY),
    ("content-type", "/none ", PAGES),
    ("content-type", "bytes=99999999999-", PAGES),
    ("any", "bytes=5-2", BACKWARDS),
    ("any", "HEAD …Range: bytes=", HEADS),
];

const HEADS: &str = "| a range in a HEAD request | returns it | ignores it (RFC 9110, section 14.2) |";
const ALLOW: &str = "| header `Allow` | in every response | only if it refuses a method |";
const RANGES: &str =
    "| header `Accept-Ranges` | in every response except partial ones | in responses with blobs and files |";
const PREFIX: &str =
    "| the name in a list of tags | the name of the image alone | the name that was requested |";
const CACHES: &str = "| a manifest requested by its digest | clients must revalidate it, because nginx cannot tell it from a tag | clients may cache it |";
const CODES: &str = "| error codes of refused requests | general | specific |";
const TIDY: &str = "| paths with `..` and `//` | normalizes them | refuses them |";
const PAGES: &str = "| the body of a refused file or range | HTML | a few words, or nothing |";
const BACKWARDS: &str =
    "| a range that ends before it begins | refuses it | ignores it (RFC 9110, section 14.1.1) |";

/// A request: method, path, header lines.
type Request = (&'static str, String, &'static str);

/// A hundred requests and some.
fn requests(site: &Site) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut both = |path: &str, headers: &'static str| {
        for method in ["GET", "HEAD"] {
            requests.push((method, path.to_owned(), headers));
        }
    };
    let api = "/v2/example-1.0";
    for (name, tag, _) in IMAGES {
        both(&format!("{api}/{name}/manifests/{tag}"), "");
        both(&format!("{api}/{name}/manifests/{}", site.digest(name, tag)), "");
    }
    let largest = super::largest(&site.folder("curl", "7"));
    let blob = format!("{api}/curl/blobs/sha256:{}", largest.file_name().unwrap().display());
    for headers in [
        "",
        "Range: bytes=0-99\r\n",
        "Range: bytes=100-\r\n",
        "Range: bytes=-100\r\n",
        "Range: bytes=99999999999-\r\n",
        "Range: bytes=5-2\r\n",
        "Range: lines=1-2\r\n",
        "Accept: text/html\r\n",
    ] {
        both(&blob, headers);
    }
    let zeros = "0".repeat(64);
    for path in [
        "/v2/".to_owned(),
        format!("{api}/curl/tags/list"),
        format!("{api}/team/skopeo/tags/list"),
        format!("{api}/curl/tags/list?last=7"),
        format!("{api}/none/tags/list"),
        format!("{api}/curl/referrers/{}", site.digest("curl", "7")),
        format!("{api}/curl/referrers/sha256:{zeros}"),
        format!("{api}/curl/referrers/none"),
        format!("{api}/curl/manifests/none"),
        format!("{api}/curl/manifests/sha256:{zeros}"),
        format!("{api}/none/manifests/7"),
        format!("{api}/curl/blobs/sha256:{zeros}"),
        format!("{api}/curl/blobs/sha256:short"),
        format!("{api}/curl/manifests/-bad"),
        format!("{api}/curl/manifests/{}", "t".repeat(129)),
        format!("{api}/UPPER/manifests/7"),
        format!("{api}/curl"),
        "/v2/other-2.0/curl/manifests/7".to_owned(),
        "/v2/other-2.0/curl/tags/list".to_owned(),
        format!("{api}/curl/%6Danifests/7"),
        format!("{api}/curl/../curl/manifests/7"),
        format!("{api}//curl/manifests/7"),
    ] {
        both(&path, "");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for path in [
            "/v2/".to_owned(),
            format!("{api}/curl/manifests/7"),
            blob.clone(),
            format!("{api}/curl/blobs/uploads/"),
            format!("{api}/curl/tags/list"),
        ] {
            requests.push((method, path, "Content-Length: 0\r\n"));
        }
    }
    let repository = "/example-1.0/redhat/8/example-scality-el8";
    for path in ["repodata/repomd.xml", "noarch/greeting-1.0-1.noarch.rpm", "none"] {
        for headers in ["", "Range: bytes=0-9\r\n"] {
            requests.push(("GET", format!("{repository}/{path}"), headers));
            requests.push(("HEAD", format!("{repository}/{path}"), headers));
        }
    }
    requests
}

/// In what two answers to one request differ, each with both sides.
fn differences(ours: &Answer, theirs: &Answer) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut compare = |aspect: &str, ours: String, theirs: String| {
        if ours != theirs {
            found.push((aspect.to_owned(), format!("ours {ours}, nginx {theirs}")));
        }
    };
    compare("status", ours.status.to_string(), theirs.status.to_string());
    // The words of an error are each server's own; its code is not.
    let error = ours.status >= 400;
    for field in FIELDS.iter().filter(|field| !(error && **field == "content-length")) {
        compare(field, format!("{:?}", ours.header(field)), format!("{:?}", theirs.header(field)));
    }
    if error {
        let code = |answer: &Answer| {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            body["errors"][0]["code"].to_string()
        };
        compare("error code", code(ours), code(theirs));
    } else if ours.body != theirs.body {
        let json = |answer: &Answer| serde_json::from_slice::<serde_json::Value>(&answer.body).ok();
        let shown = |answer: &Answer| format!("{} bytes", answer.body.len());
        if json(ours).is_none() || json(ours) != json(theirs) {
            compare("body", shown(ours), format!("other {}", shown(theirs)));
        }
    }
    found
}

#[test]
fn our_server_and_nginx_give_the_same_answers() {
    let site = Site::new();
    images::registry::index(&site.tree.join("images"), &site.tree.join("registry")).unwrap();
    let packages = site.tree.join("packages/redhat");
    let includes = format!(
        "{}\nlocation /example-1.0/redhat/ {{ alias {}/; autoindex on; gzip off; \
         types {{ application/xml xml; application/x-rpm rpm; }} }}\n",
        include(&site.tree),
        packages.display()
    );
    let Some(theirs) = nginx::start(site.scratch.path(), &includes) else { return };
    let ours = Running::serving(&[&site.iso]);
    let requests = requests(&site);
    assert!(requests.len() >= 100, "{} requests", requests.len());
    let (mut unexplained, mut used) = (Vec::new(), BTreeSet::new());
    for (method, path, headers) in requests {
        let (ours, theirs) =
            (ask(ours.address.port(), method, &path, headers), ask(theirs.port, method, &path, headers));
        for (aspect, sides) in differences(&ours, &theirs) {
            let request = format!("{method} {path} {headers}");
            let mut known = DIFFERENCES.iter().enumerate().filter(|(_, (of, with, _))| {
                (*of == aspect || *of == "any") && with.split('…').all(|part| request.contains(part))
            });
            match known.next() {
                Some((place, _)) => {
                    used.insert(place);
                }
                None => unexplained.push(format!("{} {aspect}: {sides}", request.trim_end())),
            }
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    for (place, difference) in DIFFERENCES.iter().enumerate() {
        assert!(used.contains(&place), "no longer seen: {difference:?}");
    }
    let documents = fs::read_to_string(tests::sealift::repository().join("docs/guide/nginx.md")).unwrap();
    for (_, _, reason) in DIFFERENCES {
        assert!(documents.contains(reason), "the documents do not say: {reason}");
    }
}
