//! The progress bar of a terminal; without the feature `progress-bar`, there is none.

use core::sync::atomic::AtomicU64;
#[cfg(feature = "progress-bar")]
use core::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Instant;
#[cfg(feature = "progress-bar")]
use std::{fmt, time::Duration};

/// How much of the work is done, in any unit; of nothing while that is not known.
#[derive(Clone, Debug, Default)]
pub(super) struct Weight {
    pub(super) done: Arc<AtomicU64>,
    pub(super) total: Arc<AtomicU64>,
}

#[cfg(feature = "progress-bar")]
impl Weight {
    fn get(&self) -> Option<(u64, u64)> {
        let total = self.total.load(Ordering::Relaxed);
        (total > 0).then(|| (self.done.load(Ordering::Relaxed), total))
    }
}

/// `, 412/s, 9 s left`: the rate and the rest of a run that has lasted this long. The rest is that of `work`, done and
/// in all.
#[cfg(feature = "progress-bar")]
fn pace(done: u64, work: (u64, u64), elapsed: Duration) -> String {
    let micros = elapsed.as_micros();
    let (worked, left) = (u128::from(work.0), u128::from(work.1.saturating_sub(work.0)));
    let rate = u128::from(done).saturating_mul(1_000_000).checked_div(micros);
    let seconds = left.saturating_mul(micros).checked_div(worked).map(|micros| micros.div_ceil(1_000_000));
    match (rate, seconds) {
        (Some(rate), Some(0..60)) if left > 0 => format!(", {rate}/s, {} s left", seconds.unwrap_or(0)),
        (Some(rate), Some(seconds)) if left > 0 => format!(", {rate}/s, {} min left", seconds.div_ceil(60)),
        (Some(rate), _) => format!(", {rate}/s"),
        (None, _) => String::new(),
    }
}

/// A bar on stderr.
#[cfg(feature = "progress-bar")]
#[derive(Debug)]
pub(super) struct Bar(indicatif::ProgressBar);

#[cfg(feature = "progress-bar")]
impl Bar {
    const TEMPLATE: &str = "{msg} [{bar:30}] {pos}/{len}{pace}";
    /// Whether this build has bars.
    pub(super) const AVAILABLE: bool = true;

    pub(super) fn new(total: u64, started: Instant, weight: Weight) -> Self {
        use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(Self::TEMPLATE) {
            // indicatif's own estimates begin with the bar, which begins later than the run.
            let pace = move |state: &ProgressState, out: &mut dyn fmt::Write| {
                let done = state.pos();
                let work = weight.get().unwrap_or((done, total));
                let _ = out.write_str(&pace(done, work, started.elapsed()));
            };
            bar.set_style(style.with_key("pace", pace).progress_chars("=> "));
        }
        bar.set_message("Reading modules");
        Self(bar)
    }

    pub(super) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Writes to the terminal while the bar is hidden.
    pub(super) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.0.suspend(write)
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }

    #[cfg(test)]
    pub(super) fn position(&self) -> u64 {
        self.0.position()
    }
}

/// A bar that a build without bars never makes.
#[cfg(not(feature = "progress-bar"))]
#[derive(Debug)]
pub(super) struct Bar;

#[cfg(not(feature = "progress-bar"))]
impl Bar {
    pub(super) const AVAILABLE: bool = false;

    pub(super) fn new(_total: u64, _started: Instant, _weight: Weight) -> Self {
        Self
    }

    pub(super) fn set(&self, _done: u64) {}

    pub(super) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        write()
    }

    pub(super) fn clear(&self) {}
}

#[cfg(all(test, feature = "progress-bar"))]
mod tests {
    use super::*;

    #[test]
    fn rate_and_rest() {
        let by_size = pace(40, (900, 1000), Duration::from_secs(9));
        assert_eq!(by_size, ", 4/s, 1 s left", "the largest are first");
        let pace = |done, millis| pace(done, (done, 4229), Duration::from_millis(millis));
        assert_eq!(pace(400, 1000), ", 400/s, 10 s left");
        assert_eq!(pace(4000, 4000), ", 1000/s, 1 s left");
        assert_eq!(pace(10, 1000), ", 10/s, 8 min left");
        assert_eq!(pace(4229, 1000), ", 4229/s");
        assert_eq!(pace(0, 1000), ", 0/s");
        assert_eq!(pace(1, 0), "");
    }
}
