//! How registries are reached, as `spec.registries` says it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::ForEach;
use crate::project::field::Field;
use crate::project::names::{Mirror, RegistryHost, Text};

/// How to reach a registry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryEntry {
    /// The host of the registry, with its port if it has one: `docker.io`, `registry.example:5000`.
    pub host: Field<RegistryHost>,
    /// Mirrors to try first, in order: `https://mirror.example/docker.io`.
    #[serde(default)]
    pub mirrors: Vec<Field<Mirror>>,
    /// Connect to this host over plain HTTP.
    #[serde(default)]
    pub plain_http: bool,
    /// PEM files, relative to the project: certificate authorities to trust for this host in addition to those of the system.
    #[serde(default)]
    pub certificate_authorities: Vec<Field<Text>>,
    /// The client certificate for this host.
    #[serde(default)]
    pub client_certificate: Option<ClientCertificate>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

/// A client certificate.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// A PEM file, relative to the project: the certificate with its chain.
    pub certificate: Field<Text>,
    /// A PEM file, relative to the project: its key.
    pub key: Field<Text>,
}
