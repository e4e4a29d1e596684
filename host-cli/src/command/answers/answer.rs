//! What all commands that answer questions have in common.

use core::fmt;
use std::ffi::OsString;

use clap::Parser;
use depmod_core::{Diagnostic, IndexError, Severity, Stopped};

use super::out::Out;
use crate::command::confine;
use crate::command::report::say;
use crate::command::status::FAILED;
use crate::command::usage;

/// The arguments of a command, and their answer.
pub(super) trait Command: Parser {
    /// Writes the answer; returns the exit status.
    fn answer(self, out: &mut Out) -> Result<u8, Failure>;

    /// Confines the process to the needs of this command.
    fn confine(&self) {
        confine::read_only();
    }
}

/// The reason for a missing answer.
#[derive(Debug)]
pub(in crate::command) enum Failure {
    /// A run ended early, and its reporter has received the reason.
    Reported,
    /// Any other reason, to be shown.
    Because(String),
}

impl Failure {
    /// A file or directory that cannot be read.
    pub(super) fn cannot_read(path: &[u8], cause: &dyn fmt::Display) -> Self {
        Self::Because(format!("cannot read {}: {cause}", path.escape_ascii()))
    }

    /// Shows the reason, unless it was reported before.
    pub(in crate::command) fn show(&self) {
        if let Self::Because(why) = self {
            say(Severity::Fatal, why);
        }
    }
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Reported
    }
}

macro_rules! because {
    ($($error:ty),+) => { $(
        impl From<$error> for Failure {
            fn from(why: $error) -> Self {
                Self::Because(why.to_string())
            }
        }
    )+ };
}

because!(String, &str, Diagnostic, IndexError);

/// The main function of a command.
pub(super) fn main_of<C: Command>(words: &[OsString]) -> u8 {
    let command: C = match usage::parse(C::command(), words) {
        Ok(command) => command,
        Err(status) => return status,
    };
    command.confine();
    let mut out = Out::new();
    let answered = command.answer(&mut out).and_then(|status| Ok(out.finish().map(|()| status)?));
    answered.unwrap_or_else(|failure| {
        failure.show();
        FAILED
    })
}
