//! The options of every command that connects to a registry.

use std::path::PathBuf;

use buildchain::project::{auth_files, auth_places, certificate_folders};
use clap::Args;
use images::pull::{Proxies, RegistryOptions};

use crate::session::environment;

#[derive(Debug, Args)]
pub(crate) struct ClientArguments {
    /// Connect to this registry over plain HTTP (repeatable)
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
    /// Read credentials from FILE, in the format of docker and podman [default: the files of docker and podman]
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", hide_env_values = true)]
    auth_file: Option<PathBuf>,
    /// Trust these certificates (PEM) in addition to the system's, for one host or all hosts (repeatable)
    #[arg(long, value_name = "[HOST=]FILE", value_parser = authority)]
    ca: Vec<(Option<String>, PathBuf)>,
    /// Authenticate to a registry with this client certificate and key, PEM (repeatable)
    #[arg(long, value_name = "HOST=CERTIFICATE,KEY", value_parser = client_certificate)]
    client_certificate: Vec<(String, (PathBuf, PathBuf))>,
}

impl ClientArguments {
    /// What these options and the environment say about registries.
    pub(crate) fn options(&self) -> RegistryOptions {
        let environment = environment();
        let mut options = RegistryOptions {
            plain_http: self.plain_http.iter().cloned().collect(),
            auth_places: if self.auth_file.is_some() { Vec::new() } else { auth_places(&environment) },
            auth_files: self.auth_file.clone().map_or_else(|| auth_files(&environment), |file| vec![file]),
            certificate_folders: certificate_folders(&environment),
            proxies: Proxies::from_variables(&environment),
            ..RegistryOptions::default()
        };
        for (host, file) in self.ca.iter().cloned() {
            match host {
                Some(host) => options.tls.entry(host).or_default().certificate_authorities.push(file),
                None => options.certificate_authorities.push(file),
            }
        }
        for (host, files) in self.client_certificate.iter().cloned() {
            options.tls.entry(host).or_default().client_certificate = Some(files);
        }
        options
    }
}

fn authority(text: &str) -> Result<(Option<String>, PathBuf), String> {
    match text.split_once('=') {
        Some((host, file)) if !host.contains('/') => Ok((Some(host.to_owned()), file.into())),
        _ => Ok((None, text.into())),
    }
}

fn client_certificate(text: &str) -> Result<(String, (PathBuf, PathBuf)), String> {
    let parts = text.split_once('=').and_then(|(host, files)| Some((host, files.split_once(',')?)));
    let (host, (certificate, key)) = parts.ok_or("expected HOST=CERTIFICATE,KEY")?;
    Ok((host.to_owned(), (certificate.into(), key.into())))
}
