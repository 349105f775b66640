//! Lists of tags.

use std::collections::BTreeMap;

use images::RegistrySession;
use images::pull::{self, Error, RegistryFault};

use crate::server::{Answer, Body, Server};
use crate::{fault, options};

fn tags(server: &Server) -> Result<Vec<String>, Error> {
    let reference = format!("{}/team/a:1", server.host()).parse().unwrap();
    pull::tags(&reference, &RegistrySession::new(options(&[server])), &())
}

fn page(tags: &[&str]) -> Answer {
    let list = serde_json::json!({ "name": "team/a", "tags": tags });
    Answer::new(200, "application/json", list.to_string().as_bytes())
}

#[test]
fn all_pages_of_a_list_are_read_and_each_tag_counts_once() {
    let pages = BTreeMap::from([
        ("/v2/team/a/tags/list", (vec!["1.1", "1.0"], "/v2/team/a/tags/list?n=2&last=1.0")),
        ("/v2/team/a/tags/list?n=2&last=1.0", (vec!["1.0", "2.0"], "?n=2&last=2.0")),
        ("/v2/team/a/tags/list?n=2&last=2.0", (vec!["latest"], "")),
    ]);
    let server = Server::start(move |asked| {
        let (tags, next) = &pages[asked.path.as_str()];
        let answer = page(tags);
        if next.is_empty() { answer } else { answer.with("Link", format!("<{next}>; rel=\"next\"")) }
    });
    assert_eq!(tags(&server).unwrap(), ["1.0", "1.1", "2.0", "latest"]);
    assert_eq!(server.paths().len(), 3);
}

#[test]
fn a_repository_without_tags_has_an_empty_list() {
    for body in [r#"{"name":"team/a","tags":null}"#, r#"{"name":"team/a"}"#, r#"{"tags":[]}"#] {
        let server = Server::start(move |_| Answer::new(200, "application/json", body.as_bytes()));
        assert_eq!(tags(&server).unwrap(), Vec::<String>::new(), "{body}");
    }
}

#[test]
fn a_registry_that_lies_about_its_tags_is_refused() {
    type Check = fn(&RegistryFault) -> bool;
    let many =
        serde_json::json!({ "tags": (0..200_001).map(|n| n.to_string()).collect::<Vec<_>>() }).to_string();
    let cases: [(&str, Answer, Check); 9] = [
        ("a list that leads back to itself", page(&["1"]).with("Link", "<?last=1>; rel=\"next\""), |fault| {
            matches!(fault, RegistryFault::Circular)
        }),
        (
            "a next page elsewhere",
            page(&["1"]).with("Link", "<http://127.0.0.1:1/>; rel=\"next\""),
            |fault| matches!(fault, RegistryFault::Redirect(_)),
        ),
        (
            "what cannot be a tag",
            page(&["1", "../../etc"]),
            |fault| matches!(fault, RegistryFault::ContentType { found, .. } if found.contains("`../../etc` cannot be a tag")),
        ),
        (
            "a page of a proxy",
            Answer::new(200, "text/html", b"<html>"),
            |fault| matches!(fault, RegistryFault::ContentType { found, .. } if found == "text/html"),
        ),
        ("tags that are not texts", Answer::new(200, "application/json", br#"{"tags":[1]}"#), |fault| {
            matches!(fault, RegistryFault::ContentType { .. })
        }),
        ("two lists", Answer::new(200, "application/json", br#"{"tags":["1"],"Tags":["2"]}"#), |fault| {
            matches!(fault, RegistryFault::ContentType { .. })
        }),
        ("an endless page", page(&["1"]).body(Body::Endless), |fault| {
            matches!(fault, RegistryFault::TooLarge { limit: 4_194_304 })
        }),
        ("more tags than anybody has", Answer::new(200, "application/json", many.as_bytes()), |fault| {
            matches!(fault, RegistryFault::TooMany { limit: 200_000 })
        }),
        ("nothing", Answer::new(404, "application/json", b"{}"), |fault| {
            matches!(fault, RegistryFault::Status { status: 404, .. })
        }),
    ];
    for (name, answer, check) in cases {
        let server = Server::start(move |_| answer.clone());
        let error = tags(&server).unwrap_err();
        assert!(error.to_string().contains("list of tags"), "{name}: {error}");
        let found = fault(error);
        assert!(check(&found), "{name}: {found:?}");
    }
}
