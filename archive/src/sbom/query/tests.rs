//! Tests of queries, and of the order of versions.

use super::*;
use crate::fixture::{image, put, sample};
use crate::sbom::Ecosystem;

#[test]
fn versions_have_the_order_of_their_ecosystem() {
    use Ecosystem::{Apk, Deb, Golang, Npm, Pypi, Rpm};
    for (ecosystem, found, asked, expected) in [
        // What the query leaves out does not count.
        (Rpm, "1:3.0.7-27.el9", "3.0.15", Ordering::Less),
        (Rpm, "1:3.0.7-27.el9", "3.0.7", Ordering::Equal),
        (Rpm, "1:3.0.7-27.el9", "3.0.7-28.el9", Ordering::Less),
        (Rpm, "1:3.0.7-27.el9", "0:4", Ordering::Greater),
        (Rpm, "3.0.7~rc1-1", "3.0.7", Ordering::Less),
        (Deb, "3.0.11-1~deb12u2", "3.0.15", Ordering::Less),
        (Deb, "3.0.11-1~deb12u2", "3.0.11", Ordering::Equal),
        (Deb, "3.0.11-1~deb12u2", "3.0.11-1", Ordering::Less),
        (Deb, "1:1.2-3", "1.10", Ordering::Less),
        (Apk, "3.1.4-r5", "3.1.4", Ordering::Equal),
        (Apk, "3.1.4-r5", "3.1.4-r10", Ordering::Less),
        (Npm, "1.0.0-rc.9", "1.0.0-rc.10", Ordering::Less),
        (Npm, "1.10.0", "1.9.0", Ordering::Greater),
        (Golang, "v0.17.0", "0.23.0", Ordering::Less),
        (Golang, "v0.0.0-20230101000000-abcdef", "0.0.1", Ordering::Less),
        (Golang, "1.22.1", "1.22", Ordering::Greater),
        (Pypi, "2.0", "2.0.0", Ordering::Equal),
        (Pypi, "2.0rc1", "2.0", Ordering::Less),
        (Pypi, "2.0.dev1", "2.0a1", Ordering::Less),
        (Pypi, "2.0a1.dev1", "2.0a1", Ordering::Less),
        (Pypi, "2.0.post1", "2.0", Ordering::Greater),
        (Pypi, "2.0.post1", "2.0.1", Ordering::Less),
        (Pypi, "2.0-beta.2", "2.0b10", Ordering::Less),
        (Pypi, "1!1.0", "2.0", Ordering::Greater),
        (Pypi, "2.0+local", "2.0", Ordering::Equal),
    ] {
        assert_eq!(order::compare(ecosystem, found, asked), expected, "{ecosystem:?} {found} {asked}");
    }
}

#[test]
fn versions_of_apk_have_the_order_of_apk() {
    let ascending = [
        "0.1.0_alpha",
        "0.1.0_alpha2",
        "0.1.0_beta1",
        "0.1.0_pre2",
        "0.1.0_rc1",
        "0.1.0",
        "0.1.0-r1",
        "0.1.0_git20200101",
        "0.1.0_p1",
        "0.1.0_p1-r1",
        "0.1.0_p2",
        "0.1.0a",
        "0.1.0b",
        "0.1.0.1",
        "0.1.01",
        "0.1.1",
        "0.1.9",
        "0.1.10",
        "0.2",
        "0.10",
        "1",
        "1.0",
        "1.0.0",
        "2.34",
        "10",
    ];
    for (place, version) in ascending.iter().enumerate() {
        assert_eq!(apk::compare(version, version), Ordering::Equal, "{version}");
        for newer in &ascending[place + 1..] {
            assert_eq!(apk::compare(version, newer), Ordering::Less, "{version} {newer}");
            assert_eq!(apk::compare(newer, version), Ordering::Greater, "{newer} {version}");
        }
    }
    assert_eq!(apk::compare("", "_"), Ordering::Equal);
}

#[test]
fn a_query_has_a_name_and_perhaps_a_version() {
    let component = |name: &str, source: &str, version: &str| Component {
        source: source.into(),
        ..Component::new(Ecosystem::Deb, name, version)
    };
    let library = component("libssl3", "openssl@3.0.11", "3.0.11-1");
    for (query, expected) in [
        ("", true),
        ("libssl3", true),
        ("LibSSL3", true),
        ("openssl", true),
        ("lib*", true),
        ("*ssl*", true),
        ("l*s*l3", true),
        ("ssl", false),
        ("ssl*", false),
        ("lib*x", false),
        ("openssl<3.0.15", true),
        ("openssl <= 3.0.11", true),
        ("openssl == 3.0.11", true),
        ("openssl != 3.0.11", false),
        ("openssl > 3.0.11", false),
        ("openssl >= 3.0.11-2", false),
    ] {
        let query: PackageQuery = query.parse().unwrap();
        assert_eq!(query.matches(&library), expected, "{query}");
    }
    let rpm = component("openssl-libs", "openssl-3.0.7-27.el9.src.rpm", "3");
    assert!("openssl".parse::<PackageQuery>().unwrap().matches(&rpm));
    for query in ["< 1", "a <", "a < 1 2", "a b", "a ! 1", "a < > 1", "a => 1"] {
        assert!(query.parse::<PackageQuery>().is_err(), "{query}");
    }
    assert!("a".repeat(2000).parse::<PackageQuery>().is_err());
}

#[test]
fn images_with_and_without_documents_are_searched() {
    let folder = sample();
    let root = folder.path();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let metadata = b"Name: a\nVersion: 1\n";
    header.set_size(metadata.len() as u64);
    builder.append_data(&mut header, "a-1.dist-info/METADATA", &metadata[..]).unwrap();
    image(root, "app", "1", b"{}", &builder.into_inner().unwrap());
    put(root, &layout::image_sbom("library/app", "1.0"), document_of(root, "library/app", "1.0").as_bytes());
    put(root, &layout::image_sbom("broken", "1"), b"{");
    put(root, "images/odd/1/manifest.json", b"{");
    let search = PackageSearch::open(root).unwrap();
    assert!(search.bytes() > 0);
    let found = search.run(&"a".parse().unwrap(), root, &()).unwrap();
    let shown: Vec<String> =
        found.packages.iter().map(|(holder, one)| format!("{holder} {} {}", one.name, one.version)).collect();
    assert_eq!(shown, ["image app:1 a 1", "image library/app:1.0 a 2"]);
    let notes: Vec<String> = found.notes.iter().map(|(holder, note)| format!("{holder}: {note}")).collect();
    assert_eq!((notes.len(), found.images_read), (3, 1), "{notes:?}");
    assert!(notes[0].starts_with("image odd:1: it cannot be read: "), "{notes:?}");
    assert_eq!(notes[2], "image library/app:1.0: old");
    assert!(notes[1].starts_with("image broken:1: its SBOM cannot be read: "));
}

/// An SBOM of an image of an archive, with a package of this version.
fn document_of(root: &Path, name: &str, tag: &str) -> String {
    let tree = Tree::open(root).unwrap();
    let image = image::find(&tree, name, tag, &layout::image_folder(name, tag)).unwrap().unwrap();
    let digest = image.manifest.unwrap().digest;
    serde_json::json!({
        "spdxVersion": "SPDX-2.3",
        "comment": "old",
        "packages": [
            {"name": "a", "versionInfo": "2"},
            {
                "SPDXID": "SPDXRef-Image",
                "primaryPackagePurpose": "CONTAINER",
                "checksums": [{"algorithm": "SHA256", "checksumValue": digest.hex()}],
            },
        ],
        "relationships": [{
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-Image",
        }],
    })
    .to_string()
}

#[test]
fn an_image_is_read_if_its_document_cannot_be_used() {
    let layer = {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(19);
        let metadata = b"Name: a\nVersion: 1\n";
        builder.append_data(&mut header, "a-1.dist-info/METADATA", &metadata[..]).unwrap();
        builder.into_inner().unwrap()
    };
    let sbom = layout::image_sbom("app", "1");
    type Damage<'a> = &'a dyn Fn(&Path);
    let cases: [(Damage<'_>, Option<&str>); 6] = [
        (&|root| std::os::unix::fs::symlink("elsewhere", root.join(&sbom)).unwrap(), None),
        (&|root| std::fs::create_dir(root.join(&sbom)).unwrap(), None),
        (&|root| put(root, &format!("{sbom}/file"), b"x"), None),
        (
            &|root| put(root, &sbom, document_of(root, "library/app", "1.0").as_bytes()),
            Some("image app:1: its SBOM is about another image; the image was read"),
        ),
        (
            &|root| put(root, &sbom, br#"{"spdxVersion": "SPDX-2.3"}"#),
            Some("image app:1: its SBOM is about another image; the image was read"),
        ),
        (&|root| put(root, &sbom, b"{"), Some("image app:1: its SBOM cannot be read: ")),
    ];
    for (damage, expected) in cases {
        let folder = sample();
        let root = folder.path();
        image(root, "app", "1", b"{}", &layer);
        put(
            root,
            &layout::image_sbom("library/app", "1.0"),
            document_of(root, "library/app", "1.0").as_bytes(),
        );
        std::fs::create_dir_all(root.join(&sbom).parent().unwrap()).unwrap();
        damage(root);
        let found = PackageSearch::open(root).unwrap().run(&"a".parse().unwrap(), root, &()).unwrap();
        let shown: Vec<String> =
            found.packages.iter().map(|(holder, one)| format!("{holder} {}", one.version)).collect();
        assert_eq!(shown, ["image app:1 1", "image library/app:1.0 2"], "{expected:?}");
        assert_eq!(found.images_read, 1);
        let notes: Vec<String> =
            found.notes.iter().map(|(holder, note)| format!("{holder}: {note}")).collect();
        let notes: Vec<&String> = notes.iter().filter(|note| note.starts_with("image app:1")).collect();
        assert_eq!(notes.len(), usize::from(expected.is_some()), "{notes:?}");
        assert!(notes.iter().all(|note| note.starts_with(expected.unwrap_or_default())), "{notes:?}");
    }
}
