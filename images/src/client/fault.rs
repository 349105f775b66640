//! What can go wrong between us and a registry.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use content::Digest;

use crate::closure::Refusal;
use crate::error;
use crate::manifest::{self, DEPTH_MAX, MANIFESTS_MAX, MissingPlatform};

/// Why a request to a registry failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryFault {
    /// No connection: name, network.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// TLS fails, and will again.
    #[error("TLS: {0}")]
    Tls(String),
    /// The server received TLS and responds without it.
    #[error("{host} serves plain HTTP{advice}")]
    PlainHttp {
        /// The host, with its port.
        host: String,
        /// What to do about it, after a colon; may be empty.
        advice: String,
    },
    /// The token server that the registry named failed.
    #[error("token server {url}: {}", .fault.to_string().replace("the registry returned", "it returned"))]
    TokenServer {
        /// Its URL, without query and credentials.
        url: String,
        /// What went wrong there.
        fault: Box<RegistryFault>,
    },
    /// The server of a file failed.
    #[error("{}", .0.to_string().replace("the registry returned", "the server returned"))]
    FileServer(Box<RegistryFault>),
    /// The connection broke before the response was complete.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The caller cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Nothing arrived for this long.
    #[error("no data for {} seconds", .0.as_secs_f32())]
    Stalled(Duration),
    /// An HTTP status other than success.
    #[error("the registry returned {status}{}{}", detail(.message), waiting(.retry_after.as_ref()))]
    Status {
        /// The HTTP status code.
        status: u16,
        /// What the registry says in its JSON error, shortened.
        message: String,
        /// How long it asked to wait (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The credentials are missing or wrong, or the token server misbehaves.
    #[error("not authorized: {0}")]
    Unauthorized(Denial),
    /// Bytes with another digest.
    #[error("the content does not match its digest: expected {expected}, found {found}")]
    DigestMismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// More or fewer bytes than the descriptor says.
    #[error("the content has the wrong length: expected {expected} bytes, found {found}")]
    SizeMismatch {
        /// Bytes the descriptor says.
        expected: u64,
        /// Bytes that came or were announced.
        found: u64,
    },
    /// A document over its limit.
    #[error("the response is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A response of the wrong type, such as an HTML page of a proxy.
    #[error("the response has the wrong type: expected {expected}, found {found}")]
    ContentType {
        /// What was expected.
        expected: String,
        /// The media type announced.
        found: String,
    },
    /// Bytes that are not a manifest of a known kind.
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestError),
    /// The tag names another image than the digest that goes with it.
    #[error("the tag {tag} has moved: expected {expected}, found {found}")]
    TagMoved {
        /// The tag.
        tag: String,
        /// The pinned digest.
        expected: Digest,
        /// What the tag names now.
        found: Digest,
    },
    /// The image is not for a platform that was asked for.
    #[error(transparent)]
    NoPlatform(#[from] Box<MissingPlatform>),
    /// Indexes inside indexes, deeper than anyone needs.
    #[error("indexes are nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A layer the registry does not hold, only links to.
    #[error(
        "the layer is foreign (`{media_type}`) and the registry does not hold it; foreign layers cannot be fetched offline"
    )]
    ForeignLayer {
        /// The media type of the layer.
        media_type: String,
    },
    /// A list in more pages than anyone needs.
    #[error("the list has more than {limit} pages")]
    Paged {
        /// The limit.
        limit: usize,
    },
    /// A list whose pages lead back to one that was read.
    #[error("the list leads back to a page that was read")]
    Circular,
    /// A list with more entries than anyone needs.
    #[error("the list has more than {limit} entries")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The content to push is damaged.
    #[error("the content to push is damaged: {0}")]
    Damaged(String),
    /// The registry takes no index that lists images it does not have.
    #[error(
        "the registry returned {status}{}: the index lists {left_out} manifests that were left out, and this registry takes only whole indexes",
        detail(.message)
    )]
    Sparse {
        /// How many manifests of the index are not there to be pushed.
        left_out: usize,
        /// The HTTP status code.
        status: u16,
        /// What the registry says in its JSON error, shortened.
        message: String,
    },
    /// A redirection that is not followed.
    #[error("the redirection is refused: {0}")]
    Redirect(String),
    /// The disk is too small for what is to come.
    #[error(
        "not enough space in {}: {needed} bytes to fetch, {free} bytes free",
        content::printable_path(folder)
    )]
    NoSpace {
        /// The folder of the store.
        folder: PathBuf,
        /// Bytes to fetch.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The request contradicts itself, or an option cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] error::Error),
}

/// Why a request is not authorized.
#[derive(Debug)]
pub struct Denial {
    reason: String,
    login: Option<Login>,
}

/// Where the user's credentials for a registry belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The registry, as the file names it.
    pub host: String,
    /// The file that holds them or is the place for them: docker's `config.json` or podman's `auth.json`.
    pub file: Option<PathBuf>,
    /// Whether the registry is asked without TLS.
    pub plain_http: bool,
}

impl Denial {
    /// A denial that other credentials would change.
    #[must_use]
    pub fn login(reason: String, login: Login) -> Self {
        Self { reason, login: Some(login) }
    }
}

impl<T: Into<String>> From<T> for Denial {
    fn from(reason: T) -> Self {
        Self { reason: reason.into(), login: None }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Errors of a host that concern every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosts {
    Unreachable,
    Busy,
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn waiting(retry_after: Option<&Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(" (try again in {} seconds)", wait.as_secs()))
}

/// How the message of a failed transfer begins: "IMAGE: cannot fetch CONTENT: ", with those that are known.
pub(crate) fn beginning(image: &str, verb: &str, content: &str) -> String {
    match (image, content) {
        ("", _) => String::new(),
        (image, "") => format!("{image}: "),
        (image, content) => format!("{image}: cannot {verb} {content}: "),
    }
}

impl From<Refusal> for RegistryFault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Manifest(error) => error.into(),
            Refusal::Platform(missing) => missing.into(),
            Refusal::TooDeep => Self::TooDeep { limit: DEPTH_MAX },
            Refusal::TooLarge => Self::TooLarge { limit: MANIFESTS_MAX },
        }
    }
}

impl RegistryFault {
    /// `host` asks for credentials of a kind that this client does not have.
    pub(super) fn unsupported_challenge(host: &str) -> Self {
        Self::Unauthorized(
            format!("{host} returned 401 and asks for no supported kind of credentials").into(),
        )
    }

    /// How long the server asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::TokenServer { fault, .. } | Self::FileServer(fault) => fault.retry_after(),
            _ => None,
        }
    }

    /// The failure of the host, if the host fails and not the single request.
    pub(super) fn of_host(&self) -> Option<Hosts> {
        match self {
            Self::Unreachable(_) => Some(Hosts::Unreachable),
            Self::Status { .. } if self.is_transient() => Some(Hosts::Busy),
            Self::TokenServer { fault, .. } | Self::FileServer(fault) => fault.of_host(),
            _ => None,
        }
    }

    /// Where other credentials would have to be, if they are what is missing.
    #[must_use]
    pub fn login(&self) -> Option<&Login> {
        match self {
            Self::Unauthorized(denial) => denial.login.as_ref(),
            Self::FileServer(fault) => fault.login(),
            _ => None,
        }
    }

    /// Whether the same request may succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::Stalled(_) => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::TokenServer { fault, .. } | Self::FileServer(fault) => fault.is_transient(),
            _ => false,
        }
    }

    /// Whether another endpoint may do better; what is wrong here is not.
    pub(crate) fn is_remote(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Damaged(_) | Self::Configuration(_) | Self::NoSpace { .. })
    }
}
