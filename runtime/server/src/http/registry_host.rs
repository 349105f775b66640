//! The registry whose images a request is for.

use std::net::IpAddr;

use images::original_names::canonical_host;

/// The registry whose images a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestedRegistry {
    /// This server: names are those of its archives.
    This,
    /// Another registry, as [`canonical_host`] returns it: names are those of its images, and of no others.
    Other(String),
    /// Text that is not the name of a registry: no image has such a name.
    Invalid,
}

impl RequestedRegistry {
    /// The registry that a request means: that of its query field `ns`, decoded, as containerd sends it to mirrors; else that
    /// of the listener; else its `Host` field, if that is a registry whose images are served. A client whose DNS leads the names
    /// of public registries here sends such a field.
    ///
    /// An `ns` that repeats the `Host` field is this server. So is a `Host` that is an address or `localhost`: nobody leads
    /// these elsewhere, and images may have been pulled from a registry of that name.
    pub(crate) fn of(
        ns: Option<&str>,
        listener: Option<&str>,
        host: Option<&str>,
        serves: impl Fn(&str) -> bool,
    ) -> Self {
        let host = host.and_then(canonical_host);
        if let Some(ns) = ns {
            return match canonical_host(ns) {
                None => Self::Invalid,
                Some(ns) if host.as_ref() == Some(&ns) && !serves(&ns) => Self::This,
                Some(ns) => Self::Other(ns),
            };
        }
        if let Some(listener) = listener {
            return Self::Other(listener.to_owned());
        }
        match host.map(without_default_port) {
            Some(host) if !is_address(&host) && serves(&host) => Self::Other(host),
            _ => Self::This,
        }
    }
}

/// Some clients send the port that their scheme has anyway.
fn without_default_port(host: String) -> String {
    let plain = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80"));
    plain.and_then(canonical_host).unwrap_or(host)
}

fn is_address(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        _ => host,
    };
    name == "localhost" || name.starts_with('[') || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_that_of_the_query_then_of_the_listener_then_of_the_host() {
        let this = || RequestedRegistry::This;
        let other = |host: &str| RequestedRegistry::Other(host.to_owned());
        let served = ["docker.io", "quay.io", "localhost:5000", "10.0.0.1:8080", "node:8080"];
        let cases = [
            ((None, None, None), this()),
            ((None, None, Some("node")), this()),
            ((Some("quay.io"), None, Some("node")), other("quay.io")),
            ((Some("Registry-1.docker.io"), None, Some("node")), other("docker.io")),
            ((Some("unknown.example"), None, Some("quay.io")), other("unknown.example")),
            ((Some("localhost:5000"), None, Some("node")), other("localhost:5000")),
            ((Some(""), None, Some("node")), RequestedRegistry::Invalid),
            ((Some("../x"), None, Some("node")), RequestedRegistry::Invalid),
            ((Some("a b"), Some("docker.io"), Some("quay.io")), RequestedRegistry::Invalid),
            // The own address.
            ((Some("node2:8080"), None, Some("Node2:8080")), this()),
            ((Some("node:8080"), None, Some("node:8080")), other("node:8080")),
            ((None, Some("docker.io"), Some("node")), other("docker.io")),
            ((Some("quay.io"), Some("docker.io"), Some("node")), other("quay.io")),
            // DNS leads the name of the registry here.
            ((None, None, Some("quay.io")), other("quay.io")),
            ((None, None, Some("QUAY.IO:443")), other("quay.io")),
            ((None, None, Some("registry-1.docker.io:80")), other("docker.io")),
            ((None, None, Some("quay.io:8443")), this()),
            ((None, None, Some("ghcr.io")), this()),
            // Addresses are those of the node, whatever images were pulled from.
            ((None, None, Some("localhost:5000")), this()),
            ((None, None, Some("10.0.0.1:8080")), this()),
            ((None, None, Some("[::1]:8080")), this()),
        ];
        for ((ns, listener, host), expected) in cases {
            let found = RequestedRegistry::of(ns, listener, host, |host| served.contains(&host));
            assert_eq!(found, expected, "{ns:?} {listener:?} {host:?}");
        }
    }
}
