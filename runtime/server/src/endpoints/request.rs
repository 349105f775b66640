//! A request, with what is needed to respond to it.

use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::http::uri::Query;
use crate::inventory::Inventory;
use crate::state::ServerState;

/// A request, the archives that are searched for it, and the server's shared state.
pub(super) struct EndpointRequest<'a> {
    pub(super) state: &'a ServerState,
    pub(super) inventory: Arc<Inventory>,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Query,
}

impl<'a> EndpointRequest<'a> {
    /// The request with the head `head`, for what is served now.
    pub(super) fn new(state: &'a ServerState, head: &'a http::request::Parts) -> Self {
        Self {
            state,
            inventory: state.inventory(),
            method: &head.method,
            headers: &head.headers,
            query: Query::parse(head.uri.query()),
        }
    }
}
