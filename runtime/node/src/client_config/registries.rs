//! Registry configuration for containerd, CRI-O, podman and skopeo.

use std::fmt::Write as _;

use images::reference::is_domain;

use super::error::Error;
use super::file::{ClientConfigFile, header};
use super::node::{NodeAddress, distinct_nodes};

/// The registry in every image reference of the platform. The name does not resolve: only mirrors serve it.
pub const HOST: &str = "metalk8s-registry-from-config.invalid";

/// The program that containerd asks before each pull.
const VERIFIER: &str = "opt/containerd/image-verifier/bin/sealift";

/// `hosts.toml` of containerd, for images of `host`. containerd's own configuration must name
/// `/etc/containerd/certs.d` as `config_path`; it reads the file at each pull.
///
/// # Errors
///
/// [`Error::NoNode`], [`Error::NodeTwice`], [`Error::Node`] if `host` is invalid.
pub fn containerd(
    host: &str,
    nodes: &[NodeAddress],
    authority: Option<&str>,
) -> Result<ClientConfigFile, Error> {
    check_host(host)?;
    let [first, ..] = distinct_nodes(nodes)? else { return Err(Error::NoNode) };
    let mut content = header("registry containerd-config", "#", nodes);
    // Writing to a String cannot fail.
    let _ = write!(
        content,
        "\n# The last resort. It is one of the nodes, so that no pull leaves the site.\nserver = \"{first}\"\n\n\
         # Every node that serves, in the order in which they are tried.\n"
    );
    containerd_hosts(&mut content, nodes, authority);
    Ok(ClientConfigFile { path: format!("etc/containerd/certs.d/{host}/hosts.toml"), content })
}

/// The program that containerd 2.1 and later call before each pull, in their default folder: it lets `sealift registry verify-pull`
/// decide by the archives of the node. `options` are options of that command with their values, such as `--mounts` and a folder.
///
/// # Errors
///
/// [`Error::Option`]: an option contains a NUL character.
pub fn containerd_verifier(nodes: &[NodeAddress], options: &[String]) -> Result<ClientConfigFile, Error> {
    let words = options.iter().map(String::as_str);
    let options = shlex::try_join(["--configured"].into_iter().chain(words)).map_err(|_| Error::Option)?;
    let header = header("registry containerd-config --policy", "#", nodes);
    let content = format!(
        "#!/bin/sh\n{header}\n\
         # containerd calls it with `-name NAME -digest DIGEST -stdin-media-type TYPE`, and pulls if it exits with 0.\n\
         for word; do\n    \
             shift\n    \
             case $word in -name | -digest | -stdin-media-type) word=-$word ;; esac\n    \
             set -- \"$@\" \"$word\"\n\
         done\n\
         exec sealift registry verify-pull {options} \"$@\"\n"
    );
    Ok(ClientConfigFile { path: VERIFIER.into(), content })
}

/// Writes the table `[host]` of a `hosts.toml`, also if it is empty.
pub(super) fn containerd_hosts(content: &mut String, nodes: &[NodeAddress], authority: Option<&str>) {
    // containerd 1.6 and 1.7 end the name of a table at its first bracket, quoted or not, and then ignore the whole file.
    // Dotted keys may contain brackets, and keep their order, which inline tables do not.
    let dotted = nodes.iter().any(|node| is_ipv6(&node.authority));
    content.push_str("[host]\n");
    for node in nodes {
        if dotted {
            containerd_node(content, node, &format!("\"{node}\"."), authority);
        } else {
            let _ = writeln!(content, "\n[host.\"{node}\"]");
            containerd_node(content, node, "  ", authority);
        }
    }
}

/// Writes the settings of one node, each after `before`.
pub(super) fn containerd_node(
    content: &mut String,
    node: &NodeAddress,
    before: &str,
    authority: Option<&str>,
) {
    let _ = writeln!(content, "{before}capabilities = [\"pull\", \"resolve\"]");
    // containerd from 1.7 on tries TLS first where an authority is set, also for http://.
    if let Some(authority) = authority.filter(|_| node.tls) {
        let _ = writeln!(content, "{before}ca = {}", toml_string(authority));
    }
}

/// A drop-in of `registries.conf` for CRI-O, podman and skopeo, for images of `host`. These read the certificate authorities
/// of a node from `/etc/containers/certs.d/<node>/`.
///
/// # Errors
///
/// Those of [`containerd`]; [`Error::Unusable`] for an IPv6 address.
pub fn crio(host: &str, nodes: &[NodeAddress]) -> Result<ClientConfigFile, Error> {
    check_host(host)?;
    for name in nodes.iter().map(NodeAddress::authority).chain([host]) {
        no_ipv6(name)?;
    }
    let [mirrors @ .., last] = distinct_nodes(nodes)? else { return Err(Error::NoNode) };
    let insecure = |node: &NodeAddress| if node.tls { "" } else { "insecure = true\n" };
    let mut content = header("registry crio-config", "#", nodes);
    let _ = write!(
        content,
        "\n# The mirrors are tried in their order, the location itself last: it is one of the nodes too.\n\
         [[registry]]\nprefix = \"{host}\"\nlocation = \"{}\"\n{}",
        last.location(),
        insecure(last)
    );
    for node in mirrors {
        let _ =
            write!(content, "\n[[registry.mirror]]\nlocation = \"{}\"\n{}", node.location(), insecure(node));
    }
    let name = host.replace(':', "_");
    Ok(ClientConfigFile { path: format!("etc/containers/registries.conf.d/50-{name}.conf"), content })
}

/// Refuses an IPv6 address in a configuration of containers/image: one such location makes it refuse every pull through the
/// registry, also from other nodes.
pub(super) fn no_ipv6(authority: &str) -> Result<(), Error> {
    if !is_ipv6(authority) {
        return Ok(());
    }
    let (client, reason) = ("CRI-O, podman and skopeo", "they do not support IPv6 addresses in brackets");
    Err(Error::Unusable { client, node: authority.to_owned(), reason })
}

/// Whether `authority` (`host[:port]`) is an IPv6 address, which stands in brackets.
pub(super) fn is_ipv6(authority: &str) -> bool {
    authority.starts_with('[')
}

pub(super) fn check_host(host: &str) -> Result<(), Error> {
    if is_domain(host) {
        return Ok(());
    }
    let expected = "expected the name of a registry, with or without a port";
    Err(Error::Node { found: host.chars().take(200).collect(), expected })
}

pub(super) fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            other if other.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(other))),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}
