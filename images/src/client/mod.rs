//! Speaking to registries: what pulls and pushes share.
//!
//! A [`RegistrySession`] is what all transfers of a command share; a [`Caller`] makes the requests of one pull or push
//! through it. Repeating a request is up to the caller, by [`Backoff`].

mod account;
mod answer;
mod backoff;
mod caller;
mod challenge;
mod clients;
mod credentials;
mod documents;
mod endpoint;
mod events;
mod fault;
mod helper;
mod limits;
mod options;
mod origin;
mod progress;
mod proxy;
mod request;
mod secret;
mod session;
mod tasks;
mod tls;
mod token;
mod transport;
mod words;

use reqwest::header::HeaderValue;

pub(crate) use self::answer::{Encoding, decoded, media_type, next_chunk, next_page, read_body};
pub(crate) use self::backoff::Backoff;
pub(crate) use self::caller::Caller;
pub use self::documents::DocumentClient;
pub(crate) use self::endpoint::{RegistryEndpoint, shown};
pub(crate) use self::events::{Events, Inbox, TransferEvent};
pub(crate) use self::fault::beginning;
pub use self::fault::{Denial, Login, RegistryFault};
pub use self::limits::RequestLimits;
pub use self::options::{HostTls, RegistryOptions};
pub(crate) use self::origin::location;
pub use self::progress::TransferProgress;
pub use self::proxy::Proxies;
pub use self::session::RegistrySession;
pub(crate) use self::tasks::{Worked, drain, work_on};
pub(crate) use self::transport::Payload;

/// All manifests we can keep, in one line: every registry reads the first.
pub(crate) const ACCEPT_MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json",
);

/// What a registry's challenge and a configuration file say, for the fuzzer.
#[cfg(fuzzing)]
pub fn fuzz_credentials(input: &[u8]) {
    let _ = credentials::Credentials::parse(input);
    if let Some(challenge::Challenge::Bearer { realm, .. }) =
        std::str::from_utf8(input).ok().and_then(challenge::Challenge::parse)
        && let Ok(origin) = reqwest::Url::parse("https://registry.example")
    {
        let _ = origin::realm(&origin, &realm);
    }
}
