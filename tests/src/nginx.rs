//! An nginx for a test.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::daemon::{self, Daemon, free_port};
use crate::peer;

/// A running nginx: a master, which is the daemon, and workers.
#[derive(Debug)]
pub struct Nginx(pub Daemon);

impl Deref for Nginx {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // On SIGTERM the master waits for its workers; on SIGKILL it would leave them running.
        let master = self.0.child.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &master]).status();
        let began = Instant::now();
        while matches!(self.0.child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(300) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Starts nginx with one server of these includes.
pub fn start(folder: &Path, includes: &str) -> Option<Nginx> {
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
    Some(Nginx(daemon::start(Command::new(&program).arg("-c").arg(&config), port, &place.join("log"))))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    #[test]
    fn workers_end_with_their_master() {
        let folder = tempfile::tempdir().unwrap();
        let Some(nginx) = super::start(folder.path(), "") else { return };
        // The master listens before it has workers; one of them responds.
        let mut connection = std::net::TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        assert_ne!(connection.read(&mut [0; 16]).unwrap(), 0);
        let master = nginx.child.id();
        let workers = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        assert!(!workers.trim().is_empty());
        drop(nginx);
        for process in workers.split_whitespace() {
            assert!(!std::path::Path::new("/proc").join(process).exists(), "{process} is left");
        }
    }
}
