//! Creating and deleting environments, adding Solutions to them and removing them.

use std::collections::{BTreeMap, BTreeSet};

use archive::version;
use serde_json::{Value, json};

use super::crds;
use super::error::Error;
use super::kubectl::Kubectl;
use super::list::{Solutions, description_of, environment_of, name_of, solutions_of, solutions_of_all};
use super::names::{DnsLabel, EnvironmentName};
use super::object_name::ObjectName;
use super::objects::{
    self, Deployed, ENVIRONMENT_CONFIG_MAP, ENVIRONMENT_LABEL, MANAGED_BY, MANAGER, PART_OF, Place,
};
use super::solution::{self, ImportedSolution, operator_config};

/// The kinds of the objects of a Solution in a namespace, in the order in which they are deleted.
const KINDS: &str = "deployments.apps,ingresses.networking.k8s.io,services,configmaps,\
                     rolebindings.rbac.authorization.k8s.io,roles.rbac.authorization.k8s.io,serviceaccounts";
/// The kind of roles that all namespaces share.
const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
/// The label of the roles that Kubernetes makes for itself.
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

/// The environments of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Environments<'a> {
    /// How the cluster is asked and changed.
    pub kubectl: &'a Kubectl,
    /// Whether nothing is changed.
    pub dry_run: bool,
}

/// How a Solution is deployed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the images are: the host of a registry, perhaps with a port and a path.
    pub registry: String,
    /// Whether the operator has a webhook.
    pub webhook: bool,
    /// Whether an older version may replace one whose objects it does not know.
    pub force: bool,
}

/// What was changed, or with `dry_run` would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The objects that were applied. Those that were so already are among them.
    pub applied: Vec<ObjectName>,
    /// The objects that were deleted.
    pub deleted: Vec<ObjectName>,
    /// The version of the Solution that the namespace had before.
    pub former: Option<String>,
    /// What should be known about it.
    pub notes: Vec<String>,
}

/// The objects of a new environment: what [`Environments::create`] applies to a cluster that has none of them.
#[must_use]
pub fn created(place: &Place, description: &str) -> Vec<Value> {
    vec![
        objects::namespace(place, description),
        objects::environment_config_map(&place.namespace, &Solutions::new()),
    ]
}

/// The objects of a Solution in a namespace that has no other: what [`Environments::add`] applies. `imported` are all imported
/// versions of the Solution, and `chosen` one of them.
///
/// # Errors
///
/// [`Error::Name`], [`Error::Content`], [`Error::Archive`], [`Error::OperatorConfig`].
pub fn deployed(
    place: &Place,
    chosen: &ImportedSolution,
    imported: &[ImportedSolution],
    options: &Options,
) -> Result<Vec<Value>, Error> {
    let solutions = Solutions::from([(chosen.manifest.name.clone(), chosen.manifest.version.clone())]);
    let mut objects = vec![objects::environment_config_map(&place.namespace, &solutions)];
    objects.extend(added(place, chosen, imported, options)?);
    Ok(objects)
}

/// The objects of a Solution, without the [`ENVIRONMENT_CONFIG_MAP`].
///
/// # Errors
///
/// [`Error::Name`], [`Error::Content`], [`Error::Archive`], [`Error::OperatorConfig`].
fn added(
    place: &Place,
    added: &ImportedSolution,
    imported: &[ImportedSolution],
    options: &Options,
) -> Result<Vec<Value>, Error> {
    let registry = &options.registry;
    Ok(objects::solution(&Deployed {
        place,
        name: &added.name()?,
        version: &added.manifest.version,
        operator_image: added.operator_image(registry),
        has_entrypoint: added.operator_has_entrypoint()?,
        ui_image: added.ui_image(registry),
        roles: &added.roles()?,
        operator_config: &operator_config(imported, registry)?.render(),
        webhook: options.webhook,
    }))
}

impl Environments<'_> {
    /// Creates an environment with one namespace, or adds a namespace to it. What exists already stays; without a
    /// `description` so does that of the namespace.
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`], [`Error::OtherEnvironment`], [`Error::Terminating`], and those of [`Kubectl`].
    pub fn create(&self, place: &Place, description: Option<&str>) -> Result<Change, Error> {
        let found = self.find(place, &[])?;
        if let Some(namespace) = &found.namespace {
            belongs(namespace, place)?;
        }
        let description = description.or_else(|| found.namespace.as_ref().and_then(description_of));
        let mut objects = created(place, description.unwrap_or_default());
        objects.truncate(if found.config_map.is_some() { 1 } else { 2 });
        self.apply(&objects)
    }

    /// Deletes the environment, or one of its namespaces, with everything in it.
    ///
    /// # Errors
    ///
    /// [`Error::NoEnvironment`], [`Error::NoNamespace`]; [`Error::InUse`] if it has Solutions, unless `force`; those of
    /// [`Kubectl`].
    pub fn delete(
        &self,
        environment: &EnvironmentName,
        namespace: Option<&DnsLabel>,
        force: bool,
    ) -> Result<Change, Error> {
        let all = self.namespaces(environment)?;
        let wanted = |name: &&String| namespace.is_none_or(|wanted| wanted.as_str() == *name);
        let chosen: BTreeSet<&String> = all.iter().filter(wanted).collect();
        let mut solutions = solutions_of_all(self.kubectl)?;
        let used: Vec<String> = solutions
            .iter()
            .filter(|(name, _)| chosen.contains(name))
            .flat_map(|(_, solutions)| solutions.iter().map(|(name, version)| format!("{name} {version}")))
            .collect();
        if !used.is_empty() && !force {
            return Err(Error::InUse { environment: environment.to_string(), solutions: used });
        }
        solutions.retain(|name, _| !chosen.contains(name));
        let mut deleted: Vec<ObjectName> = chosen.iter().map(|name| ObjectName::namespace(name)).collect();
        self.remove_all(&deleted, true)?;
        deleted.extend(self.delete_unused_roles(&solutions)?);
        if deleted.is_empty() {
            return Err(match namespace {
                Some(namespace) if !all.is_empty() => no_namespace(environment, namespace, all),
                _ => Error::NoEnvironment(environment.to_string()),
            });
        }
        Ok(Change { deleted, ..Change::default() })
    }

    /// Adds a version of a Solution to an environment, or replaces the version that it has. Objects that only the former
    /// version had are deleted. `imported` are all imported versions of the Solution.
    ///
    /// # Errors
    ///
    /// [`Error::Node`] if the version is not imported, [`Error::NoEnvironment`], [`Error::NoNamespace`],
    /// [`Error::OtherEnvironment`], [`Error::OlderDefinitions`], [`Error::Taken`], [`Error::Content`], [`Error::Archive`], those of [`Kubectl`].
    pub fn add(
        &self,
        place: &Place,
        (name, version): (&str, &str),
        imported: &[ImportedSolution],
        options: &Options,
    ) -> Result<Change, Error> {
        let chosen = solution::version(imported, name, version)?;
        let name = chosen.name()?;
        let (objects, crds) = (added(place, chosen, imported, options)?, chosen.crds()?);
        let found = self.find(place, &[objects.as_slice(), &crds].concat())?;
        self.check_place(place, found.namespace.as_ref())?;
        let mut solutions = found.config_map.as_ref().map(solutions_of).unwrap_or_default();
        let former = solutions.insert(name.to_string(), version.to_owned());
        if former.as_ref().is_some_and(|former| is_older(version, former)) && !options.force {
            crds::check(chosen, &crds, &found.others)?;
        }
        self.check_taken(&name, &found.others)?;
        let map = objects::environment_config_map(&place.namespace, &solutions);
        // Where somebody else manages the version, nothing else is changed.
        let mut change = self.apply(&[with_version_of(map, found.config_map.as_ref())])?;
        change.applied.extend(self.apply(&objects)?.applied);
        let kept: BTreeSet<&ObjectName> = change.applied.iter().collect();
        let mut deleted = self.owned(&name, &place.namespace)?;
        deleted.retain(|object| !kept.contains(object));
        if deleted.iter().any(|object| object.namespace.is_none()) {
            let mut all = solutions_of_all(self.kubectl)?;
            all.remove(place.namespace.as_str());
            self.keep_used(&mut deleted, &name, &all);
        }
        self.remove_all(&deleted, false)?;
        change.notes.extend(missing_definitions(chosen, &crds, &found.others));
        Ok(Change { deleted, former, ..change })
    }

    /// Removes a Solution from an environment: all objects that [`Environments::add`] made. Custom resources stay.
    ///
    /// # Errors
    ///
    /// [`Error::NotAdded`], [`Error::NoEnvironment`], [`Error::NoNamespace`], [`Error::OtherEnvironment`], those of
    /// [`Kubectl`].
    pub fn remove(&self, place: &Place, name: &DnsLabel) -> Result<Change, Error> {
        let found = self.find(place, &[])?;
        self.check_place(place, found.namespace.as_ref())?;
        let mut all = solutions_of_all(self.kubectl)?;
        let own = all.remove(place.namespace.as_str()).unwrap_or_default();
        let former = own.get(name.as_str()).cloned();
        let mut deleted = self.owned(name, &place.namespace)?;
        self.keep_used(&mut deleted, name, &all);
        if former.is_none() && deleted.is_empty() {
            return Err(Error::NotAdded {
                environment: place.environment.to_string(),
                namespace: place.namespace.to_string(),
                solution: name.to_string(),
            });
        }
        self.remove_all(&deleted, false)?;
        if former.is_some() && !self.dry_run {
            let map = ObjectName::config_map(place.namespace.as_str(), ENVIRONMENT_CONFIG_MAP);
            // Whoever manages the entry, it goes.
            self.kubectl.patch(&map, &json!({ "data": { name.as_str(): null } }))?;
        }
        Ok(Change { deleted, former, ..Change::default() })
    }

    fn apply(&self, objects: &[Value]) -> Result<Change, Error> {
        if !self.dry_run {
            self.kubectl.apply(objects)?;
        }
        Ok(Change { applied: objects.iter().map(ObjectName::of).collect(), ..Change::default() })
    }

    fn remove_all(&self, objects: &[ObjectName], wait: bool) -> Result<(), Error> {
        if self.dry_run || objects.is_empty() { Ok(()) } else { self.kubectl.delete(objects, wait) }
    }

    /// The namespace, its `ConfigMap`, and those of `objects` that exist.
    fn find(&self, place: &Place, objects: &[Value]) -> Result<Found, Error> {
        let name = place.namespace.as_str();
        let (namespace, map) =
            (ObjectName::namespace(name), ObjectName::config_map(name, ENVIRONMENT_CONFIG_MAP));
        let names = objects.iter().map(ObjectName::of);
        let resources: Vec<String> =
            [namespace.clone(), map.clone()].into_iter().chain(names).map(|name| name.resource()).collect();
        let in_namespace = format!("--namespace={name}");
        let words: Vec<&str> = std::iter::once(&in_namespace).chain(&resources).map(String::as_str).collect();
        let mut found = Found::default();
        for object in self.kubectl.get(&words)? {
            let name = ObjectName::of(&object);
            if name == namespace {
                found.namespace = Some(object);
            } else if name == map {
                found.config_map = Some(object);
            } else {
                found.others.push(object);
            }
        }
        Ok(found)
    }

    /// The namespaces of an environment.
    fn namespaces(&self, environment: &EnvironmentName) -> Result<Vec<String>, Error> {
        let found =
            self.kubectl.get(&["namespaces", &format!("--selector={ENVIRONMENT_LABEL}={environment}")])?;
        Ok(found.iter().filter_map(name_of).map(str::to_owned).collect())
    }

    /// Checks that the namespace exists and belongs to the environment.
    fn check_place(&self, place: &Place, namespace: Option<&Value>) -> Result<(), Error> {
        let Some(namespace) = namespace else {
            let others = self.namespaces(&place.environment)?;
            return Err(if others.is_empty() {
                Error::NoEnvironment(place.environment.to_string())
            } else {
                no_namespace(&place.environment, &place.namespace, others)
            });
        };
        belongs(namespace, place)
    }

    /// The objects of a Solution in a namespace, and its cluster roles.
    fn owned(&self, name: &DnsLabel, namespace: &DnsLabel) -> Result<Vec<ObjectName>, Error> {
        let selector = format!("--selector={MANAGED_BY}={MANAGER},{PART_OF}={name}");
        let kinds = format!("{KINDS},{CLUSTER_ROLES}");
        let found = self.kubectl.get(&[&format!("--namespace={namespace}"), &kinds, &selector])?;
        Ok(found.iter().map(ObjectName::of).collect())
    }

    /// Leaves out the cluster roles of a Solution if one of `others` has it: the Solutions of other namespaces.
    fn keep_used(
        &self,
        deleted: &mut Vec<ObjectName>,
        name: &DnsLabel,
        others: &BTreeMap<String, Solutions>,
    ) {
        if others.values().any(|solutions| solutions.contains_key(name.as_str())) {
            deleted.retain(|object| object.namespace.is_some());
        }
    }

    /// Checks that no object replaces one that belongs to somebody else; `existing` are those with the same names.
    fn check_taken(&self, name: &DnsLabel, existing: &[Value]) -> Result<(), Error> {
        let is_definition = |found: &&Value| found["kind"] == "CustomResourceDefinition";
        for found in existing.iter().filter(|found| !is_definition(found)) {
            let label = |key: &str| found["metadata"]["labels"][key].as_str();
            let object = ObjectName::of(found);
            if label(BOOTSTRAPPING).is_some() || object.name.starts_with("system:") {
                return Err(Error::Taken { object, owner: "Kubernetes".into() });
            }
            if label(PART_OF) != Some(name.as_str()) && !self.kubectl.force_conflicts {
                let owner = label(PART_OF).or_else(|| label(MANAGED_BY)).unwrap_or("another program");
                return Err(Error::Taken { object, owner: owner.to_owned() });
            }
        }
        Ok(())
    }

    /// Deletes the cluster roles of Solutions that no namespace has; `solutions` are those of all namespaces.
    fn delete_unused_roles(&self, solutions: &BTreeMap<String, Solutions>) -> Result<Vec<ObjectName>, Error> {
        let selector = format!("--selector={MANAGED_BY}={MANAGER},{PART_OF}");
        let found = self.kubectl.get(&[CLUSTER_ROLES, &selector])?;
        let is_unused = |role: &&Value| {
            let owner = role["metadata"]["labels"][PART_OF].as_str().unwrap_or_default();
            !solutions.values().any(|solutions| solutions.contains_key(owner))
        };
        let unused: Vec<ObjectName> = found.iter().filter(is_unused).map(ObjectName::of).collect();
        self.remove_all(&unused, false)?;
        Ok(unused)
    }
}

/// What a cluster has of the objects of a command.
#[derive(Debug, Default)]
struct Found {
    namespace: Option<Value>,
    config_map: Option<Value>,
    others: Vec<Value>,
}

/// Says which definitions of custom resources the operator of a version needs, and the cluster lacks.
fn missing_definitions(chosen: &ImportedSolution, crds: &[Value], found: &[Value]) -> Option<String> {
    let missing = crds::missing(crds, found);
    let (name, version) = (&chosen.manifest.name, &chosen.manifest.version);
    (!missing.is_empty()).then(|| {
        format!(
            "the operator needs custom resources that the cluster does not have: {}; deploy them with \
             `sealift solution activate --name {name} --version {version}`",
            content::printable(&missing.join(", "))
        )
    })
}

/// Checks that a namespace of the cluster belongs to the environment.
fn belongs(namespace: &Value, place: &Place) -> Result<(), Error> {
    let (name, environment) = (place.namespace.to_string(), place.environment.to_string());
    if namespace["status"]["phase"] == "Terminating" {
        return Err(Error::Terminating(name));
    }
    match environment_of(namespace) {
        Some(owner) if owner == environment => Ok(()),
        Some(owner) => Err(Error::OtherEnvironment { namespace: name, owner: owner.to_owned(), environment }),
        None => Err(Error::NotOurs { namespace: name, environment }),
    }
}

fn no_namespace(environment: &EnvironmentName, namespace: &DnsLabel, others: Vec<String>) -> Error {
    Error::NoNamespace { environment: environment.to_string(), namespace: namespace.to_string(), others }
}

/// `object` for an update of `existing`: the server refuses it if somebody changed it in the meantime.
fn with_version_of(mut object: Value, existing: Option<&Value>) -> Value {
    if let Some(version) = existing.map(|existing| &existing["metadata"]["resourceVersion"]) {
        object["metadata"]["resourceVersion"] = version.clone();
    }
    object
}

/// Whether `version` is older than `other`.
fn is_older(version: &str, other: &str) -> bool {
    let mut sorted = [other, version];
    version::sort(&mut sorted, |version| version);
    // Equal versions keep their order.
    sorted == [version, other] && version != other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_older_than_another_or_not() {
        for (version, other, older) in [
            ("1.0.0", "2.0.0", true),
            ("1.9.0", "1.10.0", true),
            ("1.0.0-rc.1", "1.0.0", true),
            ("2.0.0", "1.0.0", false),
            ("1.0.0", "1.0.0", false),
            ("1.0.0+a", "1.0.0+b", false),
        ] {
            assert_eq!(is_older(version, other), older, "{version} {other}");
        }
    }
}
