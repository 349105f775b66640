//! SIGINT and SIGTERM for commands that end in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// SIGINT and SIGTERM: the first stops the run in order, the second at once.
pub(crate) struct Signals {
    pub(crate) caught: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
}

impl Signals {
    pub(crate) fn catch() -> io::Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};

        let signals = Self { caught: Arc::default(), number: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_conditional_shutdown(
                signal,
                128 + signal,
                Arc::clone(&signals.caught),
            )?;
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.number), number)?;
            signal_hook::flag::register(signal, Arc::clone(&signals.caught))?;
        }
        Ok(signals)
    }

    pub(crate) fn number(&self) -> Option<u8> {
        u8::try_from(self.number.load(Ordering::SeqCst)).ok().filter(|number| *number != 0)
    }
}
