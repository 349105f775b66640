//! The messages of a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The receiver of a server's messages. It is called from the threads that serve, so it must return quickly.
pub trait ServerLog: Send + Sync + std::fmt::Debug {
    /// A response was sent to its last byte, or was interrupted.
    fn access(&self, access: &AccessRecord<'_>);
    /// Something happened that an operator should know.
    fn event(&self, event: &ServerEvent);
    /// The number of messages dropped so far because the reader of the log was too slow.
    fn dropped(&self) -> u64 {
        0
    }
}

/// One request and its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessRecord<'a> {
    /// The client.
    pub peer: SocketAddr,
    /// `GET`, ...
    pub method: &'a str,
    /// The path and query as sent.
    pub target: &'a str,
    /// The status of the response.
    pub status: u16,
    /// The bytes of the body that were handed to the connection.
    pub bytes: u64,
    /// Whether that was the whole body.
    pub complete: bool,
    /// From the head of the request to the end of the body.
    pub duration: Duration,
    /// The client's `User-Agent`.
    pub user_agent: Option<&'a str>,
}

/// An event. As JSON: an object with the key `event`.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ServerEvent {
    /// An archive is being served.
    Serving {
        /// The archive.
        archive: PathBuf,
        /// Its archive ID.
        id: Option<archive::ArchiveId>,
        /// The number of its image names.
        repositories: usize,
    },
    /// An archive, or part of it, is not served.
    NotServed {
        /// The archive.
        archive: PathBuf,
        /// What is not served, and why.
        problem: String,
    },
    /// Content does not match its digest, or cannot be read.
    Damaged {
        /// The archive.
        archive: PathBuf,
        /// The digest of a content, or the path of a file.
        item: String,
        /// What is wrong.
        problem: String,
    },
    /// A connection could not be accepted or was refused.
    Connection {
        /// Why.
        problem: String,
    },
    /// A reload failed; the previous archives are still served.
    NotReloaded {
        /// Why.
        problem: String,
    },
    /// No new connections are accepted; open requests are finished.
    Draining,
}

/// Drops all messages.
impl ServerLog for () {
    fn access(&self, _: &AccessRecord<'_>) {}
    fn event(&self, _: &ServerEvent) {}
}
