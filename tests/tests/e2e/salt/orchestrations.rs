//! `metalk8s.orchestrate.solutions`, and the environments in the pillar.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tests::{kubernetes, peer, sealift};

use super::{Node, bootstrap, iso};

/// A program that records its command lines, and answers as a node with a cluster.
const ON_A_CLUSTER: &str = r#"#!/bin/sh
printf '%s ' "$@" >>"$0.calls"
echo >>"$0.calls"
case "$1 $2" in
"solution get-environment") printf '%s' '{"items": [{"name": "prod", "description": "For customers", "namespaces":
    {"prod": {"example": "1.0.0"}, "more": {}}}, {"name": "test", "description": null, "namespaces": {}}]}' ;;
"solution activate")
    echo "example: nothing to do"
    echo "applied CustomResourceDefinition things.example.com" ;;
"solution add") echo "applied Deployment example-operator in prod" ;;
"apply --server-side" | "--kubeconfig "*)
    cat >"$0.stdin"
    echo "configmap/metalk8s-solutions serverside-applied" ;;
*) exit 3 ;;
esac
"#;

/// A node whose `sealift` and `kubectl` are [`ON_A_CLUSTER`].
fn on_a_cluster() -> Option<Node> {
    let node = Node::rocky(&bootstrap(&[]))?;
    for program in ["sealift", "kubectl"] {
        fs::write(node.path(program), ON_A_CLUSTER).unwrap();
        fs::set_permissions(node.path(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(node.path("kubeconfig"), "").unwrap();
    Some(node)
}

/// The Solutions of the pillar: one version of `example`, and more.
fn solutions(more: &Value) -> Value {
    let mut solutions = json!({
        "available": {"example": [{
            "archive": "/archives/example.iso", "name": "example", "display_name": "Example", "version": "1.0.0",
            "id": "example-1.0.0", "active": false, "mountpoint": "/srv/scality/example-1.0.0", "manifest": {},
        }]},
        "config": {"archives": ["/archives/example.iso"], "active": {}},
        "environments": {},
    });
    solutions.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"solutions": solutions})
}

#[test]
fn the_pillar_has_the_environments_of_the_cluster() {
    let Some(node) = on_a_cluster() else { return };
    let environments = || node.call(&["pillar.raw", "metalk8s"]).local["solutions"]["environments"].clone();
    assert_eq!(
        environments(),
        json!({
            "prod": {
                "description": "For customers",
                "namespaces": {"prod": {"config": {"example": "1.0.0"}}, "more": {"config": {}}},
            },
            "test": {"description": "", "namespaces": {}},
        })
    );
    let calls = fs::read_to_string(node.path("sealift.calls")).unwrap();
    let kubeconfig = node.path("kubeconfig");
    assert!(
        calls.contains(&format!("get-environment --output json --kubeconfig {}", kubeconfig.display())),
        "{calls}"
    );
    // The archives can be managed while the cluster does not answer.
    fs::write(node.path("sealift"), "#!/bin/sh\necho 'error: connection refused' >&2\nexit 2\n").unwrap();
    let found = environments();
    let error = found["_errors"][0].as_str().unwrap();
    assert_eq!(error, "the environments: error: connection refused");
    assert!(node.call(&["pillar.raw", "metalk8s"]).local["solutions"]["_errors"].is_null());
    fs::remove_file(&kubeconfig).unwrap();
    assert_eq!(environments(), json!({}));
}

#[test]
fn orchestrations_are_rendered_for_every_case_of_the_formula_tests() {
    let Some(node) = on_a_cluster() else { return };
    // The environments are those of each case.
    fs::remove_file(node.path("kubeconfig")).unwrap();
    let active = |version: &str| solutions(&json!({"config": {"active": {"example": version}}}));
    let components = "deploy-components";
    let environment = json!({"prod": {"description": "", "namespaces": {
        "prod": {"config": {"example": "1.0.0", "other": "1.0.0"}}, "old": {"config": {"example": "0.9.0"}}, "more": {"config": {}},
    }}});
    let in_prod = |environments: &Value| solutions(&json!({"environments": environments}));
    let published = "Update Solutions configuration";
    let of_example = "Deploy components of Solution example";
    let cases = [
        (components, "Empty SolutionsConfig", json!({}), vec![published], ""),
        (
            components,
            "Errors in solutions pillar",
            solutions(&json!({"_errors": ["Some error"]})),
            vec!["Read the Solutions"],
            "Some error",
        ),
        (components, "Specific Solution version", active("1.0.0"), vec![of_example, published], "activated"),
        (components, "Latest Solution version", active("latest"), vec![of_example, published], "activated"),
        (components, "Some available Solution to remove", solutions(&json!({})), vec![published], ""),
        (
            components,
            "Some desired Solution name is not available",
            solutions(&json!({"config": {"active": {"unknown-solution": "1.2.3"}}})),
            vec!["Deploy components of Solution unknown-solution", published],
            "no version of Solution unknown-solution is available",
        ),
        (
            components,
            "Some desired Solution version is not available",
            active("4.5.6"),
            vec![of_example, published],
            "Solution example 4.5.6 is not available",
        ),
        (
            "prepare-environment",
            "Environment does not exist",
            solutions(&json!({})),
            vec!["Prepare environment prod"],
            "environment prod does not exist",
        ),
        (
            "prepare-environment",
            "Errors in pillar",
            in_prod(&json!({"_errors": ["Some error"]})),
            vec!["Prepare environment prod"],
            "Some error",
        ),
        (
            "prepare-environment",
            "Solutions that are available, and others",
            in_prod(&environment),
            vec![
                "Deploy Solution example in namespace old",
                "Deploy Solution example in namespace prod",
                "Deploy Solution other in namespace prod",
                "Environment prod",
            ],
            "Solution other 1.0.0 is not available",
        ),
    ];
    for (orchestration, case, metalk8s, mut states, text) in cases {
        let shown = show(&node, orchestration, &metalk8s, &json!({"orchestrate": {"env_name": "prod"}}));
        let found = shown.local.as_object().unwrap_or_else(|| panic!("{case}: {}", shown.said));
        states.sort_unstable();
        assert_eq!(found.keys().collect::<Vec<_>>(), states, "{case}");
        assert!(shown.said.contains(text), "{case}: {}", shown.said);
    }
    let shown = show(&node, "prepare-environment", &json!({}), &json!({}));
    assert!(shown.said.contains("the pillar has no environment to prepare"), "{}", shown.said);

    // "Target an existing Bootstrap node": a master has that node do it.
    let shown =
        show(&node, "import-components", &solutions(&json!({})), &json!({"bootstrap_id": "bootstrap"}));
    let text = shown.local["Import the Solutions archives"].to_string();
    assert!(
        text.contains(r#"{"tgt":"bootstrap"}"#) && text.contains("metalk8s.solutions.available"),
        "{text}"
    );
    let shown = show(&node, "import-components", &solutions(&json!({})), &json!({}));
    let here: Vec<&String> = shown.local.as_object().unwrap().keys().collect();
    assert!(here.iter().any(|state| state.contains("/archives/example.iso")), "{here:?}");
}

/// Shows the states of an orchestration with `metalk8s` and `more` in the pillar.
fn show(node: &Node, orchestration: &str, metalk8s: &Value, more: &Value) -> super::Run {
    node.call(&[
        "state.show_sls",
        &format!("metalk8s.orchestrate.solutions.{orchestration}"),
        &pillar(node, metalk8s, more),
    ])
}

fn pillar(node: &Node, metalk8s: &Value, more: &Value) -> String {
    let mut pillar: Value =
        serde_json::from_str(node.pillar(metalk8s).trim_start_matches("pillar=")).unwrap();
    pillar["metalk8s"]["kubectl"] = json!(node.path("kubectl"));
    pillar.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("pillar={pillar}")
}

#[test]
fn components_and_operators_are_deployed_by_sealift() {
    let Some(node) = on_a_cluster() else { return };
    let orchestrate = json!({"orchestrate": {"env_name": "prod", "webhook_enabled": true}});
    let apply = |orchestration: &str, metalk8s: &Value, options: &[&str]| {
        let states = format!("metalk8s.orchestrate.solutions.{orchestration}");
        let pillar = pillar(&node, metalk8s, &orchestrate);
        node.call(&[&["state.apply", &states, &pillar][..], options].concat())
    };
    let calls = || {
        let calls = fs::read_to_string(node.path("sealift.calls")).unwrap();
        fs::remove_file(node.path("sealift.calls")).unwrap();
        let kept = calls.lines().filter(|line| !line.contains("get-environment"));
        kept.map(|line| line.trim_end().rsplit_once("kubeconfig ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let components = solutions(&json!({"config": {"active": {"example": "latest"}}}));
    let run = apply("deploy-components", &components, &["test=True"]);
    assert!(run.said.contains("would be done") && !node.path("kubectl.stdin").exists(), "{}", run.said);
    assert_eq!(calls(), ["--name example --version latest --dry-run"]);
    let run = apply("deploy-components", &components, &[]);
    assert!(run.success && run.changes() == 2, "{}", run.said);
    assert_eq!(calls()[1..], ["--name example --version latest"]);
    let objects: Value = serde_json::from_slice(&fs::read(node.path("kubectl.stdin")).unwrap()).unwrap();
    let data = objects["items"][1]["data"]["example"].as_str().unwrap();
    let versions: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&versions[0]["version"], &versions[0]["active"]), (&"1.0.0".into(), &false.into()));
    let kubectl = fs::read_to_string(node.path("kubectl.calls")).unwrap();
    assert!(kubectl.contains("apply --server-side --field-manager=sealift -f -"), "{kubectl}");

    let environments = json!({"prod": {"namespaces": {"prod": {"config": {"example": "1.0.0"}}}}});
    let run = apply("prepare-environment", &solutions(&json!({"environments": environments})), &[]);
    assert!(run.success && run.changes() == 1, "{}", run.said);
    assert_eq!(calls()[1..], ["--name prod --namespace prod --solution example --version 1.0.0 --webhook"]);
}

const ROLE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: manager}
rules: [{apiGroups: [example.com], resources: [things], verbs: ['*']}]
";

/// The documents' own way to add or upgrade a Solution: patch the ConfigMap of the environment, and run the orchestration.
#[test]
fn an_environment_is_prepared_as_the_documents_say() {
    let Some(mut node) = Node::rocky(&bootstrap(&[])) else { return };
    let Some(cluster) = kubernetes::start(node.scratch.path()) else { return };
    let Some(kubectl) = peer::find("kubectl") else { return };
    // A cache of its own; the folder of the cluster is its home.
    let home = node.path("cluster");
    let programs = node.path("programs");
    fs::create_dir(&programs).unwrap();
    let wrapper = format!("#!/bin/sh\nHOME={} exec {} \"$@\"\n", home.display(), kubectl.display());
    fs::write(programs.join("kubectl"), wrapper).unwrap();
    fs::set_permissions(programs.join("kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
    node.path_first = Some(programs);
    fs::copy(home.join("config"), node.path("kubeconfig")).unwrap();
    let manifest = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata: {name: example}\nspec:\n  \
                    version: 1.0.0\n  operator: {image: {name: operator, tag: 1.0.0}}\n  images: []\n";
    let archive = iso(
        &node,
        "solution",
        &[
            ("manifest.yaml", manifest),
            ("operator/deploy/crds/things_crd.yaml", kubernetes::CRD),
            ("operator/deploy/role.yaml", ROLE),
        ],
    );
    let configuration = format!(
        "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives: ['{}']\n\
         active: {{example: latest}}\n",
        archive.display()
    );
    fs::write(node.path("solutions.yaml"), configuration).unwrap();
    let run = node.apply("metalk8s.orchestrate.solutions.deploy-components", &json!({}));
    assert!(run.success, "{}", run.said);
    let objects = cluster.objects();
    let names: Vec<&str> = objects.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "CustomResourceDefinition /things.example.com",
        "ConfigMap metalk8s-solutions/metalk8s-solutions",
        "Namespace /metalk8s-solutions",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }

    let mut create = sealift::command(node.scratch.path());
    cluster.reach(create.args(["solution", "create-environment", "--name", "prod"]));
    peer::run(&mut create);
    let patch = r#"{"data": {"example": "1.0.0"}}"#;
    let patched =
        cluster.kubectl(&["patch", "cm", "metalk8s-environment", "--namespace", "prod", "--patch", patch]);
    assert!(patched.contains("patched"), "{patched}");
    let run = node.call(&[
        "state.apply",
        "metalk8s.orchestrate.solutions.prepare-environment",
        &pillar(&node, &json!({}), &json!({"orchestrate": {"env_name": "prod"}})),
    ]);
    assert!(run.success && run.changes() == 1, "{}", run.said);
    let objects = cluster.objects();
    let names: Vec<&str> = objects.iter().map(|(name, _)| name.as_str()).collect();
    for name in
        ["Deployment prod/example-operator", "Role prod/manager", "ServiceAccount prod/example-operator"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}
