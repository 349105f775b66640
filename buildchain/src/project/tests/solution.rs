//! `kind: Solution` and `spec.solution`.

use std::fs;

use archive::solution::SolutionManifest;

use super::*;

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Solution\nmetadata: {name: Example, version: 1.0.0}\n";

/// A folder with the sources of three images and the manifests of an operator.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for name in ["example-operator", "example-ui", "base-server"] {
        write(&format!("images/{name}/image.yaml"), "platform: linux/amd64\nentrypoint: [/run]\n");
    }
    write("operator/deploy/role.yaml", "kind: Role\n");
    folder
}

fn load(spec: &str) -> Result<Project, Error> {
    let folder = folder();
    let text = format!(
        "{HEAD}spec:\n  images: {{build: [images/example-operator, images/example-ui, {{folder: images/base-server, tag: '2'}}]}}\n  solution: {spec}\n"
    );
    load_with(folder.path(), &text, &SettingsFlags::default())
}

#[test]
fn the_smallest_solution_names_its_operator() {
    let project = load("{operator: example-operator}").unwrap();
    let manifest = project.solution_manifest(Some("abc")).unwrap();
    let text = "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: Solution
metadata:
  annotations:
    solutions.metalk8s.scality.com/build-timestamp: '1980-01-01T00:00:00Z'
    solutions.metalk8s.scality.com/display-name: Example
    solutions.metalk8s.scality.com/git-revision: abc
  labels: {}
  name: example
spec:
  images:
    - base-server:2
    - example-ui:1.0.0
    - example-operator:1.0.0
  operator:
    image:
      name: example-operator
      tag: 1.0.0
  version: 1.0.0
";
    assert_eq!(manifest.render(), text);
    assert_eq!(SolutionManifest::parse(text).unwrap(), manifest);
    assert_eq!(project.files.len(), 1, "operator/deploy");
}

#[test]
fn annotations_requirement_and_interface_are_in_the_manifest() {
    let project = load(
        "{displayName: 'An {{ name }}', operator: {image: 'example-operator:1.0.0', deploy: operator/deploy}, ui: example-ui, \
         requireMetalk8s: '>=2.7', annotations: {build-host: ci-7, 'example.com/team': storage, git-revision: v1}}",
    )
    .unwrap();
    let manifest = project.solution_manifest(Some("abc")).unwrap();
    let annotations: Vec<(&str, &str)> =
        manifest.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        annotations,
        [
            ("example.com/team", "storage"),
            ("solutions.metalk8s.scality.com/build-host", "ci-7"),
            ("solutions.metalk8s.scality.com/build-timestamp", "1980-01-01T00:00:00Z"),
            ("solutions.metalk8s.scality.com/display-name", "An Example"),
            ("solutions.metalk8s.scality.com/git-revision", "v1"),
            ("solutions.metalk8s.scality.com/require-metalk8s", ">=2.7"),
        ]
    );
    assert_eq!(manifest.ui.unwrap().to_string(), "example-ui:1.0.0");
}

#[test]
fn the_layout_of_2019_has_product_information() {
    let project = load("{operator: example-operator, requireMetalk8s: '>=2.0', layout: 2019}").unwrap();
    assert_eq!(
        project.product(Some("abc".into())).render(),
        "NAME=Example\nVERSION=1.0.0\nSHORT_VERSION=1.0\nGIT=abc\nDEVELOPMENT_RELEASE=0\nBUILD_TIMESTAMP=1980-01-01T00:00:00Z\n\
         REQUIRE_METALK8S=\">=2.0\"\nARCHIVE_LAYOUT_VERSION=1\n"
    );
}

#[test]
fn mistakes_of_a_solution_are_named_with_their_place() {
    for (spec, place, message) in [
        (
            "{operator: other}",
            ":6:24: ",
            "the archive has no image `other`: add it to `images`, which has `base-server:2`",
        ),
        (
            "{operator: 'example-operator:2'}",
            ":6:24: ",
            "the archive has `example-operator:1.0.0`, not `example-operator:2`",
        ),
        ("{operator: 'A b'}", ":6:24: ", "cannot name an image"),
        ("{operator: {image: example-operator, deploy: none}}", ":6:", "`none` does not exist"),
        ("{operator: example-operator, ui: other}", ":6:46: ", "the archive has no image `other`"),
        ("{ui: example-ui}", ":3:18: ", "a Solution has an operator"),
        ("{operator: example-operator, requireMetalk8s: new}", ":6:59: ", "is not a range of versions"),
        ("{operator: example-operator, layout: 2020}", ":6:50: ", "2020"),
        ("{operator: example-operator, layout: 2019}", ":3:18: ", "`layout: 2019` needs `requireMetalk8s`"),
        ("{operators: a}", ":6:14: ", "did you mean `operator`?"),
    ] {
        let error = load(spec).expect_err(spec).to_string();
        assert!(
            error.contains(&format!("sealift.yaml{place}")) && error.contains(message),
            "{spec}: {error}"
        );
    }
    let folder = folder();
    for (text, message) in [
        (
            HEAD.replace("Example", "my_app")
                + "spec: {images: {build: [images/base-server]}, solution: {operator: base-server}}\n",
            "`my_app` cannot name a Solution",
        ),
        (
            HEAD.replace("Solution", "Platform") + "spec: {solution: {operator: a}}\n",
            ":4:29: `spec.solution` needs `kind: Solution`",
        ),
    ] {
        let error = load_with(folder.path(), &text, &SettingsFlags::default()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    fs::remove_dir_all(folder.path().join("operator")).unwrap();
    let text = format!(
        "{HEAD}spec: {{images: {{build: [images/base-server]}}, solution: {{operator: base-server}}}}\n"
    );
    let error = load_with(folder.path(), &text, &SettingsFlags::default()).unwrap_err().to_string();
    assert!(error.contains("the folder `operator/deploy` does not exist"), "{error}");
}

#[test]
fn of_several_tags_the_version_counts() {
    let folder = folder();
    let with = |tags: &str, operator: &str| {
        let text = format!(
            "{HEAD}spec:\n  images: {{build: [{{folder: images/base-server, {tags}}}]}}\n  solution: {{operator: '{operator}'}}\n"
        );
        let project = load_with(folder.path(), &text, &SettingsFlags::default())?;
        Ok::<_, Error>(project.solution_manifest(None).unwrap().operator.unwrap().to_string())
    };
    let tags = "tag: '2', tags: [latest, 1.0.0]";
    assert_eq!(with(tags, "base-server").unwrap(), "base-server:1.0.0");
    assert_eq!(with(tags, "base-server:latest").unwrap(), "base-server:latest");
    let error = with("tag: '2', tags: ['3']", "base-server").unwrap_err().to_string();
    assert!(
        error.contains("several images have the name: write one of `base-server:2`, `base-server:3`"),
        "{error}"
    );
}

#[test]
fn a_profile_changes_the_solution() {
    let folder = folder();
    let text = format!(
        "{HEAD}spec:\n  images: {{build: [images/example-operator, images/example-ui]}}\n  solution: {{operator: example-operator, displayName: A}}\n  \
         profiles: {{ui: {{solution: {{ui: example-ui, displayName: B}}}}}}\n"
    );
    let flags = SettingsFlags { profiles: vec!["ui".into()], ..SettingsFlags::default() };
    let manifest = load_with(folder.path(), &text, &flags).unwrap().solution_manifest(None).unwrap();
    assert_eq!(manifest.display_name(), "B");
    assert!(manifest.ui.is_some() && manifest.operator.is_some());
}

#[test]
fn images_that_another_mistake_hides_are_not_missing() {
    let folder = folder();
    let text = "apiVersion: sealift.dev/v1alpha1\nkind: Solution\nmetadata: {name: Example, version: 1.0.0}\nspec:\n  \
                variables: {host: {env: SEALIFT_TEST_NOT_SET}}\n  images: {build: [images/example-operator]}\n  \
                solution: {operator: example-operator, annotations: {build-host: '{{ host }}'}}\n";
    let error = load_with(folder.path(), text, &SettingsFlags::default()).unwrap_err().to_string();
    assert!(error.contains("SEALIFT_TEST_NOT_SET is not set"), "{error}");
    assert!(!error.contains("the archive has no image"), "{error}");
}
