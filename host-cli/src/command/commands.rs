//! The names of the commands besides the classic run.
//!
//! kmod's first operand is a version or a path, so the names of commands are unambiguous.

use depmod_core::parts::name::{file_name, is_module_file};

use super::nearest::nearest;
use super::paths::{before_slashes, is_version, quoted};

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
    if is_module_file(file_name(word)) {
        return Some("the version comes first: depmod VERSION FILE...".into());
    }
    if let Some(line) = path_of_version(word) {
        return Some(line);
    }
    let name = nearest(word, names())?;
    Some(if name.as_bytes() == word {
        format!("{name} is a command, and commands come before options")
    } else {
        format!("did you mean the command {name}?")
    })
}

/// What a word must be that is no command.
pub(super) const VERSION_OR_COMMAND: &str =
    "VERSION begins with two numbers, as in 6.1; depmod help lists commands";

/// What to type in place of the path of a module directory.
fn path_of_version(path: &[u8]) -> Option<String> {
    let path = before_slashes(path);
    let version = file_name(path);
    let above = before_slashes(path.get(..path.len().saturating_sub(version.len()))?);
    if above.is_empty() || !is_version(version) {
        return None;
    }
    let version = quoted(version);
    let words: Vec<u8> = match above.strip_suffix(b"lib/modules") {
        Some(b"/") => version,
        Some(b"") => [b"-b . ", &*version].concat(),
        Some(base) if base.ends_with(b"/") => {
            [b"-b ", &*quoted(before_slashes(base)), b" ", &*version].concat()
        }
        _ => [b"-m ", &*quoted(above), b" ", &*version].concat(),
    };
    Some(format!("VERSION is a name, not a path: depmod {}", String::from_utf8_lossy(&words)))
}

#[cfg(all(test, feature = "answers"))]
mod tests {
    use super::*;

    #[test]
    fn misspelt_commands() {
        assert_eq!(hint(b"verfy").unwrap(), "did you mean the command verify?");
        assert_eq!(hint(b"dmup").unwrap(), "did you mean the command dump?");
        assert_eq!(hint(b"plan").unwrap(), "plan is a command, and commands come before options");
        for (word, command) in [
            ("/lib/modules/6.1-foo/", "6.1-foo"),
            ("lib/modules/6.1-foo", "-b . 6.1-foo"),
            ("/mnt/a b/lib/modules/6.1-foo", "-b '/mnt/a b' 6.1-foo"),
            ("/mnt/lib/modules//6.1-foo//", "-b /mnt 6.1-foo"),
            ("/srv/modules/6.1-foo", "-m /srv/modules 6.1-foo"),
        ] {
            let expected = format!("VERSION is a name, not a path: depmod {command}");
            assert_eq!(hint(word.as_bytes()).unwrap(), expected);
        }
        assert_eq!(hint(b"/tmp/zfs.ko.xz").unwrap(), "the version comes first: depmod VERSION FILE...");
        for word in ["5.0", "x", "/lib/modules", "", "/", "//6.1", "/6.1"] {
            assert_eq!(hint(word.as_bytes()), None);
        }
    }
}
