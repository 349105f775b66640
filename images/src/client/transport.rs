//! One HTTP request, sent once, without credentials of its own.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, Url};

use super::{RegistryEndpoint, RegistryFault, words};

/// What is sent along with a request, made again for each attempt.
pub(crate) trait Payload: Send + Sync {
    /// The body, from its start.
    fn body(&self) -> Result<reqwest::Body, RegistryFault>;
    /// How many bytes have left; a change is a sign of life.
    fn sent(&self) -> u64;
}

/// Sends a request to `url` on behalf of `endpoint`, and waits at most `stall` for a sign of life.
pub(super) async fn send(
    endpoint: &RegistryEndpoint,
    url: &Url,
    request: RequestBuilder,
    payload: Option<&dyn Payload>,
    stall: Duration,
) -> Result<Response, RegistryFault> {
    let mut answer = std::pin::pin!(request.send());
    let mut sent = 0;
    loop {
        match tokio::time::timeout(stall, &mut answer).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => return Err(words::fault(&error, url, endpoint)),
            // As long as bytes leave, the answer is not late.
            Err(_) => match payload.map_or(0, Payload::sent) {
                now if now == sent => return Err(RegistryFault::Stalled(stall)),
                now => sent = now,
            },
        }
    }
}
