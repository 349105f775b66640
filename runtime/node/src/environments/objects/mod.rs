//! The objects of environments, as values that become YAML or JSON with the keys in the order of the documents.

use std::collections::BTreeMap;

use content::Digest;
use serde_json::{Map, Value, json};

use super::names::{DnsLabel, EnvironmentName, label_value};

/// The label of a namespace that names its environment.
pub const ENVIRONMENT_LABEL: &str = "solutions.metalk8s.scality.com/environment";
/// The annotation of a namespace that describes its environment.
pub const DESCRIPTION_ANNOTATION: &str = "solutions.metalk8s.scality.com/environment-description";
/// The `ConfigMap` in each namespace of an environment: its Solutions and their versions.
pub const ENVIRONMENT_CONFIG_MAP: &str = "metalk8s-environment";
/// The label that names the program which manages an object.
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label that names the Solution to which an object belongs.
pub(super) const PART_OF: &str = "app.kubernetes.io/part-of";
/// The value of [`MANAGED_BY`], and the field manager.
pub(super) const MANAGER: &str = "sealift";
/// The API group of roles.
pub(super) const RBAC: &str = "rbac.authorization.k8s.io";
/// The longest name of a `RoleBinding`.
const BINDING_MAX: usize = 63;

/// Where a Solution is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The environment.
    pub environment: EnvironmentName,
    /// One of its namespaces.
    pub namespace: DnsLabel,
}

/// What the objects of a Solution are made of.
#[derive(Clone, Debug)]
pub struct Deployed<'a> {
    /// Where it is deployed.
    pub place: &'a Place,
    /// Its name.
    pub name: &'a DnsLabel,
    /// Its version.
    pub version: &'a str,
    /// The reference of its operator's image.
    pub operator_image: String,
    /// Whether that image names the program that it runs. Otherwise it is NAME-operator.
    pub has_entrypoint: bool,
    /// The reference of its UI's image.
    pub ui_image: Option<String>,
    /// The roles of `operator/deploy/role.yaml`: objects of the kinds `Role` and `ClusterRole`.
    pub roles: &'a [Value],
    /// The `OperatorConfig`, as YAML.
    pub operator_config: &'a str,
    /// Whether the operator has a webhook: it gets the certificate in the `Secret` NAME-cert.
    pub webhook: bool,
}

/// The namespace of an environment.
#[must_use]
pub fn namespace(place: &Place, description: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "annotations": { DESCRIPTION_ANNOTATION: description },
            "labels": { ENVIRONMENT_LABEL: place.environment.as_str() },
            "name": place.namespace.as_str(),
        },
    })
}

/// The `ConfigMap` that lists the Solutions of a namespace and their versions.
#[must_use]
pub fn environment_config_map(namespace: &DnsLabel, solutions: &BTreeMap<String, String>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": ENVIRONMENT_CONFIG_MAP, "namespace": namespace.as_str() },
        "data": solutions,
    })
}

/// The objects of a Solution in the order in which they are applied.
#[must_use]
pub fn solution(deployed: &Deployed<'_>) -> Vec<Value> {
    let operator = Component::of(deployed, "operator");
    let mut objects = vec![operator.object("v1", "ServiceAccount", "", json!({}))];
    for role in deployed.roles {
        objects.push(operator.role(role));
        objects.push(operator.role_binding(role));
    }
    objects.push(operator.object(
        "v1",
        "ConfigMap",
        "-config",
        json!({ "data": { "operator.yaml": deployed.operator_config } }),
    ));
    objects.push(operator.operator_deployment());
    if let Some(image) = &deployed.ui_image {
        objects.extend(Component::of(deployed, "ui").ui(image));
    }
    objects
}

/// The operator or the UI of a Solution.
struct Component<'a> {
    deployed: &'a Deployed<'a>,
    /// `operator` or `ui`.
    kind: &'static str,
    /// Its name: that of the Solution, with its kind.
    name: String,
}

impl<'a> Component<'a> {
    fn of(deployed: &'a Deployed<'a>, kind: &'static str) -> Self {
        Self { deployed, kind, name: format!("{}-{kind}", deployed.name) }
    }

    fn labels(&self) -> Map<String, Value> {
        let labels = [
            ("app", self.name.as_str()),
            ("app.kubernetes.io/name", &self.name),
            ("app.kubernetes.io/instance", &self.name),
            ("app.kubernetes.io/version", &label_value(self.deployed.version)),
            ("app.kubernetes.io/component", self.kind),
            (PART_OF, self.deployed.name.as_str()),
            (MANAGED_BY, MANAGER),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
    }

    /// An object in the namespace, whose name is that of the component and a suffix; `rest` has its other keys.
    fn object(&self, api_version: &str, kind: &str, suffix: &str, rest: Value) -> Value {
        let mut object = json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": format!("{}{suffix}", self.name),
                "namespace": self.deployed.place.namespace.as_str(),
                "labels": self.labels(),
            },
        });
        if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
            object.extend(rest);
        }
        object
    }

    /// A role of the archive: with our labels, and in the namespace if its kind is `Role`.
    fn role(&self, role: &Value) -> Value {
        let of_role = |key: &str| role["metadata"][key].as_object().cloned().unwrap_or_default();
        let mut metadata = Map::new();
        metadata.insert("name".into(), role["metadata"]["name"].clone());
        if role["kind"] == "Role" {
            metadata.insert("namespace".into(), self.deployed.place.namespace.as_str().into());
        }
        let mut labels = of_role("labels");
        labels.extend(self.labels());
        metadata.insert("labels".into(), labels.into());
        let annotations = of_role("annotations");
        if !annotations.is_empty() {
            metadata.insert("annotations".into(), annotations.into());
        }
        let mut object = role.as_object().cloned().unwrap_or_default();
        object.insert("apiVersion".into(), format!("{RBAC}/v1").into());
        object.insert("metadata".into(), metadata.into());
        object.into()
    }

    /// Binds a role to the account of the operator, in this namespace only.
    fn role_binding(&self, role: &Value) -> Value {
        let [kind, name] =
            [&role["kind"], &role["metadata"]["name"]].map(|text| text.as_str().unwrap_or_default());
        let mut object = self.object(
            &format!("{RBAC}/v1"),
            "RoleBinding",
            "",
            json!({
                "subjects": [{
                    "kind": "ServiceAccount",
                    "name": self.name,
                    "namespace": self.deployed.place.namespace.as_str(),
                }],
                "roleRef": { "apiGroup": RBAC, "kind": kind, "name": name },
            }),
        );
        object["metadata"]["name"] = binding_name(&self.name, kind, name).into();
        object
    }

    fn operator_deployment(&self) -> Value {
        let name = &self.name;
        let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
        let mut mounts = vec![json!({ "name": "operator-config", "mountPath": "/etc/config" })];
        let mut volumes =
            vec![json!({ "name": "operator-config", "configMap": { "name": format!("{name}-config") } })];
        if self.deployed.webhook {
            let secret = format!("{}-cert", self.deployed.name);
            mounts.push(json!({ "name": "cert", "mountPath": "/cert", "readOnly": true }));
            volumes.push(json!({ "name": "cert", "secret": { "secretName": secret } }));
        }
        let config = "--config=/etc/config/operator.yaml";
        let (key, words) = if self.deployed.has_entrypoint {
            ("args", vec![config])
        } else {
            ("command", vec![name, config])
        };
        self.object(
            "apps/v1",
            "Deployment",
            "",
            json!({ "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": name } },
                "template": {
                    "metadata": { "labels": self.labels() },
                    "spec": {
                        "serviceAccountName": name,
                        "containers": [{
                            "name": name,
                            "image": self.deployed.operator_image,
                            "imagePullPolicy": "IfNotPresent",
                            key: words,
                            "env": [
                                { "name": "WATCH_NAMESPACE", "valueFrom": field("metadata.namespace") },
                                { "name": "POD_NAME", "valueFrom": field("metadata.name") },
                                { "name": "OPERATOR_NAME", "value": name },
                            ],
                            "volumeMounts": mounts,
                        }],
                        "volumes": volumes,
                    },
                },
            } }),
        )
    }

    /// The `ConfigMap`, `Deployment`, `Service` and `Ingress` of the UI, whose image is `image`.
    fn ui(&self, image: &str) -> [Value; 4] {
        let name = &self.name;
        let Deployed { place, name: solution, .. } = self.deployed;
        let probe = json!({ "httpGet": { "path": "/", "port": "http", "scheme": "HTTP" } });
        // UIs run on nodes with the role `infra`, which other pods avoid.
        let toleration = |role: &str| json!({ "key": format!("node-role.kubernetes.io/{role}"), "operator": "Exists", "effect": "NoSchedule" });
        let config = self.object(
            "v1",
            "ConfigMap",
            "",
            json!({ "data": { "config.json": "{\"url\": \"/api/kubernetes\"}\n" } }),
        );
        let deployment = self.object(
            "apps/v1",
            "Deployment",
            "",
            json!({ "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app.kubernetes.io/name": name } },
                "template": {
                    "metadata": { "labels": self.labels() },
                    "spec": {
                        "nodeSelector": { "node-role.kubernetes.io/infra": "" },
                        "tolerations": [toleration("bootstrap"), toleration("infra")],
                        "containers": [{
                            "name": name,
                            "image": image,
                            "imagePullPolicy": "IfNotPresent",
                            "ports": [{ "name": "http", "containerPort": 80, "protocol": "TCP" }],
                            "livenessProbe": probe,
                            "readinessProbe": probe,
                            "volumeMounts": [
                                { "name": "ui-config", "mountPath": format!("/etc/{solution}/ui"), "readOnly": true },
                            ],
                        }],
                        "volumes": [{ "name": "ui-config", "configMap": { "name": name } }],
                    },
                },
            } }),
        );
        let service = self.object(
            "v1",
            "Service",
            "",
            json!({ "spec": {
                "type": "ClusterIP",
                "selector": { "app": name },
                "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": "http" }],
            } }),
        );
        let mut ingress = self.object(
            "networking.k8s.io/v1",
            "Ingress",
            "",
            json!({ "spec": {
                "ingressClassName": "nginx-control-plane",
                "rules": [{ "http": { "paths": [{
                    "path": format!("/env/{}/{solution}(/|$)(.*)", place.environment.as_str().replace('.', "\\.")),
                    "pathType": "ImplementationSpecific",
                    "backend": { "service": { "name": name, "port": { "name": "http" } } },
                }] } }],
            } }),
        );
        ingress["metadata"]["annotations"] = json!({
            "nginx.ingress.kubernetes.io/backend-protocol": "HTTP",
            "nginx.ingress.kubernetes.io/rewrite-target": "/$2",
            "nginx.ingress.kubernetes.io/use-regex": "true",
        });
        [config, deployment, service, ingress]
    }
}

/// The name of the binding of a role. A long name ends with a digest, so that different roles have different bindings.
fn binding_name(account: &str, kind: &str, role: &str) -> String {
    let name = format!("{account}-{}-{role}", kind.to_ascii_lowercase());
    if name.chars().count() <= BINDING_MAX {
        return name;
    }
    let digest: String = Digest::of(name.as_bytes()).hex().chars().take(8).collect();
    let start: String = name.chars().take(BINDING_MAX - 1 - digest.len()).collect();
    format!("{start}-{digest}")
}

#[cfg(test)]
mod tests;
