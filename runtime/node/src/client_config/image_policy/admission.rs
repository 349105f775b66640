//! The policies of admission controllers for images that need signatures: Kyverno, and sigstore's policy-controller.
//!
//! Both fetch signatures by the name of the image, from the tag `sha256-<hex>.sig`; with a key they read no bundles. Neither compares
//! the repository that a signature names. With these policies, they ask no transparency log.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trust::PublicKey;

use super::super::registries::check_host;
use super::{Error, PolicyNames, SignedRepository, by_name};

/// The label that names the program which wrote an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The registry whose images have short names, too.
const DOCKER_HUB: &str = "docker.io";
/// Its other name, which policy-controller uses.
const DOCKER_HUB_INDEX: &str = "index.docker.io";
/// The repositories of it whose last part alone is a name.
const LIBRARY: &str = "library/";

/// What checks images when a cluster admits pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmissionController {
    /// Kyverno.
    Kyverno,
    /// Sigstore's policy-controller.
    PolicyController,
}

/// The objects with which `controller` requires signatures of the images in `repositories`, in the order of the names. An image needs a
/// signature by one of its keys.
///
/// # Errors
///
/// [`Error::NoSigned`], [`Error::TwoRules`]; [`Error::Node`] for an invalid host; [`Error::ImageName`] for a name that no pattern can
/// express.
pub fn admission_policy(
    repositories: &[SignedRepository],
    names: PolicyNames<'_>,
    controller: AdmissionController,
) -> Result<Vec<Value>, Error> {
    if let PolicyNames::Served(hosts) = names {
        hosts.iter().try_for_each(|host| check_host(host))?;
    }
    // Names with equal keys share a rule.
    let mut groups: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for (name, repository) in by_name(repositories, names)? {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._:/-".contains(letter);
        if !name.chars().all(is_plain) {
            return Err(Error::ImageName(name));
        }
        let mut keys: Vec<String> = repository.keys.iter().map(PublicKey::to_pem).collect();
        keys.sort_unstable();
        keys.dedup();
        groups.entry(keys).or_default().push(name);
    }
    let mut groups: Vec<(Vec<String>, Vec<String>)> = groups.into_iter().collect();
    groups.sort_by(|(_, one), (_, other)| one.cmp(other));
    let object = match names {
        PolicyNames::Original { .. } => "sealift-original-names",
        PolicyNames::Served(_) => "sealift-images",
    };
    Ok(match controller {
        AdmissionController::Kyverno => vec![cluster_policy(object, &groups)],
        AdmissionController::PolicyController => {
            let numbered = groups.iter().zip(1..);
            numbered
                .map(|(group, number)| cluster_image_policy(&format!("{object}-{number}"), group))
                .collect()
        }
    })
}

/// The policy of Kyverno, with a rule for each group of names.
fn cluster_policy(object: &str, groups: &[(Vec<String>, Vec<String>)]) -> Value {
    let entry = |key: &String| {
        json!({"keys": {
            "publicKeys": key,
            "signatureAlgorithm": "sha256",
            // Without these, it asks servers in the internet.
            "rekor": {"ignoreTlog": true},
            "ctlog": {"ignoreSCT": true},
        }})
    };
    let rule = |((keys, names), number): (&(Vec<String>, Vec<String>), u32)| {
        json!({
            "name": format!("signed-{number}"),
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{
                "imageReferences": names.iter().flat_map(|name| kyverno_patterns(name)).collect::<Vec<_>>(),
                "failureAction": "Enforce",
                "required": true,
                // So that the kubelet pulls the image that was checked.
                "mutateDigest": true,
                "verifyDigest": true,
                "attestors": [{"count": 1, "entries": keys.iter().map(entry).collect::<Vec<_>>()}],
            }],
        })
    };
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": metadata(object),
        "spec": {
            // Kyverno before 1.13 has no `failureAction`, and only warns without this.
            "validationFailureAction": "Enforce",
            "background": false,
            "webhookConfiguration": {"failurePolicy": "Fail", "timeoutSeconds": 30},
            "rules": groups.iter().zip(1..).map(rule).collect::<Vec<_>>(),
        },
    })
}

/// The policy of sigstore's policy-controller for a group of names. Any authority is enough.
fn cluster_image_policy(object: &str, (keys, names): &(Vec<String>, Vec<String>)) -> Value {
    let authority = |(key, number): (&String, u32)| {
        // Without `ctlog`, it asks no transparency log.
        json!({"name": format!("key-{number}"), "key": {"data": key, "hashAlgorithm": "sha256"}})
    };
    let globs = names.iter().flat_map(|name| policy_controller_globs(name));
    json!({
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": metadata(object),
        "spec": {
            "mode": "enforce",
            "images": globs.map(|glob| json!({"glob": glob})).collect::<Vec<_>>(),
            "authorities": keys.iter().zip(1..).map(authority).collect::<Vec<_>>(),
        },
    })
}

fn metadata(object: &str) -> Value {
    json!({"name": object, "labels": {MANAGED_BY: "sealift"}})
}

/// The patterns of Kyverno for all tags and digests of a repository. It completes the name of a registry, but not `library/`.
fn kyverno_patterns(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if let Some(path) = name.strip_prefix(DOCKER_HUB).and_then(|path| path.strip_prefix('/')) {
        let paths = [Some(path), path.strip_prefix(LIBRARY)].into_iter().flatten();
        let hosts = [DOCKER_HUB, DOCKER_HUB_INDEX];
        names = paths.flat_map(|path| hosts.map(|host| format!("{host}/{path}"))).collect();
    }
    names.iter().flat_map(|name| [format!("{name}:*"), format!("{name}@*")]).collect()
}

/// The patterns of policy-controller for all tags and digests of a repository. It completes names before it compares them.
fn policy_controller_globs(name: &str) -> [String; 2] {
    let name = match name.strip_prefix(DOCKER_HUB).filter(|path| path.starts_with('/')) {
        Some(path) => format!("{DOCKER_HUB_INDEX}{path}"),
        None => name.to_owned(),
    };
    [format!("{name}:*"), format!("{name}@*")]
}
