//! Usage errors, with the option that may have been meant.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::getopt::{abbreviated, explain_ambiguous};
use super::status::{DONE, FAILED};

/// Parses the arguments of a command, with long options abbreviated to any prefix that is unambiguous. `Err` is the
/// exit status after the help or a usage error.
pub(super) fn parse<P: clap::FromArgMatches>(command: clap::Command, words: &[OsString]) -> Result<P, u8> {
    let mut parser = abbreviated(command.clone(), &[]);
    let matches = parser.try_get_matches_from_mut(words);
    matches
        .and_then(|mut matches| P::from_arg_matches_mut(&mut matches))
        .map_err(|error| print(explain_ambiguous(error, &parser, &command)))
}

/// Prints the help or a usage error; returns the exit status.
fn print(error: clap::Error) -> u8 {
    // An error of this output cannot be reported.
    let _ = error.print();
    if error.use_stderr() { FAILED } else { DONE }
}

/// Names the long option of `full` that is closest to an unknown one.
pub(super) fn with_nearest(
    mut error: clap::Error,
    command: &clap::Command,
    full: &clap::Command,
) -> clap::Error {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg)
        && let Some(word) = word.strip_prefix("--")
        && let Some(name) = nearest(word.as_bytes(), full.get_arguments().filter_map(clap::Arg::get_long))
    {
        error.insert(ContextKind::SuggestedArg, ContextValue::String(["--", name].concat()));
        return error.with_cmd(command);
    }
    error
}

/// The word that is closest to another one, if any is close.
#[cfg(feature = "answers")]
pub(super) fn nearest<'n>(word: &[u8], names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    depmod_core::parts::answer::nearest_word(word, names)
}

/// The small program proposes nothing.
#[cfg(not(feature = "answers"))]
pub(super) fn nearest<'n>(_: &[u8], _: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    None
}
