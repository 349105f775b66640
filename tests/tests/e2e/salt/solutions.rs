//! `metalk8s.solutions.available` and the pillar of the SolutionsConfiguration.

use std::fs;

use serde_json::{Value, json};
use tests::sealift;

use super::{Node, bootstrap, iso};

#[test]
fn solutions_are_read_and_made_available() {
    let Some(node) = Node::rocky(&bootstrap(&[])) else { return };
    let manifest = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata:\n  annotations:\n    \
                    solutions.metalk8s.scality.com/display-name: Example\n  name: example\nspec:\n  version: 1.0.0\n  \
                    operator: {image: {name: operator, tag: 1.0.0}}\n  images: []\n";
    let archive = iso(&node, "solution", &[("manifest.yaml", manifest)]);
    let configuration = |archives: &str| {
        let text = format!(
            "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\n\
             archives: [{archives}]\nactive: {{example: latest}}\n"
        );
        fs::write(node.path("solutions.yaml"), text).unwrap();
    };
    configuration(archive.to_str().unwrap());
    let run = node.call(&["pillar.raw", "metalk8s"]);
    let solution = &run.local["solutions"]["available"]["example"][0];
    for (key, value) in [
        ("id", json!("example-1.0.0")),
        ("display_name", json!("Example")),
        ("active", json!(true)),
        ("archive", json!(&archive)),
        ("mountpoint", json!("/srv/scality/example-1.0.0")),
    ] {
        assert_eq!(solution[key], value, "{key}: {}", run.said);
    }
    assert_eq!(solution["manifest"]["spec"]["operator"]["image"]["name"], "operator");
    let run = node.apply("metalk8s.solutions.available", &json!({}));
    assert!(run.success && run.results().iter().all(|state| *state == (true, false)), "{}", run.said);

    // Which version is active is said by the script that operators know.
    let script = sealift::repository().join("runtime/scripts/solutions.sh");
    let run_script = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&script);
        command.env("SEALIFT", sealift::binary()).args(arguments).arg("--solutions-config");
        command.arg(node.path("solutions.yaml")).arg("--lock-file").arg(node.path("lock"));
        sealift::told(&command.output().unwrap())
    };
    let active = || {
        node.call(&["pillar.raw", "metalk8s"]).local["solutions"]["available"]["example"][0]["active"].clone()
    };
    let (code, out, err) = run_script(&["deactivate", "--name", "example"]);
    assert!(code == 0 && out.contains("before: latest"), "{out}{err}");
    assert_eq!(active(), json!(false));
    let (code, _, err) = run_script(&["activate", "--name", "example", "--version", "2.0.0"]);
    assert!(code == 1 && err.contains("available versions: 1.0.0"), "{err}");
    assert_eq!(run_script(&["activate", "--name", "example", "--version", "1.0.0"]).0, 0);
    assert_eq!(active(), json!(true));

    configuration("/none.iso");
    let run = node.show("metalk8s.solutions.available", &json!({}));
    assert!(!run.success && run.said.contains("/none.iso: cannot read manifest.yaml"), "{}", run.said);
}

#[test]
fn a_solution_of_2019_is_read_from_its_product_information() {
    let Some(node) = Node::rocky(&bootstrap(&[])) else { return };
    let product = "NAME=Storage\nVERSION=1.0.0\nREQUIRE_METALK8S=\">=2.0\"\nARCHIVE_LAYOUT_VERSION=1\n";
    let archive = iso(&node, "older", &[("product.txt", product)]);
    let platform = iso(&node, "platform", &[("product.txt", "NAME=MetalK8s\nVERSION=2.11.0\n")]);
    let solutions = |archive: &std::path::Path| {
        let text = format!(
            "apiVersion: metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\n\
             archives: ['{}']\nactive: {{Storage: 1.0.0}}\n",
            archive.display()
        );
        fs::write(node.path("solutions.yaml"), text).unwrap();
        node.call(&["pillar.raw", "metalk8s"])
    };
    let run = solutions(&archive);
    let found = &run.local["solutions"]["available"]["Storage"][0];
    for (key, value) in [
        ("id", json!("storage-1.0.0")),
        ("version", json!("1.0.0")),
        ("active", json!(true)),
        ("mountpoint", json!("/srv/scality/storage-1.0.0")),
    ] {
        assert_eq!(found[key], value, "{key}: {}", run.said);
    }
    let run = solutions(&platform);
    assert!(run.said.contains("cannot read manifest.yaml"), "{}", run.said);
}

#[test]
fn solutions_are_rendered_for_every_case_of_the_formula_tests() {
    let Some(node) = Node::rocky(&bootstrap(&[])) else { return };
    let solution = |version: &str, active: bool| {
        json!({
            "archive": format!("/srv/scality/releases/example-solution-{version}.iso"), "name": "example-solution",
            "version": version, "id": format!("example-solution-{version}"), "active": active,
            "mountpoint": format!("/srv/scality/example-solution-{version}"),
        })
    };
    let (first, second) = (solution("1.0.0", true), solution("1.2.0", false));
    let nothing = "Solutions of this node";
    let import = |solution: &Value| format!("Import Solution {}", solution["archive"]);
    let cases = [
        ("Empty config", json!({}), vec![nothing.to_owned()], ""),
        (
            "Initial state (errors)",
            json!({"_errors": ["Cannot read config file"], "available": {}, "config": {"_errors": ["Cannot read config file"]}}),
            vec!["Read the Solutions".to_owned()],
            "\"Cannot read config file\"",
        ),
        (
            "New archive in config",
            json!({"available": {"example-solution": [first]}, "config": {"archives": [first["archive"], second["archive"]]}}),
            vec![import(&first), import(&second), nothing.to_owned()],
            "",
        ),
        (
            "Active archive removed from config",
            json!({"available": {"example-solution": [first]}, "config": {"archives": []}}),
            vec!["Remove Solution example-solution-1.0.0".to_owned(), nothing.to_owned()],
            "example-solution-1.0.0 is active",
        ),
        (
            "Inactive archive removed from config",
            json!({"available": {"example-solution": [first, second]}, "config": {"archives": [first["archive"]]}}),
            vec![import(&first), "Remove Solution example-solution-1.2.0".to_owned(), nothing.to_owned()],
            "deleted",
        ),
    ];
    for (case, solutions, states, text) in cases {
        let shown = node.show("metalk8s.solutions.available", &json!({"solutions": solutions}));
        let found = shown.local.as_object().unwrap_or_else(|| panic!("{case}: {}", shown.said));
        let mut states = states;
        states.sort();
        assert_eq!(found.keys().cloned().collect::<Vec<_>>(), states, "{case}");
        assert!(shown.said.contains(text), "{case}: {}", shown.said);
    }
}
