//! Messages for people: one line each, on the firmware's console.

use alloc::string::String;
use core::fmt;

use depmod_core::diagnostic::{Diagnostic, Severity};
use depmod_core::host::Reporter;

/// Writes diagnostics with the prefixes of the Linux command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console {
    /// Whether to show what is merely informative.
    pub verbose: bool,
}

impl Console {
    /// A line that says that something went wrong.
    pub fn error(&self, message: fmt::Arguments<'_>) {
        line(format_args!("depmod: ERROR: {message}"));
    }

    /// A line that says that something is odd.
    pub fn warning(&self, message: fmt::Arguments<'_>) {
        line(format_args!("depmod: WARNING: {message}"));
    }

    /// A line for everybody.
    pub fn say(&self, message: fmt::Arguments<'_>) {
        line(format_args!("depmod: {message}"));
    }

    /// A line shown only when asked for.
    pub fn info(&self, message: fmt::Arguments<'_>) {
        if self.verbose {
            line(format_args!("depmod: {message}"));
        }
    }
}

impl Reporter for Console {
    fn report(&mut self, diagnostic: Diagnostic) {
        let message = diagnostic.message();
        let text = String::from_utf8_lossy(&message);
        match diagnostic.severity() {
            Severity::Fatal => line(format_args!("depmod: FATAL: {text}")),
            Severity::Error => self.error(format_args!("{text}")),
            Severity::Warning => self.warning(format_args!("{text}")),
            _ => self.info(format_args!("{text}")),
        }
    }
}

/// A console that does not take text is no reason to stop.
fn line(text: fmt::Arguments<'_>) {
    use fmt::Write;
    uefi::system::with_stdout(|out| {
        let _ = writeln!(out, "{text}");
    });
}
