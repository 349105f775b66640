//! How many transfers go on at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit over all registries and one for each host. Clones share them: pulls that run beside each other keep to the limits
/// together.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    /// How many transfers `permits` allows.
    all: usize,
    permits: Arc<Semaphore>,
    per_host: usize,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// The right to one transfer, for as long as it is held; `None` is never given, the semaphores are not closed.
pub(crate) type Permit = Option<OwnedSemaphorePermit>;

impl RequestLimits {
    /// So many transfers at a time, and so many from one host; at least one.
    #[must_use]
    pub fn new(all: usize, per_host: usize) -> Self {
        let all = all.max(1);
        let permits = Arc::new(Semaphore::new(all));
        Self { all, permits, per_host: per_host.clamp(1, all), hosts: Arc::default() }
    }

    /// How many transfers may go on.
    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// How many transfers may go on with one host.
    pub(crate) fn per_host(&self) -> usize {
        self.per_host
    }

    /// Waits for the right to work on one image or blob.
    pub(crate) async fn any(&self) -> Permit {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Waits for the right to ask `host`.
    pub(crate) async fn host(&self, host: String) -> Permit {
        let limit = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.per_host))).clone()
        };
        limit.acquire_owned().await.ok()
    }
}

impl Default for RequestLimits {
    /// Twelve transfers, six from one host.
    fn default() -> Self {
        Self::new(12, 6)
    }
}
