//! Small documents of servers that are not registries: the status of another node, certificates of an authority.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header;

use super::answer::error_message;
use super::clients::Clients;
use super::{RegistryEndpoint, RegistryFault, RegistryOptions, read_body, words};

/// Fetches small documents by URL: one request each, without credentials and redirects.
pub struct DocumentClient {
    clients: Clients,
    limit: u64,
    time: Duration,
}

impl DocumentClient {
    /// A client that uses no proxy, and trusts the system's certificate authorities and those in these PEM files. A document has at
    /// most `limit` bytes, and is fetched within `time`.
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
        Self::with_options(&options, limit, time)
    }

    /// A client with the proxies and certificates of `options`.
    ///
    /// # Errors
    ///
    /// A file of certificates or the name of a proxy cannot be used.
    pub fn with_options(
        options: &RegistryOptions,
        limit: u64,
        time: Duration,
    ) -> Result<Self, RegistryFault> {
        Ok(Self { clients: Clients::new(options)?, limit, time })
    }

    /// The document at `url`, in a runtime of the caller.
    ///
    /// # Errors
    ///
    /// The server does not respond within the time, not with status 200, or with a larger document.
    pub async fn fetch(&self, url: &str) -> Result<Vec<u8>, RegistryFault> {
        self.within(self.ask(url, None)).await
    }

    /// What the server at `url` responds to a document in JSON, in a runtime of the caller.
    ///
    /// # Errors
    ///
    /// As for [`DocumentClient::fetch`]; status 201 is good too. A refusal has the message of the server.
    pub async fn post_json(&self, url: &str, document: String) -> Result<Vec<u8>, RegistryFault> {
        self.within(self.ask(url, Some(document))).await
    }

    async fn within(
        &self,
        asked: impl Future<Output = Result<Vec<u8>, RegistryFault>>,
    ) -> Result<Vec<u8>, RegistryFault> {
        tokio::time::timeout(self.time, asked).await.unwrap_or(Err(RegistryFault::Stalled(self.time)))
    }

    async fn ask(&self, url: &str, document: Option<String>) -> Result<Vec<u8>, RegistryFault> {
        let (endpoint, url) = RegistryEndpoint::of_file(url)?;
        let client = self.clients.towards(&endpoint, &url)?;
        let posts = document.is_some();
        let request = match document {
            None => client.get(url.clone()),
            Some(document) => {
                client.post(url.clone()).header(header::CONTENT_TYPE, "application/json").body(document)
            }
        };
        let response = request.send().await.map_err(|error| match words::fault(&error, &url, &endpoint) {
            // The advice is for pulls of images.
            RegistryFault::PlainHttp { host, .. } => RegistryFault::PlainHttp { host, advice: String::new() },
            fault => fault,
        })?;
        match response.status().as_u16() {
            200 => read_body(response, self.limit, self.time).await,
            201 if posts => read_body(response, self.limit, self.time).await,
            status => {
                let message = match posts {
                    true => error_message(response, self.time).await,
                    false => String::new(),
                };
                let fault = RegistryFault::Status { status, message, retry_after: None };
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
