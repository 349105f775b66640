//! What the keys of tasks depend on.

use super::*;

#[test]
fn the_place_of_a_source_is_not_in_the_key_of_its_task() {
    let (digest, commit) = (format!("sha256:{}", "a".repeat(64)), "1".repeat(40));
    let inputs = |url: &str, git: &str, strip: u32| {
        let place = TestProject::new(&format!(
            "sources:\n    - {{name: tar, url: '{url}', digest: '{digest}', unpack: {{strip: {strip}}}}}\n    \
             - {{name: git, git: '{git}', commit: '{commit}'}}"
        ));
        let (_, plan) = place.plan_in(None).unwrap();
        let task = |name: &str| plan.tasks.iter().find(|task| task.name == name).unwrap();
        [task("_fetch:tar"), task("_fetch:git")].map(|task| format!("{:?}", task.inputs))
    };
    let first = inputs("https://a.example/x.tgz", "https://a.example/x", 1);
    assert_eq!(inputs("https://b.example/y.tgz?z", "../mirror", 1), first);
    assert_ne!(inputs("https://a.example/x.tgz", "https://a.example/x", 0), first);
}

#[test]
fn no_input_of_a_task_has_its_place_on_this_machine_in_the_key() {
    let spec = "images: {build: [images/i, images/c]}\n  packages: [{name: r, release: '8', build: [packages/p]}]\n  \
                documentation: [docs/a.md, docs/b.pdf]\n  externalFolders: [../host]\n  \
                files: [{from: out, to: out}, {from: t.in, to: t.in}]";
    let place = TestProject::new(spec);
    place.write("images/i/image.yaml", "files: [{from: out/secret, to: /x}]\nentrypoint: [/x]\n");
    place.write("images/c/Containerfile", "FROM scratch\nCOPY . /\n");
    place.write("images/c/build.yaml", "context: out\n");
    place.write(
        "packages/p/package.yaml",
        "{name: p, version: '1', release: '1', arch: noarch, summary: s, description: d, license: l,\n\
         files: [{from: out/secret, to: /usr/share/x}]}\n",
    );
    place.write("t.in", "");
    for name in ["a.md", "b.pdf"] {
        fs::write(place.folder.path().join("host").join(name), "").unwrap();
    }
    place.link("../host", "out");
    place.link("../host", "docs");
    let (project, plan) = place.plan_in(None).unwrap();
    let named = |inputs: &[TaskInput]| -> Vec<String> {
        let names = inputs.iter().filter_map(|input| match input {
            TaskInput::Named { name, .. } => Some(name.clone()),
            other => {
                let path = other.path().map(|path| path.strip_prefix(&project.root).unwrap_or(path));
                assert!(path.is_none_or(Path::is_relative), "{other:?}");
                None
            }
        });
        names.collect()
    };
    let inputs_of = |name: &str| {
        let task = plan.tasks.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("{name}"));
        let discovered = task.discover.as_ref().map(|discover| discover(&project.root).unwrap_or_default());
        [named(&task.inputs), named(&discovered.unwrap_or_default())].concat()
    };
    for (task, expected) in [
        ("_image_build:i", &["sealift", "out/secret"][..]),
        ("_image_build:c", &["sealift", "a.md", "b.pdf", "secret"]),
        ("_build_redhat_8_repositories:r/build_rpm/p", &["sealift", "out/secret"]),
        ("_doc_deploy:docs/a.md", &["sealift", "docs/a.md"]),
        ("_doc_deploy:docs/b.pdf", &["docs/b.pdf"]),
        ("_iso_add_tree:out/secret", &["out/secret"]),
        ("_iso_add_tree:t", &["sealift"]),
        ("_iso_build", &["sealift"]),
    ] {
        assert_eq!(inputs_of(task), expected, "{task}");
    }
    for task in &plan.tasks {
        named(&task.inputs);
    }
}
