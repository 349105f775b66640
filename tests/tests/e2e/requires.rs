//! Archives that require others: from the project file to the node.

use std::fs;
use std::path::{Path, PathBuf};

use tests::sealift;

use crate::project::Project;
use crate::runtime::archives::Node;

const HEAD: &str = "apiVersion: sealift.dev/v1alpha1\nkind: Platform\n";

/// Builds the project `name` at `version` with `spec`, and returns its ISO.
fn build(name: &str, version: &str, spec: &str) -> (Project, PathBuf) {
    let project = Project::new();
    let metadata = format!("metadata: {{name: {name}, version: {version}}}\n");
    project.write("sealift.yaml", &format!("{HEAD}{metadata}spec:\n{spec}"));
    project.write("nginx/image.yaml", "files: [{from: nginx/content, to: /content}]\n");
    project.write("nginx/content", "nginx");
    project.build();
    let iso = project.path(&format!("_build/{}.iso", name.to_lowercase()));
    (project, iso)
}

const BASE: &str = "  images: {build: [{folder: nginx, tag: '1.25'}]}\n";
const APP: &str = "  variables: {base: Base}\n  requires:\n  - name: '{{ base }}'\n    version: '>=2.7 <2.8'\n    images: ['nginx:1.25']\n";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_archive_is_imported_after_the_one_that_it_requires() {
    let (base_project, base) = build("Base", "2.7.0", BASE);
    let (app_project, app) = build("App", "1.0.0", APP);
    let (_old_project, old) = build("Base", "2.6.0", BASE);
    let (_empty_project, empty) = build("Base", "2.7.1", "  files: []\n");

    // The project says it, and so does the archive.
    let written = fs::read_to_string(app_project.path("_build/root/requires.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&written).unwrap()["requires"],
        serde_json::json!([{"name": "Base", "version": ">=2.7 <2.8", "images": ["nginx:1.25"]}])
    );
    assert!(!base_project.path("_build/root/requires.json").exists());
    let node = Node::new();
    let refused = |words: &[&str], code: i32, expected: &[&str]| {
        let (found, out, error) = node.archive_command(words);
        assert_eq!(found, code, "{out}{error}");
        for expected in expected {
            assert!(format!("{out}{error}").contains(expected), "{expected}: {out}{error}");
        }
    };
    let (code, out, error) = sealift::run(&node.path("."), &["archive", "inspect", text(&app)]);
    assert!(code == 0 && out.contains("requires Base >=2.7 <2.8 with image nginx:1.25\n"), "{out}{error}");

    // Before it is shipped: does it fit its base?
    let verify = |bases: &[&Path]| {
        let mut words = vec!["archive", "verify", text(&app)];
        bases.iter().for_each(|base| words.extend(["--base", text(base)]));
        let (code, out, error) = sealift::run(&node.path("."), &words);
        (code, format!("{out}{error}"))
    };
    assert_eq!(verify(&[]).0, 0);
    assert_eq!(verify(&[&old, &base]).0, 0);
    let (code, said) = verify(&[&old]);
    assert!(code == 1 && said.contains("Base >=2.7 <2.8 is missing; available versions: 2.6.0"), "{said}");
    let (code, said) = verify(&[&empty]);
    assert!(code == 1 && said.contains("Base 2.7.1 lacks the image nginx:1.25"), "{said}");

    // The wrong order.
    let first = "help: import that archive first: `sealift archive import`; --ignore-requires overrides";
    let missing = "app-1.0.0 requires archives that this node does not have: Base >=2.7 <2.8 is missing";
    refused(&["import", text(&app)], 1, &[missing, first]);
    refused(&["import", text(&app), "--dry-run"], 1, &[missing]);
    refused(&["import", text(&old)], 0, &[]);
    refused(&["import", text(&app)], 1, &["available versions: 2.6.0", first]);
    refused(&["delete", "base-2.6.0"], 0, &[]);
    refused(&["import", text(&empty)], 0, &[]);
    refused(
        &["import", text(&app)],
        1,
        &["Base 2.7.1 lacks the image nginx:1.25", "help: import a version of that archive"],
    );
    refused(&["delete", "base-2.7.1"], 0, &[]);

    // The right order.
    refused(&["import", text(&base), text(&app)], 0, &[]);
    refused(
        &["delete", "base-2.7.0"],
        1,
        &["base-2.7.0 is required by app-1.0.0", "help: delete those archives first"],
    );
    refused(&["get"], 0, &["app-1.0.0"]);
    refused(&["delete", "base-2.7.0", "--force"], 0, &[]);
    refused(&["get"], 0, &["it requires another archive: Base >=2.7 <2.8 is missing"]);
    refused(&["delete", "app-1.0.0"], 0, &[]);
    refused(&["import", text(&app), "--ignore-requires"], 0, &[]);
}

#[test]
fn what_a_project_requires_wrongly_is_reported_with_its_place() {
    let project = Project::new();
    project.write(
        "sealift.yaml",
        &format!(
            "{HEAD}metadata: {{name: App, version: 1.0.0}}\nspec:\n  requires:\n  - {{name: app}}\n  - {{name: Base, version: newest}}\n\
             \x20 - name: Base\n    images: [nginx]\n    packages: ['a b']\n  - {{name: base}}\n  - {{version: '1'}}\n"
        ),
    );
    let (code, out, error) = project.sealift(&["list"]);
    assert_eq!(code, 3, "{out}{error}");
    assert!(error.contains("sealift.yaml:12:5: missing key `name`"), "{error}");
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &text.replace("  - {version: '1'}\n", ""));
    let (code, out, error) = project.sealift(&["list"]);
    assert_eq!(code, 3, "{out}{error}");
    for expected in [
        "sealift.yaml:6:12: an archive cannot require itself: it is `App`",
        "sealift.yaml:7:27: `newest` is not a range of versions such as `>=2.7 <2.8`: `newest` is not a version",
        "sealift.yaml:9:14: `nginx` is not an image of an archive such as `nginx:1.25`: it has no tag",
        "sealift.yaml:10:16: `a b` cannot name a package",
    ] {
        assert!(error.contains(expected), "{expected}: {error}");
    }
    project.write(
        "sealift.yaml",
        &format!("{HEAD}metadata: {{name: App, version: 1.0.0}}\nspec:\n  requires: [{{name: Base}}, {{name: base}}]\n"),
    );
    let (code, out, error) = project.sealift(&["list"]);
    assert!(code == 3 && error.contains("`base` is required twice"), "{out}{error}");
}
