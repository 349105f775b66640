//! What other nodes serve, by the document at `/status.json` of their servers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archive::ArchiveId;
use content::Digest;
use images::DocumentClient;
use images::pull::RegistryFault;
use serde::Deserialize;
use server::{OtherNode, ServerHandle};
use tokio::task::JoinSet;

use crate::client_config::NodeAddress;

/// The maximum size of a status, in bytes.
const STATUS_MAX: u64 = 4 << 20;
/// The maximum number of archives in a status.
const ARCHIVES_MAX: usize = 10_000;
/// The time that a node has to respond.
const RESPONSE_TIME: Duration = Duration::from_secs(5);

/// Other nodes of the site.
#[derive(Debug)]
pub struct OtherNodes {
    nodes: Vec<NodeAddress>,
    client: DocumentClient,
}

/// A status as other nodes write it; other keys are ignored.
#[derive(Deserialize)]
struct Status {
    kind: String,
    archives: Vec<Held>,
}

/// An archive of another node.
#[derive(Deserialize)]
struct Held {
    id: Option<String>,
    contents: Option<String>,
}

impl OtherNodes {
    /// The nodes at these addresses, whose certificates the system or one of these files of authorities must confirm.
    ///
    /// # Errors
    ///
    /// A file of authorities cannot be used.
    pub fn new(nodes: Vec<NodeAddress>, authorities: Vec<PathBuf>) -> Result<Self, RegistryFault> {
        Ok(Self { nodes, client: DocumentClient::new(authorities, STATUS_MAX, RESPONSE_TIME)? })
    }

    /// Asks all nodes again and again, `every` apart, and hands their responses to a server for its status page. Never
    /// returns: for a task of its own beside [`server::Server::run`].
    pub async fn watch(self, handle: ServerHandle, every: Duration) {
        let waiting = self.nodes.iter().map(|node| OtherNode { url: node.to_string(), answer: None });
        handle.set_other_nodes(waiting.collect());
        let this = Arc::new(self);
        loop {
            handle.set_other_nodes(Arc::clone(&this).ask().await);
            tokio::time::sleep(every).await;
        }
    }

    /// Asks all nodes at the same time.
    async fn ask(self: Arc<Self>) -> Vec<OtherNode> {
        let mut asked = JoinSet::new();
        for (position, node) in self.nodes.iter().cloned().enumerate() {
            let this = Arc::clone(&self);
            asked.spawn(async move { (position, this.ask_one(&node).await) });
        }
        let answers: BTreeMap<usize, _> = asked.join_all().await.into_iter().collect();
        let nodes = self.nodes.iter().zip(answers.into_values());
        nodes.map(|(node, answer)| OtherNode { url: node.to_string(), answer: Some(answer) }).collect()
    }

    async fn ask_one(&self, node: &NodeAddress) -> Result<BTreeMap<String, Option<String>>, String> {
        let document = self.client.fetch(&format!("{node}/status.json")).await;
        held_archives(&document.map_err(|error| error.to_string())?)
    }
}

/// The archives in a status, with the digests of their contents.
///
/// # Errors
///
/// The document is no status, in a line.
pub fn held_archives(document: &[u8]) -> Result<BTreeMap<String, Option<String>>, String> {
    let status: Status = serde_json::from_slice(document)
        .map_err(|error| format!("its /status.json is not the status of a node: {error}"))?;
    if status.kind != "NodeStatus" {
        return Err("its /status.json is not the status of a node: expected kind NodeStatus".into());
    }
    if status.archives.len() > ARCHIVES_MAX {
        return Err(format!("its /status.json has more than {ARCHIVES_MAX} archives"));
    }
    let invalid = |error: &dyn std::fmt::Display| format!("its /status.json is invalid: {error}");
    let mut held = BTreeMap::new();
    for archive in status.archives {
        // A folder of images has no ID.
        let Some(id) = archive.id else { continue };
        let id: ArchiveId = id.parse().map_err(|error| invalid(&error))?;
        let contents = archive.contents.map(|digest| digest.parse::<Digest>()).transpose();
        let contents = contents.map_err(|error| invalid(&error))?;
        held.insert(id.to_string(), contents.map(|digest| digest.to_string()));
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_and_anything_else_refused() {
        let digest = Digest::of(b"").to_string();
        let status = |archives: &str| format!(r#"{{"kind":"NodeStatus","more":1,"archives":[{archives}]}}"#);
        let held = held_archives(
            status(&format!(r#"{{"id":"a-1","contents":"{digest}"}},{{"id":null}},{{"id":"b-2"}}"#))
                .as_bytes(),
        );
        let expected = [("a-1".to_owned(), Some(digest)), ("b-2".to_owned(), None)];
        assert_eq!(held, Ok(expected.into()));
        let many = vec![r#"{"id":"a-1"}"#; ARCHIVES_MAX + 1].join(",");
        for (document, expected) in [
            ("<html>".to_owned(), "is not the status of a node"),
            (r#"{"kind":"Other","archives":[]}"#.into(), "expected kind NodeStatus"),
            (status(r#"{"id":"../x"}"#), "is invalid"),
            (status(r#"{"id":"a-1","contents":"x"}"#), "is invalid"),
            (status(&many), "has more than 10000 archives"),
        ] {
            let error = held_archives(document.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
