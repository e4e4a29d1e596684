//! Answers: the read-only commands.
//!
//! Each command has a file here with its arguments and the format of its answer. The core computes the answer
//! (`depmod_core::parts::answer`). Common to all:
//!
//! * [`Failure`]: the reason for a missing answer, one line on standard error, exit status 1;
//! * [`Format`] and [`json`]: an answer as text, or as JSON with a schema version;
//! * [`Out`]: standard output, on which a closed pipe is not an error.

mod answer;
mod diff;
mod dump;
mod explain;
mod explain_json;
mod explain_text;
mod explained;
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

use super::format::Format;
use answer::Command;
pub(super) use answer::Failure;
pub(super) use keep_going::keep_going;
pub(super) use out::Out;
pub(super) use planned::PackPlan;

/// The main function of the command of this name.
pub(super) fn main_of(name: &str) -> Option<fn(&[OsString]) -> u8> {
    Some(match name {
        "verify" => answer::main_of::<verify::Verify>,
        "plan" => answer::main_of::<plan::Plan>,
        "lookup" => answer::main_of::<lookup::Lookup>,
        "explain" => answer::main_of::<explain::Explain>,
        "diff" => answer::main_of::<diff::Diff>,
        "dump" => answer::main_of::<dump::Dump>,
        _ => return None,
    })
}

/// The definition of the command of this name.
pub(super) fn definition(name: &str) -> Option<clap::Command> {
    use clap::CommandFactory;

    Some(match name {
        "verify" => verify::Verify::command(),
        "plan" => plan::Plan::command(),
        "lookup" => lookup::Lookup::command(),
        "explain" => explain::Explain::command(),
        "diff" => diff::Diff::command(),
        "dump" => dump::Dump::command(),
        _ => return None,
    })
}

/// Parses a command line as each command's.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(words: &[OsString]) {
    fn parse<C: Command>(words: &[OsString]) {
        if let Err(error) = super::usage::parsed::<C>(&C::command(), words) {
            assert!(!error.to_string().is_empty());
        }
    }
    parse::<verify::Verify>(words);
    parse::<plan::Plan>(words);
    parse::<lookup::Lookup>(words);
    parse::<explain::Explain>(words);
    parse::<diff::Diff>(words);
    parse::<dump::Dump>(words);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written with line ends of its own, the end of a help is wrapped once more if a line is wider than the help.
    #[test]
    fn lines_of_help_fit() {
        fn check<C: Command>() {
            let command = C::command();
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!text.is_empty());
            for line in text.lines() {
                assert!(line.len() <= 100, "{}: {line}", command.get_name());
            }
            for sentence in text.split(". ").flat_map(|text| text.split(".\n")) {
                let first = sentence.trim_start().chars().next();
                assert!(!first.is_some_and(char::is_lowercase), "{}: {sentence}", command.get_name());
            }
        }
        check::<verify::Verify>();
        check::<plan::Plan>();
        check::<lookup::Lookup>();
        check::<explain::Explain>();
        check::<diff::Diff>();
        check::<dump::Dump>();
    }
}
