//! How often a request is repeated, and how long to wait in between.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};

use super::{RegistryFault, RegistryOptions};

/// The longest wait between two attempts, unless the registry asks for more.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// The longest wait that a registry can ask for. One that asks for more is not asked again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// The attempts that are left.
pub(crate) struct Backoff {
    attempts: u32,
    first_delay: Duration,
    left: u32,
    delay: Duration,
}

impl Backoff {
    pub(crate) fn new(options: &RegistryOptions) -> Self {
        let (attempts, first_delay) = (options.attempts.max(1), options.first_delay);
        Self { attempts, first_delay, left: attempts, delay: first_delay }
    }

    /// Whether to try (again).
    pub(crate) fn next(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some()
    }

    /// The transfer is getting on, if slowly.
    pub(crate) fn refill(&mut self) {
        self.left = self.attempts;
        self.delay = self.first_delay;
    }

    /// Exactly so many attempts more.
    pub(crate) fn limit(&mut self, left: u32) {
        self.left = left;
    }

    /// How many attempts are left.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// How long to wait before the next attempt; `None` where another makes no sense.
    pub(crate) fn wait(&mut self, fault: &RegistryFault) -> Option<Duration> {
        let asked = fault.retry_after().unwrap_or_default();
        if !fault.is_transient() || asked > RETRY_AFTER_MAX {
            self.left = 0;
        }
        Some(self.delay()?.max(asked))
    }

    /// How long to wait before the next attempt, whatever the failure was; `None` where no attempt is left.
    pub(crate) fn delay(&mut self) -> Option<Duration> {
        let delay = (self.left > 0).then(|| jittered(self.delay))?;
        self.delay = (self.delay * 2).min(DELAY_MAX);
        Some(delay)
    }
}

/// Half to all of `delay`, so that many clients of one registry do not come back together.
fn jittered(delay: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let half = delay / 2;
    half + half.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}

/// `Retry-After` in seconds or as a date, which is read against the server's own clock.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let value = text(header::RETRY_AFTER)?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let then = httpdate::parse_http_date(value).ok()?;
            let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
            Some(then.duration_since(now).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        use header::{DATE, RETRY_AFTER};
        let date = "Fri, 20 Nov 2026 10:00:00 GMT";
        for (pairs, expected) in [
            (&[][..], None),
            (&[(RETRY_AFTER, "3")], Some(3)),
            (&[(RETRY_AFTER, "999999999999")], Some(999_999_999_999)),
            (&[(RETRY_AFTER, "99999999999999999999999")], None),
            (&[(RETRY_AFTER, "-1")], None),
            (&[(RETRY_AFTER, "Fri, 20 Nov 2026 10:00:07 GMT"), (DATE, date)], Some(7)),
            (&[(RETRY_AFTER, "Fri, 20 Nov 2020 10:00:07 GMT"), (DATE, date)], Some(0)),
            (&[(RETRY_AFTER, "Fri, 20 Nov 2026 10:00:07 GMT")], None),
        ] {
            assert_eq!(retry_after(&headers(pairs)), expected.map(Duration::from_secs), "{pairs:?}");
        }
    }

    #[test]
    fn a_registry_is_waited_for_within_a_bound() {
        let options = RegistryOptions { first_delay: Duration::ZERO, ..RegistryOptions::default() };
        for (asked, expected) in [
            (None, Some(0)),
            (Some(7), Some(7)),
            (Some(60), Some(60)),
            (Some(61), None),
            (Some(u64::MAX), None),
        ] {
            let retry_after = asked.map(Duration::from_secs);
            let busy = || RegistryFault::Status { status: 429, message: String::new(), retry_after };
            let server = RegistryFault::TokenServer { url: "https://t/".into(), fault: Box::new(busy()) };
            for fault in [busy(), server] {
                let wait = Backoff::new(&options).wait(&fault);
                assert_eq!(wait, expected.map(Duration::from_secs), "{fault}");
            }
        }
    }
}
