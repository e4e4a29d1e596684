//! Standard output that cannot be written: one message in all commands.

use std::io::{self, ErrorKind};

use depmod_core::{Diagnostic, Reporter};

use super::args::Color;
use super::report::Report;
use super::status::{DONE, FAILED};
use crate::source::from_io;

/// The meaning of the result of a write. A closed pipe is not an error: its reader has seen enough.
pub(super) fn written(result: io::Result<()>) -> Result<(), Diagnostic> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Diagnostic::StandardOutput { cause: from_io(&error) })
        }
        _ => Ok(()),
    }
}

/// Prints a help, a version or a usage error. Returns the exit status.
pub(super) fn print(text: &clap::Error) -> u8 {
    let printed = text.print();
    if text.use_stderr() {
        // An error of this output cannot be reported.
        return FAILED;
    }
    match written(printed) {
        Ok(()) => DONE,
        Err(diagnostic) => {
            Report::new(Color::Auto).report(diagnostic);
            FAILED
        }
    }
}
