//! The attempts at one endpoint of several.

use std::sync::PoisonError;

use reqwest::Url;

use super::fetch::Fetcher;
use super::{Failure, Fault};
use crate::client::{Backoff, Endpoint, Event, shown};

/// The attempts at one endpoint.
pub(super) struct Attempts<'a> {
    fetcher: &'a Fetcher,
    endpoint: &'a Endpoint,
    /// There is no endpoint after this one.
    last: bool,
    backoff: Backoff,
    fault: Option<Fault>,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(fetcher: &'a Fetcher, endpoint: &'a Endpoint, last: bool) -> Self {
        let given_up = !last
            && fetcher.unreachable.lock().unwrap_or_else(PoisonError::into_inner).contains(&endpoint.host());
        let mut backoff = Backoff::new(&fetcher.options);
        if given_up {
            backoff.limit(0);
        }
        let fault = given_up.then(|| Fault::Unreachable("as before".into()));
        Self { fetcher, endpoint, last, backoff, fault }
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
    pub(super) async fn failed(&mut self, url: &Url, fault: Fault) {
        if !self.last && matches!(fault, Fault::Unreachable(_)) {
            let mut unreachable = self.fetcher.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
            unreachable.insert(self.endpoint.host());
            self.backoff.limit(0);
        }
        if let Some(wait) = self.backoff.wait(&fault) {
            self.fetcher.tell(Event::retry(url, &fault, wait, self.backoff.left()));
            tokio::time::sleep(wait).await;
        }
        self.fault = Some(fault);
    }

    /// Takes note of content that was whole and wrong.
    pub(super) fn mismatch(&mut self, fault: Fault, again: bool) {
        self.backoff.limit(u32::from(again && fault.is_remote()));
        self.fault = Some(fault);
    }

    /// Adds the failure that counts; whether no other endpoint can help.
    pub(super) fn into_failures(self, url: &Url, failures: &mut Vec<Failure>) -> bool {
        let Some(fault) = self.fault else { return false };
        let fatal = !fault.is_remote();
        failures.push(Failure { url: shown(url), fault });
        fatal
    }
}
