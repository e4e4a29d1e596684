//! Colours on terminals.

use std::env;
use std::io::IsTerminal;

use super::args::Color;

/// Whether to use colours on a stream.
pub(super) fn use_color(color: Color, stream: &impl IsTerminal) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let asked_not_to = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
            stream.is_terminal() && !asked_not_to && !dumb
        }
    }
}
