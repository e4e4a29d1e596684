//! Signals that would end the program between two files.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

/// Records the signals that request termination, instead of terminating; drop terminates.
#[derive(Debug)]
pub(super) struct Signals {
    /// The number of the last signal; 0 before the first one.
    arrived: Arc<AtomicUsize>,
    ids: Vec<SigId>,
}

impl Signals {
    pub(super) fn hold() -> Self {
        let arrived = Arc::new(AtomicUsize::new(0));
        let mut ids = Vec::new();
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or(0);
            // Without a handler, a signal keeps its default effect.
            ids.extend(signal_hook::flag::register_usize(signal, Arc::clone(&arrived), number));
        }
        // With a handler, a file above the size limit is a write error instead of a fatal signal.
        ids.extend(signal_hook::flag::register_usize(SIGXFSZ, Arc::default(), 1));
        Self { arrived, ids }
    }

    /// Whether a signal has requested termination.
    pub(super) fn arrived(&self) -> bool {
        self.arrived.load(Ordering::Relaxed) != 0
    }

    /// As if a signal without a default effect had arrived.
    #[cfg(test)]
    pub(super) fn arrive(&self) {
        self.arrived.store(usize::MAX, Ordering::Relaxed);
    }
}

/// Gives a recorded signal its default effect: the program ends.
impl Drop for Signals {
    fn drop(&mut self) {
        let number = self.arrived.load(Ordering::Relaxed);
        for &id in &self.ids {
            signal_hook::low_level::unregister(id);
        }
        if let Ok(signal @ 1..) = i32::try_from(number) {
            // Fails only for signals that this file does not register.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
}
