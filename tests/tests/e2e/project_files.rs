//! Files of a project: templates in several syntaxes, data, and what changes when a variable does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tests::peer;

use crate::project::Project;

const SPEC: &str = "apiVersion: sealift.dev/v1alpha1
kind: Platform
metadata: {name: Example, version: 1.2.3}
spec:
  variables: {SALT_VERSION: '3002.9', VERSION: '{{ version }}', other: a, images: {value: {nginx: {version: '1.25'}}}}
  templates: {syntax: at}
  files:
    - {from: salt, to: salt, links: follow}
    - from: scripts
      to: .
      templates: {suffix: none, patterns: ['*.sh'], syntax: jinja, delimiters: {variable: ['<<', '>>'], block: ['<%', '%>'], comment: ['<#', '#>']}}
    - {to: product.env, data: {NAME: '{{ name }}', TEXT: 'it''s', VERSION: '{{ VERSION }}'}}
    - {to: salt/versions.json, data: {salt: '{{ SALT_VERSION }}', images: {valueOf: images}}}
    - to: salt/ui.sls
      header: '#!yaml'
      format: yamlDocuments
      mode: '0755'
      data:
        - {kind: ConfigMap, data: {style.css: {textOf: ui/style.css}, 'on': 'yes'}, binaryData: {logo: {base64Of: ui/logo.png}}}
        - {kind: Service}
";

fn project() -> Project {
    let project = Project::new();
    project.write("sealift.yaml", SPEC);
    project.write("salt/states.sls.in", "{% set x = '@@{VERSION}' %}{{ x }} @@SALT_VERSION $HOME @@@@\n");
    project.write("scripts/run.sh", "#!/bin/sh\necho ${HOME} << VERSION >> {{ x }}<# note #>\n");
    fs::set_permissions(project.path("scripts/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    project.write("ui/style.css", "a {\n  b: c;\n}\n");
    fs::write(project.path("ui/logo.png"), [0x89, b'P', 0, 0xff]).unwrap();
    std::os::unix::fs::symlink("../ui", project.path("salt/ui")).unwrap();
    project
}

/// Builds the files of the archive; gives back the titles of the tasks that ran.
fn build(project: &Project, more: &[&str]) -> Vec<String> {
    let (code, out, err) = project.sealift(&[&["run", "salt_tree", "populate_iso:*"], more].concat());
    assert_eq!(code, 0, "{out}{err}");
    let ran = out.lines().filter_map(|line| line.strip_prefix(".  "));
    ran.map(|line| crate::project::untimed(line).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn templates_and_data_are_written_as_their_readers_expect() {
    let project = project();
    build(&project, &[]);
    let read = |name: &str| fs::read_to_string(project.path(&format!("_build/root/{name}"))).unwrap();
    assert_eq!(read("salt/states.sls"), "{% set x = '1.2.3' %}{{ x }} 3002.9 $HOME @@\n");
    assert_eq!(read("run.sh"), "#!/bin/sh\necho ${HOME} 1.2.3 {{ x }}\n");
    assert_eq!(read("salt/ui/style.css"), "a {\n  b: c;\n}\n");
    assert_eq!(
        read("salt/versions.json"),
        "{\n  \"salt\": \"3002.9\",\n  \"images\": {\n    \"nginx\": {\n      \"version\": \"1.25\"\n    }\n  }\n}\n"
    );
    for (name, expected) in
        [("run.sh", 0o755), ("salt/ui.sls", 0o755), ("salt/states.sls", 0o644), ("product.env", 0o644)]
    {
        let mode = fs::metadata(project.path(&format!("_build/root/{name}"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{name}");
    }
    let program = "import yaml, base64\n\
                   one, two = yaml.safe_load_all(open('_build/root/salt/ui.sls'))\n\
                   assert one['data'] == {'style.css': open('ui/style.css').read(), 'on': 'yes'}, one\n\
                   assert base64.b64decode(one['binaryData']['logo']) == open('ui/logo.png', 'rb').read()\n\
                   assert two == {'kind': 'Service'}, two";
    peer::run(std::process::Command::new("python3").args(["-c", program]).current_dir(project.path("")));
    let script = ". ./_build/root/product.env && test \"$NAME $TEXT $VERSION\" = \"Example it's 1.2.3\"";
    peer::run(std::process::Command::new("sh").args(["-ec", script]).current_dir(project.path("")));
}

#[test]
fn a_variable_renders_only_what_names_it() {
    let project = project();
    build(&project, &[]);
    assert_eq!(build(&project, &["--set", "other=b"]), [""; 0]);
    let task = "_deploy_salt_tree:salt/states.sls";
    let (_, out, err) = project.sealift(&["explain", task, "--set", "SALT_VERSION=3006", "--set", "other=c"]);
    assert!(out.contains("value SALT_VERSION changed: `\"3002.9\"` -> `\"3006\"`"), "{out}{err}");
    assert!(!out.contains("other"), "{out}");
    let mut ran = build(&project, &["--set", "SALT_VERSION=3006"]);
    ran.sort();
    let expected = [
        "RENDER _build/root/salt/states.sls",
        "SHA256SUMS _build/root/SHA256SUMS",
        "WRITE _build/root/salt/versions.json",
    ];
    assert_eq!(ran, expected);
}

#[test]
fn a_template_that_cannot_be_rendered_is_named_with_its_place() {
    let project = project();
    for (text, expected) in [
        (&b"a\n @@VERSOIN\n"[..], "salt/states.sls.in:2:2: unknown name `VERSOIN`, did you mean `VERSION`?"),
        (b"a @@ b", "salt/states.sls.in:1:3: invalid placeholder"),
        (
            b"\x7fELF\xff\xfe",
            "salt/states.sls.in:1:1: not UTF-8 text: if it is no template, change `suffix` or `patterns` of `templates`",
        ),
        (
            b"a\n\0",
            "salt/states.sls.in:2:1: is not text: if it is no template, change `suffix` or `patterns` of `templates`",
        ),
    ] {
        fs::write(project.path("salt/states.sls.in"), text).unwrap();
        let (code, out, err) = project.sealift(&["run", "salt_tree"]);
        assert_eq!(code, 2, "{out}{err}");
        assert!(format!("{out}{err}").contains(expected), "{expected}: {out}{err}");
    }
}
