//! Upstream repositories of packages: right and wrong entries.

use super::*;

fn project(entries: &str, more: &str) -> Result<Project, Error> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("key"), "").unwrap();
    let repo = "[epel]\nbaseurl=https://a/$basearch/\ngpgcheck=1\nrepo_gpgcheck=1\npriority=7\n[x]\nbaseurl=https://a/$no/\n[empty]\n";
    std::fs::write(root.path().join("epel.repo"), repo).unwrap();
    let text = format!("{HEAD}spec:\n  packages:\n    - {{name: epel, release: '8', {entries}}}\n{more}");
    load_with(root.path(), &text, &SettingsFlags::default())
}

#[test]
fn urls_have_the_variables_of_the_release_and_the_section_of_a_repo_file_counts() {
    let more = "  distributions: [{release: '8', architecture: aarch64, modules: ['nodejs:18']}]\n";
    let of = |entries: &str| project(entries, more).unwrap().repositories.remove(0).upstream.unwrap();
    let plain = of(
        "source: {url: 'https://h/$releasever/$basearch/', mirrors: ['https://m/${arch}/'], keys: [key]}, download: [a]",
    );
    let urls = ["https://h/8/aarch64/", "https://m/aarch64/"].map(str::to_owned).to_vec();
    assert_eq!((locations(&plain), plain.priority), (vec![("aarch64", UpstreamLocation::Urls(urls))], 99));
    assert_eq!((plain.signatures, plain.requests), (SignatureRule::Packages, vec!["a".to_owned()]));
    let section = of("source: {repoFile: epel.repo, keys: [key]}");
    let urls = |text: &str| UpstreamLocation::Urls(vec![text.to_owned()]);
    assert_eq!(locations(&section), [("aarch64", urls("https://a/aarch64/"))]);
    assert_eq!((section.signatures, section.priority), (SignatureRule::All, 7));
    let inputs = |entries: &str| {
        let project = project(entries, more).unwrap();
        project.package_inputs(&project.repositories[0].release, "aarch64")
    };
    let first = inputs("source: {url: 'https://h/', keys: [key]}, download: [a]");
    assert_eq!(first, inputs("source: {url: 'https://h/', keys: [key]}, download: [a]"));
    for other in [
        "source: {url: 'https://h/', keys: [key]}, download: [a, b]",
        "source: {url: 'https://i/', keys: [key]}, download: [a]",
        "source: {url: 'https://h/', keys: [key], priority: 1}, download: [a]",
        "source: {url: 'https://h/', signatures: none}, download: [a]",
    ] {
        assert_ne!(first, inputs(other), "{other}");
    }
}

fn locations(upstream: &Upstream) -> Vec<(&str, UpstreamLocation)> {
    upstream.parts.iter().map(|part| (part.architecture.as_str(), part.location.clone())).collect()
}

#[test]
fn a_release_with_several_architectures_has_a_set_of_packages_for_each() {
    let more = "  distributions: [{release: '8', architectures: [x86_64, aarch64]}]\n";
    let entries = "source: {url: 'https://h/$basearch/', keys: [key]}, download: [a]";
    let project = project(entries, more).unwrap();
    let repository = &project.repositories[0];
    let upstream = repository.upstream.as_ref().unwrap();
    let urls = |text: &str| UpstreamLocation::Urls(vec![text.to_owned()]);
    let expected = [("x86_64", urls("https://h/x86_64/")), ("aarch64", urls("https://h/aarch64/"))];
    assert_eq!(locations(upstream), expected);
    assert_eq!(upstream.unlocked().collect::<Vec<_>>(), ["x86_64", "aarch64"]);
    let inputs = ["x86_64", "aarch64"].map(|one| project.package_inputs(&repository.release, one));
    assert_ne!(inputs[0], inputs[1]);
    // The set of an architecture does not depend on the others.
    let one = self::project(entries, "").unwrap();
    assert_eq!(one.package_inputs(&one.repositories[0].release, "x86_64"), inputs[0]);
    for (more, said) in [
        (
            "architecture: x86_64, architectures: [x86_64]",
            "expected one of `architecture` and `architectures`",
        ),
        ("architectures: [x86_64, x86_64]", "a second entry for this architecture"),
        ("architectures: [X86]", "`X86` is not an architecture"),
    ] {
        let error = self::project(entries, &format!("  distributions: [{{release: '8', {more}}}]\n"));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{more}: {error}");
    }
}

#[test]
fn a_wrong_upstream_repository_is_named_with_its_place() {
    for (entries, said) in [
        ("download: [a]", "6:45: `download` needs `source`"),
        ("source: {keys: [key]}", "6:14: expected one of `url`, `metalink`, `mirrorlist` and `repoFile`"),
        ("source: {url: 'https://h/', metalink: 'https://m/', keys: [key]}", "6:14: expected one of `url`"),
        ("source: {url: 'https://h/$nothing/', keys: [key]}", "6:48: `$nothing` has no value"),
        ("source: {url: 'https://u:p@h/', keys: [key]}", "takes no user name or password"),
        ("source: {url: 'https://h/'}", "signatures need keys"),
        ("source: {url: 'https://h/', keys: [missing]}", "`missing` does not exist"),
        ("source: {url: 'https://h/', keys: [key], onNodes: true}, download: [a]", "with `onNodes`"),
        ("source: {url: 'https://h/', keys: [key]}, download: ['-x']", "expected a package such as"),
        (
            "source: {repoFile: epel.repo, id: other, keys: [key]}",
            "no section `other`; it has: epel, x, empty",
        ),
        ("source: {repoFile: epel.repo, id: x, keys: [key]}", "`$no` has no value"),
        (
            "source: {repoFile: epel.repo, id: empty, keys: [key]}",
            "has no `baseurl`, `metalink` or `mirrorlist`",
        ),
        (
            "source: {metalink: 'https://h/', mirrors: ['https://m/'], keys: [key]}",
            "`mirrors` belongs to `url`",
        ),
        (
            "source: {url: 'https://h/', keys: [key], signatures: some}",
            "`all` or `metadata` or `packages` or `none`",
        ),
    ] {
        let error = project(entries, "").unwrap_err().to_string();
        assert!(error.contains(said), "{entries}: {error}");
    }
    let twice = "  distributions: [{release: '8'}, {release: '8'}]\n";
    let error = project("source: {url: 'https://h/', keys: [key]}", twice).unwrap_err().to_string();
    assert!(error.contains("a second entry for the release 8"), "{error}");
}
