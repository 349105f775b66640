//! How to speak to registries, for every command that does.

use std::path::PathBuf;

use clap::Args;
use images::pull::Options;

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Speak plain HTTP to this registry (repeatable)
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
    /// Credentials: docker's config.json or podman's auth.json
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", hide_env_values = true)]
    auth_file: Option<PathBuf>,
    /// A PEM file of certificate authorities to trust beside the system's (repeatable)
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// A PEM file of the certificate to show to the registry, with its chain
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// The PEM file of its key
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
}

impl Client {
    pub(crate) fn options(self) -> Options {
        Options {
            plain_http: self.plain_http.into_iter().collect(),
            auth_file: self.auth_file,
            certificate_authorities: self.ca,
            client_certificate: self.client_certificate.zip(self.client_key),
            ..Options::default()
        }
    }
}
