//! Where the registry listens, how the nodes reach it, and the firewall.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{BOOTSTRAP, Node};

/// The network of a node.
const NETWORK: &str = r#"
__virtualname__ = "network"

def __virtual__():
    return __virtualname__

def addresses():
    return open("FILE").read().split()

def ip_addrs(cidr=None, include_loopback=False):
    return addresses() if cidr in (None, "10.0.0.0/24") else []

def ip_addrs6(cidr=None, include_loopback=False):
    return ["fd00::7"] if cidr in (None, "fd00::/64") else []

def interfaces():
    return {"eth7": {"up": True, "inet": [{"address": address} for address in addresses()]}}
"#;

/// firewalld in a file, with eth7 in the zone `cluster`.
const FIREWALL: &str = r#"#!/bin/sh
echo "$*" >>"$0.calls"
case "$*" in
--state) test -e "$0.runs" ;;
--get-zone-of-interface=eth7) echo cluster ;;
*--query-*) grep -qx -e "${*##*--query-}" "$0.rules" ;;
*--add-*) echo "${*##*--add-}" >>"$0.rules" ;;
--reload) ;;
*) exit 1 ;;
esac
"#;

/// The ingress of the platform is at this node, beside its own address.
const WITH_INGRESS: &str = "10.0.0.100 10.0.0.7";
const ALONE: &str = "10.0.0.7";

fn node(bootstrap: &str, addresses: &str) -> Option<Node> {
    let grains = json!({"os": "Rocky", "os_family": "RedHat", "osmajorrelease": 8});
    let mut node = Node::new(bootstrap, &grains)?;
    let modules = node.path("tree/_modules");
    fs::create_dir_all(&modules).unwrap();
    fs::write(
        modules.join("network.py"),
        NETWORK.replace("FILE", &node.path("addresses").display().to_string()),
    )
    .unwrap();
    node.minion(&grains, Some(&node.path("tree")));
    fs::write(node.path("addresses"), addresses).unwrap();
    let programs = node.path("programs");
    fs::create_dir(&programs).unwrap();
    fs::write(programs.join("firewall-cmd"), FIREWALL).unwrap();
    fs::write(programs.join("firewall-cmd.rules"), "").unwrap();
    fs::set_permissions(programs.join("firewall-cmd"), fs::Permissions::from_mode(0o755)).unwrap();
    node.path_first = Some(programs);
    Some(node)
}

#[test]
fn the_registry_listens_where_the_nodes_connect() {
    let Some(node) = node(BOOTSTRAP, ALONE) else { return };
    let no_ingress = BOOTSTRAP.replace("    ingress:\n      ip: 10.0.0.100\n", "");
    let own_ingress = BOOTSTRAP.replace("10.0.0.100", "10.0.0.7");
    let elsewhere = no_ingress.replace("cidr: 10.0.0.0/24", "cidr: 10.9.0.0/24");
    let other = json!({"endpoints": ["https://10.0.0.7:8080", "https://10.0.0.8:8080"]});
    for (bootstrap, addresses, registry, expected) in [
        (no_ingress.as_str(), ALONE, json!({}), "10.0.0.7:8080\nSEALIFT_OPTIONS=--no-tls\n"),
        (&own_ingress, ALONE, json!({}), "10.0.0.7:8080\nSEALIFT_OPTIONS=--no-tls\n"),
        // It may move to this node at any time.
        (BOOTSTRAP, WITH_INGRESS, json!({}), "0.0.0.0:8080\nSEALIFT_OPTIONS=--no-tls\n"),
        (&elsewhere, ALONE, json!({}), "0.0.0.0:8080\nSEALIFT_OPTIONS=--no-tls\n"),
        (
            &no_ingress.replace("10.0.0.0/24", "fd00::/64"),
            ALONE,
            json!({}),
            "[fd00::7]:8080\nSEALIFT_OPTIONS=--no-tls\n",
        ),
        (
            BOOTSTRAP,
            WITH_INGRESS,
            other,
            "10.0.0.7:8080\nSEALIFT_OPTIONS=--no-tls --node https://10.0.0.8:8080\n",
        ),
        // The pillar of a site from before.
        (
            BOOTSTRAP,
            ALONE,
            json!({"listen": "0.0.0.0", "options": "--tls-certificate /a.crt --tls-key /a.key"}),
            "0.0.0.0:8080\nSEALIFT_OPTIONS=--tls-certificate /a.crt --tls-key /a.key\n",
        ),
        (
            &no_ingress,
            ALONE,
            json!({"tls": true, "pki": "/pki", "port": 8443}),
            "10.0.0.7:8443\nSEALIFT_OPTIONS=--tls-certificate /pki/server.crt --tls-key /pki/server.key\n",
        ),
    ] {
        fs::write(node.path("bootstrap.yaml"), bootstrap).unwrap();
        fs::write(node.path("addresses"), addresses).unwrap();
        let run = node.apply("metalk8s.registry.configured", &json!({"registry": registry}));
        assert!(run.success, "{}", run.said);
        let settings = fs::read_to_string(node.path("sysconfig")).unwrap();
        assert!(settings.contains(&format!("\nSEALIFT_LISTEN={expected}")), "{registry}: {settings}");
    }
}

#[test]
fn the_authority_of_the_bootstrap_node_turns_tls_on_everywhere() {
    let Some(node) = node(BOOTSTRAP, WITH_INGRESS) else { return };
    let pki = node.path("pki");
    let (server, authority) = (pki.join("server.crt"), pki.join("ca.crt"));
    fs::write(node.path("authority.crt"), "the authority\n").unwrap();
    let states = "metalk8s.registry.configured,metalk8s.container-engine,metalk8s.repo";
    let pillar =
        json!({"registry": {"pki": pki, "endpoints": ["https://10.0.0.7:8080", "https://10.0.0.8:8080"]}});
    let run = node.apply(states, &pillar);
    assert!(run.success && run.changes() == 4, "{}", run.said);
    let settings = || fs::read_to_string(node.path("sysconfig")).unwrap();
    let nodes = format!("--node https://10.0.0.8:8080 --ca {}\n", authority.display());
    assert!(
        settings().contains(&format!("=--no-tls {nodes}")),
        "a node without a certificate: {}",
        settings()
    );
    let below =
        |path: &str| fs::read_to_string(node.path("root").join(path.trim_start_matches('/'))).unwrap();
    assert_eq!(below(&authority.display().to_string()), "the authority\n");
    let hosts = below("etc/containerd/certs.d/metalk8s-registry-from-config.invalid/hosts.toml");
    let trusted = format!("ca = \"{}\"\n", authority.display());
    assert_eq!(hosts.matches(&trusted).count(), 2, "{hosts}");
    let repositories = below("etc/yum.repos.d/sealift.repo");
    assert!(repositories.contains(&format!("\nsslcacert={}\n", authority.display())), "{repositories}");

    fs::create_dir_all(&pki).unwrap();
    fs::write(&server, "").unwrap();
    let run = node.apply(states, &pillar);
    assert!(run.success && run.changes() == 1, "{}", run.said);
    let tls =
        format!("--tls-certificate {} --tls-key {}", server.display(), pki.join("server.key").display());
    assert!(settings().contains(&format!("={tls} {nodes}")), "{}", settings());
    node.apply(states, &pillar).assert_unchanged();

    // Without a list, the nodes connect to the ingress.
    let run = node.apply("metalk8s.container-engine", &json!({"registry": {"pki": pki}}));
    assert!(run.success, "{}", run.said);
    let hosts = below("etc/containerd/certs.d/metalk8s-registry-from-config.invalid/hosts.toml");
    assert!(hosts.contains("\nserver = \"https://10.0.0.100:8080\"\n"), "{hosts}");
}

#[test]
fn the_service_is_allowed_in_firewalld_where_that_runs() {
    let Some(node) = node(&BOOTSTRAP.replace("10.0.0.100", "10.0.0.7"), ALONE) else { return };
    let state = "metalk8s.registry.firewall";
    let calls = || fs::read_to_string(node.path("programs/firewall-cmd.calls")).unwrap();
    node.apply(state, &json!({})).assert_unchanged();
    assert_eq!(calls(), "--state\n", "it does not run");

    fs::write(node.path("programs/firewall-cmd.runs"), "").unwrap();
    let planned = node.call(&["state.apply", state, &node.pillar(&json!({})), "test=True"]);
    assert!(planned.said.contains("would be done") && !calls().contains("--add-"), "{}", planned.said);
    let first = node.apply(state, &json!({}));
    assert!(first.success && first.changes() == 1, "{}", first.said);
    assert!(
        calls().ends_with("--permanent --zone=cluster --add-service=sealift-registry\n--reload\n"),
        "{}",
        calls()
    );
    node.apply(state, &json!({})).assert_unchanged();
    // The definition of the service has another port.
    let other = node.apply(state, &json!({"registry": {"port": 8443}}));
    assert!(other.success && other.changes() == 1, "{}", other.said);
    assert!(calls().ends_with("--zone=cluster --add-port=8443/tcp\n--reload\n"), "{}", calls());
    let off = node.apply(state, &json!({"registry": {"port": 1, "firewall": false}}));
    off.assert_unchanged();
}
