//! The policies for images that need signatures: of containers/image (CRI-O, podman, skopeo, buildah), and of admission controllers.
//!
//! Archives have the rules of their project, with the keys, in `attestations/image-policy.json`. Each repository of the archives that
//! a rule covers gets a scope in `policy.json`. Everything else in that file stays: a requirement that is in force for a scope is
//! replaced only if it accepts everything.

mod admission;
mod pull;
mod signed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use content::{IoError, LinkPolicy};
use serde_json::{Map, Value, json};

pub use self::admission::{AdmissionController, admission_policy};
pub use self::pull::{PullVerdict, judge_pull};
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

/// The policy that a system has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingPolicy {
    /// Its path, for messages.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Reads the policy of the system whose root is `root`.
///
/// # Errors
///
/// [`Error::Io`]: it cannot be read.
pub fn existing_policy(root: &Path) -> Result<Option<ExistingPolicy>, Error> {
    let path = root.join(POLICY);
    match content::open_read(&path, LinkPolicy::Follow, POLICY_MAX) {
        Ok(bytes) => Ok(Some(ExistingPolicy { path, bytes })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(IoError { operation, source, .. }) => Err(IoError { operation, path, source }.into()),
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
    existing: Option<&ExistingPolicy>,
    force: bool,
) -> Result<Vec<ClientConfigFile>, Error> {
    let nodes = distinct_nodes(nodes)?;
    if nodes.is_empty() {
        return Err(Error::NoNode);
    }
    let mut registries: BTreeSet<String> = nodes.iter().map(NodeAddress::location).collect();
    if let PolicyNames::Original { fallback: true } = names {
        registries.extend(repositories.iter().map(|repository| repository.original.clone()));
    }
    let scopes = by_name(repositories, names)?.into_iter().map(|(name, repository)| {
        let requirement = requirement(repository, &name);
        (name, requirement)
    });
    let policy = merged(existing, scopes.collect(), force)?;
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

/// The repositories by the names under which their images are pulled.
fn by_name<'a>(
    repositories: &'a [SignedRepository],
    names: PolicyNames<'_>,
) -> Result<BTreeMap<String, &'a SignedRepository>, Error> {
    if repositories.is_empty() {
        return Err(Error::NoSigned);
    }
    let mut found: BTreeMap<String, &SignedRepository> = BTreeMap::new();
    for repository in repositories {
        let names: Vec<String> = match names {
            PolicyNames::Original { .. } => vec![repository.original.clone()],
            PolicyNames::Served(hosts) => {
                hosts.iter().map(|host| format!("{host}/{}", repository.served)).collect()
            }
        };
        for name in names {
            match found.get(&name) {
                Some(other) if (&other.keys, &other.identity) != (&repository.keys, &repository.identity) => {
                    return Err(Error::TwoRules(name));
                }
                _ => drop(found.insert(name, repository)),
            }
        }
    }
    Ok(found)
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
fn merged(
    existing: Option<&ExistingPolicy>,
    scopes: BTreeMap<String, Value>,
    force: bool,
) -> Result<String, Error> {
    let path = || existing.map_or_else(|| Path::new("/").join(POLICY), |existing| existing.path.clone());
    let damaged = |reason: String| Error::Policy { path: path(), reason };
    let policy = match existing {
        Some(existing) => {
            serde_json::from_slice(&existing.bytes).map_err(|error| damaged(error.to_string()))?
        }
        None => json!({"default": accepts_everything()}),
    };
    let wrong = |what: &str| damaged(format!("`{what}` is not what it must be"));
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
            return Err(Error::PolicyConflict { path: path(), scope, found });
        }
        docker.insert(scope, requirement);
    }
    let mut text =
        serde_json::to_string_pretty(&Value::Object(policy)).map_err(|error| damaged(error.to_string()))?;
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
