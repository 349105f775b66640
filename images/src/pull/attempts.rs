//! The attempts at one endpoint of several.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;

use super::{EndpointFailure, RegistryFault};
use crate::client::{Backoff, Caller, RegistryEndpoint, TransferEvent, shown};

/// Hosts that cannot be reached: a mirror is asked once per pull, the registry itself is retried once per pull.
#[derive(Debug, Default)]
pub(super) struct Unreachable(Mutex<HashSet<String>>);

impl Unreachable {
    fn contains(&self, endpoint: &RegistryEndpoint) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&endpoint.host())
    }

    fn insert(&self, endpoint: &RegistryEndpoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.host());
    }
}

/// The attempts at one endpoint.
pub(super) struct Attempts<'a> {
    caller: &'a Caller,
    unreachable: &'a Unreachable,
    endpoint: &'a RegistryEndpoint,
    /// There is no endpoint after this one.
    last: bool,
    backoff: Backoff,
    fault: Option<RegistryFault>,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        caller: &'a Caller,
        unreachable: &'a Unreachable,
        endpoint: &'a RegistryEndpoint,
        last: bool,
    ) -> Self {
        let mut backoff = Backoff::new(caller.options());
        let known = unreachable.contains(endpoint);
        if known {
            // The last endpoint gets one try more, since nobody else can answer.
            backoff.limit(u32::from(last));
        }
        let fault = (known && !last).then(|| RegistryFault::Unreachable("as before".into()));
        Self { caller, unreachable, endpoint, last, backoff, fault }
    }

    /// Whether to try (again).
    pub(super) fn next(&mut self) -> bool {
        self.backoff.next()
    }

    /// The transfer is getting on, if slowly.
    pub(super) fn refill(&mut self) {
        self.backoff.refill();
    }

    /// Takes note of a failure and waits, if another attempt makes sense.
    pub(super) async fn failed(&mut self, url: &Url, fault: RegistryFault) {
        if matches!(fault, RegistryFault::Unreachable(_)) {
            if !self.last {
                self.backoff.limit(0);
            }
            if self.backoff.left() == 0 {
                self.unreachable.insert(self.endpoint);
            }
        }
        if let Some(wait) = self.backoff.wait(&fault) {
            self.caller.report(TransferEvent::retry(url, &fault, wait, self.backoff.left()));
            tokio::time::sleep(wait).await;
        }
        self.fault = Some(fault);
    }

    /// Takes note of content that was whole and wrong.
    pub(super) fn mismatch(&mut self, fault: RegistryFault, again: bool) {
        self.backoff.limit(u32::from(again && fault.is_remote()));
        self.fault = Some(fault);
    }

    /// Adds the failure that counts; whether no other endpoint can help.
    pub(super) fn into_failures(self, url: &Url, failures: &mut Vec<EndpointFailure>) -> bool {
        let Some(fault) = self.fault else { return false };
        let fatal = !fault.is_remote();
        failures.push(EndpointFailure { url: shown(url), fault });
        fatal
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::{RegistryOptions, RegistrySession};

    #[test]
    fn a_host_that_cannot_be_reached_is_waited_for_once_in_a_pull() {
        let options =
            RegistryOptions { attempts: 3, first_delay: Duration::ZERO, ..RegistryOptions::default() };
        let (events, _received) = tokio::sync::mpsc::unbounded_channel();
        let session = RegistrySession::new(options.clone());
        let (caller, unreachable) = (Caller::pulling(&session, events), Unreachable::default());
        let reference = "registry.example/a:1".parse().expect("a reference");
        let endpoint = RegistryEndpoint::registry(&reference, &options).expect("an endpoint");
        let url: Url = "https://registry.example/v2/".parse().expect("a URL");
        let attempts = |last| {
            session.runtime().expect("threads").block_on(async {
                let mut attempts = Attempts::new(&caller, &unreachable, &endpoint, last);
                let mut count = 0;
                while attempts.next() {
                    count += 1;
                    attempts.failed(&url, RegistryFault::Unreachable("no such name".into())).await;
                }
                let mut failures = Vec::new();
                attempts.into_failures(&url, &mut failures);
                (count, failures.len())
            })
        };
        // The registry is tried three times, then once; a mirror is passed over from then on.
        assert_eq!([attempts(true), attempts(true), attempts(false)], [(3, 1), (1, 1), (0, 1)]);
    }
}
