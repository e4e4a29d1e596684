//! Words that may have been meant.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::commands;

/// Names the long option of `full`, or the value of an option, that is closest to an unknown one. clap's own
/// suggestions would name abbreviations, which are aliases of the parser.
pub(super) fn with_nearest(
    mut error: clap::Error,
    command: &clap::Command,
    full: &clap::Command,
) -> clap::Error {
    let text = |error: &clap::Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            // No file or version begins with a dash.
            error.remove(ContextKind::Suggested);
            let names =
                full.get_arguments().flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default());
            if let Some(word) = text(&error, ContextKind::InvalidArg)
                && let Some(word) = word.strip_prefix("--")
            {
                let option = nearest(word.as_bytes(), names).map(|name| ["--", name].concat());
                // A command with dashes. Only the classic run has commands beside it.
                let commands = commands::names().filter(|_| full.get_name() == "depmod");
                let meant = option.or_else(|| nearest(word.as_bytes(), commands).map(Into::into));
                if let Some(meant) = meant {
                    error.insert(ContextKind::SuggestedArg, ContextValue::String(meant));
                }
            }
        }
        ErrorKind::InvalidValue => {
            if let Some(word) = text(&error, ContextKind::InvalidValue)
                && let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue)
                && let Some(value) = nearest(word.as_bytes(), values.iter().map(String::as_str))
            {
                let value = ContextValue::String(value.to_owned());
                error.insert(ContextKind::SuggestedValue, value);
            }
        }
        _ => return error,
    }
    error.with_cmd(command)
}

/// The word that is closest to another one, if any is close.
#[cfg(feature = "answers")]
pub(super) fn nearest<'n>(word: &[u8], mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    depmod_core::parts::answer::nearest_word(word, &mut names)
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

/// What to type in place of a word that names no module: names, or the option for a version.
#[cfg(feature = "answers")]
pub(super) fn instead(word: &[u8], names: &[impl std::fmt::Display]) -> String {
    if names.is_empty() && super::paths::is_version(word) {
        return "; a kernel version follows -k".into();
    }
    did_you_mean(names)
}

#[cfg(all(test, feature = "answers"))]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_a_sentence() {
        assert_eq!(did_you_mean(&[""; 0]), "");
        assert_eq!(did_you_mean(&["a"]), "; did you mean a?");
        assert_eq!(instead(b"d", &["a", "b", "c"]), "; did you mean a, b or c?");
        assert_eq!(instead(b"6.1.0-50-amd64", &[""; 0]), "; a kernel version follows -k");
    }
}
