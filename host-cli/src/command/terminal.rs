//! Terminals: colours, and control characters in names.

use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;

use depmod_core::parts::diagnostic::push_escaped;

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

/// Whether a person looks at a stream: bars and hints are for people. dpkg shows the scripts of packages a terminal,
/// and keeps what they print in a log.
pub(super) fn is_watched(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("DPKG_MAINTSCRIPT_NAME").is_none()
}

/// Lines of names for a stream. Programs get the bytes as they are. On a terminal, control characters are escaped:
/// they could erase the text there, or forge lines.
pub(super) fn lines_for<'t>(stream: &impl IsTerminal, lines: &'t [u8]) -> Cow<'t, [u8]> {
    if stream.is_terminal() { Cow::Owned(escaped(lines)) } else { Cow::Borrowed(lines) }
}

/// Lines with escaped control characters.
fn escaped(lines: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let (line, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |line| (line, b"\n"));
        push_escaped(&mut text, line);
        text.extend_from_slice(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_stay() {
        assert_eq!(escaped(b"a\x1b[2J\n\nb\r\n\xc2\x9bc"), b"a\\x1b[2J\n\nb\\x0d\n\\xc2\\x9bc");
    }
}
