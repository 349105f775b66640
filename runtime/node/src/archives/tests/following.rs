//! Servers that follow the configuration.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{DELETE, Fake, Node, PLATFORM};
use crate::archives::{configured, delete, follow};
use server::{AccessRecord, Server, ServerEvent, ServerLog, ServerOptions};

/// The reasons why the server did not reload, in order.
#[derive(Debug, Default)]
struct Refusals(Mutex<Vec<String>>);

impl ServerLog for Refusals {
    fn access(&self, _: &AccessRecord<'_>) {}

    fn event(&self, event: &ServerEvent) {
        if let ServerEvent::NotReloaded { problem } = event {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(problem.clone());
        }
    }
}

/// A server that follows the configuration of a node during a test.
pub(super) struct Following {
    address: SocketAddr,
    refusals: Arc<Refusals>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Following {
    pub(super) fn start(node: &Node, leave_out_unreadable: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let refusals = Arc::<Refusals>::default();
        let config = ServerOptions {
            listen: vec![([127, 0, 0, 1], 0).into()],
            archives: configured(&node.paths).unwrap(),
            leave_out_unreadable,
            log: refusals.clone(),
            ..ServerOptions::default()
        };
        let server = Server::bind(config).unwrap();
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        runtime.spawn(follow(node.paths.clone(), handle, Duration::from_millis(20)));
        runtime.spawn(server.run(std::future::pending()));
        Self { address, refusals, runtime: Some(runtime) }
    }

    /// Whether the server has reported a problem with this text.
    pub(super) fn has_refused(&self, text: &str) -> bool {
        let refusals = self.refusals.0.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.iter().any(|problem| problem.contains(text))
    }

    /// Whether the archive with this ID is served.
    pub(super) fn serves_now(&self, id: &str) -> bool {
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        let request =
            format!("GET /archives/{id}/product.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.starts_with("HTTP/1.1 200")
    }

    pub(super) fn until(what: &str, reached: impl Fn() -> bool) {
        let began = Instant::now();
        while !reached() {
            assert!(began.elapsed().as_secs() < 300, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the archive is served, or no longer served.
    fn serves(&self, id: &str, wanted: bool) {
        Self::until(id, || self.serves_now(id) == wanted);
    }

    fn refused(&self) -> Vec<String> {
        self.refusals.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the server has refused that many reloads, and returns the last reason.
    fn refuses(&self, times: usize) -> String {
        Self::until("no refusal", || self.refused().len() >= times);
        self.refused().last().cloned().unwrap()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

const ID: &str = "metalk8s-2.10.0";

#[test]
fn a_server_follows_the_configuration() {
    let (node, machine) = (Node::new(), Fake::default());
    let server = Following::start(&node, true);
    server.serves(ID, false);
    let platform = node.archive("metalk8s.iso", PLATFORM);
    node.import(&platform, &machine).unwrap();
    server.serves(ID, true);
    // An invalid file removes nothing.
    let text = std::fs::read_to_string(&node.paths.bootstrap).unwrap();
    std::fs::write(&node.paths.bootstrap, "nonsense: [").unwrap();
    let problem = server.refuses(1);
    assert!(problem.contains("bootstrap.yaml"), "{problem}");
    assert!(server.serves_now(ID));
    std::fs::write(&node.paths.bootstrap, text).unwrap();
    delete(&node.paths, ID, &DELETE, &machine).unwrap();
    server.serves(ID, false);
}

#[test]
fn a_missing_configuration_removes_no_archives() {
    let (node, machine) = (Node::new(), Fake::default());
    node.import(&node.archive("metalk8s.iso", PLATFORM), &machine).unwrap();
    let server = Following::start(&node, true);
    server.serves(ID, true);
    let aside = node.root.path().join("aside.yaml");
    // The first look may happen after this and find no file, so the test waits for one more.
    let second = node.archive("second.iso", "NAME=MetalK8s\nVERSION=3.0.0\n");
    node.import(&second, &machine).unwrap();
    server.serves("metalk8s-3.0.0", true);
    std::fs::rename(&node.paths.bootstrap, &aside).unwrap();
    let problem = server.refuses(1);
    assert_eq!(problem, format!("{} is missing; it existed before", node.paths.bootstrap.display()));
    assert!(server.serves_now(ID) && server.serves_now("metalk8s-3.0.0"));
    std::fs::rename(&aside, &node.paths.bootstrap).unwrap();
    delete(&node.paths, ID, &DELETE, &machine).unwrap();
    server.serves(ID, false);
}

#[test]
fn a_reload_that_failed_is_tried_again_though_no_file_of_the_configuration_changes() {
    let node = Node::new();
    // A change of a file in an archive folder does not change the folder.
    let folder = node.root.path().join("platform");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("product.txt"), "NAME=\n").unwrap();
    let server = Following::start(&node, false);
    list(&node, &[&folder]);
    let problem = server.refuses(1);
    assert!(problem.contains("product.txt"), "{problem}");
    std::fs::write(folder.join("product.txt"), PLATFORM).unwrap();
    server.serves(ID, true);
    assert_eq!(server.refused().len(), 1, "the same problem is told once: {:?}", server.refused());
}

#[test]
fn of_two_archives_with_one_prefix_the_second_is_left_out() {
    let node = Node::new();
    let first = node.archive("first.iso", "NAME=MetalK8s\nVERSION=1.0~a\n");
    let second = node.archive("second.iso", "NAME=MetalK8s\nVERSION=1.0+a\n");
    let server = Following::start(&node, true);
    list(&node, &[&first, &second]);
    server.serves("metalk8s-1.0~a", true);
    assert!(!server.serves_now("metalk8s-1.0+a"));
    drop(server);
    // Also after a restart.
    Following::start(&node, true).serves("metalk8s-1.0~a", true);
}

/// Adds these archives to the configuration.
fn list(node: &Node, archives: &[&Path]) {
    let mut configuration =
        crate::archives::lists::read(&node.paths, super::ConfigurationKind::Bootstrap).unwrap();
    archives.iter().for_each(|archive| configuration.add(archive).unwrap());
    configuration.write().unwrap();
}
