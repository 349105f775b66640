//! The project model against right and wrong project files.

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
        ":2:7: expected `Platform`, found `Plattform`",
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

mod variables {
    use super::*;

    /// A folder with these files and a project whose `metadata` and `spec` are given.
    fn project(files: &[(&str, &str)], version: &str, spec: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let text = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: E\n  version: '{version}'\nspec:\n{spec}"
        );
        std::fs::write(root.path().join(FILE_NAME), text).unwrap();
        root
    }

    fn read(root: &Path, flags: &SettingsFlags) -> Result<Project, Error> {
        let environment = BTreeMap::from([("BUILD_ID".to_owned(), "77".to_owned())]);
        Project::load(root, Settings::gather(root, &environment, flags)?)
    }

    fn set(variables: &[(&str, &str)]) -> SettingsFlags {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        SettingsFlags { variables: variables.collect(), ..SettingsFlags::default() }
    }

    #[test]
    fn a_variable_has_a_value_from_anywhere() {
        let files = [
            ("VERSION", "# numbers\nexport MAJOR=129\nSUFFIX='-dev'\n"),
            ("package.json", "{\"engines\": {\"node\": \"20.1\"}, \"list\": [\"a\", \"b\"]}"),
            ("v.yaml", "kubernetes: 1.29.8\ncalico: {version: 3.28.0}\n"),
            ("t.toml", "[a]\nb = 'c'\n"),
            ("line", "first\nsecond\n"),
            (".env", "FROM_FILE=env\n"),
        ];
        let spec = r#"  variables:
    # The order does not matter.
    both: "{{ major }}{{ suffix }} for {{ name }} {{ version }}"
    major: {file: VERSION, key: MAJOR}
    suffix: {file: VERSION, key: SUFFIX}
    node: {file: package.json, key: engines.node}
    second: {file: package.json, key: list.1}
    versions: {file: v.yaml}
    kubernetes: "{{ versions.kubernetes }}/{{ versions.calico.version }}"
    toml: {file: t.toml, key: a.b}
    line: {file: line}
    text: {textOf: line}
    build: {env: BUILD_ID}
    file: {env: FROM_FILE}
    none: {env: NONE, default: "{{ major }}-none"}
    tag: {git: tag, default: untagged}
    table: {value: {a: ["{{ major }}", 2], b: true}}
    ten: 1.10
    octal: 010
    truth: yes
    conditional: "{{ 1 if suffix == '-dev' else 0 }}"
    where: "{{ build_root }}-{{ slug }}-{{ short_version }}"
"#;
        let root = project(&files, "{{ major }}.0.{{ build }}{{ suffix }}+x", spec);
        let project = read(root.path(), &SettingsFlags::default()).unwrap_or_else(|error| panic!("{error}"));
        let value = |name: &str| project.values.get(name).unwrap().clone();
        for (name, expected) in [
            ("both", "129-dev for E 129.0.77-dev+x"),
            ("node", "20.1"),
            ("second", "b"),
            ("kubernetes", "1.29.8/3.28.0"),
            ("toml", "c"),
            ("line", "first"),
            ("text", "first\nsecond\n"),
            ("build", "77"),
            ("file", "env"),
            ("none", "129-none"),
            ("tag", "untagged"),
            ("ten", "1.10"),
            ("octal", "010"),
            ("truth", "yes"),
            ("conditional", "1"),
            ("where", "_build-e-129.0"),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
        assert_eq!(value("table"), serde_json::json!({"a": ["129", 2], "b": true}));
        for file in ["VERSION", "package.json", "v.yaml"] {
            assert!(project.sources.contains(&root.path().join(file)), "{file} is not watched");
        }
        let project = read(root.path(), &set(&[("major", "7"), ("suffix", "")])).unwrap();
        assert_eq!(project.values.version, "7.0.77+x");
        assert_eq!(project.values.get("conditional").unwrap(), "0");
    }

    #[test]
    fn every_mistake_of_variables_has_its_place() {
        for (spec, expected) in [
            (
                "  variables: {a: '{{ b }}', b: '{{ c }}', c: '{{ a }}', one: x}\n",
                ":7:18: the variables need each other: a → b → c → a",
            ),
            (
                "  variables: {a: '{{ version }}', one: '{{ a }}'}\n",
                ":7:18: the variables need each other: a → version → one → a",
            ),
            (
                "  variables: {one: '1', colour: 'x'}\n  files: [{from: '{{ color }}', to: .}]\n",
                ":8:18: unknown name `color`, did you mean `colour`?; known are `architecture`, `build_root`, `colour`,",
            ),
            (
                "  variables: {one: '1', v: {value: {kubernetes: a}}}\n  files: [{from: '{{ v.kubernets }}', to: .}]\n",
                ":8:18: unknown name `v.kubernets`, did you mean `kubernetes`?; known are `kubernetes`",
            ),
            ("  variables: {one: {file: none, key: a}}\n", ":7:27: none does not exist"),
            (
                "  variables: {one: {file: sealift.yaml, key: speck}}\n",
                ":7:27: sealift.yaml: no key `speck`; did you mean `spec`?",
            ),
            (
                "  variables: {one: {env: NONE}}\n",
                ":7:20: NONE is not set in the environment, and there is no `default`",
            ),
            (
                "  variables: {one: {git: commit}}\n",
                ":7:20: the project is in no git repository with a commit",
            ),
            ("  variables: {one: {git: tagg}}\n", "expected `commit`"),
            (
                "  variables: {one: {env: A, file: b}}\n",
                ":7:20: expected one of `value`, `file`, `textOf`, `git` and `env`",
            ),
            ("  variables: {one: {value: a, key: b}}\n", ":7:20: `key` needs `file`"),
            ("  variables: {one: {value: a, default: b}}\n", ":7:20: `default` needs `env` or `git`"),
            ("  variables: {one: '1', slug: x}\n", ":7:31: `slug` is fixed"),
            ("  variables: {one: '1', a-b: x}\n", ":7:30: `a-b` cannot name a variable"),
            ("  variables: {one: '{{ x'}\n", ":7:20: syntax error"),
            (
                "  variables: {one: '1'}\n  files: [{from: '{{ one }}/../..', to: .}]\n",
                ":8:18: `1/../..` leads out",
            ),
        ] {
            let root = project(&[], "{{ one }}", spec);
            let error = read(root.path(), &SettingsFlags::default()).expect_err(spec).to_string();
            assert!(error.contains(expected), "{spec}: {error}");
            assert_eq!(error.lines().count(), 1, "{spec}: {error}");
        }
        let root = project(&[], "{{ one }}", "  variables: {one: '1'}\n");
        for (name, expected) in [
            ("onee", "--set: unknown name `onee`, did you mean `one`?; known are `one`"),
            ("slug", "`slug` is fixed"),
        ] {
            let error = read(root.path(), &set(&[(name, "x")])).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn files_of_a_project_include_each_other_and_profiles_replace_lists() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let pull =
            |name: &str| format!("{{name: {name}, source: quay.io/a/{name}, tag: '1', digest: '{digest}'}}");
        let parts = [
            (
                "parts/images.yaml",
                format!(
                    "include: [more/deep.yaml, ../common.yaml]\nvariables: {{x: part}}\nimages: {{pull: [{}]}}\n",
                    pull("part")
                ),
            ),
            (
                "parts/more/deep.yaml",
                format!("include: [../../common.yaml]\nimages: {{pull: [{}]}}\n", pull("deep")),
            ),
            (
                "common.yaml",
                format!(
                    "variables: {{x: common}}\nimages: {{pull: [{}]}}\nprofiles: {{more: {{images: {{pull: [{}]}}}}}}\n",
                    pull("common"),
                    pull("common-more")
                ),
            ),
        ];
        let files: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let spec = format!(
            "  include: [parts/images.yaml]\n  images: {{pull: [{}]}}\n  profiles:\n    more: {{variables: {{x: more}}, images: {{pull: [{}]}}}}\n    only: {{replace: [images.pull], images: {{pull: [{}]}}}}\n",
            pull("own"),
            pull("more"),
            pull("only")
        );
        let root = project(&files, "1", &spec);
        let names = |profiles: &[&str]| {
            let profiles = profiles.iter().map(|name| (*name).to_owned()).collect();
            let project = read(root.path(), &SettingsFlags { profiles, ..SettingsFlags::default() }).unwrap();
            let names: Vec<String> = project.pull.iter().map(|pull| pull.name.to_string()).collect();
            (names.join(" "), project.values.get("x").unwrap().as_str().unwrap().to_owned())
        };
        assert_eq!(names(&[]), ("common deep part own".into(), "part".into()));
        assert_eq!(names(&["more"]), ("common deep part own common-more more".into(), "more".into()));
        assert_eq!(names(&["only"]), ("only".into(), "part".into()));
        assert_eq!(names(&["only, more"]), ("only common-more more".into(), "more".into()));
        assert_eq!(names(&["more", "only", "more"]), ("only".into(), "more".into()));

        for (name, text, expected) in [
            (
                "common.yaml",
                "include: [parts/images.yaml]\n",
                "common.yaml:1:11: the files include each other: parts/images.yaml → parts/more/deep.yaml → common.yaml → parts/images.yaml",
            ),
            (
                "common.yaml",
                "include: [sealift.yaml]\n",
                "the files include each other: sealift.yaml → parts/images.yaml",
            ),
            (
                "common.yaml",
                "include: [../outside.yaml]\n",
                "common.yaml:1:11: `../outside.yaml` is not a file of the project",
            ),
            ("common.yaml", "include: ['{{ x }}.yaml']\n", "common.yaml:1:11: variables are not known here"),
            ("common.yaml", "include: [none.yaml]\n", "common.yaml:1:11: none.yaml does not exist"),
            (
                "common.yaml",
                "include: [parts]\n",
                "common.yaml:1:11: cannot open parts: it is a folder, not a regular file",
            ),
            ("common.yaml", "files: [{from: none, to: .}]\n", "common.yaml:1:16: `none` does not exist"),
            ("common.yaml", "kind: Platform\n", "common.yaml:1:1: unknown key `kind`"),
        ] {
            std::fs::write(root.path().join(name), text).unwrap();
            let error = read(root.path(), &SettingsFlags::default()).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn entries_have_conditions_and_loops() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let package =
            "name: a\nversion: 1.0\nrelease: 1.el{{ release }}\narch: {{ arch }}\nsummary: A\nlicense: MIT\n";
        let spec = format!(
            r#"  variables:
    channel: stable
    images:
      value:
        - {{name: nginx, version: 1.27.1}}
        - {{name: etcd, version: 3.5.14}}
  images:
    pull:
      - forEach: {{image: images}}
        name: "{{{{ image.name }}}}"
        source: "quay.io/team/{{{{ image.name }}}}"
        tag: "{{{{ image.version }}}}"
        digest: {digest}
      - {{name: beta, source: quay.io/a/b, tag: '1', when: channel == 'beta'}}
  packages:
    - forEach: {{release: ["8", 9], arch: [x86_64, aarch64]}}
      when: not (release == "9" and arch == "aarch64")
      name: "base-{{{{ arch }}}}"
      release: "{{{{ release }}}}"
      build: [packages/a]
"#
        );
        let root = project(&[("packages/a/package.yaml", package)], "1", &spec);
        let load = |flags: &SettingsFlags| read(root.path(), flags).unwrap_or_else(|error| panic!("{error}"));
        let loaded = load(&SettingsFlags::default());
        let pulled: Vec<String> =
            loaded.pull.iter().map(|pull| format!("{}:{}", pull.name, pull.tag)).collect();
        assert_eq!(pulled, ["nginx:1.27.1", "etcd:3.5.14"]);
        let packages: Vec<String> = loaded
            .repositories
            .iter()
            .map(|one| {
                format!("{} {} {}", one.name, one.release, one.packages[0].definition.file_name().unwrap())
            })
            .collect();
        assert_eq!(
            packages,
            [
                "base-x86_64 8 a-1.0-1.el8.x86_64.rpm",
                "base-x86_64 9 a-1.0-1.el9.x86_64.rpm",
                "base-aarch64 8 a-1.0-1.el8.aarch64.rpm",
            ]
        );
        assert_eq!(load(&set(&[("channel", "beta")])).pull.len(), 3);

        for (entry, expected) in [
            ("when: chanel == 'x'", ":7:34: unknown name `chanel`, did you mean `channel`?"),
            ("when: 'a b'", ":7:34: syntax error"),
            ("forEach: {name: [a]}", ":7:44: `name` has a value already"),
            ("forEach: {x: channel}", ":7:41: `channel` is not a list"),
            // Once, not once for each round.
            (
                "forEach: {x: [a, b]}, mode: '0600'",
                ":7:56: `0600` is not a mode of an archive: expected `0644`, or `0755` for a program",
            ),
            ("forEach: {x: [a], y: ['{{ x }}', '{{ z }}']}", ":7:61: unknown name `z`"),
        ] {
            let spec = format!("  files: [{{from: a, to: b, {entry}}}]\n  variables: {{channel: a}}\n");
            let root = project(&[("a", "")], "1", &spec);
            let error = read(root.path(), &SettingsFlags::default()).expect_err(entry).to_string();
            assert!(error.contains(expected), "{entry}: {error}");
            assert_eq!(error.lines().count(), 1, "{entry}: {error}");
        }
    }

    /// None of them may use up the memory or the stack.
    #[test]
    fn a_project_that_grows_without_bound_is_refused() {
        let chain = |length: usize| {
            let links = (0..length).map(|i| format!("    v{i}: '{{{{ v{} }}}}'\n", i + 1));
            format!("  variables:\n{}    v{length}: x\n", links.collect::<String>())
        };
        let loops = |for_each: &str| {
            format!(
                "  variables: {{list: {{value: [a, b]}}}}\n  files: [{{data: {{}}, to: a.json, {for_each}}}]\n"
            )
        };
        let includes = |length: usize| -> Vec<(String, String)> {
            let text = |i| if i < length { format!("include: [p{}.yaml]\n", i + 1) } else { "{}\n".into() };
            (0..=length).map(|i| (format!("p{i}.yaml"), text(i))).collect()
        };
        let include = "  include: [p0.yaml]\n";
        for (files, spec, expected) in [
            (Vec::new(), chain(99), None),
            // A sliced variable is needed, too, although minijinja does not list it.
            (Vec::new(), "  variables: {a: '{{ b[1:] }}', b: '{{ c }}', c: v1}\n".to_owned(), None),
            (Vec::new(), chain(5_000), Some("more than 100 variables need each other in a row")),
            (
                Vec::new(),
                loops("forEach: {x: '[1] * 10**8'}"),
                Some(":8:47: the loop has more than 10000 rounds"),
            ),
            (
                Vec::new(),
                loops("forEach: {x: 'range(9000)', y: 'range(9000)'}"),
                Some(": the loop has more than 10000 rounds"),
            ),
            (includes(63), include.to_owned(), None),
            (includes(2_000), include.to_owned(), Some("more than 64 files include each other in a row")),
        ] {
            let files: Vec<(&str, &str)> =
                files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let root = project(&files, "1", &spec);
            let loaded = read(root.path(), &SettingsFlags::default());
            match (expected, loaded) {
                (None, loaded) => drop(loaded.unwrap_or_else(|error| panic!("{error}"))),
                (Some(expected), loaded) => {
                    let error = loaded.expect_err(expected).to_string();
                    assert!(error.contains(expected), "{expected}: {error}");
                }
            }
        }
        // Each round has a value of its own, and all share the large one.
        let spec = format!(
            "  variables: {{large: '{}'}}\n  files:\n    - {{data: {{x: '{{{{ x }}}}'}}, to: 'a{{{{ x }}}}.json', forEach: {{x: 'range(5000)'}}}}\n",
            "x".repeat(1 << 20)
        );
        let root = project(&[], "1", &spec);
        assert_eq!(read(root.path(), &SettingsFlags::default()).unwrap().files.len(), 5000);
    }

    #[test]
    fn an_image_has_its_settings_and_its_tag_in_the_project_file() {
        let spec = "  variables: {salt: '3002.9', base: quay.io/b}
  images:
    build:
      - folder: images/a
        tag: '{{ salt }}-1'
        tags: [latest]
        settings: {context: ., arguments: {BASE: '{{ base }}:{{ salt }}'}, target: last}
      - images/b
";
        let dockerfile = ("images/a/Dockerfile", "ARG BASE\nFROM $BASE AS last\n");
        let root = project(&[dockerfile, ("images/b/image.yaml", "{}\n")], "1.0+7", spec);
        let project = read(root.path(), &SettingsFlags::default()).unwrap_or_else(|error| panic!("{error}"));
        let tags = |index: usize| -> Vec<String> {
            project.images[index].tags.iter().map(ToString::to_string).collect()
        };
        assert_eq!((tags(0), tags(1)), (vec!["3002.9-1".into(), "latest".into()], vec!["1.0_7".to_owned()]));
        let BuildMethod::Containerfile(file) = &project.images[0].method else { panic!() };
        assert_eq!((file.context.as_path(), file.target.as_deref()), (Path::new(""), Some("last")));
        assert_eq!(project.images[0].bases[0].reference.to_string(), "quay.io/b:3002.9");
    }

    /// Two templates can name the same variable, each with a value of its own.
    #[test]
    fn the_templates_of_an_entry_can_name_its_variables() {
        let spec = "  variables: {b: {textOf: b.txt}}
  files:
    - {from: a.in, to: '{{ round }}/', forEach: {round: [1, 2]}, variables: {text: 'of {{ name }} {{ round }}'}}
    - {from: a.in, to: b/, variables: {text: '{{ b }}'}}
";
        let root = project(&[("a.in", "{{ text }}"), ("b.txt", "all\n")], "1", spec);
        let loaded = read(root.path(), &SettingsFlags::default()).unwrap_or_else(|error| panic!("{error}"));
        let texts: Vec<String> = loaded
            .files
            .iter()
            .map(|files| {
                let path = root.path().join("a.in");
                template::render(&path, &template::read_template(&path).unwrap(), &files.values).unwrap()
            })
            .collect();
        assert_eq!(texts, ["of E 1", "of E 2", "all\n"]);

        let root = project(&[("a", "")], "1", "  files: [{from: a, to: b, variables: {version: x}}]\n");
        let error = read(root.path(), &SettingsFlags::default()).unwrap_err().to_string();
        assert!(error.contains(":7:49: `version` has a value already"), "{error}");
    }

    /// With all profiles at once, one would hide the images of another, and of the project itself.
    #[test]
    fn each_form_of_a_project_is_read_for_the_lock_file() {
        let spec = "  variables: {tag: stable}
  images: {pull: [{name: a, source: quay.io/a/a, tag: '{{ tag }}'}]}
  profiles:
    beta: {variables: {tag: beta}}
    none: {replace: [images]}
    same: {images: {pull: [{name: b, source: quay.io/a/a, tag: '{{ tag }}'}]}}
";
        let root = project(&[], "1", spec);
        let tags = |profiles: &[&str]| -> Vec<String> {
            let profiles = profiles.iter().map(|name| (*name).to_owned()).collect();
            let flags = SettingsFlags { profiles, ..SettingsFlags::default() };
            let settings = Settings::gather(root.path(), &BTreeMap::new(), &flags).unwrap();
            let projects = Project::load_all(root.path(), &settings).unwrap();
            let tags = projects.iter().map(|project| {
                project
                    .tags(&LockFile::default())
                    .iter()
                    .map(|tag| tag.tag().unwrap_or_default().to_owned())
                    .collect::<Vec<_>>()
                    .join("+")
            });
            tags.collect()
        };
        assert_eq!(tags(&[]), ["stable", "beta", "", "stable"]);
        assert_eq!(tags(&["same"]), ["stable", "beta", "", "stable"]);
        assert_eq!(tags(&["same", "beta"]), ["stable", "beta", "", "stable", "beta"]);
    }
}
