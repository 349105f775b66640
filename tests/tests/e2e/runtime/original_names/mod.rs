//! Images of public registries, pulled under their own names from archives. The names are those of an unmodified chart; the
//! images are stand-ins.

mod chart;
mod clients;
mod guide;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::daemon;
use tests::file_server::{FileServer, Reply};
use tests::nginx::Nginx;
use tests::{network, peer, sealift};

use super::site::Running;
use chart::{CHART, Digests, Upstream, name};
use clients::{Clients, configure};

/// nginx at `port`, with the configuration that Sealift writes for a node with the archives `isos`, unpacked.
fn nginx(folder: &Path, port: u16, isos: &[PathBuf]) -> Option<Nginx> {
    let program = peer::find("nginx")?;
    let mut listed = String::new();
    for (number, iso) in isos.iter().enumerate() {
        let tree = folder.join(format!("tree-{number}"));
        let arguments = ["iso", "extract", iso.to_str().unwrap(), "--into", tree.to_str().unwrap()];
        let (code, _, err) = sealift::run(folder, &arguments);
        assert_eq!(code, 0, "{err}");
        listed.push_str(&format!("  - {}\n", tree.display()));
    }
    let text = format!("apiVersion: sealift.dev/v1alpha1\nkind: ArchivesConfiguration\narchives:\n{listed}");
    fs::write(folder.join("archives.yaml"), text).unwrap();
    let mut command = sealift::command(folder);
    command.args(["registry", "nginx-config", "--configured", "--install", "nginx.conf"]);
    command.args(["--listen", &format!("127.0.0.1:{port}")]).arg("--nginx").arg(&program);
    for (flag, name) in [("--pid", "nginx.pid"), ("--error-log", "error.log")] {
        command.arg(flag).arg(folder.join(name));
    }
    let (code, out, err) = sealift::told(&command.args(sealift::places(folder)).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let mut command = Command::new(program);
    let user = if tests::user::is_root() { "user root; " } else { "" };
    command.args(["-g", &format!("{user}daemon off;"), "-c"]).arg(folder.join("nginx.conf"));
    Some(Nginx(daemon::start(&mut command, port, &folder.join("nginx.log"))))
}

/// Pulls all images of both archives, and what neither has; nothing but the nodes may be asked.
fn pull_all(clients: &Clients<'_>, internet: &FileServer, old: &Digests, new: &Digests) {
    for (number, image) in CHART.iter().enumerate() {
        let name = name(image);
        let digest = new.get(&name).unwrap_or(&old[&name]);
        for (client, mut pull) in clients.pulls(&name) {
            // podman has the library of skopeo, so some images are enough.
            if client != "podman" || number % 3 == 0 {
                peer::run(&mut pull);
                assert_eq!(clients.digest(client, &name), *digest, "{client} {name}");
            }
        }
    }
    // The older image, by its digest.
    let changed = name(&CHART[0]);
    let pinned = format!("{}@{}", changed.rsplit_once(':').unwrap().0, old[&changed]);
    for (client, mut pull) in clients.pulls(&pinned) {
        peer::run(&mut pull);
        if client == "skopeo" {
            assert_eq!(clients.digest(client, &pinned), old[&changed]);
        }
    }
    // Missing tags, and repositories of another host. containers/image has no fence for hosts that no archive knows.
    for name in
        ["docker.io/grafana/grafana:none", "ghcr.io/grafana/grafana:13.2.0", "unknown.example/grafana:13.2.0"]
    {
        for (client, mut pull) in clients.pulls(name) {
            if client == "ctr" || !name.starts_with("unknown") {
                assert!(!pull.output().unwrap().status.success(), "{client} {name}");
            }
        }
    }
    assert_eq!(internet.asked(), [], "nothing but the nodes");
}

#[test]
fn a_chart_is_pulled_under_its_own_names_and_nothing_else_is_asked() {
    // It may have to be built, with a network.
    let _ = sealift::binary();
    // For root, the clients have no way out at all. What they would like to ask, the proxy of all of them counts: for users who
    // are not root, its list alone is the proof.
    let _ = network::leave();
    let Some(upstream) = Upstream::start() else { return };
    let folder = upstream.folder.path();
    let old = upstream.publish("1.9.0", &CHART);
    let mut isos = vec![upstream.pack("Example", "1.9.0", &CHART)];
    // In the newer archive, one tag has another image, and one image is gone.
    let kept = &CHART[..CHART.len() - 1];
    let mut new = old.clone();
    new.extend(upstream.publish("1.10.0", &CHART[..1]));
    isos.push(upstream.pack("Example", "1.10.0", kept));
    let changed = name(&CHART[0]);
    assert_ne!(old[&changed], new[&changed]);
    drop(upstream.registry);

    let internet = FileServer::start(|_| Reply::Status(502));
    let server = Running::serving(&[&isos[0], &isos[1]]);
    let address = server.address.to_string();
    let both = [isos[0].as_path(), isos[1].as_path()];
    configure(folder, &address, &both, false);
    let files = folder.join("client");
    let clients = Clients::new(&files, folder.join("from-server"), &internet);
    pull_all(&clients, &internet, &old, &new);

    // nginx in its place: the files of the clients stay as they are.
    let port = server.address.port();
    drop(server);
    if let Some(_nginx) = nginx(folder, port, &isos) {
        let clients = Clients::new(&files, folder.join("from-nginx"), &internet);
        pull_all(&clients, &internet, &old, &new);
        assert_eq!(fs::read_to_string(folder.join("error.log")).unwrap(), "");
    }

    // The fence is that of the files: with `--fallback` the clients do ask.
    configure(folder, &address, &both, true);
    for (client, mut pull) in clients.pulls("quay.io/grafana/grafana:13.2.0") {
        assert!(!pull.output().unwrap().status.success(), "{client}");
        let asked = internet.asked();
        assert!(asked.iter().any(|asked| asked.path == "quay.io:443"), "{client}: {asked:?}");
    }
}
