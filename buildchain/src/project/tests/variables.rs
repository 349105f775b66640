//! Variables: where their values come from, and where projects name them.

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
        ("  variables: {one: {git: commit}}\n", ":7:20: the project is in no git repository with a commit"),
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
    let pulled: Vec<String> = loaded.pull.iter().map(|pull| format!("{}:{}", pull.name, pull.tag)).collect();
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

    let spec = "  documentation: [README.md, {file: 'docs/{{ x }}.md', forEach: {x: [a, b]}, when: x != 'b'}]\n  \
                variables: {channel: a}\n  images:\n    catalogues: [{file: none.yaml, when: channel == 'b'}]\n";
    let root = project(&[("README.md", ""), ("docs/a.md", "")], "1", spec);
    let documents = read(root.path(), &SettingsFlags::default()).unwrap().documentation;
    let documents: Vec<_> = documents.iter().map(|document| document.path.clone()).collect();
    assert_eq!(documents, [Path::new("README.md"), Path::new("docs/a.md")]);

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
