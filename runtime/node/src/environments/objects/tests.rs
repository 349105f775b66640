//! The objects, compared with the documents.

use super::*;

fn place() -> Place {
    Place { environment: "prod".parse().unwrap(), namespace: "prod-1".parse().unwrap() }
}

/// The objects of version 1.0.0 of the Solution `example`.
fn objects(roles: &[Value], ui: bool, webhook: bool) -> Vec<Value> {
    solution(&deployed(&place(), &DnsLabel::of_solution("example").unwrap(), roles, ui, webhook))
}

fn deployed<'a>(
    place: &'a Place,
    name: &'a DnsLabel,
    roles: &'a [Value],
    ui: bool,
    webhook: bool,
) -> Deployed<'a> {
    Deployed {
        place,
        name,
        version: "1.0.0+b",
        operator_image: "registry/example-1.0.0/example-operator:1.0.0".into(),
        has_entrypoint: false,
        ui_image: ui.then(|| "registry/example-1.0.0/example-ui:1.0.0".into()),
        roles,
        operator_config: "kind: OperatorConfig\n",
        webhook,
    }
}

fn yaml(object: &Value) -> String {
    serde_saphyr::to_string(object).unwrap()
}

#[test]
fn a_namespace_has_the_documented_label_and_annotation() {
    assert_eq!(
        yaml(&namespace(&place(), "for production")),
        "\
apiVersion: v1
kind: Namespace
metadata:
  annotations:
    solutions.metalk8s.scality.com/environment-description: for production
  labels:
    solutions.metalk8s.scality.com/environment: prod
  name: prod-1
"
    );
    let solutions = [("a", "1.0"), ("b", "2.0.0")].map(|(name, version)| (name.into(), version.into()));
    let map = environment_config_map(&place().namespace, &BTreeMap::from(solutions));
    assert_eq!(
        map,
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "metalk8s-environment", "namespace": "prod-1" },
            "data": { "a": "1.0", "b": "2.0.0" },
        })
    );
}

#[test]
fn an_operator_has_an_account_a_configuration_and_a_deployment() {
    let objects = objects(&[], false, false);
    let names: Vec<String> = objects
        .iter()
        .map(|object| {
            [&object["kind"], &object["metadata"]["name"]].map(|text| text.as_str().unwrap()).join(" ")
        })
        .collect();
    assert_eq!(
        names,
        [
            "ServiceAccount example-operator",
            "ConfigMap example-operator-config",
            "Deployment example-operator"
        ]
    );
    for object in &objects {
        assert_eq!(object["metadata"]["namespace"], "prod-1");
        assert_eq!(
            object["metadata"]["labels"],
            json!({
                "app": "example-operator",
                "app.kubernetes.io/name": "example-operator",
                "app.kubernetes.io/instance": "example-operator",
                "app.kubernetes.io/version": "1.0.0_b",
                "app.kubernetes.io/component": "operator",
                "app.kubernetes.io/part-of": "example",
                "app.kubernetes.io/managed-by": "sealift",
            })
        );
    }
    assert_eq!(objects[1]["data"], json!({ "operator.yaml": "kind: OperatorConfig\n" }));
    let spec = &objects[2]["spec"];
    assert_eq!(spec["selector"]["matchLabels"], json!({ "app": "example-operator" }));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "example-operator");
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "registry/example-1.0.0/example-operator:1.0.0");
    assert_eq!(container["command"], json!(["example-operator", "--config=/etc/config/operator.yaml"]));
    assert_eq!(container["volumeMounts"], json!([{ "name": "operator-config", "mountPath": "/etc/config" }]));
    let config = json!([{ "name": "operator-config", "configMap": { "name": "example-operator-config" } }]);
    assert_eq!(pod["volumes"], config);
}

#[test]
fn an_operator_whose_image_names_a_program_runs_that() {
    let (place, name) = (place(), "example".parse().unwrap());
    let deployed = Deployed { has_entrypoint: true, ..deployed(&place, &name, &[], false, false) };
    let container = &solution(&deployed)[2]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["--config=/etc/config/operator.yaml"]));
    assert_eq!(container["command"], Value::Null);
}

#[test]
fn an_operator_with_a_webhook_gets_its_certificate() {
    let deployment = objects(&[], false, true).pop().unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0]["volumeMounts"][1],
        json!({ "name": "cert", "mountPath": "/cert", "readOnly": true })
    );
    assert_eq!(pod["volumes"][1], json!({ "name": "cert", "secret": { "secretName": "example-cert" } }));
}

#[test]
fn roles_are_deployed_and_bound_to_the_account() {
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    let role = |kind: &str, version: &str| {
        json!({
            "apiVersion": format!("rbac.authorization.k8s.io/{version}"),
            "kind": kind,
            "metadata": { "name": "manager", "namespace": "kube-system", "labels": { "a": "b" }, "uid": "x" },
            "rules": rules,
        })
    };
    let objects = objects(&[role("Role", "v1"), role("ClusterRole", "v1beta1")], false, false);
    let (of_namespace, bound, of_cluster, cluster_bound) =
        (&objects[1], &objects[2], &objects[3], &objects[4]);
    for (role, namespace) in [(of_namespace, json!("prod-1")), (of_cluster, Value::Null)] {
        assert_eq!(role["metadata"]["namespace"], namespace);
        assert_eq!(role["apiVersion"], "rbac.authorization.k8s.io/v1");
        assert_eq!((&role["metadata"]["labels"]["a"], &role["metadata"]["uid"]), (&json!("b"), &Value::Null));
        assert_eq!(role["metadata"]["labels"]["app.kubernetes.io/part-of"], "example");
        assert_eq!(role["rules"], rules);
    }
    for (binding, kind) in [(bound, "Role"), (cluster_bound, "ClusterRole")] {
        assert_eq!(binding["kind"], "RoleBinding");
        assert_eq!(binding["metadata"]["namespace"], "prod-1");
        let name = format!("example-operator-{}-manager", kind.to_ascii_lowercase());
        assert_eq!(binding["metadata"]["name"], name);
        assert_eq!(
            binding["subjects"],
            json!([{ "kind": "ServiceAccount", "name": "example-operator", "namespace": "prod-1" }])
        );
        let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "manager" });
        assert_eq!(binding["roleRef"], reference);
    }
}

#[test]
fn bindings_of_different_roles_have_different_names() {
    let long = "a".repeat(60);
    let names =
        [format!("{long}-b"), format!("{long}-c")].map(|role| binding_name("x-operator", "Role", &role));
    assert!(names.iter().all(|name| name.len() == 63), "{names:?}");
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_ui_is_reached_below_its_environment() {
    let objects = objects(&[], true, false);
    let kinds: Vec<&Value> = objects[3..].iter().map(|object| &object["kind"]).collect();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "Service", "Ingress"]);
    for object in &objects[3..] {
        assert_eq!(object["metadata"]["name"], "example-ui");
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/component"], "ui");
    }
    let pod = &objects[4]["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "registry/example-1.0.0/example-ui:1.0.0");
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "example-ui");
    assert_eq!(objects[5]["spec"]["selector"], json!({ "app": "example-ui" }));
    let path = &objects[6]["spec"]["rules"][0]["http"]["paths"][0];
    assert_eq!(path["path"], "/env/prod/example(/|$)(.*)");
    assert_eq!(path["backend"]["service"]["name"], "example-ui");
}

#[test]
fn images_are_named_as_the_registry_serves_them() {
    use crate::environments::solution::{ImportedSolution, operator_config};

    let manifest = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata: {name: example}\n\
                    spec: {version: 1.0.0-RC1+b, operator: {image: {name: op, tag: 1.0.0-RC1_b}}, \
                    ui: {image: {name: ui, tag: '1'}}}\n";
    let manifest = archive::solution::SolutionManifest::parse(manifest).unwrap();
    let one = ImportedSolution { archive: "example.iso".into(), manifest };
    assert_eq!(one.operator_image("registry"), "registry/example-1.0.0-rc1_b/op:1.0.0-RC1_b");
    assert_eq!(one.ui_image("registry").unwrap(), "registry/example-1.0.0-rc1_b/ui:1");
    let config = operator_config(&[one], "registry").unwrap().render();
    assert!(config.contains("1.0.0-RC1+b:\n    - endpoint: registry/example-1.0.0-rc1_b\n"), "{config}");
}
