//! Signals that would end the program between two files.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};

/// Notes the signals that ask a program to end, instead of ending.
#[derive(Debug)]
pub(super) struct Signals {
    /// The number of the last one; 0 while there is none.
    arrived: Arc<AtomicUsize>,
    ids: Vec<SigId>,
}

impl Signals {
    pub(super) fn hold() -> Self {
        let arrived = Arc::new(AtomicUsize::new(0));
        let mut ids = Vec::new();
        for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or(0);
            // A handler that cannot be set leaves the signal as deadly as it was.
            ids.extend(signal_hook::flag::register_usize(signal, Arc::clone(&arrived), number));
        }
        // With a handler, a file that grows too large is a failed write and no death.
        ids.extend(signal_hook::flag::register_usize(SIGXFSZ, Arc::default(), 1));
        Self { arrived, ids }
    }

    /// Whether a signal arrived that asks the program to end.
    pub(super) fn arrived(&self) -> bool {
        self.arrived.load(Ordering::Relaxed) != 0
    }

    /// Lets a signal that arrived have its effect, which is the end of the program.
    pub(super) fn release(self) {
        let number = self.arrived.load(Ordering::Relaxed);
        for id in self.ids {
            signal_hook::low_level::unregister(id);
        }
        if let Ok(signal @ 1..) = i32::try_from(number) {
            // Fails only for signals that this file does not know.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
}
