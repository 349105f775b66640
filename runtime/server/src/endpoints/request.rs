//! A request, with what is needed to respond to it.

use std::sync::Arc;

use http::{HeaderMap, Method, header};
use images::original_names::RequestedRegistry;

use crate::http::uri::Query;
use crate::inventory::{FoundRepository, Inventory};
use crate::state::ServerState;

/// A request, the archives that are searched for it, and the server's shared state.
pub(super) struct EndpointRequest<'a> {
    pub(super) state: &'a ServerState,
    pub(super) inventory: Arc<Inventory>,
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Query,
    registry: RequestedRegistry,
}

/// The registry that a listener is, in the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct ListenerRegistry(pub(crate) Arc<str>);

impl<'a> EndpointRequest<'a> {
    /// The request with the head `head`, for what is served now.
    pub(super) fn new(state: &'a ServerState, head: &'a http::request::Parts) -> Self {
        let inventory = state.inventory();
        let query = Query::parse(head.uri.query());
        let listener = head.extensions.get::<ListenerRegistry>().map(|listener| &*listener.0);
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let registry =
            RequestedRegistry::of(query.get("ns"), listener, host, |host| inventory.has_host(host));
        Self { state, inventory, method: &head.method, headers: &head.headers, query, registry }
    }

    /// The registry that the request means.
    pub(super) fn registry(&self) -> &RequestedRegistry {
        &self.registry
    }

    /// The images of a name, as [`Inventory::repositories`] has them.
    pub(super) fn repositories(&self, name: &str) -> Vec<FoundRepository<'_>> {
        self.inventory.repositories(name, &self.registry)
    }
}
