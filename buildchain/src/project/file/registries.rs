//! How registries are reached, as `spec.registries` says it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::project::field::Field;
use crate::project::names::{Mirror, RegistryHost};

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
    #[schemars(with = "Vec<String>")]
    pub certificate_authorities: Vec<Spanned<String>>,
    /// The client certificate for this host.
    #[serde(default)]
    pub client_certificate: Option<ClientCertificate>,
}

/// A client certificate.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// A PEM file, relative to the project: the certificate with its chain.
    #[schemars(with = "String")]
    pub certificate: Spanned<String>,
    /// A PEM file, relative to the project: its key.
    #[schemars(with = "String")]
    pub key: Spanned<String>,
}
