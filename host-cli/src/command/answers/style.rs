//! Styles of text on a terminal.

use std::io::IsTerminal;

use crate::command::args::Color;
use crate::command::terminal::use_color;

/// Colours, where standard output takes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colored: bool,
}

impl Style {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        Self::new(Color::Auto, &std::io::stdout())
    }

    /// Colours on this stream.
    pub(super) fn new(color: Color, stream: &impl IsTerminal) -> Self {
        Self { colored: use_color(color, stream) }
    }

    /// A good result.
    pub(super) fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    /// A bad result.
    pub(super) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// An incomplete result.
    pub(super) fn incomplete(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// A heading.
    pub(super) fn title(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Less important text.
    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `1 module`, `4,230 modules`
pub(super) fn plural(count: usize, word: &str) -> String {
    format!("{} {word}{}", depmod_core::parts::answer::Count(count), if count == 1 { "" } else { "s" })
}

/// At most three names, and the number of others.
pub(super) fn some_names<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> String {
    const SHOWN: usize = 3;
    let names: Vec<&[u8]> = names.into_iter().collect();
    let mut text: Vec<String> =
        names.iter().take(SHOWN).map(|name| name.escape_ascii().to_string()).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => text.join(", "),
        1 => {
            text.extend(names.last().map(|name| name.escape_ascii().to_string()));
            text.join(", ")
        }
        more => format!("{} and {} more", text.join(", "), depmod_core::parts::answer::Count(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_cut() {
        let names: [&[u8]; 5] = [b"a", b"b\n", b"c", b"d", b"e"];
        assert_eq!(some_names(names[..2].iter().copied()), "a, b\\n");
        assert_eq!(some_names(names[..4].iter().copied()), "a, b\\n, c, d");
        assert_eq!(some_names(names), "a, b\\n, c and 2 more");
    }
}
