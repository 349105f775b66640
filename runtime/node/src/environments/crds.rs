//! The definitions of custom resources: they belong to the cluster, and the active version of a Solution provides them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::Error;
use super::kubectl::Kubectl;
use super::object_name::ObjectName;
use super::solution::ImportedSolution;

/// Deploys the definitions of a version of a Solution; with `dry_run` only checks them. Returns their names in the order of the
/// files.
///
/// # Errors
///
/// [`Error::OlderDefinitions`] if objects are stored in versions that these definitions lack; those of [`Kubectl::apply`].
pub fn deploy(
    kubectl: &Kubectl,
    solution: &ImportedSolution,
    dry_run: bool,
) -> Result<Vec<ObjectName>, Error> {
    let crds = solution.crds()?;
    let found = in_cluster(kubectl, &crds)?;
    check(solution, &crds, &found)?;
    if !dry_run {
        kubectl.apply(&crds)?;
    }
    Ok(crds.iter().map(ObjectName::of).collect())
}

/// The definitions of the cluster with the names of `crds`.
pub(super) fn in_cluster(kubectl: &Kubectl, crds: &[Value]) -> Result<Vec<Value>, Error> {
    let resources = resources(crds);
    if resources.is_empty() {
        return Ok(Vec::new());
    }
    kubectl.get(&resources.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The definitions as arguments of `kubectl`. Their names come from an archive: with the kind before it, none is an option.
fn resources(crds: &[Value]) -> BTreeSet<String> {
    crds.iter().map(|crd| ObjectName::of(crd).resource()).collect()
}

/// Refuses definitions that lack a version in which the cluster stores objects: it could not read them any more.
pub(super) fn check(solution: &ImportedSolution, crds: &[Value], in_cluster: &[Value]) -> Result<(), Error> {
    let mut unknown = Vec::new();
    for crd in crds {
        let Some(found) = in_cluster.iter().find(|one| one["metadata"]["name"] == crd["metadata"]["name"])
        else {
            continue;
        };
        let known = versions(crd, |_| true);
        for version in stored(found).difference(&known) {
            let name = crd["metadata"]["name"].as_str().unwrap_or_default();
            unknown.push(format!("{name} in version {version}"));
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let (name, version) = (solution.manifest.name.clone(), solution.manifest.version.clone());
    Err(Error::OlderDefinitions { solution: name, version, unknown })
}

/// The versions in which objects of a definition may be stored.
fn stored(crd: &Value) -> BTreeSet<String> {
    let recorded = crd["status"]["storedVersions"].as_array().filter(|versions| !versions.is_empty());
    match recorded {
        Some(recorded) => recorded.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => versions(crd, |version| version["storage"] == true),
    }
}

/// The names of some versions of a definition. `apiextensions.k8s.io/v1beta1` can have one in `spec.version`.
fn versions(crd: &Value, wanted: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let listed = crd["spec"]["versions"].as_array().into_iter().flatten();
    let names = listed.filter(|version| wanted(version)).map(|version| &version["name"]);
    names.chain([&crd["spec"]["version"]]).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The names of the definitions that the cluster lacks.
pub(super) fn missing(crds: &[Value], in_cluster: &[Value]) -> Vec<String> {
    let names = crds.iter().filter_map(|crd| crd["metadata"]["name"].as_str());
    names
        .filter(|name| !in_cluster.iter().any(|found| found["metadata"]["name"] == *name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_name_of_a_definition_is_an_option_of_kubectl() {
        let crd = |name: &str| json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}});
        let found =
            resources(&[crd("--server=http://example.com"), crd("a.example.com"), crd("a.example.com")]);
        let expected = [
            "customresourcedefinition.apiextensions.k8s.io/--server=http://example.com",
            "customresourcedefinition.apiextensions.k8s.io/a.example.com",
        ];
        assert_eq!(Vec::from_iter(found), expected);
    }
}
