//! The commands besides the classic run, and `depmod help`.
//!
//! kmod's first operand is a version or a path, so the names of commands are unambiguous.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use depmod_core::Severity;

use super::args::Args;
use super::report::say;
use super::status::FAILED;
use super::{exit, pack, usage};

/// A command.
pub(super) struct Named {
    /// The first word of the command line.
    pub(super) name: &'static str,
    /// What it does, in a few words.
    pub(super) about: &'static str,
    /// Executes its arguments; returns the exit status.
    pub(super) main: fn(&[OsString]) -> u8,
}

/// All commands, in the order of the help.
const COMMANDS: &[&[Named]] = &[
    #[cfg(feature = "answers")]
    super::answers::COMMANDS,
    &[
        Named { name: "pack", about: "one archive of a kernel's modules", main: pack::main },
        Named { name: "help", about: "the help of depmod, or of a command", main: help },
    ],
];

fn all() -> impl Iterator<Item = &'static Named> {
    COMMANDS.iter().copied().flatten()
}

/// The command of a name.
pub(super) fn find(name: &OsString) -> Option<&'static Named> {
    all().find(|command| name == command.name)
}

/// The command that is named in a command line, and its arguments. It may follow options, as in `-b DIR plan`: the
/// classic run has no operand of such a name.
pub(super) fn with_arguments(words: &[OsString]) -> Option<(&'static Named, Vec<OsString>)> {
    // A word may also be the argument of an option, or follow a version.
    let are_options = |words: &[OsString]| {
        words.is_empty()
            || words.last().is_some_and(|last| last != "--")
                && Args::parse_words(words, false).is_ok_and(|args| args.operands.is_empty())
    };
    let mut named = words.iter().enumerate().filter_map(|(at, word)| Some((at, find(word)?)));
    named.find_map(|(at, command)| {
        let (options, rest) = words.split_at_checked(at).filter(|(options, _)| are_options(options))?;
        Some((command, options.iter().chain(rest.iter().skip(1)).cloned().collect()))
    })
}

/// The commands as lines of the help.
pub(super) fn list() -> String {
    let mut text = String::from("\x1b[1m\x1b[4mCommands:\x1b[0m\n");
    for Named { name, about, .. } in all() {
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

/// `depmod help [COMMAND]`
fn help(words: &[OsString]) -> u8 {
    let help = [OsString::from("--help")];
    let Some(word) = words.first() else { return exit::main(&help) };
    match find(word) {
        Some(Named { name: "help", .. }) => exit::main(&help),
        Some(command) => (command.main)(&help),
        None => {
            let mut text = format!("there is no command {}", word.display());
            hint(word.as_bytes()).iter().for_each(|hint| text = [&*text, "; ", hint].concat());
            say(Severity::Fatal, &text);
            FAILED
        }
    }
}

/// What may have been meant by a word that is no version and no command.
pub(super) fn hint(word: &[u8]) -> Option<String> {
    let name = usage::nearest(word, all().map(|command| command.name))?;
    Some(if name.as_bytes() == word {
        format!("{name} is a command, and commands come before options")
    } else {
        format!("did you mean the command {name}?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_listed() {
        let list = list();
        for command in all() {
            assert!(list.contains(command.about), "{list}");
            assert!(find(&command.name.into()).is_some_and(|found| found.about == command.about));
        }
        assert!(find(&"verfy".into()).is_none());
    }

    #[test]
    fn commands_after_options() {
        let named = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            with_arguments(&words).map(|(command, words)| (command.name, words.join(" ".as_ref())))
        };
        let pack = |words: &str| Some(("pack", OsString::from(words)));
        assert_eq!(named("pack -b x 5.0"), pack("-b x 5.0"));
        assert_eq!(named("-b x -C=y pack 5.0"), pack("-b x -C=y 5.0"));
        assert_eq!(named("-b pack 5.0"), None, "an argument of an option");
        assert_eq!(named("-b pack pack"), pack("-b pack"));
        assert_eq!(named("5.0 pack"), None);
        assert_eq!(named("-- pack"), None);
        assert_eq!(named("--basedir x -a"), None);
    }

    #[cfg(feature = "answers")]
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
