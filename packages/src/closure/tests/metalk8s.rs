//! The packages that MetalK8s downloads for EL 8, from repositories that stand in for the real ones: their own, EPEL, Kubernetes
//! and Salt, and those of the distribution, which the nodes have.

use std::collections::BTreeMap;

use super::*;

/// What MetalK8s asks for.
const REQUESTS: [&str; 24] = [
    "audit",
    "conntrack-tools",
    "container-selinux",
    "containerd",
    "coreutils",
    "cri-tools",
    "e2fsprogs",
    "ebtables",
    "ethtool",
    "genisoimage",
    "iproute",
    "iptables",
    "kubectl-1.29.8",
    "kubelet-1.29.8",
    "kubernetes-cni",
    "m2crypto",
    "openssl",
    "python3-psutil",
    "salt-minion-3002.9",
    "socat",
    "sos",
    "util-linux",
    "xfsprogs",
    "yum-plugin-versionlock",
];

fn repositories() -> [(&'static str, Vec<String>); 5] {
    [
        (
            "scality",
            lines(&[
                "containerd-1.6.35-1.el8.x86_64 R:container-selinux;R:runc;R:systemd;R:libseccomp.so.2()(64bit);P:cri",
                "metalk8s-sosreport-2.11-1.el8 R:sos >= 3.1;R:python3",
            ]),
        ),
        (
            "epel",
            lines(&[
                "libzmq-4.3-1.el8.x86_64 R:libsodium.so.23()(64bit);P:libzmq.so.5()(64bit)",
                "libsodium-1.0-1.el8.x86_64 P:libsodium.so.23()(64bit)",
                "openssl-9.9-1.el8.x86_64",
                "python3-m2crypto-0.35-1.el8.x86_64 R:openssl-libs;P:m2crypto = 0.35",
                "python3-psutil-5.4-1.el8.x86_64 R:python3;R:python(abi) = 3.6",
                "python3-psutil-5.3-1.el8.x86_64 R:python3",
            ]),
        ),
        (
            "kubernetes",
            lines(&[
                "cri-tools-1.29-1.x86_64",
                "kubectl-1.29.8-1.x86_64",
                "kubectl-1.30.0-1.x86_64",
                "kubelet-1.29.8-1.x86_64 R:kubernetes-cni >= 1.2;R:socat;R:ethtool;R:conntrack;R:iptables >= 1.4",
                "kubelet-1.30.0-1.x86_64 R:kubernetes-cni >= 1.2;R:socat",
                "kubernetes-cni-1.3-1.x86_64",
                "kubernetes-cni-1.1-1.x86_64",
            ]),
        ),
        (
            "saltstack",
            lines(&[
                "salt-3002.9-1.el8 R:python3-pyzmq;R:python3-msgpack;R:python(abi) = 3.6;R:(yum-utils or dnf-utils)",
                "salt-3003.1-1.el8 R:python3-pyzmq",
                "salt-minion-3002.9-1.el8 R:salt = 3002.9-1.el8",
                "salt-minion-3003.1-1.el8 R:salt = 3003.1-1.el8",
                "python3-pyzmq-20-1.el8.x86_64 R:libzmq.so.5()(64bit)",
                "python3-msgpack-0.6-1.el8.x86_64",
            ]),
        ),
        (
            "base",
            lines(&[
                "audit-3-1.el8.x86_64",
                "conntrack-tools-1-1.el8.x86_64 P:conntrack = 1",
                "container-selinux-2-1.el8 R:selinux-policy",
                "coreutils-8-1.el8.x86_64",
                "dnf-utils-4-1.el8",
                "e2fsprogs-1-1.el8.x86_64",
                "ethtool-5-1.el8.x86_64",
                "genisoimage-1-1.el8.x86_64",
                "iproute-5-1.el8.x86_64",
                "iptables-1.8-1.el8.x86_64",
                "iptables-ebtables-1.8-1.el8.x86_64 P:ebtables",
                "libseccomp-2-1.el8.x86_64 P:libseccomp.so.2()(64bit)",
                "libseccomp-2-1.el8.i686 P:libseccomp.so.2",
                "openssl-1.1-1.el8.x86_64",
                "openssl-libs-1.1-1.el8.x86_64",
                "platform-python-3.6-1.el8.x86_64 P:python(abi) = 3.6",
                "python36-3.6-1.el8.x86_64 P:python3 = 3.6;R:platform-python",
                "python3-dnf-plugin-versionlock-4-1.el8 P:yum-plugin-versionlock",
                "runc-1-1.el8.x86_64",
                "selinux-policy-3-1.el8 R:selinux-policy-any",
                "selinux-policy-targeted-3-1.el8 P:selinux-policy-any",
                "selinux-policy-minimum-3-1.el8 P:selinux-policy-any",
                "socat-1.7-1.el8.x86_64",
                "sos-4-1.el8",
                "systemd-239-1.el8.x86_64",
                "util-linux-2-1.el8.x86_64",
                "xfsprogs-5-1.el8.x86_64",
            ]),
        ),
    ]
}

#[test]
fn the_packages_of_metalk8s_are_closed_over_repositories_that_stand_in() {
    let mut pool = pool(&repositories());
    pool.repositories[4].on_nodes = true;
    let mut requests: Vec<Request> = REQUESTS.into_iter().map(Request::new).collect();
    for text in ["sos >= 3.1", "python3"] {
        let [needed] = crate::Dependency::list(crate::Relation::Requires, text).unwrap().try_into().unwrap();
        let what = Wanted::Dependency(pool.add_requirement(&needed).unwrap());
        requests.push(Request { what, repository: None, optional: false });
    }
    let options = Options { weak_dependencies: false, ..Options::new("x86_64") };
    let closure = solve(&pool, &requests, &options).unwrap();
    let mut by_repository: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in &closure.packages {
        let package = pool.package(one.package).unwrap();
        let repository = &pool.repository(package.repository).unwrap().name;
        by_repository.entry(repository).or_default().push(pool.nevra(package));
    }
    let expected: BTreeMap<&str, Vec<String>> = [
        (
            "epel",
            lines(&[
                "libsodium-1.0-1.el8.x86_64",
                "libzmq-4.3-1.el8.x86_64",
                "python3-m2crypto-0.35-1.el8.x86_64",
                "python3-psutil-5.4-1.el8.x86_64",
            ]),
        ),
        (
            "kubernetes",
            lines(&[
                "cri-tools-1.29-1.x86_64",
                "kubectl-1.29.8-1.x86_64",
                "kubelet-1.29.8-1.x86_64",
                "kubernetes-cni-1.3-1.x86_64",
            ]),
        ),
        (
            "saltstack",
            lines(&[
                "python3-msgpack-0.6-1.el8.x86_64",
                "python3-pyzmq-20-1.el8.x86_64",
                "salt-3002.9-1.el8.noarch",
                "salt-minion-3002.9-1.el8.noarch",
            ]),
        ),
        ("scality", lines(&["containerd-1.6.35-1.el8.x86_64"])),
    ]
    .into();
    assert_eq!(by_repository, expected);
    // What the nodes have is preferred to a newer version elsewhere.
    assert!(names(&pool, &closure.on_nodes).contains(&"openssl-1.1-1.el8.x64".to_owned()));
    // The whole answer can be installed from what was chosen and the repositories of the distribution.
    let own: Vec<RepositoryId> = pool.repositories().map(|(id, _)| id).take(4).collect();
    assert_eq!(super::super::check(&pool, &own, &options).findings, []);
}
