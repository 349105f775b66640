//! Small documents of servers that are not registries, such as the status of another node.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::clients::Clients;
use super::{RegistryEndpoint, RegistryFault, RegistryOptions, read_body, words};

/// Fetches small documents by URL: one request each, without credentials, proxies and redirects.
pub struct DocumentClient {
    clients: Clients,
    limit: u64,
    time: Duration,
}

impl DocumentClient {
    /// A client that trusts the system's certificate authorities and those in these PEM files. A document has at most `limit`
    /// bytes, and is fetched within `time`.
    ///
    /// # Errors
    ///
    /// A file of certificates cannot be used.
    pub fn new(
        certificate_authorities: Vec<PathBuf>,
        limit: u64,
        time: Duration,
    ) -> Result<Self, RegistryFault> {
        let options = RegistryOptions { certificate_authorities, ..RegistryOptions::default() };
        Ok(Self { clients: Clients::new(&options)?, limit, time })
    }

    /// The document at `url`, in a runtime of the caller.
    ///
    /// # Errors
    ///
    /// The server does not respond within the time, not with status 200, or with a larger document.
    pub async fn fetch(&self, url: &str) -> Result<Vec<u8>, RegistryFault> {
        let fetched = tokio::time::timeout(self.time, self.fetch_slowly(url)).await;
        fetched.unwrap_or(Err(RegistryFault::Stalled(self.time)))
    }

    async fn fetch_slowly(&self, url: &str) -> Result<Vec<u8>, RegistryFault> {
        let (endpoint, url) = RegistryEndpoint::of_file(url)?;
        let request = self.clients.towards(&endpoint, &url)?.get(url.clone());
        let response = request.send().await.map_err(|error| match words::fault(&error, &url, &endpoint) {
            // The advice is for pulls of images.
            RegistryFault::PlainHttp { host, .. } => RegistryFault::PlainHttp { host, advice: String::new() },
            fault => fault,
        })?;
        match response.status().as_u16() {
            200 => read_body(response, self.limit, self.time).await,
            status => {
                let fault = RegistryFault::Status { status, message: String::new(), retry_after: None };
                Err(RegistryFault::FileServer(Box::new(fault)))
            }
        }
    }
}

impl fmt::Debug for DocumentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentClient").finish_non_exhaustive()
    }
}
