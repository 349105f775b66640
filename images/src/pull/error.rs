//! What can go wrong with a pull.

use std::fmt;

use crate::client::{RegistryFault, beginning};

/// An image that could not be pulled.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", beginning(image, "fetch", content), Failures(.failures))]
pub struct Error {
    /// The name and tag that the image was to be saved as; empty for a failure of the whole pull.
    pub image: String,
    /// What was being fetched, such as `blob sha256:…`; empty for a failure before that.
    pub content: String,
    /// One failure per endpoint that was tried, the mirrors first; never empty.
    pub failures: Vec<EndpointFailure>,
}

/// Why one endpoint did not deliver.
#[derive(Debug)]
pub struct EndpointFailure {
    /// What was asked for, without query and credentials; empty where no request was made.
    pub url: String,
    /// What was wrong with the response.
    pub fault: RegistryFault,
}

impl Error {
    pub(super) fn new(image: &str, content: &str, url: &str, fault: RegistryFault) -> Self {
        Self {
            image: image.into(),
            content: content.into(),
            failures: vec![EndpointFailure { url: url.into(), fault }],
        }
    }

    /// A failure before anything was asked of a registry.
    pub(super) fn here(image: &str, fault: RegistryFault) -> Self {
        Self::new(image, "", "", fault)
    }

    /// A failure of the whole pull.
    pub(super) fn of_all(fault: RegistryFault) -> Self {
        Self::here("", fault)
    }

    /// Whether every endpoint answered that it does not support the request, or sent something else. What is optional then does
    /// not exist.
    pub(super) fn is_no_answer(&self) -> bool {
        self.failures.iter().all(|failure| match &failure.fault {
            RegistryFault::Status { status, .. } => {
                matches!(status, 400..=499) && !matches!(status, 408 | 429)
            }
            RegistryFault::Unauthorized(_)
            | RegistryFault::ContentType { .. }
            | RegistryFault::Manifest(_) => true,
            _ => false,
        })
    }

    /// Whether every endpoint sent something else than what was asked for.
    pub(super) fn is_wrong(&self) -> bool {
        let is_wrong = |failure: &EndpointFailure| {
            matches!(failure.fault, RegistryFault::DigestMismatch { .. } | RegistryFault::SizeMismatch { .. })
        };
        self.failures.iter().all(is_wrong)
    }

    /// Whether the registry answered, but does not have what was asked for, does not support the request, or sent something else.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        self.is_unknown() || self.is_no_answer() || self.is_wrong()
    }

    /// Whether every reachable endpoint answered `not found` or `unsupported`.
    pub(super) fn is_unknown(&self) -> bool {
        let unknown = |failure: &EndpointFailure| {
            matches!(failure.fault, RegistryFault::Status { status: 400 | 404 | 405 | 501, .. })
        };
        let absent = |failure: &EndpointFailure| matches!(failure.fault, RegistryFault::Unreachable(_));
        self.failures.iter().any(unknown)
            && self.failures.iter().all(|failure| unknown(failure) || absent(failure))
    }
}

struct Failures<'a>(&'a [EndpointFailure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, EndpointFailure { url, fault }) in self.0.iter().enumerate() {
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
