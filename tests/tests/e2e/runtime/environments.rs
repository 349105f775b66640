//! Environments: `kubectl` applies what `sealift solution` makes, and an API server judges it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tests::kubernetes::{self, Cluster};
use tests::{peer, sealift};

/// A node with two versions of the Solution `example`, and a cluster without anything.
struct Site {
    folder: tempfile::TempDir,
    cluster: Cluster,
}

/// A role of the kind `kind` that may do `verb` with pods.
fn role(kind: &str, name: &str, verb: &str) -> String {
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\nrules:\n\
         - apiGroups: ['']\n  resources: [pods]\n  verbs: [{verb}]\n"
    )
}

/// The definition of `widgets.example.com` in these versions; the last one is stored.
fn definition(versions: &[&str]) -> String {
    let mut text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  \
                    name: widgets.example.com\nspec:\n  group: example.com\n  scope: Namespaced\n  names:\n    \
                    kind: Widget\n    plural: widgets\n  versions:\n"
        .to_owned();
    for version in versions {
        text.push_str(&format!(
            "  - name: {version}\n    served: true\n    storage: {}\n    schema:\n      openAPIV3Schema:\n        \
             type: object\n        properties:\n          spec:\n            type: object\n            properties:\n              \
             size: {{type: integer}}\n",
            Some(version) == versions.last()
        ));
    }
    text
}

/// The archive of a version of a Solution, as a folder.
fn solution(folder: &Path, name: &str, version: &str, ui: bool, roles: &str, definition: &str) -> PathBuf {
    let archive = folder.join(format!("{name}-{version}"));
    fs::create_dir_all(archive.join("operator/deploy/crds")).unwrap();
    let ui =
        if ui { format!("  ui:\n    image: {{name: {name}-ui, tag: {version}}}\n") } else { String::new() };
    let manifest = format!(
        "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata:\n  name: {name}\nspec:\n  \
         images:\n    - base-server:{version}\n    - {name}-operator:{version}\n  operator:\n    image:\n      \
         name: {name}-operator\n      tag: {version}\n{ui}  version: {version}\n"
    );
    fs::write(archive.join("manifest.yaml"), manifest).unwrap();
    fs::write(archive.join("operator/deploy/role.yaml"), roles).unwrap();
    fs::write(archive.join("operator/deploy/crds/widgets_crd.yaml"), definition).unwrap();
    let sample = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: sample}\nspec: {size: 1}\n";
    fs::write(archive.join("operator/deploy/crds/widgets_cr.yaml"), sample).unwrap();
    archive
}

impl Site {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let cluster = kubernetes::start(folder.path())?;
        let site = Self { folder, cluster };
        let first = [
            role("Role", "manager", "get"),
            role("Role", "old", "get"),
            role("ClusterRole", "reader", "get"),
        ];
        let second = role("Role", "manager", "list");
        let both = [
            solution(site.path(), "example", "1.0.0", false, &first.concat(), &definition(&["v1"])),
            solution(site.path(), "example", "2.0.0", true, &second, &definition(&["v1"])),
        ];
        site.import(&both);
        Some(site)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes these archives those of the node.
    fn import(&self, archives: &[PathBuf]) {
        let archives: String = archives.iter().map(|path| format!("- {}\n", path.display())).collect();
        let configuration = format!(
            "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives:\n{archives}\
             active: {{}}\n"
        );
        fs::write(self.path().join("solutions.yaml"), configuration).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = sealift::command(self.path());
        command.arg("solution").args(words);
        if matches!(words[0], "add" | "activate" | "deactivate" | "operator-config") {
            command.args(sealift::places(self.path()));
        }
        self.cluster.reach(&mut command);
        command
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        sealift::told(&self.command(words).output().unwrap())
    }

    fn succeed(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert!(code == 0, "{words:?}: {code}: {out}{err}");
        out
    }

    fn refuse(&self, words: &[&str], message: &str, remedy: &str) {
        let before = self.cluster.state();
        let (code, out, err) = self.run(words);
        assert!(code == 1 || code == 3, "{words:?}: {code}: {out}{err}");
        assert!(err.contains(message) && err.contains(remedy), "{words:?}: {err}");
        assert!(self.cluster.state() == before, "{words:?} changed the cluster: {err}");
    }

    /// The names of all objects.
    fn names(&self) -> BTreeSet<String> {
        self.cluster.objects().into_iter().map(|(name, _)| name).collect()
    }

    fn object(&self, name: &str) -> Value {
        let objects = self.cluster.objects();
        objects.into_iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1
    }
}

const CREATE: &[&str] =
    &["create-environment", "--name", "prod", "--namespace", "prod-1", "--description", "ours"];
const DELETE: &[&str] = &["delete-environment", "--name", "prod"];
const REMOVE: &[&str] = &["remove", "--name", "prod", "--namespace", "prod-1", "--solution", "example"];
const ADD_1: &[&str] =
    &["add", "--name", "prod", "--namespace", "prod-1", "--solution", "example", "--version", "1.0.0"];
const ADD_2: &[&str] =
    &["add", "--name", "prod", "--namespace", "prod-1", "--solution", "example", "--version", "2.0.0"];

#[test]
fn a_solution_is_added_upgraded_downgraded_and_removed() {
    let Some(site) = Site::new() else { return };
    site.succeed(CREATE);
    let namespace = site.object("Namespace /prod-1");
    let metadata = &namespace["metadata"];
    assert_eq!(metadata["labels"], json!({ "solutions.metalk8s.scality.com/environment": "prod" }));
    let described = json!({ "solutions.metalk8s.scality.com/environment-description": "ours" });
    assert_eq!(metadata["annotations"], described);
    let empty = site.cluster.objects();
    let said = site.succeed(ADD_1);
    assert!(said.contains("applied Deployment example-operator in prod-1\n"), "{said}");
    assert!(said.contains("note: the operator needs custom resources"), "{said}");
    let first = site.cluster.objects();
    assert_eq!(
        site.names(),
        [
            "ClusterRole /reader",
            "ConfigMap prod-1/example-operator-config",
            "ConfigMap prod-1/metalk8s-environment",
            "Deployment prod-1/example-operator",
            "Namespace /prod-1",
            "Role prod-1/manager",
            "Role prod-1/old",
            "RoleBinding prod-1/example-operator-clusterrole-reader",
            "RoleBinding prod-1/example-operator-role-manager",
            "RoleBinding prod-1/example-operator-role-old",
            "ServiceAccount prod-1/example-operator",
        ]
        .map(str::to_owned)
        .into()
    );
    assert_eq!(site.object("ConfigMap prod-1/metalk8s-environment")["data"], json!({ "example": "1.0.0" }));
    let config = &site.object("ConfigMap prod-1/example-operator-config")["data"]["operator.yaml"];
    assert_eq!(config.as_str().unwrap(), site.succeed(&["operator-config", "example"]));

    // Again: nothing changes.
    let state = site.cluster.state();
    site.succeed(ADD_1);
    assert_eq!(site.cluster.state(), state);
    let listed = site.succeed(&["get-environment"]);
    assert_eq!(listed, "prod: ours\n  prod-1: example 1.0.0\n");

    let said = site.succeed(ADD_2);
    for gone in
        ["RoleBinding example-operator-role-old in prod-1", "Role old in prod-1", "ClusterRole reader"]
    {
        assert!(said.contains(&format!("deleted {gone}\n")), "{said}");
    }
    assert_eq!(
        site.names(),
        [
            "ConfigMap prod-1/example-operator-config",
            "ConfigMap prod-1/example-ui",
            "ConfigMap prod-1/metalk8s-environment",
            "Deployment prod-1/example-operator",
            "Deployment prod-1/example-ui",
            "Ingress prod-1/example-ui",
            "Namespace /prod-1",
            "Role prod-1/manager",
            "RoleBinding prod-1/example-operator-role-manager",
            "Service prod-1/example-ui",
            "ServiceAccount prod-1/example-operator",
        ]
        .map(str::to_owned)
        .into()
    );
    assert_eq!(site.object("Role prod-1/manager")["rules"][0]["verbs"], json!(["list"]));

    site.succeed(ADD_1);
    assert_eq!(site.cluster.objects(), first);
    site.succeed(REMOVE);
    assert_eq!(site.cluster.objects(), empty);
    site.refuse(REMOVE, "has no Solution example", "get-environment");
    site.succeed(DELETE);
    assert!(site.names().is_empty());
    site.refuse(DELETE, "the environment prod does not exist", "create-environment");
}

/// Every state in which SIGKILL can leave the cluster, and the same command again.
#[test]
fn a_killed_command_is_finished_by_running_it_again() {
    let Some(site) = Site::new() else { return };
    let force = &[DELETE, &["--force"]].concat();
    let mut kills = 0;
    for (words, is_killed) in [
        (CREATE, true),
        (ADD_1, true),
        (ADD_2, true),
        (ADD_1, false),
        (REMOVE, true),
        (ADD_1, false),
        (force, true),
    ] {
        let before = site.cluster.state();
        site.succeed(words);
        if !is_killed {
            continue;
        }
        let (expected, after) = (site.cluster.objects(), site.cluster.state());
        for writes in 0.. {
            site.cluster.restore(&before);
            if let Some(status) = site.cluster.kill_after(writes, &mut site.command(words)) {
                assert!(status.success() && writes > 0, "{words:?}: {writes}: {status}");
                break;
            }
            kills += 1;
            let (code, out, err) = site.run(words);
            // The last deletion was complete, but for the report.
            let complete = err.contains("does not exist") && writes > 0;
            assert!(code == 0 || complete, "{words:?} after {writes} writes: {code}: {out}{err}");
            assert_eq!(site.cluster.objects(), expected, "{words:?} after {writes} writes");
        }
        site.cluster.restore(&after);
    }
    assert!(kills > 35, "{kills}");
}

#[test]
fn objects_are_printed_for_others_to_apply() {
    let Some(site) = Site::new() else { return };
    let print = |words: &[&str], form: &str| site.succeed(&[words, &["--dry-run", "-o", form]].concat());
    let yaml = [print(CREATE, "yaml"), print(ADD_2, "yaml")].join("---\n");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("environment_objects", yaml);
    });
    assert!(site.names().is_empty());
    let file = site.path().join("objects.yaml");
    fs::write(&file, &yaml).unwrap();
    let _ = site.cluster.kubectl(&["apply", "--server-side", "-f", file.to_str().unwrap()]);
    let applied = site.cluster.objects();
    // The same as by sealift, and by JSON.
    site.cluster.restore(&json!([]));
    site.succeed(CREATE);
    site.succeed(ADD_2);
    assert_eq!(site.cluster.objects(), applied);
    let list: Value = serde_json::from_str(&print(ADD_2, "json")).unwrap();
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("List"), 10));
    // Without -o it is a report, and changes nothing either.
    let state = site.cluster.state();
    let said = site.succeed(&[ADD_1, &["--dry-run"]].concat());
    assert!(
        said.contains("would apply Role old in prod-1\n") && said.contains("would delete Ingress"),
        "{said}"
    );
    assert!(site.succeed(&[REMOVE, &["--dry-run"]].concat()).contains("would delete Deployment"));
    assert_eq!(site.cluster.state(), state);
}

#[test]
fn what_would_do_harm_is_refused_with_what_to_do() {
    let Some(site) = Site::new() else { return };
    site.refuse(ADD_1, "the environment prod does not exist", "create-environment");
    site.succeed(CREATE);
    site.succeed(ADD_1);
    let add = |version: &str, more: &[&str]| {
        let words = ["add", "--name", "prod", "--solution", "example", "--version", version];
        [&words[..], more].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let refuse = |words: Vec<String>, message: &str, remedy: &str| {
        site.refuse(&words.iter().map(String::as_str).collect::<Vec<_>>(), message, remedy);
    };
    refuse(
        add("3.0.0", &["--namespace", "prod-1"]),
        "Solution example 3.0.0 is not imported; available versions: 1.0.0, 2.0.0",
        "import",
    );
    refuse(add("1.0.0", &[]), "the environment prod has no namespace prod; it has prod-1", "--namespace");
    site.refuse(DELETE, "the environment prod is in use: it has example 1.0.0", "--force");
    site.refuse(
        &["create-environment", "--name", "test", "--namespace", "prod-1"],
        "belongs to the environment prod, not to test",
        "--namespace",
    );
    site.refuse(&["create-environment", "--name", "x-"], "the environment `x-` is not a valid name", "");
    site.refuse(
        &["create-environment", "--name", "Prod_1"],
        "the namespace `Prod_1` is not a valid name",
        "--namespace",
    );
    site.refuse(
        &["delete-environment", "--name", "prod", "--namespace", "other"],
        "has no namespace other",
        "--namespace",
    );
    let namespace = site.path().join("theirs.yaml");
    fs::write(&namespace, "apiVersion: v1\nkind: Namespace\nmetadata: {name: theirs}\n").unwrap();
    let _ = site.cluster.kubectl(&["create", "-f", namespace.to_str().unwrap()]);
    let theirs = ["create-environment", "--name", "theirs"];
    site.refuse(
        &theirs,
        "the namespace theirs exists and belongs to no environment",
        "kubectl label namespace theirs solutions.metalk8s.scality.com/environment=theirs",
    );
    let _ = site.cluster.kubectl(&[
        "label",
        "namespace",
        "theirs",
        "solutions.metalk8s.scality.com/environment=theirs",
    ]);
    site.succeed(&theirs);

    // A cluster role of another Solution, and one of Kubernetes itself.
    let other = |roles: &str| solution(site.path(), "other", "1.0.0", false, roles, &definition(&["v1"]));
    let both = [site.path().join("example-1.0.0"), other(&role("ClusterRole", "reader", "delete"))];
    site.import(&both);
    let add_other = ["add", "--name", "theirs", "--solution", "other", "--version", "1.0.0"];
    site.refuse(&add_other, "ClusterRole reader exists and belongs to example", "--force-conflicts");
    let admin = "{\"kind\": \"ClusterRole\", \"apiVersion\": \"rbac.authorization.k8s.io/v1\", \"metadata\": {\"name\": \
                 \"admin\", \"labels\": {\"kubernetes.io/bootstrapping\": \"rbac-defaults\"}}, \"rules\": []}";
    fs::write(site.path().join("admin.json"), admin).unwrap();
    let _ = site.cluster.kubectl(&["create", "-f", site.path().join("admin.json").to_str().unwrap()]);
    other(&role("ClusterRole", "admin", "delete"));
    site.refuse(
        &[&add_other[..], &["--force-conflicts"]].concat(),
        "ClusterRole admin exists and belongs to Kubernetes",
        "namespace",
    );
    other("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n");
    site.refuse(
        &add_other,
        "operator/deploy/role.yaml: expected the kinds Role and ClusterRole",
        "sealift solution check",
    );
}

#[test]
fn an_older_version_must_know_the_objects_that_are_stored() {
    let Some(site) = Site::new() else { return };
    let third = role("Role", "manager", "list");
    let third = solution(site.path(), "example", "3.0.0", false, &third, &definition(&["v1", "v2"]));
    site.import(&[site.path().join("example-1.0.0"), third]);
    let activate = |version: &'static str| ["activate", "--name", "example", "--version", version];
    let said = site.succeed(&[&activate("1.0.0")[..], &["--dry-run"]].concat());
    assert!(said.contains("would apply CustomResourceDefinition widgets.example.com\n"), "{said}");
    assert!(site.names().is_empty());
    site.succeed(&activate("1.0.0"));
    assert_eq!(site.names(), BTreeSet::from(["CustomResourceDefinition /widgets.example.com".to_owned()]));
    site.succeed(CREATE);
    let said = site.succeed(ADD_1);
    assert!(!said.contains("note: "), "{said}");
    site.succeed(&activate("latest"));
    let add_3 = [&ADD_1[..ADD_1.len() - 1], &["3.0.0"]].concat();
    site.succeed(&add_3);
    let unknown =
        "example 1.0.0 does not know objects that the cluster stores: widgets.example.com in version v2";
    site.refuse(ADD_1, unknown, "back up these objects");
    let configuration = fs::read_to_string(site.path().join("solutions.yaml")).unwrap();
    site.refuse(&activate("1.0.0"), unknown, "back up these objects");
    assert_eq!(fs::read_to_string(site.path().join("solutions.yaml")).unwrap(), configuration);
    site.succeed(&[ADD_1, &["--force"]].concat());
    // Deactivation leaves the definitions, and with them everybody's objects.
    site.succeed(&["deactivate", "--name", "example"]);
    assert!(site.names().contains("CustomResourceDefinition /widgets.example.com"));
    site.succeed(&[&activate("1.0.0")[..], &["--crds", "never"]].concat());
}

#[test]
fn fields_of_others_are_taken_over_only_if_asked() {
    let Some(site) = Site::new() else { return };
    site.succeed(CREATE);
    site.succeed(ADD_1);
    // The upgrade of the documents changes the version in the ConfigMap.
    let patch = |version: &str| json!({ "data": { "example": version, "more": "1" } }).to_string();
    let upgrade = |version: &str| {
        site.cluster.kubectl(&[
            "patch",
            "cm",
            "metalk8s-environment",
            "--namespace",
            "prod-1",
            "--patch",
            &patch(version),
        ])
    };
    let _ = upgrade("2.0.0");
    site.succeed(ADD_2);
    assert_eq!(
        site.object("ConfigMap prod-1/metalk8s-environment")["data"],
        json!({ "example": "2.0.0", "more": "1" })
    );
    site.refuse(ADD_1, "conflict with \"kubectl-patch\": .data.example", "--force-conflicts");
    site.succeed(&[ADD_1, &["--force-conflicts"]].concat());
    site.succeed(ADD_2);
    let _ = upgrade("1.0.0");
    site.succeed(REMOVE);
    assert_eq!(site.object("ConfigMap prod-1/metalk8s-environment")["data"], json!({ "more": "1" }));
}

#[test]
fn cluster_roles_stay_while_another_environment_needs_them() {
    let Some(site) = Site::new() else { return };
    let in_test =
        |version: &'static str| ["add", "--name", "test", "--solution", "example", "--version", version];
    site.succeed(CREATE);
    site.succeed(&["create-environment", "--name", "test"]);
    site.succeed(ADD_1);
    site.succeed(&in_test("1.0.0"));
    site.succeed(&in_test("2.0.0"));
    assert!(site.names().contains("ClusterRole /reader"));
    site.succeed(REMOVE);
    site.succeed(&in_test("2.0.0"));
    assert!(!site.names().contains("ClusterRole /reader"));
    site.succeed(&in_test("1.0.0"));
    let report: Value = serde_json::from_str(&site.succeed(&[
        "delete-environment",
        "--name",
        "test",
        "--force",
        "-o",
        "json",
    ]))
    .unwrap();
    assert_eq!(report["kind"], "EnvironmentChange");
    let deleted: Vec<&str> =
        report["deleted"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(deleted, ["Namespace", "ClusterRole"]);
    let list: Value = serde_json::from_str(&site.succeed(&["get-environment", "-o", "json"])).unwrap();
    assert_eq!(
        list["items"],
        json!([{ "name": "prod", "description": "ours", "namespaces": { "prod-1": {} } }])
    );
}

#[test]
fn a_cluster_that_cannot_be_reached_is_said_to_be_so() {
    let Some(site) = Site::new() else { return };
    let run =
        |words: &[&str]| sealift::told(&site.command(words).args(["--kubeconfig", "none"]).output().unwrap());
    fs::write(site.path().join("none"), "{\"apiVersion\": \"v1\", \"kind\": \"Config\", \"clusters\": [{\"name\": \"a\", \"cluster\": {\"server\": \"http://127.0.0.1:1\"}}], \"contexts\": [{\"name\": \"a\", \"context\": {\"cluster\": \"a\", \"user\": \"\"}}], \"current-context\": \"a\"}").unwrap();
    for words in [CREATE, DELETE, REMOVE, ADD_1, &["get-environment"]] {
        let (code, _, err) = run(words);
        assert!(
            code == 2 && err.contains("kubectl cannot reach the cluster") && err.contains("KUBECONFIG"),
            "{err}"
        );
        let words = [words, &["--kubectl", "/none/kubectl"]].concat();
        let (code, _, err) = run(&words);
        assert!(
            code == 2 && err.contains("cannot run `/none/kubectl`") && err.contains("--kubectl"),
            "{err}"
        );
    }
    // Objects are printed without a cluster.
    let mut command = site.command(ADD_1);
    let printed = peer::run(command.args(["--kubectl", "/none/kubectl", "--dry-run", "-o", "yaml"]));
    assert!(String::from_utf8(printed.stdout).unwrap().contains("kind: Deployment"));
}

#[test]
fn an_operator_config_has_all_imported_versions() {
    let Some(site) = Site::new() else { return };
    assert_eq!(
        site.succeed(&["operator-config", "example", "--registry", "metalk8s-registry"]),
        "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: OperatorConfig
repositories:
  1.0.0:
    - endpoint: metalk8s-registry/example-1.0.0
      images:
        - base-server:1.0.0
        - example-operator:1.0.0
  2.0.0:
    - endpoint: metalk8s-registry/example-2.0.0
      images:
        - base-server:2.0.0
        - example-operator:2.0.0
"
    );
    let default = site.succeed(&["operator-config", "example"]);
    assert!(default.contains("endpoint: metalk8s-registry-from-config.invalid/example-1.0.0\n"), "{default}");
    site.refuse(
        &["operator-config", "ghost"],
        "no version of the Solution ghost is imported",
        "sealift solution import",
    );
}
