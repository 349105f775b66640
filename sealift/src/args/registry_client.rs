//! How to speak to registries, for every command that does.

use std::path::PathBuf;

use buildchain::project::{auth_files, auth_places, certificate_folders};
use clap::Args;
use graph::quoted;
use images::pull::{self, Login, Options, Proxies};

use crate::session::environment;

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Speak plain HTTP to this registry (repeatable)
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
    /// Read credentials from FILE, docker's config.json or podman's auth.json [default: where these keep them]
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", hide_env_values = true)]
    auth_file: Option<PathBuf>,
    /// Trust these certificates (PEM) in addition to the system's, for one host or all hosts (repeatable)
    #[arg(long, value_name = "[HOST=]FILE", value_parser = authority)]
    ca: Vec<(Option<String>, PathBuf)>,
    /// Authenticate to a registry with this client certificate and key, PEM (repeatable)
    #[arg(long, value_name = "HOST=CERTIFICATE,KEY", value_parser = client_certificate)]
    client_certificate: Vec<(String, (PathBuf, PathBuf))>,
}

impl Client {
    pub(crate) fn options(self) -> Options {
        let environment = environment();
        let mut options = Options {
            plain_http: self.plain_http.into_iter().collect(),
            auth_places: if self.auth_file.is_some() { Vec::new() } else { auth_places(&environment) },
            auth_files: self.auth_file.map_or_else(|| auth_files(&environment), |file| vec![file]),
            certificate_folders: certificate_folders(&environment),
            proxies: Proxies::from_variables(&environment),
            ..Options::default()
        };
        for (host, file) in self.ca {
            match host {
                Some(host) => options.tls.entry(host).or_default().certificate_authorities.push(file),
                None => options.certificate_authorities.push(file),
            }
        }
        for (host, files) in self.client_certificate {
            options.tls.entry(host).or_default().client_certificate = Some(files);
        }
        options
    }
}

/// What to do about credentials that are missing or refused.
pub(crate) fn remedy(login: &Login) -> String {
    let host = &login.host;
    let entry = format!(r#"{{"auths": {{"{host}": {{"auth": "BASE64"}}}}}}"#);
    match &login.file {
        Some(file) => {
            let path = file.to_string_lossy();
            let (file, host) = (quoted(&path), quoted(host));
            let tls = if login.plain_http { "--tls-verify=false " } else { "" };
            format!(
                "log in with `skopeo login {tls}--authfile {file} {host}`, or write {entry} to this file, with USER:PASSWORD in base64"
            )
        }
        None => {
            format!("write {entry}, with USER:PASSWORD in base64, to a file, and name it with --auth-file")
        }
    }
}

/// As [`remedy`], for a pull that failed, if that is why.
pub(crate) fn remedy_of_pull(error: &pull::Error) -> Option<String> {
    error.failures.iter().find_map(|failure| failure.fault.login()).map(remedy)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_for_missing_credentials_can_be_typed() {
        let host = "r.example:5000".to_owned();
        let with = |file: Option<&str>, plain_http| {
            remedy(&Login { host: host.clone(), file: file.map(PathBuf::from), plain_http })
        };
        for (file, plain_http, expected) in [
            ("/a/auth.json", false, "`skopeo login --authfile /a/auth.json r.example:5000`"),
            (
                "a b's.json",
                true,
                r"`skopeo login --tls-verify=false --authfile 'a b'\''s.json' r.example:5000`",
            ),
            ("a\n.json", false, r"`skopeo login --authfile $'a\x0a.json' r.example:5000`"),
        ] {
            let found = with(Some(file), plain_http);
            assert!(found.starts_with(&format!("log in with {expected}, or ")), "{found}");
        }
        assert!(with(None, false).ends_with("name it with --auth-file"));
    }
}
