//! The environments of a cluster, and changes to them.

use std::collections::BTreeMap;

use node::environments::{Change, Environment, ObjectName};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::document::{Document, List};

/// What was changed in a cluster for an environment, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EnvironmentChange {
    /// The name of the environment.
    environment: String,
    /// The objects that were applied, in their order; those that were so before are among them.
    applied: Vec<ClusterObject>,
    /// The objects that were deleted, in their order.
    deleted: Vec<ClusterObject>,
    /// The version of the Solution that the namespace had before; null if it had none.
    former: Option<String>,
    /// What should be known about it.
    notes: Vec<String>,
}

impl Document for EnvironmentChange {
    const KIND: &'static str = "EnvironmentChange";
}

/// An object of a cluster.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ClusterObject {
    /// Its API group; empty for that of Kubernetes' core.
    group: String,
    /// Its kind.
    kind: String,
    /// Its namespace; null for objects of the cluster.
    namespace: Option<String>,
    /// Its name.
    name: String,
}

impl From<&ObjectName> for ClusterObject {
    fn from(one: &ObjectName) -> Self {
        let ObjectName { namespace, group, kind, name } = one.clone();
        Self { group, kind, namespace, name }
    }
}

impl EnvironmentChange {
    pub(crate) fn new(environment: &str, change: &Change) -> Self {
        let objects = |names: &[ObjectName]| names.iter().map(Into::into).collect();
        Self {
            environment: environment.to_owned(),
            applied: objects(&change.applied),
            deleted: objects(&change.deleted),
            former: change.former.clone(),
            notes: change.notes.clone(),
        }
    }
}

/// An environment of a cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Environment")]
pub(crate) struct EnvironmentDocument {
    /// Its name.
    name: String,
    /// Its description; null if it has none.
    description: Option<String>,
    /// Its namespaces: for each the Solutions with their versions.
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

impl Document for List<EnvironmentDocument> {
    const KIND: &'static str = "EnvironmentList";
}

impl From<&Environment> for EnvironmentDocument {
    fn from(one: &Environment) -> Self {
        let Environment { name, description, namespaces } = one.clone();
        Self { name, description, namespaces }
    }
}
