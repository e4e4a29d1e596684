//! Answers: the commands that tell instead of write.
//!
//! Each command has a file here: its words, and how its answer is shown. What the answer is, the core decides
//! (`depmod_core::parts::answer`). All of them share
//!
//! * [`Failure`]: why there is no answer, one line on standard error, exit status 1;
//! * [`Format`] and [`json`]: an answer as text for people, or as JSON with a version of its form;
//! * [`Out`]: standard output, on which a reader that goes away is no failure.

mod diff;
mod dump;
mod json;
mod out;
mod style;
mod verify;

use std::ffi::OsString;
use std::fmt;

use clap::{Parser, ValueEnum};
use depmod_core::Severity;

use super::status::{DONE, FAILED, Named};
pub(super) use out::Out;

/// The commands, by their names.
pub(super) const COMMANDS: &[Named] = &[
    ("diff", main_of::<diff::Diff>),
    ("dump", main_of::<dump::Dump>),
    ("verify", main_of::<verify::Verify>),
];

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// A command line, and its answer.
trait Command: Parser {
    /// Answers; gives the exit status.
    fn answer(self, out: &mut Out) -> Result<u8, Failure>;
}

/// Why there is no answer.
#[derive(Debug)]
struct Failure(String);

impl<T: fmt::Display> From<T> for Failure {
    fn from(why: T) -> Self {
        Self(why.to_string())
    }
}

/// Reads the words, answers, and says what went wrong.
fn main_of<C: Command>(words: &[OsString]) -> u8 {
    let command = match C::try_parse_from(words) {
        Ok(command) => command,
        Err(error) => {
            // Nobody is left to be told that nobody reads.
            let _ = error.print();
            return if error.use_stderr() { FAILED } else { DONE };
        }
    };
    let mut out = Out::new();
    let answered = command.answer(&mut out).and_then(|status| Ok(out.finish().map(|()| status)?));
    answered.unwrap_or_else(|Failure(why)| {
        eprintln!("depmod: {}: {why}", Severity::Fatal.word());
        FAILED
    })
}
