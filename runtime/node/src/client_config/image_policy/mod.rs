//! The policy of containers/image (CRI-O, podman, skopeo, buildah) for images that need signatures.
//!
//! Archives have the rules of their project, with the keys, in `attestations/image-policy.json`. Each repository of the archives that
//! a rule covers gets a scope in `policy.json`. Everything else in that file stays: a requirement that is in force for a scope is
//! replaced only if it accepts everything.

mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use content::{IoError, LinkPolicy};
use serde_json::{Map, Value, json};

pub use self::signed::{ReportedImage, SignedRepositories, SignedRepository};
use super::error::Error;
use super::file::{ClientConfigFile, header};
use super::node::{NodeAddress, distinct_nodes};

/// The policy of the system.
pub(super) const POLICY: &str = "etc/containers/policy.json";
/// The file that makes containers/image look for signatures in the registries of the nodes.
pub(super) const ATTACHMENTS: &str = "etc/containers/registries.d/50-sealift.yaml";
/// The most bytes of a policy.
const POLICY_MAX: u64 = 1 << 20;

/// The names under which the images are pulled.
#[derive(Debug, Clone, Copy)]
pub enum PolicyNames<'a> {
    /// Those of the repositories that they come from; with `fallback`, also from these.
    Original {
        /// Whether an image that no node has is pulled from its own registry.
        fallback: bool,
    },
    /// Those at the nodes, after these hosts.
    Served(&'a [String]),
}

/// Reads the policy of the system whose root is `root`.
///
/// # Errors
///
/// [`Error::Io`]: it cannot be read.
pub fn existing_policy(root: &Path) -> Result<Option<Vec<u8>>, Error> {
    match content::open_read(&root.join(POLICY), LinkPolicy::Follow, POLICY_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(IoError { operation, source, .. }) => {
            Err(IoError { operation, path: root.join(POLICY), source }.into())
        }
    }
}

/// `policy.json`, and the file of `registries.d` that makes its users look for signatures at the nodes. `existing` is the policy of
/// the system, which keeps all that it has; `force` replaces what it has for the same names.
///
/// # Errors
///
/// [`Error::NoNode`], [`Error::NodeTwice`], [`Error::NoSigned`]; [`Error::Policy`] if the existing policy breaks its format;
/// [`Error::PolicyConflict`] if it has another requirement for one of the names; [`Error::TwoRules`].
pub fn image_policy(
    repositories: &[SignedRepository],
    names: PolicyNames<'_>,
    nodes: &[NodeAddress],
    existing: Option<&[u8]>,
    force: bool,
) -> Result<Vec<ClientConfigFile>, Error> {
    let nodes = distinct_nodes(nodes)?;
    if nodes.is_empty() {
        return Err(Error::NoNode);
    }
    if repositories.is_empty() {
        return Err(Error::NoSigned);
    }
    let mut scopes: BTreeMap<String, Value> = BTreeMap::new();
    let mut registries: BTreeSet<String> = nodes.iter().map(NodeAddress::location).collect();
    for repository in repositories {
        let names: Vec<String> = match names {
            PolicyNames::Original { fallback } => {
                registries.extend(Some(repository.original.clone()).filter(|_| fallback));
                vec![repository.original.clone()]
            }
            PolicyNames::Served(hosts) => {
                hosts.iter().map(|host| format!("{host}/{}", repository.served)).collect()
            }
        };
        for name in names {
            let requirement = requirement(repository, &name);
            match scopes.get(&name) {
                Some(other) if *other != requirement => return Err(Error::TwoRules(name)),
                _ => drop(scopes.insert(name, requirement)),
            }
        }
    }
    let policy = merged(existing, scopes, force)?;
    let mut attachments = header("registry crio-config --policy", "#", nodes);
    attachments.push_str("docker:\n");
    for registry in registries {
        // Writing to a String cannot fail.
        let _ = writeln!(attachments, "  \"{registry}\":\n    use-sigstore-attachments: true");
    }
    // With the second file alone, clients would find no signature.
    Ok(vec![
        ClientConfigFile { path: ATTACHMENTS.into(), content: attachments },
        ClientConfigFile { path: POLICY.into(), content: policy },
    ])
}

/// What the images of `name` need. Older clients know no list of keys, and refuse the whole file.
fn requirement(repository: &SignedRepository, name: &str) -> Value {
    let engine = base64::engine::general_purpose::STANDARD;
    let mut keys: Vec<String> = repository.keys.iter().map(|key| engine.encode(key.to_pem())).collect();
    let mut requirement = Map::from_iter([("type".to_owned(), json!("sigstoreSigned"))]);
    match keys.len() {
        1 => drop(requirement.insert("keyData".into(), keys.swap_remove(0).into())),
        _ => drop(requirement.insert("keyDatas".into(), keys.into())),
    }
    // A signature by cosign has no tag, which the default would require.
    let identity = match repository.identity == name {
        true => json!({"type": "matchRepository"}),
        false => json!({"type": "exactRepository", "dockerRepository": repository.identity}),
    };
    requirement.insert("signedIdentity".into(), identity);
    Value::Array(vec![Value::Object(requirement)])
}

fn accepts_everything() -> Value {
    json!([{"type": "insecureAcceptAnything"}])
}

/// A policy with these scopes of registries.
fn merged(existing: Option<&[u8]>, scopes: BTreeMap<String, Value>, force: bool) -> Result<String, Error> {
    let policy = match existing {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| Error::Policy(error.to_string()))?,
        None => json!({"default": accepts_everything()}),
    };
    let wrong = |what: &str| Error::Policy(format!("`{what}` is not what it must be"));
    let Value::Object(mut policy) = policy else { return Err(wrong("policy.json")) };
    let default = policy.get("default").filter(|default| default.is_array());
    let default = default.cloned().ok_or_else(|| wrong("default"))?;
    let transports = policy.entry("transports").or_insert_with(|| json!({}));
    let transports = transports.as_object_mut().ok_or_else(|| wrong("transports"))?;
    let docker = transports.entry("docker").or_insert_with(|| json!({}));
    let docker = docker.as_object_mut().ok_or_else(|| wrong("docker"))?;
    let before = docker.clone();
    for (scope, requirement) in scopes {
        let in_force = in_force(&before, &scope).unwrap_or(&default);
        if *in_force != accepts_everything() && *in_force != requirement && !force {
            let found = in_force.to_string().chars().take(200).collect();
            return Err(Error::PolicyConflict { scope, found });
        }
        docker.insert(scope, requirement);
    }
    let mut text = serde_json::to_string_pretty(&Value::Object(policy))
        .map_err(|error| Error::Policy(error.to_string()))?;
    text.push('\n');
    Ok(text)
}

/// The requirement that containers/image uses for the repository `scope`: that of the longest name, of `*.` and a domain, or of all
/// registries.
fn in_force<'a>(docker: &'a Map<String, Value>, scope: &str) -> Option<&'a Value> {
    let mut name = Some(scope);
    while let Some(part) = name {
        if let Some(found) = docker.get(part) {
            return Some(found);
        }
        name = part.rsplit_once('/').map(|(parent, _)| parent);
    }
    let host = scope.split('/').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let mut domain = host.split_once('.').map(|(_, domain)| domain);
    while let Some(part) = domain {
        if let Some(found) = docker.get(&format!("*.{part}")) {
            return Some(found);
        }
        domain = part.split_once('.').map(|(_, domain)| domain);
    }
    docker.get("")
}

#[cfg(test)]
mod tests;
