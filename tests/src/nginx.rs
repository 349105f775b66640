//! An nginx of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::daemon::{self, Daemon, free_port};
use crate::peer;

/// Starts nginx with one server of these includes.
pub fn start(folder: &Path, includes: &str) -> Option<Daemon> {
    let program = peer::find("nginx")?;
    let port = free_port();
    let place = folder.join(format!("nginx-{port}"));
    fs::create_dir(&place).unwrap();
    let user = if crate::user::is_root() { "user root;" } else { "" };
    let here = place.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .concat();
    let text = format!(
        "{user}\ndaemon off;\nworker_processes 1;\npid {here}/pid;\nerror_log {here}/error.log warn;\nevents {{ }}\n\
         http {{\naccess_log off;\ngzip on;\ngzip_types *;\ngzip_min_length 1;\ndefault_type text/plain;\n{temporary}\
         server {{\nlisten 127.0.0.1:{port};\nlocation / {{ root /var/empty; }}\n{includes}\n}}\n}}\n"
    );
    let config = place.join("nginx.conf");
    fs::write(&config, text).unwrap();
    peer::run(Command::new(&program).arg("-t").arg("-c").arg(&config));
    Some(daemon::start(Command::new(&program).arg("-c").arg(&config), port, &place.join("log")))
}
