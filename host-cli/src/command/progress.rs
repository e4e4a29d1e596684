//! Progress of a run: a bar on a terminal after half a second.
//!
//! Package hooks and pipes get no progress, or plain lines with `--progress`. So do terminals, in builds
//! without bars.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

use super::bar::{Bar, Weight};
use super::terminal::is_watched;
use crate::run;

const PATIENCE: Duration = Duration::from_millis(500);

/// Progress of reading modules, shared by the reading threads.
#[derive(Debug)]
pub(super) struct Progress {
    total: AtomicU64,
    done: AtomicU64,
    /// Bytes of the files, if they are known: large modules come first, so their number says little about the rest.
    weight: Weight,
    started: Instant,
    patience: Duration,
    form: Form,
    bar: OnceLock<Bar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Nothing,
    Bar,
    /// A line per tenth.
    Lines,
}

impl Progress {
    /// Progress of a run that starts now. `asked`: `--progress` was given, so progress is shown at once and
    /// on any output.
    #[must_use]
    pub(super) fn new(asked: bool) -> Self {
        Self::with(asked, Bar::AVAILABLE && is_watched(&std::io::stderr()))
    }

    fn with(asked: bool, bar: bool) -> Self {
        let form = match (bar, asked) {
            (true, _) => Form::Bar,
            (false, true) => Form::Lines,
            (false, false) => Form::Nothing,
        };
        let patience = if asked { Duration::ZERO } else { PATIENCE };
        let (total, done) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            total,
            done,
            weight: Weight::default(),
            started: Instant::now(),
            patience,
            form,
            bar: OnceLock::new(),
        }
    }

    /// The time since the beginning of the run.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The line to print after this many modules.
    fn line(&self, done: u64) -> Option<String> {
        let total = self.total.load(Ordering::Relaxed);
        let tenths = |done: u64| done.saturating_mul(10).checked_div(total);
        let (now, before) = (tenths(done)?, tenths(done.checked_sub(1)?)?);
        (self.form == Form::Lines && now > before)
            .then(|| format!("depmod: {done} of {total} modules read\n"))
    }

    /// Writes to the terminal while the bar is hidden.
    pub(super) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match self.bar.get() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl run::Progress for Progress {
    fn begin(&self, modules: usize) {
        self.total.store(modules as u64, Ordering::Relaxed);
    }

    fn weigh(&self, bytes: u64) {
        self.weight.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn step(&self, bytes: u64) {
        if self.form == Form::Nothing {
            return;
        }
        self.weight.done.fetch_add(bytes, Ordering::Relaxed);
        let done = self.done.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if let Some(line) = self.line(done) {
            let _ = std::io::stderr().write_all(line.as_bytes());
        } else if self.form == Form::Bar && self.started.elapsed() >= self.patience {
            let total = self.total.load(Ordering::Relaxed);
            self.bar.get_or_init(|| Bar::new(total, self.started, self.weight.clone())).set(done);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.bar.get() {
            bar.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Progress as _;

    #[test]
    fn pipes_get_progress_only_on_request() {
        assert_eq!(Progress::with(false, false).form, Form::Nothing);
        assert_eq!(Progress::with(true, false).form, Form::Lines);
        assert_eq!(Progress::with(false, true).form, Form::Bar);
    }

    #[cfg(feature = "progress-bar")]
    #[test]
    fn bars_appear_after_half_a_second() {
        let quick = Progress::with(false, true);
        quick.step(0);
        assert!(quick.bar.get().is_none());
        let mut slow = Progress::with(false, true);
        slow.patience = Duration::ZERO;
        slow.step(0);
        assert_eq!(slow.bar.get().map(Bar::position), Some(1));
        slow.end();
    }

    #[test]
    fn plain_progress_has_one_line_per_tenth() {
        let progress = Progress::with(true, false);
        assert_eq!(progress.line(1), None, "of nothing");
        progress.begin(4229);
        let lines: Vec<_> = (1..=4229).filter_map(|done| progress.line(done)).collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[0], "depmod: 423 of 4229 modules read\n");
        assert_eq!(lines[9], "depmod: 4229 of 4229 modules read\n");
    }
}
