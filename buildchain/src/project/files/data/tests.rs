use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::*;

/// What `python3` with this program makes of each text, as JSON.
fn python(program: &str, texts: &[String]) -> Vec<Value> {
    let program = format!(
        "import json, sys\n{program}\nprint(json.dumps([read(text) for text in json.load(sys.stdin)]))"
    );
    let mut child = Command::new("python3")
        .args(["-c", &program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = child.stdin.take().unwrap();
    let texts = serde_json::to_vec(texts).unwrap();
    let writer = std::thread::spawn(move || input.write_all(&texts).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Texts that parsers like to take for something else.
fn odd_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "yes",
        "No",
        "y",
        "on",
        "TRUE",
        "null",
        "~",
        "1",
        "1e3",
        "1.5",
        "0o7",
        "0x1F",
        "010",
        "1_000",
        "-1",
        "+1",
        ".5",
        "-.inf",
        ".nan",
        "12:30:45",
        "2026-01-31",
        "2026-01-31T00:00:00Z",
        "1.29.8",
        "=",
        "<<",
        "-",
        "- a",
        "-a",
        "? a",
        ": a",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "a#b",
        "&a",
        "*a",
        "!a",
        "!!str a",
        "|",
        ">",
        "%a",
        "@a",
        "`a`",
        "'a'",
        "\"a\"",
        "it's",
        "{a}",
        "[a]",
        "{{ a }}",
        "a, b",
        "---",
        "...",
        "--- a",
        " a",
        "a ",
        "a\n",
        "a\nb",
        "a\n\n",
        "a\n\n\nb",
        "\na",
        " a\nb",
        "a\n b",
        "a\n \nb",
        "a\n\tb",
        "\ta\nb",
        "a\tb",
        "a\r\nb",
        "a\rb",
        "\n",
        "\n\n",
        "a\u{85}b",
        "a\u{2028}b\nc",
        "\u{feff}a",
        "a\u{feff}",
        "é",
        "日本",
        "😀",
        "\u{7f}",
        "a\u{0}b",
        "\u{1b}[1m",
        "\\",
        "a\\nb",
        "a\n...\nb",
        "a\n---\nb",
        "a\n# b\n",
        "key: |\n  a\n",
        "\u{fffe}",
        "\u{ffff}",
        "/a/b",
        "registry:5000/a",
        "a: ",
        "a\n\n ",
        "a \nb \n",
    ]
    .map(str::to_owned)
    .into();
    texts.push("word ".repeat(60));
    texts.push(format!("#!/bin/sh\n{}\n", "x".repeat(300)));
    texts
}

/// Any tree of values.
fn trees() -> impl Strategy<Value = Value> {
    let odd = odd_texts();
    let text = prop_oneof![prop::sample::select(odd), any::<String>(), "[a-z:#\\-?|>'\" \t\n]{0,12}"];
    let leaf = prop_oneof![
        6 => text.clone().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        // Short enough for every parser.
        1 => (any::<i32>(), -12..12).prop_map(|(digits, power)| Value::from(format!("{digits}e{power}").parse::<f64>().unwrap())),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn random_trees(count: usize) -> Vec<Value> {
    let (mut runner, trees) = (TestRunner::deterministic(), trees());
    (0..count).map(|_| trees.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn parsers_of_yaml_1_1_and_1_2_read_what_was_written() {
    let mut values: Vec<Value> = odd_texts().into_iter().map(Value::from).collect();
    values.push(json!([1e22, -1.5e-9, 1e21, 0.1, 3.0, u64::MAX, i64::MIN]));
    values.extend(
        odd_texts()
            .into_iter()
            .map(|text| json!({ text.clone(): [text.clone(), [text.clone()], {"a": text}] })),
    );
    values.extend(random_trees(1500));
    let texts: Vec<String> = values.iter().map(|value| yaml::document(value).unwrap()).collect();
    let theirs = python("import yaml\ndef read(text): return yaml.safe_load(text)", &texts);
    for ((value, text), theirs) in values.iter().zip(&texts).zip(theirs) {
        assert_eq!(&theirs, value, "PyYAML, {text:?}");
        let ours: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(&ours, value, "{text:?}");
    }
    let all = yaml::documents(&Value::from(values.clone())).unwrap();
    let theirs = python("import yaml\ndef read(text): return list(yaml.safe_load_all(text))", &[all]);
    assert!(theirs == [Value::from(values)], "PyYAML reads other documents");
}

#[test]
fn yaml_looks_as_people_write_it() {
    let value = json!({
        "kind": "ConfigMap", "empty": {}, "none": [], "version": "1.0", "args": ["--a", "b c"],
        "data": {"style.css": "a {\n  b: c;\n}\n", "last": "x\ny"}, "list": [{"a": 1, "b": [true]}, [null]],
    });
    let expected = "kind: ConfigMap\nempty: {}\nnone: []\nversion: '1.0'\nargs:\n- '--a'\n- b c\ndata:\n  style.css: |\n    a {\n      \
        b: c;\n    }\n  last: |-\n    x\n    y\nlist:\n- a: 1\n  b:\n  - true\n- - null\n";
    assert_eq!(yaml::document(&value).unwrap(), expected);
    assert_eq!(yaml::documents(&json!([{"a": 1}, "b"])).unwrap(), "a: 1\n---\nb\n");
    let error = yaml::document(&json!({"a": {"k".repeat(1100): 1}})).unwrap_err();
    assert!(error.contains("more than 1024 characters"), "{error}");
}

#[test]
fn json_and_toml_are_read_back_equal() {
    let values = random_trees(300);
    let texts: Vec<String> = values.iter().map(|value| write::json(value, 2).unwrap()).collect();
    for (theirs, value) in python("def read(text): return json.loads(text)", &texts).iter().zip(&values) {
        assert_eq!(theirs, value);
    }
    assert_eq!(
        write::json(&json!({"b": [1], "a": {}}), 4).unwrap(),
        "{\n    \"b\": [\n        1\n    ],\n    \"a\": {}\n}\n"
    );
    assert_eq!(write::json(&json!({"b": [1], "a": 2}), 0).unwrap(), "{\"b\":[1],\"a\":2}\n");

    let plain = |value: &Value| value.is_object() && write::toml(value).is_ok();
    let mut values: Vec<Value> = values.into_iter().filter(plain).collect();
    values.push(json!({"odd": odd_texts(), "b": {"c": {"d": 1.5}}, "a": "after a table", "list": [{"x": 1}, {"x": [[1], ["a"]]}]}));
    assert!(values.len() > 20, "{}", values.len());
    let texts: Vec<String> = values.iter().map(|value| write::toml(value).unwrap()).collect();
    for (theirs, value) in
        python("import tomllib\ndef read(text): return tomllib.loads(text)", &texts).iter().zip(&values)
    {
        assert_eq!(theirs, value);
    }
    for (value, expected) in [
        (json!([1]), "TOML has keys with values at its top"),
        (json!({"a": {"b": [1, null]}}), "`a.b.1` has no value"),
        (json!({"a": u64::MAX}), "`a` has more than 63 bits"),
    ] {
        let error = write::toml(&value).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_shell_reads_the_values_of_an_env_file() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> = odd_texts().into_iter().filter(|text| !text.contains('\0')).collect();
    let mut entries: serde_json::Map<String, Value> =
        texts.iter().enumerate().map(|(index, text)| (format!("V{index}"), text.as_str().into())).collect();
    entries.insert("NUMBER".into(), 7.into());
    let file = folder.path().join("env");
    std::fs::write(&file, write::env(&Value::Object(entries)).unwrap()).unwrap();
    let show: String = (0..texts.len()).map(|index| format!("printf '%s\\0' \"$V{index}\"\n")).collect();
    let script = format!("set -eu\n. '{}'\n{show}printf '%s\\0' \"$NUMBER\"", file.display());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = String::from_utf8(output.stdout).unwrap();
    let expected: String =
        texts.iter().map(String::as_str).chain(["7"]).map(|text| format!("{text}\0")).collect();
    assert_eq!(read, expected);

    assert_eq!(
        write::env(&json!({"A": "MetalK8s-2.11", "B": "a b", "C": ""})).unwrap(),
        "A=MetalK8s-2.11\nB='a b'\nC=\n"
    );
    for (value, expected) in [
        (json!({"A-B": 1}), "cannot name a variable"),
        (json!({"A": [1]}), "`A` is not a text"),
        (json!({"A": "\0"}), "`A` has a NUL byte"),
        (json!([1]), "keys with values"),
    ] {
        let error = write::env(&value).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
