//! The project model against right and wrong project files.

mod debs;
mod image_signatures;
mod signing;
mod solution;
mod upstream;
mod variables;

use std::collections::BTreeMap;
use std::path::Path;

use content::Digest;

use super::*;

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: '1.2.3-dev'}\n";

fn load_with(root: &Path, text: &str, flags: &SettingsFlags) -> Result<Project, Error> {
    std::fs::write(root.join(FILE_NAME), text).unwrap();
    Project::load(root, Settings::gather(root, &BTreeMap::new(), flags)?)
}

fn load(text: &str) -> Result<Project, Error> {
    load_with(tempfile::tempdir().unwrap().path(), text, &SettingsFlags::default())
}

#[test]
fn a_wrong_project_file_is_named_with_line_and_column() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let cases = [
        ("spec: {imges: {}}", ":4:8: unknown key `imges`", "did you mean `images`?"),
        ("spec: {images: {pull: [{name: a, source: b}]}}", ":4:42: ", "no tag: expected one in `source`"),
        ("spec: {images: {pull: [{name: a, source: 'b/UPPER', tag: '1'}]}}", ":4:42: ", "UPPER"),
        (
            "spec: {images: {pull: [{name: a, source: b, tag: '1', digest: 'sha256:ff'}]}}",
            ":4:63: ",
            "sha256",
        ),
        (
            "spec: {images: {pull: [{name: '../a', source: b, tag: '1'}]}}",
            ":4:31: ",
            "`../a` cannot name an image",
        ),
        ("spec: {files: [{from: /etc, to: etc}]}", ":4:23: ", "`/etc` leads out"),
        ("spec: {files: [{from: a, to: b/../../c}]}", ":4:30: ", "leads out"),
        ("spec: 7", ":4:7: ", ""),
        ("spec: {}\nspec: {}", ":5:1: duplicate key `spec`", ""),
        ("spec:\n\tfiles: []", ":5:", "a tab"),
    ];
    for (spec, place, message) in cases {
        let error = load(&format!("{HEAD}{spec}\n")).expect_err(spec).to_string();
        assert!(
            error.contains("sealift.yaml") && error.contains(place) && error.contains(message),
            "{spec}: {error}"
        );
    }
    let twice = format!(
        "{HEAD}spec: {{images: {{pull: [{{name: a, source: b, tag: '1', digest: '{digest}'}}, {{name: a, source: c, tag: '1'}}]}}}}\n"
    );
    assert!(load(&twice).unwrap_err().to_string().contains("a second image `a:1`"));
}

#[test]
fn metadata_is_checked() {
    let cases = [
        ("{name: Example}", "no version"),
        ("{name: Example, version: '1', versionFrom: {file: VERSION}}", "one place only"),
        ("{name: Example, version: '1 2'}", "is not a version"),
        ("{name: 'a b', version: '1'}", "cannot name an archive"),
        ("{name: Example-with-a-long-name, version: '1.2.3-alpha.4'}", "at most 32"),
        ("{name: Example, versionFrom: {file: VERSION}}", "VERSION"),
        ("{name: Example, versionFrom: {}}", "needs `file` or `git`"),
        ("{name: Example, versionFrom: {file: VERSION, git: tag}}", "one place only"),
        ("{name: Example, versionFrom: {git: tag, key: a}}", "`key` needs `file`"),
        ("{name: Example, versionFrom: {file: VERSION, default: '1'}}", "`default` needs `git`"),
        ("{name: Example, versionFrom: {git: tag}}", "the commit has no tag such as"),
        ("{name: Example, versionFrom: {git: commit}}", "expected `tag`"),
    ];
    for (metadata, message) in cases {
        let text =
            format!("apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {metadata}\nspec: {{}}\n");
        let error = load(&text).expect_err(metadata).to_string();
        assert!(error.contains(message), "{metadata}: {error}");
    }
}

#[test]
fn the_version_is_read_where_it_stands() {
    let cases = [
        ("Cargo.toml", "[workspace.package]\nversion = \"3.4.5\"\n", ", key: workspace.package.version"),
        ("package.json", "{\"version\": \"3.4.5\"}", ", key: version"),
        ("Chart.yaml", "version: '3.4.5'\n", ", key: version"),
        ("VERSION", "3.4.5\n", ""),
    ];
    for (file, content, key) in cases {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(file), content).unwrap();
        let text = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: E, versionFrom: {{file: {file}{key}}}}}\nspec: {{}}\n"
        );
        let project = load_with(root.path(), &text, &SettingsFlags::default()).unwrap();
        assert_eq!(
            (project.values.version.as_str(), project.values.short_version.as_str()),
            ("3.4.5", "3.4"),
            "{file}"
        );
    }
}

#[test]
fn a_profile_adds_its_images_and_the_lock_gives_digests() {
    let root = tempfile::tempdir().unwrap();
    let digest = format!("sha256:{}", "b".repeat(64));
    std::fs::write(
        root.path().join("catalogue.yaml"),
        format!(
            "images:\n  - {{name: pinned, source: quay.io/a/b, tag: v1, digest: '{digest}'}}\n  - {{name: tagged, source: docker.io/library/nginx, tag: '1.27'}}\n"
        ),
    )
    .unwrap();
    let text = format!("{HEAD}spec: {{profiles: {{full: {{images: {{catalogues: [catalogue.yaml]}}}}}}}}\n");
    let full = SettingsFlags { profiles: vec!["full".into()], ..SettingsFlags::default() };

    assert!(load_with(root.path(), &text, &SettingsFlags::default()).unwrap().pull.is_empty());
    let project = load_with(root.path(), &text, &full).unwrap();
    assert_eq!(project.pull.len(), 2);
    let digest: Digest = digest.parse().unwrap();
    assert_eq!((project.pull[0].digest, project.pull[1].digest), (Some(digest), None));

    let mut lock = LockFile::default();
    lock.set("docker.io/library/nginx:1.27".parse().unwrap(), digest);
    lock.write(root.path()).unwrap();
    let project = load_with(root.path(), &text, &full).unwrap();
    assert_eq!(project.pull[1].digest, Some(digest));

    let unknown = SettingsFlags { profiles: vec!["fulll".into()], ..SettingsFlags::default() };
    assert!(load_with(root.path(), &text, &unknown).unwrap_err().to_string().contains("full"));
}

#[test]
fn images_are_built_on_what_the_lock_says() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    write("images/one/image.yaml", "base: alpine:3\n");
    write("images/two/Dockerfile", &format!("ARG V\nFROM alpine:$V\nFROM quay.io/b:1@{digest}\n"));
    write("images/two/build.yaml", "arguments: {V: '{{ version }}'}\ncontext: ./\nplatform: linux/arm64\n");
    let text = format!("{HEAD}spec: {{images: {{build: [images/one, images/two]}}}}\n");
    let load = || load_with(root.path(), &text, &SettingsFlags::default());
    let project = load().unwrap();
    let (alpine, other) = ("docker.io/library/alpine:3", "docker.io/library/alpine:1.2.3-dev");
    assert_eq!(
        project.tags(&LockFile::default()).iter().map(ToString::to_string).collect::<Vec<_>>(),
        [alpine, other]
    );
    let digest: Digest = digest.parse().unwrap();
    let mut lock = LockFile::default();
    for reference in [alpine, other] {
        lock.set(reference.parse().unwrap(), digest);
    }
    lock.write(root.path()).unwrap();
    let project = load().unwrap();
    assert!(project.images.iter().flat_map(|image| &image.bases).all(|base| base.digest == Some(digest)));
    let BuildMethod::Containerfile(file) = &project.images[1].method else {
        panic!("{:?}", project.images[1])
    };
    assert_eq!((file.context.as_path(), file.names.len()), (Path::new(""), 2));

    for (name, text, expected) in [
        ("images/two/build.yaml", "platform: arm64\n", "build.yaml:1:11: `arm64` is not a platform"),
        ("images/two/build.yaml", "context: ../x\n", "build.yaml:1:10: `../x` leads out"),
        ("images/two/build.yaml", "args: {}\n", "unknown key `args`"),
        ("images/two/build.yaml", "{}\n", "images/two/Dockerfile:2:1: `alpine:$V` cannot be pinned"),
        ("images/two/image.yaml", "{}\n", "both `image.yaml` and `images/two/Dockerfile` exist"),
        ("images/one/image.yaml", "base: UPPER\n", "not an image reference"),
    ] {
        let path = root.path().join(name);
        let before = std::fs::read_to_string(&path).ok();
        write(name, text);
        let error = load().unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        match before {
            Some(before) => write(name, &before),
            None => std::fs::remove_file(path).unwrap(),
        }
    }

    for (folder, expected) in [
        ("images/two", ":4:34: both `settings` and `images/two/build.yaml` exist"),
        ("images/one", ":4:34: `settings` needs a `Containerfile`"),
    ] {
        let text = format!("{HEAD}spec: {{images: {{build: [{{folder: {folder}, settings: {{}}}}]}}}}\n");
        let error = load_with(root.path(), &text, &SettingsFlags::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn all_mistakes_are_named_at_once_each_with_its_place_and_in_plain_words() {
    let error = load(&format!(
        "{HEAD}spec:\n  imges: {{}}\n  files:\n  - {{form: a}}\n  - text\n  documentation: {{}}\n  packages: 7\n"
    ))
    .unwrap_err()
    .to_string();
    let expected = [
        ":5:3: unknown key `imges`; did you mean `images`?",
        ":7:5: missing key `to`",
        ":7:6: unknown key `form`; did you mean `from`?",
        ":8:5: expected keys with values, found text",
        ":9:18: expected a list, found keys with values",
        ":10:13: expected a list, found a number",
    ];
    assert_eq!(error.lines().count(), expected.len(), "{error}");
    for (line, expected) in error.lines().zip(expected) {
        assert!(line.ends_with(&format!("sealift.yaml{expected}")), "{error}");
    }

    for number in ["-1", "1.5", "4294967296", "99999999999999999999"] {
        let spec =
            format!("spec: {{images: {{pull: [{{source: a.example/b, semver: '1', latest: {number}}}]}}}}");
        let error = load(&format!("{HEAD}{spec}\n")).unwrap_err().to_string();
        assert!(error.ends_with(": expected a whole number from 0 to 4294967295"), "{error}");
    }

    let root = tempfile::tempdir().unwrap();
    let text = format!(
        "{HEAD}spec:\n  registries: [{{host: 'https://x'}}]\n  files:\n  - {{from: nowhere, to: b}}\n  \
         - {{from: sealift.yaml, to: b, exclude: ['[z-a]']}}\n  images:\n    pull:\n    \
         - {{name: a, source: b.example/c, tag: '1', platforms: [linux/amd64, amd]}}\n    \
         - {{name: '../b', source: b.example/c, tag: '1'}}\n    build: [images/none]\n"
    );
    let error = load_with(root.path(), &text, &SettingsFlags::default()).unwrap_err().to_string();
    for expected in [
        ":5:23: `https://x` is not a registry",
        ":7:12: `nowhere` does not exist",
        ":8:43: ",
        ":11:73: `amd` is not a platform",
        ":12:14: `../b` cannot name an image",
        ":13:13: images/none/image.yaml does not exist",
    ] {
        assert!(error.contains(expected), "{expected}: {error}");
    }
    assert_eq!(error.lines().count(), 6, "{error}");

    let many: String = (0..30).map(|n| format!("  - {{from: none-{n}, to: b}}\n")).collect();
    let error = load(&format!("{HEAD}spec:\n  files:\n{many}")).unwrap_err().to_string();
    assert_eq!((error.lines().count(), error.lines().last()), (21, Some("and 10 more")), "{error}");
}

#[test]
fn words_that_are_none_of_a_few_are_named_beside_other_mistakes() {
    let text = "apiVersion: v2\nkind: Plattform\nmetadata: {name: E, version: '1', revision: hash}\nspec: {file: []}\n";
    let error = load(text).unwrap_err().to_string();
    let expected = [
        ":1:13: expected `sealift.dev/v1alpha1`, found `v2`",
        ":2:7: expected `Platform` or `Solution`, found `Plattform`",
        ":3:45: expected `commit` or `describe`, found `hash`",
        ":4:8: unknown key `file`; did you mean `files`?",
    ];
    assert_eq!(error.lines().count(), expected.len(), "{error}");
    for expected in expected {
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn no_message_speaks_of_the_parser() {
    for text in ["a: b: c", "a: [", "a:\n\tb: c", "a: 1\na: 2", "\u{0}", "hello", ""] {
        let error = load(text).expect_err(text);
        for shown in [error.to_string(), error.snippet().unwrap_or_default().to_owned()] {
            for word in ["Options", "Policy", "variant", "sequence", "mapping key", "struct"] {
                assert!(!shown.contains(word), "{text}: {shown}");
            }
        }
    }
}

#[test]
fn every_mistake_of_one_entry_is_named() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("images/a")).unwrap();
    std::fs::write(root.path().join("images/a/run.sh"), "").unwrap();
    std::fs::write(root.path().join("images/a/image.yaml"), "files:\n- {from: run.sh, to: /run}\n").unwrap();
    let text = format!(
        "{HEAD}spec:\n  registries:\n  - {{host: x, mirrors: ['ftp://a', 'https://u:hunter2@b'], certificateAuthorities: [no.pem]}}\n  \
         images:\n    pull:\n    - {{name: A, source: c, tag: 'a b', digest: sha256:1, platforms: [amd, x]}}\n    \
         - {{name: b, source: 'quay.io/b:2', tag: '1'}}\n    - {{name: c, source: 'oci:none', tag: '1'}}\n    \
         build: [images/a]\n  documentation: [none.md]\n"
    );
    let text = text
        .replace("version: '1.2.3-dev'", "versionFrom: {file: VERSION}")
        .replace("name: Example", "name: a b");
    let error = load_with(root.path(), &text, &SettingsFlags::default()).unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
    for expected in [
        "sealift.yaml:3:18: `a b` cannot name an archive",
        "sealift.yaml:3:43: VERSION does not exist",
        "sealift.yaml:6:25: expected a mirror's address",
        "sealift.yaml:6:36: a mirror's address takes no user name or password",
        "sealift.yaml:6:85: `no.pem` does not exist",
        "sealift.yaml:13:19: `none.md` does not exist",
        ": `A` cannot name an image",
        ": `a b` cannot be a tag",
        ": `sha256:1` is not a digest",
        ": `amd` is not a platform",
        ": `x` is not a platform",
        ": a tag in `source` and `tag`: expected one of them",
        ": `none` does not exist",
        "images/a/image.yaml:2:10: `run.sh` does not exist; paths are relative to the project's folder: write `images/a/run.sh`",
    ] {
        assert!(error.contains(expected), "{expected}: {error}");
    }

    let unknown = SettingsFlags { profiles: vec!["full".into()], ..SettingsFlags::default() };
    let error = load_with(root.path(), &format!("{HEAD}spec: {{}}\n"), &unknown).unwrap_err();
    assert_eq!(error.to_string(), "no profile `full`: the project has no profiles");
}

/// One project with many kinds of mistakes, in five files.
#[test]
fn all_mistakes_of_all_files_are_in_one_report() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let digest = Digest::of(b"");
    write("README.md", "");
    write("salt/top.sls", "");
    write(
        "catalogue.yaml",
        "images:\n- {name: a/b, source: 'docker://a b', tag: '1', platforms: [linux-amd64]}\n- {name: b, source: quay.io/b, tag: '-x'}\n",
    );
    write(
        "images/own/image.yaml",
        "base: Upper\nplatform: arm64\ncreated: today\nfiles:\n- {from: gone, to: /x, mode: '999'}\n",
    );
    write("images/contained/Dockerfile", "FROM scratch\n");
    write("images/contained/build.yaml", "context: ../..\nplatform: arm64\ncreated: '2026'\n");
    write(
        "packages/p/package.yaml",
        "{name: p, version: '1', release: '1', arch: noarch, summary: s, license: l, requires: ['a >=']}\n",
    );
    write(
        LOCK_FILE_NAME,
        &format!(
            "version: 1\nimages:\n  UPPER: {digest}\n  quay.io/b:1: sha256:1\nplatforms:\n  quay.io/b:1: {{amd64: {digest}}}\n"
        ),
    );
    write(
        FILE_NAME,
        "apiVersion: sealift.dev/v1alpha1\n\
         kind: Platform\n\
         metadata: {name: two words, version: 1 2}\n\
         spec:\n  \
           binaries: [{cargo: a/b, to: ../bin}]\n  \
           registries:\n  \
           - {host: 'https://registry.example', mirrors: ['ftp://mirror.example'], certificateAuthorities: [ca.pem]}\n  \
           - {host: '[::1]:5000', mirrors: ['https://me:hunter2@mirror.example']}\n  \
           images:\n    \
             catalogues: [catalogue.yaml, gone.yaml]\n    \
             pull:\n    \
             - {name: Name, source: 'quay.io/b:1', tag: '1', digest: 'sha256:1'}\n    \
             - {name: local, source: 'oci:gone', tag: '1'}\n    \
             build: [images/own, {folder: images/contained, name: ok, tags: ['a b']}, {folder: images/contained}]\n  \
           packages: [{name: ../r, release: 8/9, build: [packages/p]}]\n  \
           files:\n  \
           - {from: salt, to: /srv, exclude: ['[z-a]']}\n  \
           - {from: gone, to: x}\n  \
           documentation: [README.md, gone.md]\n",
    );
    let settings = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default()).unwrap();
    let Error::Many(errors) = Project::load(root.path(), settings).unwrap_err() else {
        panic!("one mistake")
    };
    let folder = format!("{}/", root.path().display());
    let report: String = errors.iter().map(|error| error.to_string().replace(&folder, "") + "\n").collect();
    insta::assert_snapshot!(report);
}
