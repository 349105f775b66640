use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

fn names(entries: &[(&str, &str)]) -> OriginalNames {
    let mut names = OriginalNames::default();
    for (at, reference) in entries {
        names.insert(&place(at), &reference.parse().unwrap());
    }
    names
}

#[test]
fn a_reference_is_kept_in_one_spelling() {
    let pinned = format!("ghcr.io/a/b:1@{DIGEST}");
    let only = format!("ghcr.io/a/b@{DIGEST}");
    for (text, expected) in [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("index.docker.io/nginx:1", "docker.io/library/nginx:1"),
        ("registry-1.docker.io/nginx:1", "docker.io/library/nginx:1"),
        ("registry-1.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("Quay.IO/a/b:V1", "quay.io/a/b:V1"),
        ("localhost:5000/mine:1", "localhost:5000/mine:1"),
        ("[::1]:5000/mine:1", "[::1]:5000/mine:1"),
        (&*pinned, "ghcr.io/a/b:1"),
        (&*only, &*only),
    ] {
        let found = OriginalReference::of(&text.parse().unwrap()).to_string();
        assert_eq!(found, expected, "{text}");
        assert_eq!(found.parse::<OriginalReference>().unwrap().to_string(), expected);
    }
}

#[test]
fn a_host_has_one_spelling_in_a_path() {
    for (host, part) in [
        ("docker.io", Some("docker.io")),
        ("localhost", Some("localhost")),
        ("localhost:5000", Some("localhost__5000")),
        ("127.0.0.1:5000", Some("127.0.0.1__5000")),
        ("xn--a.example:80", Some("xn--a.example__80")),
        ("[::1]:5000", None),
    ] {
        assert_eq!(host_part(host).as_deref(), part, "{host}");
        if let Some(part) = part {
            assert_eq!(host_of_part(part).as_deref(), Some(host));
            assert!(crate::reference::is_repository(part), "{part}");
        }
    }
    for part in [
        "",
        ".",
        "..",
        "a:1",
        "a__",
        "__1",
        "a__1__2",
        "a__b",
        "A.io",
        "index.docker.io",
        "a_1",
        "[::1]",
        "a b",
        "a/b",
        "a__99999",
        "-a",
        "a..b",
    ] {
        assert_eq!(host_of_part(part), None, "{part}");
    }
}

#[test]
fn what_is_written_is_read_and_looked_up() {
    let only = format!("ghcr.io/team/app@{DIGEST}");
    let hex = DIGEST.replace(':', "-");
    let names = names(&[
        ("nginx:1.25", "nginx:1.25"),
        ("nginx:1.25", "mirror.example/nginx:1.25"),
        ("team/web:2", "localhost:5000/web:2"),
        (&format!("app:{hex}"), &only),
        ("app:1", "ghcr.io/team/app:1"),
    ]);
    let text = String::from_utf8(names.write()).unwrap();
    assert_eq!(
        text,
        format!(
            "{{\n  \"schemaVersion\": 1,\n  \"images\": {{\n    \"app:1\": [\n      \"ghcr.io/team/app:1\"\n    ],\n    \
             \"app:{hex}\": [\n      \"{only}\"\n    ],\n    \"nginx:1.25\": [\n      \
             \"docker.io/library/nginx:1.25\",\n      \"mirror.example/nginx:1.25\"\n    ],\n    \
             \"team/web:2\": [\n      \"localhost:5000/web:2\"\n    ]\n  }}\n}}\n"
        )
    );
    let read = OriginalNames::read(text.as_bytes()).unwrap();
    assert_eq!(read, names);
    for (host, repository, tag, expected) in [
        ("docker.io", "library/nginx", "1.25", Some("nginx:1.25")),
        ("mirror.example", "nginx", "1.25", Some("nginx:1.25")),
        ("localhost:5000", "web", "2", Some("team/web:2")),
        ("ghcr.io", "team/app", "1", Some("app:1")),
        ("ghcr.io", "team/app", &hex, None),
        ("docker.io", "nginx", "1.25", None),
        ("docker.io", "library/nginx", "1.26", None),
        ("quay.io", "library/nginx", "1.25", None),
    ] {
        let found = read.lookup(host, repository, tag).map(ToString::to_string);
        assert_eq!(found.as_deref(), expected, "{host}/{repository}:{tag}");
    }
    assert_eq!(
        read.hosts().collect::<Vec<_>>(),
        ["docker.io", "ghcr.io", "localhost:5000", "mirror.example"]
    );
    assert!(read.has_host("ghcr.io") && !read.has_host("GHCR.io"));
    assert_eq!(read.repositories("ghcr.io").collect::<Vec<_>>(), ["team/app"]);
    assert_eq!(read.tags("ghcr.io", "team/app").map(|(tag, _)| tag).collect::<Vec<_>>(), ["1"]);
    assert_eq!(read.digests("ghcr.io", "team/app").count(), 1);
    assert_eq!(read.places("ghcr.io", "team/app").len(), 2);
    assert_eq!(read.of(&place("nginx:1.25")).count(), 2);
}

#[test]
fn images_that_are_gone_are_forgotten() {
    let mut found = names(&[("a:1", "a:1"), ("b:1", "a:1"), ("b:1", "quay.io/b:1")]);
    found.retain(|place| place.name == "a");
    assert_eq!(found, names(&[("a:1", "a:1")]));
    assert!(!found.has_host("quay.io") && found.lookup("docker.io", "library/a", "1") == Some(&place("a:1")));
    assert!(!found.is_empty());
    found.retain(|_| false);
    assert!(found.is_empty() && found.hosts().count() == 0);
}

#[test]
fn one_reference_of_an_image_is_forgotten() {
    let mut found = names(&[("a:1", "a:1"), ("a:1", "quay.io/a:1"), ("b:1", "a:1")]);
    found.remove(&place("a:1"), &"docker.io/library/a:1".parse().unwrap());
    assert_eq!(found, names(&[("a:1", "quay.io/a:1"), ("b:1", "a:1")]));
    found.remove(&place("c:1"), &"docker.io/library/a:1".parse().unwrap());
    found.remove(&place("a:1"), &"quay.io/a:1".parse().unwrap());
    assert_eq!(found, names(&[("b:1", "a:1")]));
}

#[test]
fn the_file_appears_whole_and_disappears_with_the_last_name() {
    let scratch = tempfile::tempdir().unwrap();
    let images = scratch.path().join("new/images");
    assert!(OriginalNames::load(&images).unwrap().is_empty());
    let mut file = OriginalNamesFile::open(&images).unwrap();
    file.save().unwrap();
    assert!(!images.join(FILE).exists());
    file.names.insert(&place("a:1"), &"a:1".parse().unwrap());
    file.save().unwrap();
    drop(file);
    assert_eq!(OriginalNames::load(&images).unwrap(), names(&[("a:1", "a:1")]));
    OriginalNames::forget_missing(&images).unwrap();
    assert!(!images.join(FILE).exists());
    std::fs::write(images.join(FILE), "{").unwrap();
    let error = OriginalNamesFile::open(&images).unwrap_err().to_string();
    assert!(error.contains("original-names.json: invalid JSON"), "{error}");
}

#[test]
fn several_processes_record_their_names_one_after_the_other() {
    let scratch = tempfile::tempdir().unwrap();
    content::parallel::map(4_usize, &[1, 2, 3, 4], |number| {
        for round in 0..20 {
            let mut file = OriginalNamesFile::open(scratch.path()).unwrap();
            file.names.insert(&place(&format!("a{number}:{round}")), &"a:1".parse().unwrap());
            file.save().unwrap();
        }
    });
    assert_eq!(OriginalNames::load(scratch.path()).unwrap().images().count(), 80);
}

#[test]
fn the_same_reference_twice_is_recorded_once() {
    let mut found = names(&[("a:1", "a:1")]);
    assert!(!found.insert(&place("a:1"), &"docker.io/library/a:1".parse().unwrap()));
    assert!(found.insert(&place("a:1"), &"docker.io/b/a:1".parse().unwrap()));
}

#[test]
fn what_is_not_the_file_is_refused_with_the_reason() {
    let image = |key: &str, value: &str| format!(r#"{{"schemaVersion":1,"images":{{"{key}":["{value}"]}}}}"#);
    for (text, expected) in [
        (String::new(), "invalid JSON"),
        ("[]".into(), "invalid JSON"),
        ("{}".into(), "invalid JSON: missing field `schemaVersion`"),
        (r#"{"schemaVersion":2,"images":[]}"#.into(), "schemaVersion 2 is not supported"),
        (r#"{"schemaVersion":1,"images":[]}"#.into(), "invalid JSON"),
        (r#"{"schemaVersion":1,"Images":{}}"#.into(), "invalid JSON: some clients read"),
        (r#"{"schemaVersion":1,"images":{"a:1":[],"a:1":["b:1"]}}"#.into(), "invalid JSON: the key `a:1`"),
        ("[".repeat(100_000), "invalid JSON"),
        (image("a", "docker.io/library/a:1"), "`a` is not the name and tag of an image: must be NAME:TAG"),
        (image("../a:1", "docker.io/library/a:1"), "the name must be"),
        (image("a:../b", "docker.io/library/a:1"), "the tag must be"),
        (image("a:1:2", "docker.io/library/a:1"), "the tag must be"),
        (image("a:1", "a:1"), "must be written `docker.io/library/a:1`"),
        (image("a:1", "docker.io/library/a"), "must be written `docker.io/library/a:latest`"),
        (image("a:1", "registry-1.docker.io/library/a:1"), "must be written `docker.io/library/a:1`"),
        (image("a:1", "QUAY.io/a:1"), "must be written `quay.io/a:1`"),
        (image("a:1", "quay.io/../a:1"), "the repository must be"),
        (image("a:1", &format!("quay.io/a:1@{DIGEST}")), "must be written `quay.io/a:1`"),
        (image("a:1", "\\u001b[31m"), "is not an original reference"),
        (" ".repeat(FILE_MAX as usize + 1), "larger than"),
    ] {
        let error = OriginalNames::read(text.as_bytes()).unwrap_err().to_string();
        let start: String = text.chars().take(80).collect();
        assert!(error.contains(expected), "{start}: {error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
    let more = br#"{"schemaVersion":1,"images":{"a:1":[]},"later":{"Any":1}}"#;
    assert!(OriginalNames::read(more).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_bytes_do_not_depend_on_the_order(
        entries in proptest::collection::vec(
            ("[a-c]{1,2}:[12]", "([ab]\\.io/|localhost:5000/)?[a-c]{1,2}(:[12])?"), 0..12),
        turn in any::<prop::sample::Index>(),
    ) {
        let borrowed: Vec<(&str, &str)> = entries.iter().map(|(at, name)| (&**at, &**name)).collect();
        let mut turned = borrowed.clone();
        let by = if turned.is_empty() { 0 } else { turn.index(turned.len()) };
        turned.rotate_left(by);
        let (one, other) = (names(&borrowed), names(&turned));
        prop_assert_eq!(one.write(), other.write());
        prop_assert_eq!(OriginalNames::read(&one.write()).unwrap(), other);
    }

    #[test]
    fn every_host_is_spelled_back(host in "([a-z0-9]{1,4}(-[a-z0-9]{1,3})?\\.){0,2}[a-z0-9]{1,4}(:[1-9][0-9]{0,3})?") {
        let canonical = canonical_host(&host).unwrap();
        let part = host_part(&canonical).unwrap();
        prop_assert!(crate::reference::is_repository(&part), "{}", part);
        prop_assert_eq!(host_of_part(&part), Some(canonical));
    }
}
