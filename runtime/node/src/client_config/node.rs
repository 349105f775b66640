//! The addresses of nodes.

use std::str::FromStr;

use images::reference::is_domain;

use super::error::Error;

/// The address of a node that serves: `http://10.0.0.1:8080`, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    pub(super) tls: bool,
    pub(super) authority: String,
}

impl NodeAddress {
    /// `host[:port]`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it uses TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// `host:port` or `host`, never a single label: containers/image reads `node` as a repository of Docker Hub, and `node:80`
    /// as a registry.
    pub(super) fn location(&self) -> String {
        if self.authority.contains(['.', ':']) || self.authority == "localhost" {
            return self.authority.clone();
        }
        format!("{}:{}", self.authority, if self.tls { 443 } else { 80 })
    }
}

impl FromStr for NodeAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |expected| Error::Node { found: text.chars().take(200).collect(), expected };
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(wrong("expected http://HOST[:PORT] or https://HOST[:PORT]")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if !is_domain(authority) {
            return Err(wrong("expected a host name or address, and optionally a port, after the scheme"));
        }
        Ok(Self { tls, authority: authority.to_owned() })
    }
}

impl std::fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// The nodes, if each is given once.
pub(super) fn distinct_nodes(nodes: &[NodeAddress]) -> Result<&[NodeAddress], Error> {
    let twice =
        nodes.iter().enumerate().find(|(index, node)| nodes.iter().take(*index).any(|one| one == *node));
    twice.map_or(Ok(nodes), |(_, node)| Err(Error::NodeTwice(node.to_string())))
}
