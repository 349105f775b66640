//! How often an endpoint is asked, and how long is waited in between.

use std::hash::{BuildHasher, Hasher};
use std::sync::PoisonError;
use std::time::Duration;

use super::fetch::Fetcher;
use super::http::Endpoint;
use super::{Event, Failure, Fault};

/// The longest wait between two attempts, unless the registry asks for more.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// The attempts at one endpoint.
pub(super) struct Attempts<'a> {
    fetcher: &'a Fetcher,
    endpoint: &'a Endpoint,
    /// There is no endpoint after this one.
    last: bool,
    left: u32,
    delay: Duration,
    fault: Option<Fault>,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(fetcher: &'a Fetcher, endpoint: &'a Endpoint, last: bool) -> Self {
        let given_up = !last
            && fetcher.unreachable.lock().unwrap_or_else(PoisonError::into_inner).contains(&endpoint.host());
        Self {
            fetcher,
            endpoint,
            last,
            left: if given_up { 0 } else { fetcher.options.attempts.max(1) },
            delay: fetcher.options.first_delay,
            fault: given_up.then(|| Fault::Unreachable("as before".into())),
        }
    }

    /// Whether to try (again).
    pub(super) fn next(&mut self) -> bool {
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        true
    }

    /// The transfer is getting on, if slowly.
    pub(super) fn refill(&mut self) {
        self.left = self.fetcher.options.attempts.max(1);
        self.delay = self.fetcher.options.first_delay;
    }

    /// Takes note of a failure and waits, if another attempt makes sense.
    pub(super) async fn failed(&mut self, url: &str, fault: Fault) {
        if !self.last && matches!(fault, Fault::Unreachable(_)) {
            let mut unreachable = self.fetcher.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
            unreachable.insert(self.endpoint.host());
            self.left = 0;
        }
        if !fault.is_transient() {
            self.left = 0;
        }
        if self.left > 0 {
            let asked = match &fault {
                Fault::Status { retry_after, .. } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            let wait = jittered(self.delay).max(asked);
            self.fetcher.tell(Event::Retry { url: url.into(), fault: fault.to_string(), wait });
            tokio::time::sleep(wait).await;
            self.delay = (self.delay * 2).min(DELAY_MAX);
        }
        self.fault = Some(fault);
    }

    /// Takes note of content that was whole and wrong.
    pub(super) fn mismatch(&mut self, fault: Fault, again: bool) {
        self.left = u32::from(again && fault.is_remote());
        self.fault = Some(fault);
    }

    /// Adds the failure that counts; whether no other endpoint can help.
    pub(super) fn into_failures(self, url: String, failures: &mut Vec<Failure>) -> bool {
        let Some(fault) = self.fault else { return false };
        let fatal = !fault.is_remote();
        failures.push(Failure { url, fault });
        fatal
    }
}

/// Half to all of `delay`, so that many clients of one registry do not come back together.
fn jittered(delay: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let half = delay / 2;
    half + half.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}
