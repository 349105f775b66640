//! What can go wrong with a pull.

use std::fmt;

use crate::client::Fault;

/// An image that could not be pulled.
#[derive(Debug, thiserror::Error)]
#[error("{image}: cannot fetch {content}: {}", Failures(.failures))]
pub struct Error {
    /// The name and tag the image was to be saved as.
    pub image: String,
    /// What was being fetched, such as `blob sha256:…`.
    pub content: String,
    /// One failure per endpoint that was tried, the mirrors first; never empty.
    pub failures: Vec<Failure>,
}

/// Why one endpoint did not deliver.
#[derive(Debug)]
pub struct Failure {
    /// What was asked for, without query and credentials; empty where no request was made.
    pub url: String,
    /// What was wrong with the answer.
    pub fault: Fault,
}

struct Failures<'a>(&'a [Failure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, Failure { url, fault }) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            if url.is_empty() {
                write!(f, "{separator}{fault}")?;
            } else {
                write!(f, "{separator}{url}: {fault}")?;
            }
        }
        Ok(())
    }
}
