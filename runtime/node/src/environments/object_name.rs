//! Names of objects of a cluster.

use std::fmt;

use serde_json::Value;

/// The kind, namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its namespace; `None` for objects of the cluster.
    pub namespace: Option<String>,
    /// Its API group; empty for that of Kubernetes' core.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl ObjectName {
    /// The name of a namespace.
    pub(super) fn namespace(name: &str) -> Self {
        Self { namespace: None, group: String::new(), kind: "Namespace".into(), name: name.into() }
    }

    /// The name of a `ConfigMap`.
    pub(super) fn config_map(namespace: &str, name: &str) -> Self {
        Self {
            namespace: Some(namespace.into()),
            group: String::new(),
            kind: "ConfigMap".into(),
            name: name.into(),
        }
    }

    /// The name of the object `value`.
    pub(super) fn of(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let api = value["apiVersion"].as_str().unwrap_or_default();
        let metadata = &value["metadata"];
        Self {
            namespace: metadata["namespace"].as_str().map(str::to_owned),
            group: api.split_once('/').map_or("", |(group, _)| group).to_owned(),
            kind: text(&value["kind"]),
            name: text(&metadata["name"]),
        }
    }

    /// The object as an argument of `kubectl`: `role.rbac.authorization.k8s.io/NAME`.
    pub(super) fn resource(&self) -> String {
        let kind = self.kind.to_ascii_lowercase();
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{kind}{dot}{}/{}", self.group, self.name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, content::printable(&self.name))
    }
}
