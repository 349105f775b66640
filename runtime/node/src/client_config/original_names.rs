//! Configuration for images under their original names, such as `docker.io/library/nginx:1.25`, which nodes serve from archives.
//!
//! The forms of the files decide which registries are asked. `docs/guide/original-names.md` says what clients do with them.

use std::fmt::Write as _;
use std::path::{Component, Path};

use images::original_names::{canonical_host, host_part};

use super::error::Error;
use super::file::{ClientConfigFile, header};
use super::node::{NodeAddress, distinct_nodes};
use super::registries::{containerd_hosts, containerd_node, no_ipv6};

/// The folder of `hosts.toml` files that containerd's configuration usually names as `config_path`.
pub const CONFIG_PATH: &str = "/etc/containerd/certs.d";
/// The folder of containerd that is used for every registry that has no folder.
pub(super) const DEFAULT_FOLDER: &str = "_default";
/// The drop-in with the registries of original names.
const DROP_IN: &str = "etc/containers/registries.conf.d/50-sealift-original-names.conf";

/// How clients pull images under their original names.
#[derive(Debug, Clone, Copy)]
pub struct OriginalNames<'a> {
    /// The nodes, in the order in which clients try them.
    pub nodes: &'a [NodeAddress],
    /// The registries in the names of the images. Empty: all registries, which CRI-O, podman and skopeo cannot express.
    pub hosts: &'a [String],
    /// Whether an image that no node has is pulled from its own registry. Otherwise, nothing but the nodes is asked.
    pub fallback: bool,
    /// The certificate authority of the nodes, a file on the client.
    pub authority: Option<&'a str>,
}

impl OriginalNames<'_> {
    /// The registries, each once, as the names of images have them.
    fn canonical_hosts(&self) -> Result<Vec<String>, Error> {
        let mut hosts = Vec::new();
        for host in self.hosts {
            let expected = "expected the name of a registry, with or without a port";
            let canonical = canonical_host(host)
                .ok_or_else(|| Error::Node { found: host.chars().take(200).collect(), expected })?;
            if !hosts.contains(&canonical) {
                hosts.push(canonical);
            }
        }
        Ok(hosts)
    }
}

/// A distribution of Kubernetes that generates containerd's configuration from a `registries.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum K3sDistribution {
    /// k3s.
    K3s,
    /// RKE2.
    Rke2,
}

impl K3sDistribution {
    /// The folder of its configuration, relative to the root of the client's file system.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::K3s => "etc/rancher/k3s",
            Self::Rke2 => "etc/rancher/rke2",
        }
    }
}

/// `hosts.toml` of containerd, in a folder of `config_path` for each registry, or in `_default` for all of them.
///
/// # Errors
///
/// [`Error::NoNode`], [`Error::NodeTwice`], [`Error::Node`] for an invalid registry, [`Error::ConfigPath`].
pub fn containerd_original_names(
    names: &OriginalNames<'_>,
    config_path: &str,
) -> Result<Vec<ClientConfigFile>, Error> {
    let [first @ .., last] = distinct_nodes(names.nodes)? else { return Err(Error::NoNode) };
    let folder = config_folder(config_path)?;
    let mut content = header("registry containerd-config --original-names", "#", names.nodes);
    let tried_as_hosts = if names.fallback {
        content.push_str(
            "\n# No `server` is set: an image that no node has is pulled from its own registry.\n\n\
             # Every node that serves, in the order in which they are tried.\n",
        );
        names.nodes
    } else {
        // Without `server`, containerd asks the registry in the name of the image once all hosts have failed.
        let _ = write!(
            content,
            "\n# The node that is tried last. Without this line, images that no node has are requested from their own registry.\n\
             server = \"{last}\"\n"
        );
        containerd_node(&mut content, last, "", names.authority);
        // containerd up to 1.6.39 and 1.7.31 discards a file without this table, and then pulls from the registry.
        content.push_str(
            "\n# The nodes that are tried before it, in their order. Without this table, older versions of containerd ignore the file.\n",
        );
        first
    };
    containerd_hosts(&mut content, tried_as_hosts, names.authority);
    let hosts = match names.canonical_hosts()? {
        none if none.is_empty() => vec![DEFAULT_FOLDER.to_owned()],
        hosts => hosts,
    };
    let file = |host: String| ClientConfigFile {
        path: format!("{folder}/{host}/hosts.toml"),
        content: content.clone(),
    };
    Ok(hosts.into_iter().map(file).collect())
}

/// The path of a folder, relative to the root.
fn config_folder(config_path: &str) -> Result<&str, Error> {
    let wrong = || Error::ConfigPath(config_path.chars().take(200).collect());
    let folder = config_path.strip_prefix('/').ok_or_else(wrong)?.trim_end_matches('/');
    let is_plain = Path::new(folder).components().all(|part| matches!(part, Component::Normal(_)));
    if folder.is_empty() || !is_plain || folder.contains(char::is_control) {
        return Err(wrong());
    }
    Ok(folder)
}

/// A drop-in of `registries.conf` for CRI-O, podman, skopeo and buildah, with a `[[registry]]` for each host: there is no form
/// for all hosts that keeps the host in the path.
///
/// # Errors
///
/// Those of [`containerd_original_names`]; [`Error::NoHost`]; [`Error::Unusable`] for an IPv6 address.
pub fn crio_original_names(names: &OriginalNames<'_>) -> Result<ClientConfigFile, Error> {
    let [first @ .., last] = distinct_nodes(names.nodes)? else { return Err(Error::NoNode) };
    let hosts = names.canonical_hosts()?;
    if hosts.is_empty() {
        return Err(Error::NoHost);
    }
    for name in names.nodes.iter().map(NodeAddress::authority).chain(hosts.iter().map(String::as_str)) {
        no_ipv6(name)?;
    }
    let insecure = |node: &NodeAddress| if node.tls() { "" } else { "insecure = true\n" };
    let mut content = header("registry crio-config --original-names", "#", names.nodes);
    content.push_str(if names.fallback {
        "\n# The mirrors are tried in their order, then the registry itself.\n"
    } else {
        "\n# The mirrors are tried in their order, the location itself last: it is one of the nodes too.\n"
    });
    for host in &hosts {
        // An IPv6 address is refused above.
        let part = host_part(host).unwrap_or_default();
        let mirrors = if names.fallback {
            let _ = write!(content, "\n[[registry]]\nprefix = \"{host}\"\nlocation = \"{host}\"\n");
            names.nodes
        } else {
            let _ = write!(
                content,
                "\n[[registry]]\nprefix = \"{host}\"\nlocation = \"{}/{part}\"\n{}",
                last.location(),
                insecure(last)
            );
            first
        };
        for node in mirrors {
            let _ = write!(
                content,
                "\n[[registry.mirror]]\nlocation = \"{}/{part}\"\n{}",
                node.location(),
                insecure(node)
            );
        }
    }
    Ok(ClientConfigFile { path: DROP_IN.into(), content })
}

/// `registries.yaml` of k3s or RKE2, which read it when they start.
///
/// # Errors
///
/// Those of [`containerd_original_names`].
pub fn k3s(names: &OriginalNames<'_>, distribution: K3sDistribution) -> Result<ClientConfigFile, Error> {
    let nodes = distinct_nodes(names.nodes)?;
    if nodes.is_empty() {
        return Err(Error::NoNode);
    }
    let folder = distribution.folder();
    let command = match distribution {
        K3sDistribution::K3s => "registry k3s-config",
        K3sDistribution::Rke2 => "registry k3s-config --rke2",
    };
    let mut content = header(command, "#", nodes);
    content.push_str("# It is read at the start of the service.\n");
    if !names.fallback {
        let _ = write!(
            content,
            "# /{folder}/config.yaml must have the line `{CLOSED}`:\n\
             # without it, images that no node has are requested from their own registry.\n"
        );
    }
    content.push_str("mirrors:\n");
    let hosts = match names.canonical_hosts()? {
        none if none.is_empty() => vec!["*".to_owned()],
        hosts => hosts,
    };
    for host in hosts {
        let _ = writeln!(content, "  \"{host}\":\n    endpoint:");
        for node in nodes {
            let _ = writeln!(content, "      - \"{node}\"");
        }
    }
    if let Some(authority) = names.authority
        && nodes.iter().any(NodeAddress::tls)
    {
        content.push_str("configs:\n");
        for node in nodes.iter().filter(|node| node.tls()) {
            let authority = serde_json::Value::from(authority);
            let _ = writeln!(content, "  \"{}\":\n    tls:\n      ca_file: {authority}", node.authority());
        }
    }
    Ok(ClientConfigFile { path: format!("{folder}/registries.yaml"), content })
}

/// The setting of k3s and RKE2 that closes the way to the registries in the names of the images.
pub(super) const CLOSED: &str = "disable-default-registry-endpoint: true";

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(texts: &[&str]) -> Vec<NodeAddress> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn names<'a>(nodes: &'a [NodeAddress], hosts: &'a [String]) -> OriginalNames<'a> {
        OriginalNames { nodes, hosts, fallback: false, authority: None }
    }

    /// The file without its comments and empty lines.
    fn effective(file: &ClientConfigFile) -> String {
        file.content
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(|line| format!("{line}\n"))
            .collect()
    }

    #[test]
    fn containerd_asks_the_nodes_and_nothing_else_unless_it_may() {
        let two = nodes(&["http://node1:8080", "https://node2:8443"]);
        let v6 = nodes(&["http://[fd00::1]:8080", "http://[fd00::2]:8080"]);
        let pull = "capabilities = [\"pull\", \"resolve\"]\n";
        let cases = [
            (&two[..1], false, None, format!("server = \"http://node1:8080\"\n{pull}[host]\n")),
            (
                &two[..],
                false,
                Some("/ca.pem"),
                format!(
                    "server = \"https://node2:8443\"\n{pull}ca = \"/ca.pem\"\n[host]\n[host.\"http://node1:8080\"]\n  {pull}"
                ),
            ),
            (
                &two[..],
                true,
                Some("/ca.pem"),
                format!(
                    "[host]\n[host.\"http://node1:8080\"]\n  {pull}[host.\"https://node2:8443\"]\n  {pull}  ca = \"/ca.pem\"\n"
                ),
            ),
            (
                &v6[..],
                false,
                None,
                format!("server = \"http://[fd00::2]:8080\"\n{pull}[host]\n\"http://[fd00::1]:8080\".{pull}"),
            ),
            (
                &v6[..],
                true,
                None,
                format!("[host]\n\"http://[fd00::1]:8080\".{pull}\"http://[fd00::2]:8080\".{pull}"),
            ),
        ];
        for (nodes, fallback, authority, expected) in cases {
            let names = OriginalNames { fallback, authority, ..names(nodes, &[]) };
            let files = containerd_original_names(&names, CONFIG_PATH).unwrap();
            assert_eq!(files.len(), 1);
            assert_eq!(files[0].path, "etc/containerd/certs.d/_default/hosts.toml");
            assert_eq!(effective(&files[0]), expected);
            let table: toml::Table = files[0].content.parse().unwrap();
            assert!(table["host"].is_table() && table.contains_key("server") != fallback);
        }
    }

    #[test]
    fn containerd_has_a_folder_for_each_registry_that_is_named() {
        let node = nodes(&["http://node1"]);
        let hosts = ["Quay.io", "registry-1.docker.io", "docker.io", "localhost:5000"].map(str::to_owned);
        let files = containerd_original_names(&names(&node, &hosts), "/etc/docker/certs.d/").unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let expected = ["quay.io", "docker.io", "localhost:5000"]
            .map(|host| format!("etc/docker/certs.d/{host}/hosts.toml"));
        assert_eq!(paths, expected);
        for wrong in ["a/../b", "", "_default", "a b"] {
            let hosts = [wrong.to_owned()];
            let refused = containerd_original_names(&names(&node, &hosts), CONFIG_PATH);
            assert!(matches!(refused, Err(Error::Node { .. })), "{wrong}");
        }
        for wrong in ["etc", "/", "/a/../b", "", "/a\n"] {
            let refused = containerd_original_names(&names(&node, &[]), wrong);
            assert!(matches!(refused, Err(Error::ConfigPath(_))), "{wrong}");
        }
    }

    #[test]
    fn containers_image_gets_a_registry_for_each_host() {
        let two = nodes(&["http://node1:8080", "https://node2"]);
        let hosts = ["docker.io", "localhost:5000"].map(str::to_owned);
        let closed = crio_original_names(&names(&two, &hosts)).unwrap();
        assert_eq!(
            effective(&closed),
            "[[registry]]\nprefix = \"docker.io\"\nlocation = \"node2:443/docker.io\"\n\
             [[registry.mirror]]\nlocation = \"node1:8080/docker.io\"\ninsecure = true\n\
             [[registry]]\nprefix = \"localhost:5000\"\nlocation = \"node2:443/localhost__5000\"\n\
             [[registry.mirror]]\nlocation = \"node1:8080/localhost__5000\"\ninsecure = true\n"
        );
        let open =
            crio_original_names(&OriginalNames { fallback: true, ..names(&two[..1], &hosts[..1]) }).unwrap();
        assert_eq!(
            effective(&open),
            "[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\
             [[registry.mirror]]\nlocation = \"node1:8080/docker.io\"\ninsecure = true\n"
        );
        assert!(matches!(crio_original_names(&names(&two, &[])), Err(Error::NoHost)));
        for (nodes, host) in [(&two, "[::1]:5000"), (&nodes(&["http://[::1]:80"]), "docker.io")] {
            let hosts = [host.to_owned()];
            assert!(matches!(crio_original_names(&names(nodes, &hosts)), Err(Error::Unusable { .. })));
        }
    }

    #[test]
    fn k3s_gets_its_registries_and_the_line_that_closes_the_others() {
        let two = nodes(&["http://node1:8080", "https://[fd00::2]:8443"]);
        let with = OriginalNames { authority: Some("/a \"ca\".pem"), ..names(&two, &[]) };
        let file = k3s(&with, K3sDistribution::K3s).unwrap();
        assert_eq!(file.path, "etc/rancher/k3s/registries.yaml");
        assert_eq!(
            effective(&file),
            "mirrors:\n  \"*\":\n    endpoint:\n      - \"http://node1:8080\"\n      - \"https://[fd00::2]:8443\"\n\
             configs:\n  \"[fd00::2]:8443\":\n    tls:\n      ca_file: \"/a \\\"ca\\\".pem\"\n"
        );
        assert!(
            file.content.contains("# /etc/rancher/k3s/config.yaml must have the line `disable-default"),
            "{}",
            file.content
        );
        let hosts = ["docker.io".to_owned()];
        let open = k3s(&OriginalNames { fallback: true, ..names(&two[..1], &hosts) }, K3sDistribution::Rke2)
            .unwrap();
        assert_eq!(open.path, "etc/rancher/rke2/registries.yaml");
        assert!(!open.content.contains("config.yaml"), "{}", open.content);
        assert_eq!(
            effective(&open),
            "mirrors:\n  \"docker.io\":\n    endpoint:\n      - \"http://node1:8080\"\n"
        );
        assert!(matches!(k3s(&names(&[], &[]), K3sDistribution::K3s), Err(Error::NoNode)));
    }
}
