//! The environments of a cluster.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::Error;
use super::kubectl::Kubectl;
use super::objects::{DESCRIPTION_ANNOTATION, ENVIRONMENT_CONFIG_MAP, ENVIRONMENT_LABEL};

/// The Solutions of a namespace, with their versions.
pub(super) type Solutions = BTreeMap<String, String>;

/// An environment of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The first description that one of its namespaces has.
    pub description: Option<String>,
    /// The Solutions with their versions in each of its namespaces.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// The environments of the cluster, by name.
///
/// # Errors
///
/// Those of [`Kubectl::get`].
pub fn list(kubectl: &Kubectl) -> Result<Vec<Environment>, Error> {
    let namespaces = kubectl.get(&["namespaces", &format!("--selector={ENVIRONMENT_LABEL}")])?;
    let mut solutions = solutions_of_all(kubectl)?;
    let mut found: BTreeMap<String, Environment> = BTreeMap::new();
    for namespace in &namespaces {
        let (Some(name), Some(environment)) = (name_of(namespace), environment_of(namespace)) else {
            continue;
        };
        let environment = found
            .entry(environment.to_owned())
            .or_insert_with(|| Environment { name: environment.to_owned(), ..Default::default() });
        if environment.description.is_none() {
            environment.description = description_of(namespace).map(str::to_owned);
        }
        environment.namespaces.insert(name.to_owned(), solutions.remove(name).unwrap_or_default());
    }
    Ok(found.into_values().collect())
}

/// The Solutions of each namespace whose `ConfigMap` lists some.
pub(super) fn solutions_of_all(kubectl: &Kubectl) -> Result<BTreeMap<String, Solutions>, Error> {
    let field = format!("--field-selector=metadata.name={ENVIRONMENT_CONFIG_MAP}");
    let maps = kubectl.get(&["configmaps", "--all-namespaces", &field])?;
    let named = maps.iter().filter_map(|map| Some((map["metadata"]["namespace"].as_str()?, map)));
    Ok(named.map(|(namespace, map)| (namespace.to_owned(), solutions_of(map))).collect())
}

/// The Solutions that a `ConfigMap` lists.
pub(super) fn solutions_of(map: &Value) -> Solutions {
    let data = map["data"].as_object().into_iter().flatten();
    data.filter_map(|(name, version)| Some((name.clone(), version.as_str()?.to_owned()))).collect()
}

pub(super) fn name_of(object: &Value) -> Option<&str> {
    object["metadata"]["name"].as_str()
}

pub(super) fn environment_of(namespace: &Value) -> Option<&str> {
    namespace["metadata"]["labels"][ENVIRONMENT_LABEL].as_str()
}

/// The description that a namespace has, if it is not empty.
pub(super) fn description_of(namespace: &Value) -> Option<&str> {
    namespace["metadata"]["annotations"][DESCRIPTION_ANNOTATION].as_str().filter(|text| !text.is_empty())
}
