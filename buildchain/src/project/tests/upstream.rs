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
    assert_eq!((plain.location, plain.priority), (UpstreamLocation::Urls(urls), 99));
    assert_eq!((plain.signatures, plain.requests), (SignatureRule::Packages, vec!["a".to_owned()]));
    let section = of("source: {repoFile: epel.repo, keys: [key]}");
    assert_eq!(section.location, UpstreamLocation::Urls(vec!["https://a/aarch64/".into()]));
    assert_eq!((section.signatures, section.priority), (SignatureRule::All, 7));
    let inputs = |entries: &str| {
        let project = project(entries, more).unwrap();
        project.package_inputs(&project.repositories[0].release)
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
        ("source: {url: 'https://h/', keys: [key], signatures: some}", "`all` or `packages` or `none`"),
    ] {
        let error = project(entries, "").unwrap_err().to_string();
        assert!(error.contains(said), "{entries}: {error}");
    }
    let twice = "  distributions: [{release: '8'}, {release: '8'}]\n";
    let error = project("source: {url: 'https://h/', keys: [key]}", twice).unwrap_err().to_string();
    assert!(error.contains("a second entry for the release 8"), "{error}");
}
