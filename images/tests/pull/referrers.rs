//! What is attached to images.

use std::cell::RefCell;

use content::Digest;
use images::MediaKind;
use images::RegistrySession;
use images::pull::{self, PullRequest, RegistryFault, TransferProgress};

use crate::server::{Answer, Content, Server};
use crate::{fault, layer, options, request, store, stored};

/// The image with what is attached to it.
fn wanted(server: &Server) -> PullRequest {
    PullRequest { referrers: true, ..request(server, "a", "1") }
}

#[test]
fn referrers_come_by_the_interface_or_by_the_tag() {
    let mut content = Content::default();
    let image = content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 10)]);
    let signature = content.attached("a", "sig", &image, &layer(2, 10));
    let sbom = content.attached("a", "sbom", &image, &layer(3, 10));
    let list = content.index(
        "a",
        "list",
        MediaKind::OciIndex,
        &[(signature, MediaKind::OciManifest, "unknown"), (sbom, MediaKind::OciManifest, "unknown")],
    );
    let (media_type, bytes) = content.0[&format!("/v2/a/manifests/{list}")].clone();
    let tag = format!("sha256-{}", image.hex());
    let mut digests = Vec::new();
    for path in [format!("/v2/a/referrers/{image}"), format!("/v2/a/manifests/{tag}")] {
        let mut content = content.clone();
        content.0.insert(path, (media_type.clone(), bytes.clone()));
        let server = Server::start(move |asked| content.answer(asked));
        let (_folder, store) = store();
        let pulled =
            pull::pull(&[wanted(&server)], &store, &RegistrySession::new(options(&[&server])), &()).unwrap();
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
    let pulled =
        pull::pull(&[wanted(&server)], &store, &RegistrySession::new(options(&[&server])), &()).unwrap();
    assert_eq!(pulled[0].referrers, []);
    let server = Server::start(move |asked| {
        if asked.path.contains("/referrers/") {
            Answer::new(500, "text/plain", b"")
        } else {
            content.answer(asked)
        }
    });
    let error =
        pull::pull(&[wanted(&server)], &store, &RegistrySession::new(options(&[&server])), &()).unwrap_err();
    assert!(error.to_string().contains("the registry returned 500"), "{error}");
}

#[test]
fn a_list_in_pages_is_read_to_its_end() {
    let mut content = Content::default();
    let image = content.image("a", "1", MediaKind::OciManifest, &[]);
    let attached: Vec<Digest> =
        (0..5).map(|n| content.attached("a", &format!("s{n}"), &image, &layer(n, 10))).collect();
    let first = format!("/v2/a/referrers/{image}");
    let mut pages = Content::default();
    for (number, digests) in attached.chunks(2).enumerate() {
        let entries: Vec<_> =
            digests.iter().map(|digest| (*digest, MediaKind::OciManifest, "unknown")).collect();
        let list = content.index("a", "list", MediaKind::OciIndex, &entries);
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
        let result = pull::pull(&[wanted(&server)], &store, &RegistrySession::new(options(&[&server])), &());
        match (endless, elsewhere) {
            (true, _) => assert!(matches!(fault(result.unwrap_err()), RegistryFault::Paged { limit: 100 })),
            (_, true) => assert!(matches!(fault(result.unwrap_err()), RegistryFault::Redirect(_))),
            _ => {
                assert_eq!(result.unwrap()[0].referrers.len(), 1);
                assert!(attached.iter().all(|digest| stored(&store).contains(digest)));
            }
        }
    }
}

/// Keeps what a pull says.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

impl TransferProgress for Notes {
    fn warn(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }
}

#[test]
fn a_registry_without_a_usable_interface_for_referrers_has_none() {
    let mut content = Content::default();
    let image = content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 10)]);
    let own = content.0[&format!("/v2/a/manifests/{image}")].clone();
    let interface = format!("/v2/a/referrers/{image}");
    let tag = format!("/v2/a/manifests/sha256-{}", image.hex());
    let other = content.image("a", "other", MediaKind::OciManifest, &[]);
    let no_list = content.0[&format!("/v2/a/manifests/{other}")].clone();
    let empty =
        (MediaKind::OciIndex.media_type().to_owned(), br#"{"schemaVersion":2,"manifests":null}"#.to_vec());
    let typed = (
        MediaKind::OciIndex.media_type().to_owned(),
        format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":null}}"#, MediaKind::OciIndex)
            .into_bytes(),
    );
    let html = ("text/html".to_owned(), b"<!doctype html>".to_vec());
    for (what, path, status, (media_type, bytes), notes) in [
        ("401", &interface, 401, html.clone(), 1),
        ("403", &interface, 403, html.clone(), 1),
        ("406", &interface, 406, html.clone(), 1),
        ("a page", &interface, 200, html.clone(), 1),
        ("null", &interface, 200, empty, 1),
        ("null of a type", &interface, 200, typed, 0),
        ("GitLab", &tag, 200, own, 0),
        ("an image for a list", &tag, 200, no_list, 0),
        ("a page for a list", &tag, 200, html, 1),
    ] {
        let (content, path) = (content.clone(), path.clone());
        let server = Server::start(move |asked| {
            if asked.path == path { Answer::new(status, &media_type, &bytes) } else { content.answer(asked) }
        });
        let (_folder, store) = store();
        let said = Notes::default();
        let pulled =
            pull::pull(&[wanted(&server)], &store, &RegistrySession::new(options(&[&server])), &said);
        let pulled = pulled.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            (&pulled[0].referrers[..], said.0.borrow().len()),
            (&[][..], notes),
            "{what}: {:?}",
            said.0
        );
    }
}

#[test]
fn what_is_no_referrer_or_cannot_be_kept_is_left_out_with_a_warning() {
    let mut content = Content::default();
    let image = content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 10)]);
    let other = content.image("a", "2", MediaKind::OciManifest, &[&layer(2, 10)]);
    let signature = content.attached("a", "sig", &image, &layer(3, 10));
    let foreign = content.attached("a", "foreign", &other, &layer(4, 10));
    let artifact = "application/vnd.oci.artifact.manifest.v1+json";
    let entry = |media_type: &str, digest: &Digest| {
        let size = content.0[&format!("/v2/a/manifests/{digest}")].1.len();
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
    };
    let kind = MediaKind::OciManifest.media_type();
    let gone = format!(r#"{{"mediaType":"{kind}","digest":"{}","size":7}}"#, Digest::of(b"gone"));
    let list = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{},{},{},{},{gone}]}}"#,
        MediaKind::OciIndex,
        entry(kind, &signature),
        entry(kind, &foreign),
        entry(kind, &other),
        entry(artifact, &other),
    );
    let path = format!("/v2/a/referrers/{image}");
    content.0.insert(path, (MediaKind::OciIndex.media_type().into(), list.into_bytes()));
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let said = Notes::default();
    let pulled =
        pull::pull(&[wanted(&server)], &store, &RegistrySession::new(options(&[&server])), &said).unwrap();
    let [found] = pulled[0].referrers.as_slice() else { panic!("{pulled:?}") };
    let list = store.read(&found.digest, 9999).unwrap();
    let listed = images::manifest::Manifest::parse(&list).unwrap().manifests;
    assert_eq!(listed.iter().map(|found| found.digest).collect::<Vec<_>>(), [signature]);
    assert!(!stored(&store).contains(&Digest::of(&layer(4, 10))));
    assert_eq!(said.0.borrow().len(), 3, "{:?}", said.0);
}

#[test]
fn what_cosign_keeps_under_tags_of_its_own_comes_along() {
    let mut content = Content::default();
    let image = content.image("a", "1", MediaKind::OciManifest, &[&layer(1, 10)]);
    let tag = |suffix: &str| format!("sha256-{}{suffix}", image.hex());
    let signature = content.image("a", &tag(".sig"), MediaKind::OciManifest, &[&layer(2, 10)]);
    let sbom = content.image("a", &tag(".sbom"), MediaKind::OciManifest, &[&layer(3, 10)]);
    let server = Server::start(move |asked| content.answer(asked));
    let (_folder, store) = store();
    let pulled =
        pull::pull(&[wanted(&server)], &store, &RegistrySession::new(options(&[&server])), &()).unwrap();
    let found: Vec<_> = pulled[0].referrers.iter().map(|found| (found.tag.clone(), found.digest)).collect();
    assert_eq!(found, [(tag(".sig"), signature), (tag(".sbom"), sbom)]);
    assert!(stored(&store).contains(&Digest::of(&layer(3, 10))));
    let keys = pull::referrers(
        &wanted(&server).reference,
        &image,
        &[],
        &RegistrySession::new(options(&[&server])),
        &(),
    )
    .unwrap();
    assert_eq!(
        keys.keys().collect::<Vec<_>>(),
        [&image.to_string(), &format!("{image}.sbom"), &format!("{image}.sig"),]
    );
}
