//! dnf installs from the server.

use std::fs;
use std::process::{Command, Stdio};

use tests::peer;

use super::site::{INSTALLED, Running, Site};

#[test]
fn dnf_installs_over_http_from_the_iso() {
    let Some(dnf) = peer::find("dnf") else { return };
    let site = Site::new();
    let server = Running::serving(&[&site.iso]);
    let root = site.scratch.path().join("system");
    for folder in ["var/log", "etc/dnf/vars", "repos"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("dnf.conf"), "[main]\n").unwrap();
    // The first address does not answer, as when a node is down.
    let path = "example-1.0/redhat/8/scality-el8";
    let repository = format!(
        "[scality]\nname=scality\nbaseurl=http://127.0.0.1:9/{path} http://{}/{path}\nenabled=1\ngpgcheck=0\nproxy=_none_\n",
        server.address
    );
    fs::write(root.join("repos/scality.repo"), repository).unwrap();
    let here = root.display();
    let mut command = Command::new(dnf);
    command.stdin(Stdio::null()).arg("-y").arg("-c").arg(root.join("dnf.conf"));
    command.args(["--releasever=8", "--forcearch=x86_64", "--disableplugin=*"]).args([
        format!("--installroot={here}"),
        format!("--setopt=reposdir={here}/repos"),
        format!("--setopt=cachedir={here}/var/cache/dnf"),
        format!("--setopt=persistdir={here}/var/lib/dnf"),
        format!("--setopt=logdir={here}/var/log"),
        format!("--setopt=varsdir={here}/etc/dnf/vars"),
    ]);
    peer::run(command.args(["install", "greeting"]));
    assert_eq!(fs::read_to_string(root.join(INSTALLED.0)).unwrap(), INSTALLED.1);
}
