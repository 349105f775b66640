//! States over the cases of systems and pillars, and what is said where they cannot be.

use std::fs;

use serde_json::json;
use tests::sealift;

use super::{BOOTSTRAP, Node, SALTENV};

#[test]
fn states_fit_the_system_and_the_place() {
    let rows = [
        (
            json!({"os": "CentOS", "os_family": "RedHat", "osmajorrelease": 7}),
            json!({}),
            Ok("http://10.0.0.100:8080/metalk8s-2.11.0-dev/redhat/7/scality-el7"),
        ),
        (
            json!({"os": "RedHat", "os_family": "RedHat", "osmajorrelease": 7}),
            json!({}),
            Ok("http://10.0.0.100:8080/metalk8s-2.11.0-dev/redhat/7/scality-el7"),
        ),
        (
            json!({"os": "RedHat", "os_family": "RedHat", "osmajorrelease": 8}),
            json!({}),
            Ok("http://10.0.0.100:8080/metalk8s-2.11.0-dev/redhat/8/scality-el8"),
        ),
        (
            json!({"os": "Rocky", "os_family": "RedHat", "osmajorrelease": 8}),
            json!({"repo": {"local_mode": true}}),
            Ok("file://SRV/metalk8s-2.11.0-dev/packages/redhat/8/metalk8s-scality-el8"),
        ),
        (
            json!({"os": "SLES", "os_family": "Suse", "osmajorrelease": 15}),
            json!({}),
            Err("packages for the RedHat and Debian families, and this is SLES"),
        ),
    ];
    for (grains, pillar, expected) in rows {
        let Some(node) = Node::new(BOOTSTRAP, &grains) else { return };
        // What the local mode finds where the archive is mounted.
        let mounted = node.path("srv").join(SALTENV);
        for release in ["7", "8"] {
            let metadata = mounted
                .join(format!("packages/redhat/{release}/metalk8s-scality-el{release}/repodata/repomd.xml"));
            fs::create_dir_all(metadata.parent().unwrap()).unwrap();
            fs::write(metadata, "").unwrap();
        }
        fs::write(mounted.join("product.txt"), "NAME=MetalK8s\nVERSION=2.11.0-dev\n").unwrap();
        let run = node.apply("metalk8s.repo", &pillar);
        match expected {
            Ok(url) => {
                assert!(run.success, "{grains}: {}", run.said);
                let written = fs::read_to_string(node.path("root/etc/yum.repos.d/sealift.repo")).unwrap();
                let url = url.replace("SRV", &node.path("srv").display().to_string());
                let urls = written.lines().filter_map(|line| line.strip_prefix("baseurl="));
                assert_eq!(urls.collect::<Vec<_>>(), [url], "{grains}: {written}");
            }
            Err(text) => assert!(!run.success && run.said.contains(text), "{grains}: {}", run.said),
        }
    }
}

#[test]
fn apt_gets_the_repositories_of_the_release_of_the_system() {
    let grains =
        json!({"os": "Debian", "os_family": "Debian", "osmajorrelease": 12, "oscodename": "bookworm"});
    let Some(node) = Node::new(BOOTSTRAP, &grains) else { return };
    let run = node.apply("metalk8s.repo", &json!({}));
    assert!(!run.success && run.said.contains("does not have the archive of metalk8s-"), "{}", run.said);
    let mounted = node.path("srv").join(SALTENV);
    for release in ["bookworm", "22.04"] {
        let repository = mounted.join(format!("packages/debian/{release}/metalk8s-scality"));
        fs::create_dir_all(repository.join("dists").join(release)).unwrap();
        fs::write(repository.join("dists").join(release).join("Release"), "Components: main\n").unwrap();
        fs::write(repository.join("archive-key.asc"), "a key\n").unwrap();
    }
    fs::write(mounted.join("product.txt"), "NAME=MetalK8s\nVERSION=2.11.0-dev\n").unwrap();
    let sources = node.path("root/etc/apt/sources.list.d/sealift.sources");
    for (pillar, release) in [(json!({}), "bookworm"), (json!({"repo": {"release": "22.04"}}), "22.04")] {
        let run = node.apply("metalk8s.repo", &pillar);
        assert!(run.success, "{}", run.said);
        let written = fs::read_to_string(&sources).unwrap();
        let suites: Vec<&str> = written.lines().filter(|line| line.starts_with("Suites: ")).collect();
        assert_eq!(suites, [format!("Suites: {release}")], "{written}");
        node.apply("metalk8s.repo", &pillar).assert_unchanged();
    }
}

#[test]
fn without_a_place_to_pull_from_a_state_fails_and_says_so() {
    let Some(node) = Node::rocky("apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\n")
    else {
        return;
    };
    for state in ["metalk8s.container-engine", "metalk8s.repo"] {
        let run = node.apply(state, &json!({}));
        assert!(!run.success && run.said.contains("metalk8s:registry:endpoints"), "{}", run.said);
    }
    let run = node.apply("metalk8s.archives", &json!({}));
    assert!(run.success && run.results() == [(true, false)], "{}", run.said);
}

#[test]
fn a_wrong_bootstrap_configuration_is_named() {
    for (bootstrap, expected) in [
        (
            "kind: Something\napiVersion: metalk8s.scality.com/v1alpha3\n",
            "expected the kind BootstrapConfiguration",
        ),
        ("kind: BootstrapConfiguration\napiVersion: v1\n", "expected an apiVersion metalk8s.scality.com/"),
    ] {
        let Some(node) = Node::rocky(bootstrap) else { return };
        let run = node.show("metalk8s.archives", &json!({}));
        assert!(!run.success && run.said.contains(expected), "{}", run.said);
    }
}

/// The table of `salt/README.md` has a row for each formula that the reference tests. What it calls a test is one.
#[test]
fn every_formula_has_a_counterpart_or_a_reason() {
    let table = fs::read_to_string(sealift::repository().join("salt/README.md")).unwrap();
    let sources = format!(
        "{}{}{}{}{}{}",
        include_str!("clients.rs"),
        include_str!("installed.rs"),
        include_str!("orchestrations.rs"),
        include_str!("rendered.rs"),
        include_str!("solutions.rs"),
        include_str!("../runtime/nginx.rs")
    );
    let mut tests = 0;
    for formula in [
        "metalk8s/map.jinja",
        "addons/dex/deployed/service-configuration.sls",
        "addons/logging/loki/deployed/service-configuration.sls",
        "addons/prometheus-operator/post-cleanup.sls",
        "addons/prometheus-operator/deployed/service-configuration.sls",
        "addons/solutions/deployed/configmap.sls",
        "container-engine/containerd/files/50-metalk8s.conf.j2",
        "kubernetes/apiserver-proxy/files/apiserver-proxy.yaml.j2",
        "kubernetes/etcd/files/manifest.yaml.j2",
        "kubernetes/files/control-plane-manifest.yaml.j2",
        "kubernetes/kubelet/files/kubeadm.env.j2",
        "kubernetes/kubelet/files/service-systemd.conf.j2",
        "kubernetes/kubelet/files/service-standalone-systemd.conf.j2",
        "kubernetes/mark-control-plane/files/bootstrap_node_update.yaml.j2.in",
        "kubernetes/mark-control-plane/deployed.sls",
        "node/grains.sls",
        "orchestrate/apiserver.sls",
        "orchestrate/register_etcd.sls",
        "orchestrate/deploy_node.sls",
        "orchestrate/etcd.sls",
        "orchestrate/bootstrap/accept-minion.sls",
        "orchestrate/bootstrap/init.sls",
        "orchestrate/certs/renew.sls",
        "orchestrate/downgrade/init.sls",
        "orchestrate/downgrade/precheck.sls",
        "orchestrate/solutions/deploy-components.sls",
        "orchestrate/solutions/import-components.sls",
        "orchestrate/solutions/prepare-environment.sls",
        "orchestrate/solutions/files/operator/service_account.yaml.j2",
        "orchestrate/solutions/files/operator/configmap.yaml.j2",
        "orchestrate/solutions/files/operator/deployment.yaml.j2",
        "orchestrate/solutions/files/operator/role_binding.yaml.j2",
        "orchestrate/upgrade/init.sls",
        "orchestrate/upgrade/precheck.sls",
        "reactor/certs/renew.sls.in",
        "repo/files/metalk8s-registry-config.inc.j2",
        "repo/files/nginx.conf.j2",
        "repo/files/repositories-manifest.yaml.j2",
        "repo/redhat.sls",
        "salt/master/certs/salt-api.sls",
        "salt/master/files/master-99-metalk8s.conf.j2",
        "salt/master/files/salt-master-manifest.yaml.j2",
        "salt/minion/files/minion-99-metalk8s.conf.j2",
        "solutions/available.sls",
        "utils/httpd-tools/installed.sls",
        "volumes/unprepared.sls",
        "volumes/prepared.sls",
    ] {
        let row = table.lines().find(|line| line.starts_with(&format!("| `{formula}` |")));
        let row = row.unwrap_or_else(|| panic!("{formula} has no row"));
        let reason = row.rsplit(" | ").next().unwrap().trim_end_matches(" |");
        assert!(!reason.is_empty(), "{row}");
        if let Some(test) = reason.strip_prefix("test `") {
            let name = test.split('`').next().unwrap();
            assert!(sources.contains(&format!("fn {name}()")), "{row}");
            tests += 1;
        }
    }
    assert_eq!(tests, 11);
}
