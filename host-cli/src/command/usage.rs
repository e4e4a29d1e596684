//! Parsing of the arguments of commands.

use std::ffi::OsString;

use super::getopt::{abbreviated, explain_ambiguous};
use super::stdout::print;

/// Parses the arguments of a command, with long options abbreviated to any prefix that is unambiguous. `Err` is the
/// exit status after the help or a usage error.
pub(super) fn parse<P: clap::FromArgMatches>(command: clap::Command, words: &[OsString]) -> Result<P, u8> {
    parsed(&command, words).map_err(|error| print(&error))
}

/// The same without printing.
pub(super) fn parsed<P: clap::FromArgMatches>(
    command: &clap::Command,
    words: &[OsString],
) -> Result<P, clap::Error> {
    let mut parser = abbreviated(command.clone(), &[]);
    let matches = parser.try_get_matches_from_mut(words);
    matches
        .and_then(|mut matches| P::from_arg_matches_mut(&mut matches))
        .map_err(|error| explain_ambiguous(error, &parser, command))
}
