//! The document of the server.

use crate::output::document::Document;

impl Document for server::NodeStatus {
    const KIND: &'static str = "NodeStatus";
}
