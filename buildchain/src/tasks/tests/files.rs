//! Files that are selected, rendered and written.

use super::*;

/// The name of the task and the values among its inputs, discovered ones included.
fn values(place: &TestProject, name: &str) -> Vec<String> {
    let (project, plan) = place.plan_in(None).unwrap();
    let task = plan.tasks.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("no task {name}"));
    let discovered = task.discover.as_ref().map(|discover| discover(&project.root).unwrap());
    let inputs = task.inputs.iter().chain(discovered.iter().flatten());
    let named = inputs.filter_map(|input| match input {
        TaskInput::Value { name, value } if name != "data" => Some(format!("{name}={value}")),
        _ => None,
    });
    named.collect()
}

#[test]
fn the_key_of_a_template_has_only_the_values_that_it_names() {
    let place = TestProject::new(
        "variables: {V: 'x', t: {value: {a: 1, b: 2}}}\n  files:\n    - {from: a.in, to: salt/a}\n    \
         - {from: b.in, to: '.', templates: {syntax: at}, mode: '0755'}\n    \
         - {to: c.json, variables: {own: y}, data: {x: '{{ own }} {{ V }}', y: {valueOf: t.b}}}",
    );
    place.write("a.in", "{{ t.a }} @@V");
    place.write("b.in", "{{ t.a }} @@V");
    assert_eq!(values(&place, "_deploy_salt_tree:salt/a"), ["syntax=jinja {{ }} {% %} {# #}", "t.a=1"]);
    assert_eq!(values(&place, "_iso_add_tree:b"), ["syntax=at", "mode=0755", "V=\"x\""]);
    assert_eq!(values(&place, "_iso_add_tree:c.json"), ["V=\"x\"", "own=\"y\"", "t.b=2", "mode=0644"]);
}

#[test]
fn a_suffix_and_patterns_say_which_files_are_templates() {
    let place = TestProject::new(
        "templates: {patterns: ['*.tpl']}\n  files:\n    - {from: d, to: one}\n    \
         - {from: d, to: two, templates: {suffix: .sh, patterns: ['/inner/*', '!x.conf', /gone]}}\n    \
         - {from: d, to: three, templates: {suffix: none}, only: ['*.in', inner, nothing], exclude: [x.conf]}\n    \
         - {from: d/a.in, to: four/b}\n    - {from: d/plain, to: four/c.in}",
    );
    for file in ["a.in", "b.sh", "c.tpl", "plain", "inner/x.conf", "inner/y.conf", ".in"] {
        place.write(&format!("d/{file}"), "");
    }
    let (_, plan) = place.plan_in(None).unwrap();
    let shown = |word: &str| -> Vec<String> {
        let tasks = plan.tasks.iter().filter(|task| task.title.command == word);
        tasks.map(|task| task.title.subject.trim_start_matches("_build/root/").to_owned()).collect()
    };
    assert_eq!(shown("RENDER"), ["one/a", "one/c.tpl", "two/b", "two/inner/y.conf", "four/b"]);
    assert_eq!(
        shown("COPY"),
        [
            "one/.in",
            "one/b.sh",
            "one/inner/x.conf",
            "one/inner/y.conf",
            "one/plain",
            "two/.in",
            "two/a.in",
            "two/c.tpl",
            "two/inner/x.conf",
            "two/plain",
            "three/.in",
            "three/a.in",
            "three/inner/y.conf",
            "four/c.in"
        ]
    );
    assert_eq!(
        plan.warnings,
        [
            "sealift.yaml:8:85: template pattern `/gone` matches nothing in d",
            "sealift.yaml:9:77: only `nothing` matches nothing in d"
        ]
    );
}

#[test]
fn links_are_kept_or_followed() {
    let place = TestProject::new("files: [{from: d, to: kept}, {from: d, to: followed, links: follow}]");
    place.write("d/a", "");
    place.write("other/x", "");
    place.link("a", "d/link");
    place.link("../other", "d/folder");
    let expected = ["followed/a", "followed/folder/x", "followed/link", "kept/a", "kept/folder", "kept/link"];
    assert_eq!(place.deployed(), expected);

    for (target, expected) in [
        ("../../host/secret", "outside the project"),
        ("../d", "sealift.yaml:5:25: `d/odd` leads to a folder that it is in: exclude it"),
        ("nowhere", "sealift.yaml:5:25: `d/odd` leads to nothing: exclude it, or keep links"),
    ] {
        place.link(target, "d/odd");
        place.write("sealift.yaml", &format!("{HEAD}  files: [{{from: d, to: x, links: follow}}]\n"));
        let error = place.plan().map(drop).unwrap_err();
        assert!(error.contains(expected), "{target}: {error}");
        fs::remove_file(place.root().join("d/odd")).unwrap();
    }
}

/// The content of each file of data.
fn contents(place: &TestProject) -> Vec<Result<String, String>> {
    let (project, _) = place.plan_in(None).unwrap();
    let sources = project.files.iter().map(|files| match &files.source {
        FilesSource::Data(data) => data.content().map_err(|error| error.to_string()),
        other => panic!("{other:?}"),
    });
    sources.collect()
}

#[test]
fn base64_can_be_in_lines_as_the_program_writes_them() {
    let place = TestProject::new("files: [{to: a.json, data: {a: {base64LinesOf: logo.png}}}]");
    for length in [0, 1, 56, 57, 58, 1000_usize] {
        let bytes: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
        fs::write(place.root().join("logo.png"), bytes).unwrap();
        let output =
            std::process::Command::new("base64").arg(place.root().join("logo.png")).output().unwrap();
        let value: serde_json::Value = serde_json::from_str(contents(&place)[0].as_ref().unwrap()).unwrap();
        assert_eq!(value["a"], String::from_utf8(output.stdout).unwrap(), "{length}");
    }
}

#[test]
fn data_can_end_without_a_line_end() {
    let place = TestProject::new(
        "files:\n    - {to: a.json, indent: 0, data: [1], finalNewline: false}\n    \
         - {to: a.yaml, data: {a: b}, finalNewline: false}\n    - {to: a.toml, data: {a: b}, finalNewline: true}\n    \
         - {to: b.yaml, data: {a: \"b\\n\"}, finalNewline: false}",
    );
    let [json, yaml, toml, block] = contents(&place).try_into().unwrap();
    assert_eq!([json, yaml, toml].map(Result::unwrap), ["[1]", "a: b", "a = \"b\"\n"]);
    assert!(
        block
            .unwrap_err()
            .ends_with("the last text ends with a line end, which YAML cannot have without `finalNewline`")
    );
    let place = TestProject::new("files: [{from: a, to: a, finalNewline: false}]");
    place.write("a", "");
    let error = place.plan().map(drop).unwrap_err();
    assert!(error.contains("`finalNewline` belongs to `data`, which this entry does not have"), "{error}");
}

/// A parser that guesses the last digit reads about one in thirty of these wrong.
#[test]
fn numbers_of_json_keep_their_last_digit() {
    let place = TestProject::new("files: [{to: a.json, indent: 0, data: {a: {dataOf: t.json}}}]");
    let mut bits = 1_u64;
    let numbers: Vec<f64> = std::iter::repeat_with(|| {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits(bits)
    })
    .filter(|number| number.is_finite())
    .take(1000)
    .collect();
    let written: Vec<String> = numbers.iter().map(|number| format!("{number:e}")).collect();
    place.write("t.json", &format!("[{}]", written.join(",")));
    let content = contents(&place)[0].clone().unwrap();
    let inner = content.trim_end().strip_prefix("{\"a\":[").unwrap().strip_suffix("]}").unwrap();
    let read: Vec<f64> = inner.split(',').map(|number| number.parse().unwrap()).collect();
    assert_eq!(read, numbers);
}

#[test]
fn data_is_written_with_the_files_and_values_that_it_names() {
    let place = TestProject::new(
        "variables: {versions: {value: {salt: '3002'}}}\n  files:\n    - to: salt/state.sls\n      \
         header: \"#!jinja|yaml\\n\"\n      format: yamlDocuments\n      data:\n        - {z: 1, '{{ slug }}': '{{ version }}'}\n        \
         - {style: {textOf: a.css}, logo: {base64Of: logo.png}, tree: {dataOf: t.json}, v: {valueOf: versions}}\n    \
         - {to: product.env, data: {NAME: '{{ name }}', TEXT: 'a b', N: 1}}\n    \
         - {to: x.toml, data: {b: {c: yes}, a: 1.5}}",
    );
    place.write("a.css", "a {\n  b: c;\n}\n");
    fs::write(place.root().join("logo.png"), [0, 255, 1]).unwrap();
    place.write("t.json", "{\"y\": [1], \"x\": null}");
    let (project, _) = place.plan_in(None).unwrap();
    let contents: Vec<String> = project
        .files
        .iter()
        .map(|files| match &files.source {
            FilesSource::Data(data) => data.content().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        contents,
        [
            "#!jinja|yaml\nz: 1\nexample: 1.0.0\n---\nstyle: |\n  a {\n    b: c;\n  }\nlogo: AP8B\ntree:\n  'y':\n  - 1\n  x: null\nv:\n  \
             salt: '3002'\n"
                .replace("example: 1.0.0", "example: '1.0.0'"),
            "NAME=Example\nTEXT='a b'\nN=1\n".to_owned(),
            "a = 1.5\n\n[b]\nc = true\n".to_owned(),
        ]
    );
    let (_, plan) = place.plan_in(None).unwrap();
    let task = plan.tasks.iter().find(|task| task.name == "_deploy_salt_tree:salt/state.sls").unwrap();
    for file in ["a.css", "logo.png", "t.json"] {
        assert!(task.inputs.contains(&TaskInput::file(place.root().join(file))), "{file}: {:?}", task.inputs);
        assert!(project.deciding().contains(&place.root().join(file)), "{file}");
    }
}

#[test]
fn what_is_wrong_with_data_has_its_place() {
    for (entry, expected) in [
        ("{to: a}", ":5:16: no source: expected one of `from` and `data`"),
        ("{to: a, from: sealift.yaml, data: {}}", ":5:16: more than one source"),
        ("{to: a, data: {}}", ":5:16: its ending says no format"),
        ("{to: a.json/, data: {}}", "expected the path of a file"),
        ("{to: a.json, data: {x: '{{ nmae }}'}}", ":5:34: unknown name `nmae`, did you mean `name`?"),
        (
            "{to: a.json, data: {x: '{% for i in range(9) %}{{ \"x\" * 10**7 }}{% endfor %}'}}",
            "more than 64 MiB",
        ),
        ("{to: a.json, data: {x: {textOf: gone}}}", ":5:43: `gone` does not exist"),
        ("{to: a.json, data: {x: {textOf: ../gone}}}", ":5:43: `../gone` leads out"),
        ("{to: a.json, data: {x: {textOf: [1]}}}", ":5:43: expected the text of `textOf`"),
        ("{to: a.json, data: {x: {dataOf: sealift.txt}}}", "expected a file of JSON, YAML or TOML"),
        ("{to: a.json, data: {x: {valueOf: gone}}}", "unknown name `gone`"),
        ("{to: a.json, data: {x: 1, '{{ \"x\" }}': 2}}", "duplicate key `x`"),
        ("{to: a.json, data: {x: .nan}}", "is not a finite number"),
        ("{to: a.yaml, data: {}, format: yamlDocuments}", "`yamlDocuments` needs a list"),
        ("{to: a.json, data: {}, indent: 9}", "`indent` is 9; the maximum is 8"),
        ("{to: a.json, data: {}, exclude: [x]}", "`exclude` belongs to `from`"),
        ("{to: a.json, from: sealift.yaml, header: x}", "`header` belongs to `data`"),
        ("{to: a, from: sealift.yaml, mode: '0600'}", ":5:45: `0600` is not a mode of an archive"),
        (
            "{to: a, from: sealift.yaml, templates: {syntax: at, delimiters: {variable: ['<', '>']}}}",
            "`syntax: at` has no other delimiters",
        ),
        (
            "{to: a, from: sealift.yaml, templates: {delimiters: {variable: ['{%', '%}']}}}",
            "`{%` opens two kinds",
        ),
        ("{to: a, from: sealift.yaml, templates: {delimiters: {variable: ['<']}}}", ":5:"),
    ] {
        let place = TestProject::new(&format!("files: [{entry}]"));
        let error = place.plan().map(drop).unwrap_err();
        assert!(error.contains(expected), "{entry}: {error}");
        assert!(error.contains("sealift.yaml:5:"), "{entry}: {error}");
    }
    // With the stack of a program; that of a test is small.
    let deep = format!("files: [{{to: a.json, data: {{x: {}1{}}}}}]", "[".repeat(70), "]".repeat(70));
    let place = TestProject::new(&deep);
    let loading = std::thread::Builder::new().stack_size(8 << 20).spawn(move || place.plan().map(drop));
    let error = loading.unwrap().join().unwrap().unwrap_err();
    assert!(error.contains("sealift.yaml:5:") && error.contains("more than 64 nested values"), "{error}");
    let place = TestProject::new("files: [{to: a.json, data: {x: {textOf: b}, y: {dataOf: c.json}}}]");
    place.write("c.json", "{}");
    let content = || {
        let (project, _) = place.plan_in(None).unwrap();
        let FilesSource::Data(data) = &project.files[0].source else { panic!() };
        data.content().unwrap_err().to_string()
    };
    fs::write(place.root().join("b"), [b'a', b'\n', 0xff]).unwrap();
    assert!(
        content().ends_with("sealift.yaml:5:43: b: line 2 is not UTF-8 text; `base64Of` takes any file"),
        "{}",
        content()
    );
    fs::write(place.root().join("b"), vec![b'a'; (16 << 20) + 1]).unwrap();
    assert!(content().contains("/b: "), "{}", content());
    place.write("b", "");
    place.write("c.json", "{\"a\": ");
    assert!(content().contains("sealift.yaml:5:59: c.json: EOF"), "{}", content());
    place.write("c.json", &format!("{}{}", "[".repeat(70), "]".repeat(70)));
    assert!(content().ends_with("c.json: more than 64 nested values"), "{}", content());
}

/// A clean clone and the second build of a folder make the same archive.
#[test]
fn what_a_task_writes_into_a_folder_of_the_project_counts_before_it_exists() {
    let place = TestProject::new(
        "files: [{from: salt, to: salt, exclude: [/gone/]}]\n  tasks:\n    gen:\n      run: [x]\n      \
         inputs: [salt/a]\n      outputs: [salt/b, salt/c.in, salt/gone/x, salt/gone/y/]",
    );
    place.write("salt/a", "");
    let before = place.deployed();
    assert_eq!(before, ["salt/a", "salt/b", "salt/c"]);
    for file in ["salt/c.in", "salt/gone/x", "salt/gone/y/z"] {
        place.write(file, "");
    }
    place.link("a", "salt/b");
    assert_eq!(place.deployed(), before);

    let place = TestProject::new(
        "files: [{from: salt, to: salt}]\n  tasks: {gen: {run: [x], inputs: [salt/a], outputs: [salt/d/]}}",
    );
    place.write("salt/a", "");
    let error = place.plan().map(drop).unwrap_err();
    assert!(error.contains("sealift.yaml:5:28: a task writes the folder salt/d: exclude it here"), "{error}");
}
