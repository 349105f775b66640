//! The images that the files of a user name, in the project and in the archive.

use std::fs;

use serde_json::Value;
use tests::sealift;

use crate::project::Project;

/// A project with a manifest, a chart, a compose file and a Salt state.
fn project() -> Project {
    let project = Project::new();
    project.write(
        "deploy/web.yaml",
        "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - image: quay.io/team/web:1.0\n      \
         - image: registry.example.com/platform/hello:1.2.3\n        args: [--sidecar=quay.io/team/sidecar:2]\n",
    );
    project.write("deploy/chart/Chart.yaml", "name: chart\nversion: 1.0.0\nappVersion: '2.0'\n");
    project
        .write("deploy/chart/values.yaml", "image: {registry: ghcr.io, repository: other/web, tag: '1.0'}\n");
    project.write("deploy/compose.yaml", "services:\n  db: {image: postgres}\n");
    project.write("salt/hello/init.sls", "hello:\n  test.nop:\n    - image: {{ image }}\n");
    project
}

#[test]
fn each_image_has_its_certainty_and_its_places() {
    let project = project();
    // No helm: a chart is read by its values.
    let find = |arguments: &[&str]| {
        let mut command = project.command();
        tests::sealift::told(&command.env("PATH", "").args(arguments).output().unwrap())
    };
    let (code, out, err) = find(&["image", "find", "deploy", "salt"]);
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "certain  docker.io/library/postgres:latest  (no tag)  deploy/compose.yaml:2\n\
             likely   ghcr.io/other/web:1.0  deploy/chart/values.yaml:1\n\
             maybe    quay.io/team/sidecar:2  deploy/web.yaml:8\n\
             certain  quay.io/team/web:1.0  deploy/web.yaml:6\n\
             certain  registry.example.com/platform/hello:1.2.3  deploy/web.yaml:7\n\
             computed {{ image }}  salt/hello/init.sls:3\n\
             5 images in 6 files\n"
        )
    );
    assert!(err.contains("deploy/chart: helm is not installed"), "{err}");
    let (code, out, _) = find(&["image", "find", "deploy/web.yaml", "-o", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, document["kind"].as_str()), (0, Some("FoundImages")));
    assert_eq!(document["images"][1]["places"][0]["line"], 6);
    assert_eq!(document["images"][1]["certainty"], "certain");
    let (code, _, err) = find(&["image", "find", "missing"]);
    assert!(code == 2 && err.contains("cannot open missing"), "{code}: {err}");
}

#[test]
fn an_archive_is_checked() {
    let project = project();
    let (code, out, err) = project.sealift(&["run", "iso"]);
    assert_eq!(code, 0, "{out}{err}");
    let iso = project.path("_build/example.iso").display().to_string();
    let (code, out, _) = project.sealift(&["image", "find", "--check", &iso, "deploy/web.yaml"]);
    let lacks: Vec<&str> = out.lines().filter(|line| line.contains("MISSING")).collect();
    assert_eq!((code, lacks), (1, vec!["certain  quay.io/team/web:1.0  MISSING  deploy/web.yaml:6"]));
    fs::write(project.path("only.yaml"), "containers: [{image: 'x.example/hello:1.2.3'}]\n").unwrap();
    let (code, out, _) = project.sealift(&["image", "find", "--check", &iso, "only.yaml", "-o", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["images"][0]["inArchive"]), (0, &Value::Bool(true)));
}

#[test]
fn the_images_are_added_to_the_project_once() {
    let project = project();
    let before = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let (code, _, err) = project.sealift(&["image", "find", "--write", "deploy"]);
    assert!(code == 0 && err.contains("3 images added to "), "{code}: {err}");
    let after = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let expected =
        before.replace("{build: [images/hello]}", "{catalogues: [images/found.yaml], build: [images/hello]}");
    assert_eq!(after, expected);
    let catalogue = fs::read_to_string(project.path("images/found.yaml")).unwrap();
    let last = "  - name: 'team/web'\n    source: 'quay.io/team/web'\n    tag: '1.0'\n";
    assert!(catalogue.ends_with(last), "{catalogue}");
    // The project builds hello:1.2.3 itself.
    assert!(!catalogue.contains("hello"), "{catalogue}");
    // Two repositories with the same last part have names of their own.
    assert!(catalogue.contains("name: 'web'\n") && catalogue.contains("name: 'team/web'\n"), "{catalogue}");
    // A second time, nothing is added, and a comment of the user stays.
    fs::write(project.path("images/found.yaml"), format!("# mine\n{catalogue}")).unwrap();
    let (code, _, err) = project.sealift(&["image", "find", "--write", "--maybe", "deploy"]);
    assert!(code == 0 && err.contains("1 image added to "), "{code}: {err}");
    let again = fs::read_to_string(project.path("images/found.yaml")).unwrap();
    assert!(again.starts_with(&format!("# mine\n{catalogue}")) && again.contains("'sidecar'"), "{again}");
    assert_eq!(fs::read_to_string(project.path("sealift.yaml")).unwrap(), expected);
    // Now the project needs digests.
    let (code, _, err) = sealift::told(&project.command().args(["run"]).output().unwrap());
    assert!(code == 3 && err.contains("quay.io/team/sidecar:2 is not locked"), "{code}: {err}");
}
