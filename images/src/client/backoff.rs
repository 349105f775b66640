//! How often one endpoint is asked, and how long is waited in between.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::{Fault, Options};

/// The longest wait between two attempts, unless the registry asks for more.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// The attempts that are left.
pub(crate) struct Backoff {
    attempts: u32,
    first_delay: Duration,
    left: u32,
    delay: Duration,
}

impl Backoff {
    pub(crate) fn new(options: &Options) -> Self {
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

    /// How long to wait before the next attempt; `None` where another makes no sense.
    pub(crate) fn wait(&mut self, fault: &Fault) -> Option<Duration> {
        if !fault.is_transient() {
            self.left = 0;
        }
        if self.left == 0 {
            return None;
        }
        let asked = match fault {
            Fault::Status { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let wait = jittered(self.delay).max(asked);
        self.delay = (self.delay * 2).min(DELAY_MAX);
        Some(wait)
    }
}

/// Half to all of `delay`, so that many clients of one registry do not come back together.
fn jittered(delay: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let half = delay / 2;
    half + half.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}
