//! The names of the commands besides the classic run.
//!
//! kmod's first operand is a version or a path, so the names of commands are unambiguous.

use super::nearest::nearest;

/// Each command with its description, in the order of the help.
const COMMANDS: &[(&str, &str)] = &[
    #[cfg(feature = "answers")]
    ("verify", "are the index files right, and what breaks if not?"),
    #[cfg(feature = "answers")]
    ("plan", "what to load for modules and devices, in which order"),
    #[cfg(feature = "answers")]
    ("lookup", "the modules that names and modaliases stand for"),
    #[cfg(feature = "answers")]
    ("explain", "why a module needs others, and what stands behind a name"),
    #[cfg(feature = "answers")]
    ("diff", "what changed between two kernels"),
    #[cfg(feature = "answers")]
    ("dump", "the content of an index file"),
    ("pack", "one archive of a kernel's modules"),
    ("help", "the help of depmod, or of a command"),
];

/// The names of all commands.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name)
}

/// The commands as lines of the help.
pub(super) fn list() -> String {
    let mut text = String::from("\x1b[1m\x1b[4mCommands:\x1b[0m\n");
    for (name, about) in COMMANDS {
        text = text
            + "  \x1b[1m"
            + name
            + "\x1b[0m"
            + &" ".repeat(8_usize.saturating_sub(name.len()))
            + about
            + "\n";
    }
    text
}

/// What may have been meant by a word that is no version and no command.
pub(super) fn hint(word: &[u8]) -> Option<String> {
    let name = nearest(word, names())?;
    Some(if name.as_bytes() == word {
        format!("{name} is a command, and commands come before options")
    } else {
        format!("did you mean the command {name}?")
    })
}

#[cfg(all(test, feature = "answers"))]
mod tests {
    use super::*;

    #[test]
    fn misspelt_commands() {
        assert_eq!(hint(b"verfy").unwrap(), "did you mean the command verify?");
        assert_eq!(hint(b"dmup").unwrap(), "did you mean the command dump?");
        assert_eq!(hint(b"plan").unwrap(), "plan is a command, and commands come before options");
        for word in ["5.0", "x", "/lib/modules", ""] {
            assert_eq!(hint(word.as_bytes()), None);
        }
    }
}
