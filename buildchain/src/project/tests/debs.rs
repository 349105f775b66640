//! Repositories of Debian packages: right and wrong entries.

use super::*;

const PACKAGE: &str = "{name: hello, version: '1', release: '1', arch: noarch, summary: A, license: MIT, packager: 'A <a@b>',\n\
                       overrides: {deb: {summary: B}, deb-bookworm: {release: '2'}, el8: {release: '8'}}}\n";

fn project(entries: &str) -> Result<Project, Error> {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("key", ""),
        ("hello/package.yaml", PACKAGE),
        ("debs/a_1_all.deb", "a"),
        ("debs/b_1_all.deb", "b"),
        ("again/a_1_all.deb", "a"),
        ("other/a_1_all.deb", "other"),
        ("plain.deb", ""),
    ] {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let text = format!(
        "{HEAD}spec:\n  packages:\n    - {{name: tools, family: debian, release: bookworm, {entries}}}\n"
    );
    load_with(root.path(), &text, &SettingsFlags::default())
}

#[test]
fn an_entry_for_debian_has_packages_to_build_to_copy_and_to_download() {
    let mut project = project(
        "build: [hello], debs: ['debs/*.deb', again/a_1_all.deb], exclude: ['b_*'], \
         source: {url: 'https://h/debian/', suite: bookworm, keys: [key]}, download: [socat, 'a=1', 'https://h/x_1_all.deb']",
    )
    .unwrap();
    assert!(project.repositories.is_empty());
    let repository = project.deb_repositories.remove(0);
    assert_eq!(repository.folder("example"), "packages/debian/bookworm/example-tools");
    let definition = &repository.packages[0].definition;
    assert_eq!((definition.summary.as_str(), definition.release.as_str()), ("B", "2"));
    let places: Vec<&str> = repository.debs.iter().map(|deb| deb.place.as_str()).collect();
    assert_eq!(places, ["pool/main/a/a/a_1_all.deb"]);
    let downloads = repository.downloads.unwrap();
    let source = downloads.source.unwrap();
    assert_eq!(
        (source.components, source.architectures, source.is_signed),
        (vec!["main".into()], vec!["amd64".into()], true)
    );
    assert_eq!(downloads.requests.len(), 3);
}

#[test]
fn a_mistake_of_the_debian_package_is_named_where_the_definition_makes_it() {
    let root = tempfile::tempdir().unwrap();
    let package = root.path().join("hello/package.yaml");
    std::fs::create_dir(root.path().join("hello")).unwrap();
    let text = format!(
        "{HEAD}spec:\n  packages:\n    - {{name: tools, family: debian, release: bookworm, build: [hello]}}\n"
    );
    let head = "name: hello\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\npackager: A <a@b>\n";
    for (more, place) in [
        ("deb:\n  section: a b\n", "hello/package.yaml:9:12: deb.section"),
        (
            "overrides:\n  deb:\n    deb:\n      section: a b\n",
            "package.yaml:11:16: overrides.deb.deb.section",
        ),
        (
            "overrides:\n  deb: {deb: {section: utils}}\n  deb-bookworm: {deb: {section: a b}}\n",
            "package.yaml:10:33: overrides.deb-bookworm.deb.section",
        ),
    ] {
        std::fs::write(&package, format!("{head}{more}")).unwrap();
        let error = load_with(root.path(), &text, &SettingsFlags::default()).unwrap_err().without_snippet();
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn what_is_locked_is_for_these_downloads_alone() {
    let inputs = |entries: &str| project(entries).unwrap().deb_repositories[0].download_inputs();
    let first = inputs("source: {url: 'https://h/', suite: a, keys: [key]}, download: [a]");
    assert_eq!(
        first,
        inputs("build: [hello], source: {url: 'https://h/', suite: a, keys: [key]}, download: [a]")
    );
    for other in [
        "source: {url: 'https://h/', suite: a, keys: [key]}, download: [a, b]",
        "source: {url: 'https://i/', suite: a, keys: [key]}, download: [a]",
        "source: {url: 'https://h/', suite: b, keys: [key]}, download: [a]",
        "source: {url: 'https://h/', keys: [key]}, download: [a]",
        "source: {url: 'https://h/', suite: a, signatures: none}, download: [a]",
        "source: {url: 'https://h/', suite: a, keys: [key], architectures: [arm64]}, download: [a]",
    ] {
        assert_ne!(first, inputs(other), "{other}");
    }
    assert_eq!(inputs("build: [hello]"), None);
}

#[test]
fn a_wrong_repository_for_debian_is_named_with_its_place() {
    for (entries, said) in [
        ("exclude: []", "6:14: a repository without packages: expected `build`, `debs` or `download`"),
        (
            "download: [a]",
            "6:67: `a` needs `source`: where the upstream repository is, or write the URL of the DEB",
        ),
        ("build: [hello.spec]", "6:64: a spec file gives RPMs: expected a folder with a `package.yaml`"),
        (
            "rpms: ['*.rpm']",
            "6:63: `rpms` is for RPMs, and this entry has `family: debian`: name DEBs in `debs`",
        ),
        (
            "debs: [plain.deb]",
            "`plain.deb` is not named like a package: expected `NAME_VERSION_ARCHITECTURE.deb`",
        ),
        ("debs: ['none/*.deb']", "no file matches `none/*.deb`"),
        ("debs: ['debs/*.deb', 'other/*.deb']", "two packages of one name with different content"),
        ("download: ['a >= 1', 'https://h/a_1_all.deb']", "6:67: expected a Debian package such as `socat`"),
        ("download: ['https://h/a.deb', 'https://h/a.deb']", "6:86: a second request for `https://h/a.deb`"),
        (
            "source: {url: 'https://h/', keys: [key]}",
            "nothing is downloaded from the `source` of tools: name packages in `download`",
        ),
        ("source: {keys: [key]}, download: [a]", "expected `url` in `source`"),
        ("source: {url: 'https://h/'}, download: [a]", "signatures need keys"),
        ("source: {url: 'https://h/', keys: [key, key]}, download: [a]", "a second entry for this file"),
        (
            "source: {url: 'https://h/', keys: [key], signatures: packages}, download: [a]",
            "DEBs have no signatures of their own",
        ),
        (
            "source: {url: 'https://h/', keys: [key], components: [main]}, download: [a]",
            "`components` belongs to `suite`",
        ),
        (
            "source: {url: 'https://h/$basearch/', keys: [key]}, download: [a]",
            "6:70: URLs of repositories for apt have no variables",
        ),
        (
            "source: {url: 'https://h/', metalink: 'https://m/', keys: [key]}, download: [a]",
            "6:94: `metalink` is for RPMs",
        ),
        (
            "source: {url: 'https://h/', onNodes: true, keys: [key]}, download: [a]",
            "6:14: `onNodes` is for RPMs",
        ),
        (
            "source: {url: 'https://h/', suite: '../x', keys: [key]}, download: [a]",
            "cannot name a suite or component",
        ),
        (
            "source: {url: 'https://h/', architectures: [all], keys: [key]}, download: [a]",
            "`all` is no architecture of a node",
        ),
        (
            "source: {url: 'https://h/', keys: [key]}, download: ['https://h/a_1_all.deb']",
            "nothing is downloaded from the `source` of tools",
        ),
        (
            "source: {url: 'https://h/', architectures: [x86_64], keys: [key]}, download: [a]",
            "not an architecture of Debian",
        ),
    ] {
        let error = project(entries).unwrap_err().to_string();
        assert!(error.contains(said), "{entries}: {error}");
    }
    let load = |spec: &str| load(&format!("{HEAD}{spec}\n"));
    let two = "{name: a, release: '8', build: [x]}, {name: a, release: '9', build: [x]}, {name: a, release: '8', build: [x]}";
    let error = load(&format!("spec: {{packages: [{two}]}}")).unwrap_err().to_string();
    assert!(error.contains("4:100: a second repository of this name for this release"), "{error}");
    let error =
        project("build: [hello]}\n    - {name: tools, family: debian, release: bookworm, build: [hello]")
            .unwrap_err();
    assert!(error.to_string().contains("a second repository of this name"), "{error}");
    let error = load("spec: {packages: [{name: a, release: el8, build: [x]}]}").unwrap_err().to_string();
    assert!(
        error.contains("4:38: expected the release of the distribution without `el`, such as `8`"),
        "{error}"
    );
    let error = load(
        "spec: {packages: [{name: a, release: '8', debs: [x], source: {url: 'https://h/', suite: a, signatures: none}}]}",
    );
    let error = error.unwrap_err().to_string();
    for said in ["4:50: `debs` is for DEBs: write `family: debian`", "`suite` is for DEBs"] {
        assert!(error.contains(said), "{error}");
    }
    let error =
        load("spec: {packages: [{name: a, family: deb, release: '8', debs: [x]}]}").unwrap_err().to_string();
    assert!(error.contains("expected `redhat` or `debian`, found `deb`"), "{error}");
}
