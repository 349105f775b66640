//! The list of Solutions.

use super::*;

/// The `manifest.yaml` of a version of `example`.
fn manifest(version: &str) -> String {
    format!(
        "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata:\n  name: example\n  annotations: \
         {{solutions.metalk8s.scality.com/display-name: Example Solution}}\nspec:\n  version: {version}\n  images: ['app:1']\n  \
         operator: {{image: {{name: operator, tag: {version}}}}}\n"
    )
}

/// What a test compares of each Solution.
fn told(node: &Node, machine: &Fake) -> Vec<String> {
    let found = solutions(&node.paths, machine).unwrap();
    found
        .iter()
        .map(|one| {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".into());
            let problem = one.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
            format!(
                "{} {}{} {:?} {:?}{problem}",
                text(&one.name),
                text(&one.version),
                if one.active { " active" } else { "" },
                one.health,
                one.verifiable
            )
        })
        .collect()
}

#[test]
fn solutions_are_listed_by_name_and_version_with_what_is_wrong() {
    let (node, machine) = (Node::new(), Fake::default());
    assert_eq!(told(&node, &machine), [""; 0]);
    node.import(&node.archive("metalk8s.iso", PLATFORM), &machine).unwrap();
    let unverified = ImportOptions { verify: false, ..ImportOptions::default() };
    let image = ("images/app/1/manifest.json", "{\"schemaVersion\": 2}");
    for (version, files) in [("1.10.0", &[image][..]), ("1.9.0", &[]), ("1.10.0-rc.1", &[])] {
        let archive = node.archive_with(&format!("{version}.iso"), &manifest(version), files);
        import(&node.paths, &archive, &unverified, &machine, &()).unwrap();
    }
    let gone = node.archive("gone.iso", SOLUTION);
    node.import(&gone, &machine).unwrap();
    let older = node.archive("older.iso", &SOLUTION.replace("Storage", "Older"));
    node.import(&older, &machine).unwrap();
    std::fs::remove_file(&gone).unwrap();
    let text = std::fs::read_to_string(&node.paths.solutions).unwrap();
    std::fs::write(&node.paths.solutions, format!("{text}active: {{example: latest, other: 2.0.0}}\n"))
        .unwrap();

    assert_eq!(
        told(&node, &machine),
        [
            "Older 1.0.0 Complete Some(true)",
            "example 1.9.0 Incomplete Some(true): it has no image app:1",
            "example 1.10.0-rc.1 Incomplete Some(true): it has no image app:1",
            "example 1.10.0 active Incomplete Some(true): 1 of 2 images cannot be served, the first: app:1: not a manifest: \
             neither `manifests` nor `config`; it starts with `{\"schemaVersion\": 2}`",
            "other 2.0.0 active Missing None: it is active, but not imported",
            "? ? Missing None: it does not exist",
        ]
    );
    let found = solutions(&node.paths, &machine).unwrap();
    assert_eq!(found[1].display_name.as_deref(), Some("Example Solution"));
    assert_eq!(found[1].images, ["app:1"]);
    assert_eq!(found[1].operator.as_ref().unwrap().to_string(), "operator:1.9.0");
    assert_eq!(found[1].archive.as_ref().unwrap().mounted, Some(node.paths.mounts.join("example-1.9.0")));
}
