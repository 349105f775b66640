//! Client configuration: files that name the serving nodes to containerd, CRI-O, dnf and apt, and the policy for signatures of images.
//!
//! Every file names all nodes that serve, in the order in which clients try them, and is marked as generated. No file
//! leads out of the site: the last resort of each client is one of the nodes, too.
//!
//! ```
//! use node::client_config::{self, NodeAddress};
//!
//! let nodes: Vec<NodeAddress> = vec!["http://10.0.0.1:8080".parse()?, "http://10.0.0.2:8080".parse()?];
//! let file = client_config::containerd(client_config::HOST, &nodes, None)?;
//! assert_eq!(file.path, "etc/containerd/certs.d/metalk8s-registry-from-config.invalid/hosts.toml");
//! assert!(file.content.contains("[host.\"http://10.0.0.2:8080\"]"));
//! # Ok::<(), client_config::Error>(())
//! ```
//!
//! `docs/guide/nodes.md` lists what each client survives.

mod error;
mod file;
mod image_policy;
mod node;
mod obstacle;
mod original_names;
mod packages;
mod registries;
mod status_page;

pub use error::Error;
pub use file::{ClientConfigFile, stale, write};
pub use image_policy::{
    AdmissionController, ExistingPolicy, PolicyNames, PullVerdict, ReportedImage, SignedRepositories,
    SignedRepository, admission_policy, existing_policy, image_policy, judge_pull,
};
pub use node::NodeAddress;
pub use obstacle::{Obstacle, k3s_obstacle, obstacles};
pub use original_names::{
    CONFIG_PATH, K3sDistribution, OriginalNames, containerd_original_names, crio_original_names, k3s,
};
pub use packages::{ArchivePackages, KeyLocation, PackageSource, apt, dnf};
pub use registries::{HOST, containerd, containerd_verifier, crio};
pub use status_page::StatusPackageFiles;

#[cfg(test)]
mod tests {
    use super::registries::toml_string;
    use super::*;

    #[test]
    fn nodes_are_addresses_and_nothing_else() {
        for (text, expected) in [
            ("http://10.0.0.1:8080", Some("http://10.0.0.1:8080")),
            ("https://node-1.example/", Some("https://node-1.example")),
            ("http://[fd00::1]:80", Some("http://[fd00::1]:80")),
            ("10.0.0.1:8080", None),
            ("http://", None),
            ("http://a/b", None),
            ("http://a\"]\n[x", None),
            ("http://user@a", None),
            ("ftp://a", None),
        ] {
            assert_eq!(
                text.parse::<NodeAddress>().ok().map(|node| node.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
        assert!(matches!(containerd("a/../b", &[], None), Err(Error::Node { .. })));
        assert!(matches!(containerd(HOST, &[], None), Err(Error::NoNode)));
    }

    fn nodes(texts: &[&str]) -> Vec<NodeAddress> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn containerd_reads_ipv6_nodes_as_dotted_keys_in_their_order() {
        let file =
            containerd(HOST, &nodes(&["https://[fd00::1]", "http://10.0.0.2"]), Some("/ca.pem")).unwrap();
        let expected = "[host]\n\"https://[fd00::1]\".capabilities = [\"pull\", \"resolve\"]\n\"https://[fd00::1]\".ca = \"/ca.pem\"\n\
                        \"http://10.0.0.2\".capabilities = [\"pull\", \"resolve\"]\n";
        assert!(file.content.ends_with(expected), "{}", file.content);
        assert!(file.content.contains("server = \"https://[fd00::1]\"\n"), "{}", file.content);
        // Everything else is written as tables.
        let file = containerd(HOST, &nodes(&["http://10.0.0.2"]), None).unwrap();
        assert!(
            file.content.ends_with("[host.\"http://10.0.0.2\"]\n  capabilities = [\"pull\", \"resolve\"]\n")
        );
    }

    #[test]
    fn containers_image_gets_locations_that_it_reads_or_the_node_is_refused_by_name() {
        for (node, location) in [
            ("http://10.0.0.1", "10.0.0.1"),
            ("http://node.example", "node.example"),
            ("http://node:8080", "node:8080"),
            // One label alone is a repository of Docker Hub to it.
            ("http://node", "node:80"),
            ("https://node", "node:443"),
            ("http://localhost", "localhost"),
        ] {
            let content = crio(HOST, &nodes(&[node, "http://10.0.0.9"])).unwrap().content;
            assert!(content.contains(&format!("location = \"{location}\"\n")), "{content}");
            let content = crio(HOST, &nodes(&[node])).unwrap().content;
            assert!(content.contains(&format!("location = \"{location}\"\n")), "{content}");
        }
        for refused in [
            crio(HOST, &nodes(&["http://10.0.0.1", "http://[fd00::1]:80"])),
            crio("[fd00::1]:80", &nodes(&["http://10.0.0.1"])),
        ] {
            assert!(
                matches!(&refused, Err(Error::Unusable { node, .. }) if node == "[fd00::1]:80"),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_node_that_is_named_twice_is_refused() {
        let nodes: Vec<NodeAddress> =
            ["http://a", "https://a", "http://a/"].iter().map(|node| node.parse().unwrap()).collect();
        assert!(containerd(HOST, &nodes[..2], None).is_ok());
        for refused in [
            containerd(HOST, &nodes, None).map(drop),
            crio(HOST, &nodes).map(drop),
            dnf(&[], PackageSource::Nodes(&nodes), KeyLocation::AtNode, None, None).map(drop),
            apt(&[], &nodes, KeyLocation::AtNode, None, None).map(drop),
        ] {
            assert!(matches!(&refused, Err(Error::NodeTwice(node)) if node == "http://a"), "{refused:?}");
        }
    }

    #[test]
    fn files_are_replaced_whole_and_only_if_they_are_ours() {
        let folder = tempfile::tempdir().unwrap();
        let nodes: Vec<NodeAddress> = vec!["http://10.0.0.1:8080".parse().unwrap()];
        let file = crio(HOST, &nodes).unwrap();
        let files = [file.clone()];
        let place = folder.path().join(&file.path);
        assert_eq!(stale(folder.path(), &files, false).unwrap(), [(place.clone(), &file)]);
        assert!(!place.exists());
        assert_eq!(write(folder.path(), &files, false).unwrap(), [folder.path().join(&file.path)]);
        assert!(write(folder.path(), &files, false).unwrap().is_empty());
        std::fs::write(folder.path().join(&file.path), "by hand").unwrap();
        assert!(matches!(write(folder.path(), &files, false), Err(Error::NotOurs(_))));
        assert_eq!(write(folder.path(), &files, true).unwrap().len(), 1);
        assert!(
            file.content
                .starts_with("# Generated by `sealift registry crio-config` from http://10.0.0.1:8080.")
        );
    }

    #[test]
    fn the_script_for_containerd_has_the_paths_of_the_node() {
        let nodes = nodes(&["http://10.0.0.1"]);
        let content = |options: &[&str]| {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            containerd_verifier(&nodes, &options).unwrap().content
        };
        assert!(content(&[]).ends_with("\nexec sealift registry verify-pull --configured \"$@\"\n"));
        let content = content(&["--trust-config", "/a b/$x'y.yaml"]);
        let line = content.lines().last().unwrap();
        let words = shlex::split(line).unwrap();
        let expected = ["--configured", "--trust-config", "/a b/$x'y.yaml", "$@"];
        assert_eq!(words[4..], expected, "{line}");
    }

    #[test]
    fn a_path_is_text_in_toml() {
        assert_eq!(toml_string("/a\"b\\c\n"), r#""/a\"b\\c\u000A""#);
    }
}
