//! Answers: the read-only commands.
//!
//! Each command has a file here with its arguments and the format of its answer. The core computes the answer
//! (`depmod_core::parts::answer`). Common to all:
//!
//! * [`Failure`]: the reason for a missing answer, one line on standard error, exit status 1;
//! * [`Format`] and [`json`]: an answer as text, or as JSON with a schema version;
//! * [`Out`]: standard output, on which a closed pipe is not an error.

mod diff;
mod dump;
mod explain;
mod explain_json;
mod explain_text;
mod indexes;
mod json;
mod keep_going;
mod kernel;
mod lookup;
mod out;
mod plan;
mod plan_dot;
mod plan_json;
mod plan_text;
mod planned;
mod requests;
mod strict;
mod style;
mod verify;
mod versions;

use std::ffi::OsString;

use clap::{Parser, ValueEnum};
use depmod_core::{Diagnostic, IndexError, Severity, Stopped};

use super::commands::Named;
use super::confine;
use super::report::say;
use super::status::FAILED;
use super::usage;
pub(super) use keep_going::keep_going;
pub(super) use out::Out;
pub(super) use planned::PackPlan;
pub(super) use strict::{Checks, Strict};

/// The commands, in the order of the help.
pub(super) const COMMANDS: &[Named] = &[
    Named {
        name: "verify",
        about: "are the index files right, and what breaks if not?",
        main: main_of::<verify::Verify>,
    },
    Named {
        name: "plan",
        about: "what to load for modules and devices, in which order",
        main: main_of::<plan::Plan>,
    },
    Named {
        name: "lookup",
        about: "the modules that names and modaliases stand for",
        main: main_of::<lookup::Lookup>,
    },
    Named {
        name: "explain",
        about: "why a module needs others, and what stands behind a name",
        main: main_of::<explain::Explain>,
    },
    Named { name: "diff", about: "what changed between two kernels", main: main_of::<diff::Diff> },
    Named { name: "dump", about: "the content of an index file", main: main_of::<dump::Dump> },
];

/// The format of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// The arguments of a command, and their answer.
trait Command: Parser {
    /// Writes the answer; returns the exit status.
    fn answer(self, out: &mut Out) -> Result<u8, Failure>;

    /// Confines the process to what this command needs.
    fn confine(&self) {
        confine::read_only();
    }
}

/// The reason for a missing answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// A run ended early, and its reporter has received the reason.
    Reported,
    /// Any other reason, to be shown.
    Because(String),
}

impl Failure {
    /// Shows the reason, unless it was reported before.
    pub(super) fn show(&self) {
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
fn main_of<C: Command>(words: &[OsString]) -> u8 {
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
