//! What a request to a node is for: the registry, and what the name of a repository can mean.

use std::net::IpAddr;

use super::{canonical_host, host_of_part};

/// The registry whose images a request to a node is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedRegistry {
    /// This server: names are those of its archives.
    This,
    /// Another registry, as [`canonical_host`] returns it: names are those of its images, and of no others.
    Other(String),
    /// Text that is not the name of a registry: no image has such a name.
    Invalid,
}

impl RequestedRegistry {
    /// The registry that a request means: that of its query field `ns`, decoded, as containerd sends it to mirrors; else that
    /// of the listener; else its `Host` field, if that is a registry whose images are served, as `serves` says. A client whose DNS
    /// leads the names of public registries here sends such a field.
    ///
    /// An `ns` that repeats the `Host` field is this server. So is a `Host` that is an address or `localhost`: nobody leads
    /// these elsewhere, and images may have been pulled from a registry of that name.
    #[must_use]
    pub fn of(
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

    /// What the name of a repository can mean in a request for this registry, in the order in which a node looks for images: it
    /// serves those of the first meaning that it has.
    ///
    /// A name that starts with an archive is unambiguous: `metalk8s-2.10/redis`, `metalk8s-2.10/docker.io/library/redis`. Else, a
    /// name in a request for another registry is an original name and nothing else: `nginx` of that registry is not `nginx` of an
    /// archive. A request for this server can name the registry in the path (`docker.io/library/redis`), or an image alone
    /// (`redis`) where that can only mean one.
    ///
    /// ```
    /// use images::original_names::{NameMeaning, RequestedRegistry};
    ///
    /// let found = RequestedRegistry::This.meanings("redis");
    /// assert_eq!(found, [NameMeaning::Own { prefix: None, name: "redis" }]);
    /// ```
    #[must_use]
    pub fn meanings<'a>(&self, name: &'a str) -> Vec<NameMeaning<'a>> {
        let below = |prefix: Option<&'a str>, name: &'a str| {
            let (part, repository) = name.split_once('/')?;
            Some(NameMeaning::Original { prefix, host: host_of_part(part)?, repository })
        };
        let mut found = Vec::new();
        if let Some((prefix, rest)) = name.split_once('/') {
            found.push(NameMeaning::Own { prefix: Some(prefix), name: rest });
            found.extend(below(Some(prefix), rest));
        }
        match self {
            Self::Invalid => {}
            Self::Other(host) => {
                found.push(NameMeaning::Original { prefix: None, host: host.clone(), repository: name });
                // A client can send the host both in the path and in the query.
                let is_same = |meaning: &NameMeaning<'_>| meaning.host() == Some(host);
                found.extend(below(None, name).filter(is_same));
            }
            Self::This => {
                found.extend(below(None, name));
                found.push(NameMeaning::Own { prefix: None, name });
            }
        }
        found
    }
}

/// What the name of a repository can mean in a request to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameMeaning<'a> {
    /// The images that an archive has under a name.
    Own {
        /// What precedes the names of the archive: `metalk8s-2.10`. `None` for archives whose images are also served without it.
        prefix: Option<&'a str>,
        /// The name in the archive.
        name: &'a str,
    },
    /// The images that came from a repository of another registry.
    Original {
        /// What precedes the names of the archive that must have them; `None` for all archives.
        prefix: Option<&'a str>,
        /// The registry, as [`canonical_host`] returns it.
        host: String,
        /// The repository at the registry.
        repository: &'a str,
    },
}

impl NameMeaning<'_> {
    fn host(&self) -> Option<&String> {
        match self {
            Self::Own { .. } => None,
            Self::Original { host, .. } => Some(host),
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

    #[test]
    fn a_name_means_an_archive_then_an_original_name_then_an_image_alone() {
        let own = |prefix, name| NameMeaning::Own { prefix, name };
        let original = |prefix, host: &str, repository| NameMeaning::Original {
            prefix,
            host: host.to_owned(),
            repository,
        };
        let (this, quay) = (RequestedRegistry::This, RequestedRegistry::Other("quay.io".into()));
        let with_port = [
            own(Some("localhost__5000"), "team/app"),
            original(Some("localhost__5000"), "team", "app"),
            original(None, "localhost:5000", "team/app"),
            own(None, "localhost__5000/team/app"),
        ];
        assert_eq!(this.meanings("localhost__5000/team/app"), with_port);
        let of_archive = [
            own(Some("site-1.0"), "quay.io/a/b"),
            original(Some("site-1.0"), "quay.io", "a/b"),
            original(None, "site-1.0", "quay.io/a/b"),
            own(None, "site-1.0/quay.io/a/b"),
        ];
        assert_eq!(this.meanings("site-1.0/quay.io/a/b"), of_archive);
        assert_eq!(quay.meanings("app"), [original(None, "quay.io", "app")]);
        let twice = [
            own(Some("quay.io"), "app"),
            original(None, "quay.io", "quay.io/app"),
            original(None, "quay.io", "app"),
        ];
        assert_eq!(quay.meanings("quay.io/app"), twice);
        assert_eq!(quay.meanings("ghcr.io/app")[1..], [original(None, "quay.io", "ghcr.io/app")]);
        assert_eq!(RequestedRegistry::Invalid.meanings("a/b"), [own(Some("a"), "b")]);
    }
}
