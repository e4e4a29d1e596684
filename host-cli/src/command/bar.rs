//! The progress bar of a terminal; without the feature `progress-bar`, there is none.

/// A bar on stderr.
#[cfg(feature = "progress-bar")]
#[derive(Debug)]
pub(super) struct Bar(indicatif::ProgressBar);

#[cfg(feature = "progress-bar")]
impl Bar {
    const TEMPLATE: &str = "{msg} [{bar:30}] {pos}/{len}";
    /// Whether this build has bars.
    pub(super) const AVAILABLE: bool = true;

    pub(super) fn new(total: u64) -> Self {
        use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(Self::TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
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

    pub(super) fn new(_total: u64) -> Self {
        Self
    }

    pub(super) fn set(&self, _done: u64) {}

    pub(super) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        write()
    }

    pub(super) fn clear(&self) {}
}
