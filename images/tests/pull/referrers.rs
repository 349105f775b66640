//! What is attached to images.

use images::pull::{self, Fault, Request};
use images::{Digest, Kind};

use crate::server::{Answer, Content, Server};
use crate::{fault, layer, options, request, store, stored};

/// The image with what is attached to it.
fn wanted(server: &Server) -> Request {
    Request { referrers: true, ..request(server, "a", "1") }
}

#[test]
fn referrers_come_by_the_interface_or_by_the_tag() {
    let mut content = Content::default();
    let image = content.image("a", "1", Kind::OciManifest, &[&layer(1, 10)]);
    let signature = content.image("a", "sig", Kind::OciManifest, &[&layer(2, 10)]);
    let sbom = content.image("a", "sbom", Kind::OciManifest, &[&layer(3, 10)]);
    let list = content.index(
        "a",
        "list",
        Kind::OciIndex,
        &[(signature, Kind::OciManifest, "unknown"), (sbom, Kind::OciManifest, "unknown")],
    );
    let (media_type, bytes) = content.0[&format!("/v2/a/manifests/{list}")].clone();
    let tag = format!("sha256-{}", image.hex());
    let mut digests = Vec::new();
    for path in [format!("/v2/a/referrers/{image}"), format!("/v2/a/manifests/{tag}")] {
        let mut content = content.clone();
        content.0.insert(path, (media_type.clone(), bytes.clone()));
        let server = Server::start(move |asked| content.answer(asked));
        let (_folder, store) = store();
        let pulled = pull::pull(&[wanted(&server)], &store, &options(&[&server]), &()).unwrap();
        let [found] = pulled[0].referrers.as_slice() else { panic!("{pulled:?}") };
        assert_eq!(found.tag, tag);
        digests.push(found.digest);
        for part in
            [image, signature, sbom, found.digest, Digest::of(&layer(2, 10)), Digest::of(&layer(3, 10))]
        {
            assert!(stored(&store).contains(&part));
        }
    }
    assert_eq!(digests[0], digests[1]);

    // None at all, and a registry in trouble.
    let none = content.clone();
    let server = Server::start(move |asked| none.answer(asked));
    let (_folder, store) = store();
    let pulled = pull::pull(&[wanted(&server)], &store, &options(&[&server]), &()).unwrap();
    assert_eq!(pulled[0].referrers, []);
    let server = Server::start(move |asked| {
        if asked.path.contains("/referrers/") {
            Answer::new(500, "text/plain", b"")
        } else {
            content.answer(asked)
        }
    });
    let error = pull::pull(&[wanted(&server)], &store, &options(&[&server]), &()).unwrap_err();
    assert!(error.to_string().contains("the registry answered 500"), "{error}");
}

#[test]
fn a_list_in_pages_is_read_to_its_end() {
    let mut content = Content::default();
    let image = content.image("a", "1", Kind::OciManifest, &[]);
    let attached: Vec<Digest> =
        (0..5).map(|n| content.image("a", &format!("s{n}"), Kind::OciManifest, &[&layer(n, 10)])).collect();
    let first = format!("/v2/a/referrers/{image}");
    let mut pages = Content::default();
    for (number, digests) in attached.chunks(2).enumerate() {
        let entries: Vec<_> = digests.iter().map(|digest| (*digest, Kind::OciManifest, "unknown")).collect();
        let list = content.index("a", "list", Kind::OciIndex, &entries);
        let page = content.0[&format!("/v2/a/manifests/{list}")].clone();
        let path = if number == 0 { first.clone() } else { format!("{first}?page={number}") };
        pages.0.insert(path, page);
    }
    for (endless, elsewhere) in [(false, false), (true, false), (false, true)] {
        let (content, pages, first) = (content.clone(), pages.clone(), first.clone());
        let server = Server::start(move |asked| {
            if !asked.path.starts_with(&first) {
                return content.answer(asked);
            }
            let page: usize = asked.path.split_once('=').map_or(0, |(_, page)| page.parse().unwrap());
            let next = match (endless, elsewhere, page) {
                (true, _, _) => "?page=1",
                (_, true, _) => "http://127.0.0.1:1/v2/",
                (_, _, 0) => "?page=1",
                (_, _, 1) => "/v2/a/referrers/x?page=2",
                _ => return pages.answer(asked),
            };
            let target = next.replace("/v2/a/referrers/x", &first);
            pages.answer(asked).with("Link", format!("<{target}>; rel=\"next\""))
        });
        let (_folder, store) = store();
        let result = pull::pull(&[wanted(&server)], &store, &options(&[&server]), &());
        match (endless, elsewhere) {
            (true, _) => assert!(matches!(fault(result.unwrap_err()), Fault::Paged { limit: 100 })),
            (_, true) => assert!(matches!(fault(result.unwrap_err()), Fault::Redirect(_))),
            _ => {
                assert_eq!(result.unwrap()[0].referrers.len(), 1);
                assert!(attached.iter().all(|digest| stored(&store).contains(digest)));
            }
        }
    }
}
