//! What all transfers of a command share.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::request::RegistryClient;
use super::{RegistryFault, RegistryOptions};

/// The connections of a command to registries: network threads, HTTP clients with their certificates, credentials and
/// tokens. Cheap to clone; clones share all of these.
///
/// Threads start and files are read at the first request: a command that needs none pays for nothing.
#[derive(Clone)]
pub struct RegistrySession {
    options: Arc<RegistryOptions>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    runtime: OnceLock<Runtime>,
    client: OnceLock<RegistryClient>,
    /// Held by who makes one of them.
    making: Mutex<()>,
}

impl RegistrySession {
    /// A session that speaks to registries as `options` say.
    #[must_use]
    pub fn new(options: RegistryOptions) -> Self {
        Self { options: Arc::new(options), shared: Arc::default() }
    }

    /// How this session speaks to registries.
    #[must_use]
    pub fn options(&self) -> &RegistryOptions {
        &self.options
    }

    /// The same session for requests that are made at most `attempts` times and wait at most `stall` for a sign of life.
    #[must_use]
    pub fn with_patience(&self, attempts: u32, stall: Duration) -> Self {
        let options = RegistryOptions { attempts, stall, ..RegistryOptions::clone(&self.options) };
        Self { options: Arc::new(options), shared: Arc::clone(&self.shared) }
    }

    /// The network threads.
    pub(crate) fn runtime(&self) -> Result<&Runtime, RegistryFault> {
        let failed =
            |error| RegistryFault::Configuration(format!("cannot start the network threads: {error}"));
        let make = || Builder::new_multi_thread().enable_all().build().map_err(failed);
        get_or_make(&self.shared.runtime, &self.shared.making, make)
    }

    /// What requests are made with. The certificates and credentials are read by the first one.
    pub(super) fn client(&self) -> Result<&RegistryClient, RegistryFault> {
        get_or_make(&self.shared.client, &self.shared.making, || RegistryClient::new(&self.options))
    }
}

impl fmt::Debug for RegistrySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrySession").finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A task that was cancelled may still be inside a system call; it is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What `cell` holds; if nothing yet, what `make` makes, once.
fn get_or_make<'a, T>(
    cell: &'a OnceLock<T>,
    making: &Mutex<()>,
    make: impl FnOnce() -> Result<T, RegistryFault>,
) -> Result<&'a T, RegistryFault> {
    let _making = cell.get().is_none().then(|| making.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}
