//! What can go wrong with a push.

use crate::client::{RegistryFault, beginning};

/// An image that could not be pushed.
#[derive(Debug, thiserror::Error)]
#[error("{}{}{fault}", beginning(image, "push", content), place(.url))]
pub struct Error {
    /// Where the image was to go; empty for a failure of the whole push.
    pub image: String,
    /// What was being pushed, such as `blob sha256:…`; empty for a failure before that.
    pub content: String,
    /// The registry's URL for it, without query and credentials; empty where no request was made.
    pub url: String,
    /// Why a request to a registry failed.
    pub fault: Box<RegistryFault>,
}

fn place(url: &str) -> String {
    if url.is_empty() { String::new() } else { format!("{url}: ") }
}

impl Error {
    /// A failure before anything was asked of a registry.
    pub(super) fn here(image: &str, content: &str, fault: impl Into<RegistryFault>) -> Self {
        Self {
            image: image.into(),
            content: content.into(),
            url: String::new(),
            fault: Box::new(fault.into()),
        }
    }

    /// A failure of the whole push.
    pub(super) fn of_all(fault: RegistryFault) -> Self {
        Self::here("", "", fault)
    }
}
