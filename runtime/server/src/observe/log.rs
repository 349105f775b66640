//! What the server tells its log.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where the server's messages go. Called from the threads that serve: it should return quickly.
pub trait Log: Send + Sync + std::fmt::Debug {
    /// A request was answered to its last byte, or broke off.
    fn access(&self, access: &Access<'_>);
    /// Something happened that an operator wants to know.
    fn event(&self, event: &Event);
    /// How many messages were dropped so far, since whoever reads the log did not keep up.
    fn dropped(&self) -> u64 {
        0
    }
}

/// One request and its answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Access<'a> {
    /// The client.
    pub peer: SocketAddr,
    /// `GET`, ...
    pub method: &'a str,
    /// The path and query as they were sent.
    pub target: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// The bytes of the body that were handed to the connection.
    pub bytes: u64,
    /// Whether that was all of it.
    pub complete: bool,
    /// From the head of the request to the end of the body.
    pub duration: Duration,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
}

/// Something that happened. As JSON: an object with the key `event`.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// An archive is being served.
    Serving {
        /// The archive.
        archive: PathBuf,
        /// Its name and version.
        id: Option<String>,
        /// How many image names it has.
        repositories: usize,
    },
    /// An image of an archive is not served.
    NotServed {
        /// The archive.
        archive: PathBuf,
        /// Which image, and why.
        problem: String,
    },
    /// Content is not what its digest says, or cannot be read.
    Damaged {
        /// The archive.
        archive: PathBuf,
        /// The digest.
        digest: String,
        /// What was found.
        problem: String,
    },
    /// A connection could not be accepted or was refused.
    Connection {
        /// Why.
        problem: String,
    },
    /// The archives were not reloaded; what was served before is served still.
    NotReloaded {
        /// Why.
        problem: String,
    },
    /// No new connections are taken; those that are there come to their end.
    Draining,
}

/// Nobody listens.
impl Log for () {
    fn access(&self, _: &Access<'_>) {}
    fn event(&self, _: &Event) {}
}
