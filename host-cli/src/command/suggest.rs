//! Suggestions in usage errors.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::commands;
use super::nearest::nearest;

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
