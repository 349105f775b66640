//! The state of a node before its bring-up: its configuration, its settings, and what the archive needs from it.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use archive::{Product, Tree, layout};
use content::IoError;

use super::certificate::NodeCertificate;
use super::checks::{self, Needs};
use super::error::Error;
use super::host::{Host, HostFacts};
use super::service_settings::{self, Setting};
use super::{BootstrapOptions, addresses, package_list};
use crate::archives::NodeLayout;
use crate::site_config::{self, ConfigurationKind, NodeConfiguration};

/// What the configuration and the settings say about the node.
pub(super) struct NodeState {
    configuration: Result<Option<NodeConfiguration>, Vec<String>>,
    is_unconfigured: bool,
    /// The archives to import, that of the bring-up first.
    pub(super) listed: Vec<PathBuf>,
    /// The address in the network of the control plane, or the one that was given.
    own: Option<SocketAddr>,
    /// The address that the settings name.
    listen: Option<SocketAddr>,
    /// The interface with that address.
    pub(super) interface: Option<String>,
    pub(super) settings: Vec<Setting>,
}

impl NodeState {
    pub(super) fn of(
        options: &BootstrapOptions,
        paths: &NodeLayout,
        facts: &HostFacts,
        settings: &str,
    ) -> Self {
        let configuration = read_configuration(&paths.bootstrap, options.listen.is_some());
        let known = configuration.as_ref().ok().and_then(Option::as_ref);
        let mut listed = vec![options.archive.clone()];
        let others = known.map(NodeConfiguration::archives).unwrap_or_default();
        listed.extend(others.iter().filter(|path| **path != options.archive).cloned());
        let networks = known.map(NodeConfiguration::control_plane).unwrap_or_default();
        let found = addresses::in_networks(&facts.addresses, networks);
        let own = options.listen.or_else(|| found.map(|one| checks::listen(one.address)));
        let interface = facts.addresses.iter().find(|one| own.is_some_and(|own| own.ip() == one.address));
        let pki = options.files.pki.display();
        let tls = format!("--tls-certificate {pki}/server.crt --tls-key {pki}/server.key");
        let mut wanted = Vec::new();
        if let Some(own) = own {
            wanted.push(Setting {
                key: service_settings::LISTEN,
                default: "0.0.0.0:8080",
                value: own.to_string(),
            });
        }
        if options.tls {
            wanted.push(Setting { key: service_settings::OPTIONS, default: "--no-tls", value: tls });
        }
        let (text, _) = service_settings::changed(settings, &wanted);
        let listen = service_settings::value(&text, service_settings::LISTEN)
            .and_then(|value| value.parse().ok())
            .or(own);
        Self {
            listen: own.and(listen),
            interface: interface.map(|one| one.interface.clone()),
            configuration,
            is_unconfigured: !paths.bootstrap.exists(),
            listed,
            own,
            settings: wanted,
        }
    }

    fn known(&self) -> Option<&NodeConfiguration> {
        self.configuration.as_ref().ok().and_then(Option::as_ref)
    }

    /// The certificate for the addresses of the node; `None` without TLS.
    pub(super) fn certificate<'a>(
        &self,
        options: &'a BootstrapOptions,
        facts: &'a HostFacts,
    ) -> Option<NodeCertificate<'a>> {
        let own = self.own.filter(|_| options.tls)?;
        let ingress =
            self.known().and_then(NodeConfiguration::ingress).and_then(|text| text.parse::<IpAddr>().ok());
        let mut addresses = vec![own.ip()];
        addresses.extend(ingress.filter(|one| *one != own.ip()));
        addresses.retain(|address| !address.is_unspecified());
        let authority = options.authority.as_ref();
        Some(NodeCertificate {
            folder: &options.files.pki,
            authority,
            addresses,
            name: &facts.name,
            group: None,
        })
    }

    pub(super) fn needs(
        &self,
        options: &BootstrapOptions,
        tree: &Tree,
        product: &Product,
        facts: &HostFacts,
        host: &dyn Host,
        tars: &[(String, u64)],
    ) -> Result<Needs, Error> {
        let redhat = format!("{}/redhat", layout::PACKAGES);
        let releases = if tree.entry(&redhat)?.is_some() { tree.read_dir(&redhat)? } else { Vec::new() };
        let releases: Vec<String> = releases.into_iter().map(|entry| entry.name).collect();
        let release = facts.system.release();
        let mut packages = Vec::new();
        let mut list_problem = None;
        if releases.iter().any(|known| known == release) {
            match package_list::wanted(tree, &package_list::available(tree, release)?)? {
                Ok(list) => packages = list,
                Err(problem) => list_problem = Some(problem),
            }
        }
        let runs = facts.runs("sealift-registry") || facts.runs("sealift-registry.socket");
        let port_problem = self.listen.filter(|_| !runs).and_then(|address| {
            let error = host.can_listen(address).err()?;
            Some(format!("nothing can listen on {address}: {error}"))
        });
        let known = self.known();
        Ok(Needs {
            releases,
            packages,
            list_problem,
            tar_bytes: tars.iter().fold(0, |sum, (_, bytes)| bytes.saturating_add(sum)),
            built: product.build_timestamp.clone(),
            is_unconfigured: self.is_unconfigured,
            configuration: self.configuration.as_ref().err().cloned().unwrap_or_default(),
            host: known.and_then(NodeConfiguration::bootstrap_host).map(str::to_owned),
            networks: known.map(NodeConfiguration::control_plane).unwrap_or_default().to_vec(),
            listen: self.listen,
            port_problem,
            missing: self.listed.iter().filter(|path| !path.exists()).cloned().collect(),
            closed: self
                .listed
                .iter()
                .filter_map(|path| Some((path.clone(), closed_to_others(path)?)))
                .collect(),
            free: host
                .free_bytes(&options.files.storage)
                .map_err(IoError::at("measure the free space of", &options.files.storage))?,
            ..Needs::default()
        })
    }
}

/// Reads the configuration, or returns all of its problems. It may be missing where the address is given.
fn read_configuration(path: &Path, is_optional: bool) -> Result<Option<NodeConfiguration>, Vec<String>> {
    match NodeConfiguration::read_if_exists(path, ConfigurationKind::Bootstrap) {
        Ok(None) if !is_optional => Err(vec![format!("{} is missing", path.display())]),
        Ok(found) => Ok(found),
        Err(site_config::Error::Invalid { path, problems, .. }) => {
            Err(problems.iter().map(|problem| format!("{}:{problem}", path.display())).collect())
        }
        Err(error) => Err(vec![error.to_string()]),
    }
}

/// The file itself or the first folder above it that keeps other users from reading an archive: the service runs as one.
fn closed_to_others(path: &Path) -> Option<PathBuf> {
    let path = std::fs::canonicalize(path).ok()?;
    let lacks = |path: &Path, bits: u32| {
        std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & bits != bits)
    };
    if lacks(&path, if path.is_dir() { 0o005 } else { 0o004 }) {
        return Some(path);
    }
    path.ancestors().skip(1).find(|folder| lacks(folder, 0o001)).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn an_archive_in_a_closed_folder_is_found() {
        let scratch = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let (folder, file) = (scratch.path().join("root"), scratch.path().join("root/a.iso"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&file, "").unwrap();
        for (scratch_mode, folder_mode, file_mode, expected) in [
            (0o755, 0o755, 0o644, None),
            (0o755, 0o711, 0o644, None),
            (0o755, 0o700, 0o644, Some(&folder)),
            (0o755, 0o755, 0o600, Some(&file)),
        ] {
            mode(scratch.path(), scratch_mode);
            mode(&folder, folder_mode);
            mode(&file, file_mode);
            assert_eq!(closed_to_others(&file).as_ref(), expected, "{folder_mode:o} {file_mode:o}");
        }
        assert_eq!(closed_to_others(&scratch.path().join("missing")), None);
    }
}
