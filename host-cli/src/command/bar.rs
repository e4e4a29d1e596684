//! The progress bar of a terminal; without the feature `progress-bar`, there is none.

use std::time::Instant;
#[cfg(feature = "progress-bar")]
use std::{fmt, time::Duration};

/// `, 412/s, 9 s left`: the rate and the rest of a run that has lasted this long.
#[cfg(feature = "progress-bar")]
fn pace(done: u64, total: u64, elapsed: Duration) -> String {
    let micros = elapsed.as_micros();
    let (done, left) = (u128::from(done), u128::from(total.saturating_sub(done)));
    let rate = done.saturating_mul(1_000_000).checked_div(micros);
    let seconds = left.saturating_mul(micros).checked_div(done).map(|micros| micros.div_ceil(1_000_000));
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

    pub(super) fn new(total: u64, started: Instant) -> Self {
        use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(Self::TEMPLATE) {
            // indicatif's own estimates begin with the bar, which begins later than the run.
            let pace = move |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&pace(state.pos(), total, started.elapsed()));
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

    pub(super) fn new(_total: u64, _started: Instant) -> Self {
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
        let pace = |done, millis| pace(done, 4229, Duration::from_millis(millis));
        assert_eq!(pace(400, 1000), ", 400/s, 10 s left");
        assert_eq!(pace(4000, 4000), ", 1000/s, 1 s left");
        assert_eq!(pace(10, 1000), ", 10/s, 8 min left");
        assert_eq!(pace(4229, 1000), ", 4229/s");
        assert_eq!(pace(0, 1000), ", 0/s");
        assert_eq!(pace(1, 0), "");
    }
}
