//! Words that may have been meant.

use clap::error::{ContextKind, ContextValue, ErrorKind};

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

/// `; did you mean A or B?`, or nothing.
#[cfg(feature = "answers")]
pub(super) fn did_you_mean(names: &[impl std::fmt::Display]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}
