//! GNU `getopt_long` above clap ([`reference::cli`](depmod_core::reference::cli) §1).
//!
//! clap parses. This module adds abbreviation: kmod's options keep every prefix that is unambiguous among
//! kmod's options, regardless of this program's additional options.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::suggest::with_nearest;

/// The long options of kmod ([`reference::cli`](depmod_core::reference::cli) §2).
const KMOD: &[&str] = &[
    "all",
    "quick",
    "basedir",
    "moduledir",
    "outdir",
    "config",
    "symvers",
    "filesyms",
    "errsyms",
    "show",
    "dry-run",
    "symbol-prefix",
    "verbose",
    "warn",
    "version",
    "help",
];

/// Short options with an argument.
const WITH_ARGUMENT: &[u8] = if cfg!(feature = "answers") { b"bmoCEFPk" } else { b"bmoCEFP" };

/// `-b=x` names the directory `=x`, as in getopt. clap removes one equals sign, so this doubles it.
pub(super) fn with_doubled_equals(words: &[OsString]) -> Vec<OsString> {
    let mut is_argument = false;
    let mut ended = false;
    let keep = |word: &OsString| {
        let bytes = word.as_bytes();
        ended |= bytes == b"--" && !is_argument;
        let shorts = match bytes {
            // It may be a long option's argument; clap then decides.
            _ if core::mem::take(&mut is_argument) || ended => return word.clone(),
            [b'-', b'-', ..] => {
                is_argument = !bytes.contains(&b'=');
                return word.clone();
            }
            [b'-', shorts @ ..] => shorts,
            _ => return word.clone(),
        };
        let option = shorts.iter().position(|short| WITH_ARGUMENT.contains(short));
        let argument = option.and_then(|at| shorts.get(at.saturating_add(1)..));
        is_argument = argument == Some(b"");
        match argument {
            Some([b'=', ..]) => {
                let start = bytes.len().saturating_sub(argument.map_or(0, <[u8]>::len));
                let (option, argument) = bytes.split_at(start);
                OsString::from_vec([option, b"=", argument].concat())
            }
            _ => word.clone(),
        }
    };
    words.iter().map(keep).collect()
}

/// All long options, as pairs of name and argument ID.
fn long_names(command: &clap::Command) -> Vec<(String, clap::Id)> {
    let mut names = Vec::new();
    for arg in command.get_arguments() {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        let all = arg.get_long().into_iter().chain(aliases);
        names.extend(all.map(|name| (name.to_owned(), arg.get_id().clone())));
    }
    names
}

/// Gives each option of the classic run all prefixes of its name that are unique to it; for kmod's options, unique
/// among kmod's options.
pub(super) fn with_abbreviations(command: clap::Command) -> clap::Command {
    abbreviated(command, KMOD)
}

/// Gives each option all prefixes of its name that are unique to it; for the `first`, unique among these.
pub(super) fn abbreviated(mut command: clap::Command, first: &[&str]) -> clap::Command {
    let names = long_names(&command);
    let is_kmod = |name: &str| first.contains(&name);
    let mut aliases: Vec<(clap::Id, String)> = Vec::new();
    for (name, id) in &names {
        for end in 1..name.len() {
            let Some(short) = name.get(..end) else { continue };
            let taken = aliases.iter().any(|(_, known)| known == short);
            if taken || names.iter().any(|(other, _)| other == short) {
                continue;
            }
            let mut rivals = names.iter().filter(|(other, rival)| {
                other.starts_with(short) && rival != id && (is_kmod(other) || !is_kmod(name))
            });
            if rivals.next().is_none() {
                aliases.push((id.clone(), short.to_owned()));
            }
        }
    }
    // Every argument is modified: the help lists modified arguments after unmodified ones.
    let ids: Vec<clap::Id> = command.get_arguments().map(|arg| arg.get_id().clone()).collect();
    for id in ids {
        let own: Vec<String> =
            aliases.iter().filter(|(to, _)| *to == id).map(|(_, alias)| alias.clone()).collect();
        command = command.mut_arg(id, |arg| arg.aliases(own));
    }
    command
}

pub(super) fn invalid_argument(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => Some(arg),
        _ => None,
    }
}

/// Lists the options that match an ambiguous abbreviation.
pub(super) fn explain_ambiguous(
    mut error: clap::Error,
    command: &clap::Command,
    full: &clap::Command,
) -> clap::Error {
    let option = invalid_argument(&error).filter(|_| error.kind() == ErrorKind::UnknownArgument);
    let Some(short) = option.and_then(|arg| arg.strip_prefix("--")) else {
        return with_nearest(error, command, full);
    };
    let could_be: Vec<String> = long_names(full)
        .iter()
        .filter(|(name, _)| !short.is_empty() && name.starts_with(short))
        .map(|(name, _)| format!("--{name}"))
        .collect();
    if could_be.len() > 1 {
        let note = format!("it could be {}", could_be.join(", "));
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(note)]));
        return error.with_cmd(command);
    }
    with_nearest(error, command, full)
}

#[cfg(test)]
mod tests {
    use super::super::args::tests::{parse, printed};
    use super::super::args::{Args, Color};
    use super::*;

    #[test]
    fn an_equals_sign_after_a_short_option_belongs_to_its_argument() {
        let basedir = |line| parse(line).unwrap().place.basedir.unwrap();
        assert_eq!(basedir("-b=x"), "=x");
        assert_eq!(basedir("-nvb=x"), "=x");
        assert_eq!(basedir("-b -C=x"), "-C=x");
        assert_eq!(basedir("--basedir=x"), "x");
        assert_eq!(parse("-P=").unwrap().symbol_prefix, Some(b'='));
        assert_eq!(parse("5.0 -- -b=x").unwrap().operands, ["5.0", "-b=x"]);
    }

    #[test]
    fn arguments_are_parsed_as_by_getopt() {
        let args = parse("5.0 -nevb/dir /f -a -- -x").unwrap();
        assert!(args.show && args.errsyms && args.all);
        assert_eq!(args.place.basedir.unwrap(), "/dir");
        assert_eq!(args.operands, ["5.0", "/f", "-x"]);
        assert_eq!(parse("-b one -b two").unwrap().place.basedir.unwrap(), "two");
        assert_eq!(parse("-b -x").unwrap().place.basedir.unwrap(), "-x");
        assert_eq!(parse("-b -n").unwrap().place.basedir.unwrap(), "-n");
        assert_eq!(parse("-b -- 5.0").unwrap().place.basedir.unwrap(), "--");
        assert_eq!(parse("--basedir=").unwrap().place.basedir.unwrap(), "");
        assert_eq!(parse("--basedir -x").unwrap().place.basedir.unwrap(), "-x");
        assert!(parse("-aa -n --all -n").unwrap().all);
    }

    #[test]
    fn posixly_correct_ends_options_at_the_first_operand() {
        let words = ["-n", "5.0", "-a", "--bogus"].map(OsString::from);
        let args = Args::parse_words(&words, true).unwrap();
        assert!(args.show && !args.all);
        assert_eq!(args.operands, ["5.0", "-a", "--bogus"]);
        assert!(Args::parse_words(&["-x".into(), "5.0".into()], true).is_err());
    }

    #[test]
    fn long_names_may_be_abbreviated() {
        assert!(parse("--dry").unwrap().show && parse("--sh").unwrap().show);
        assert_eq!(parse("--co=x").unwrap().place.config, ["x"], "--color does not make --config ambiguous");
        assert_eq!(parse("--mod x").unwrap().place.moduledir.unwrap(), "x");
        assert_eq!(parse("--m x").unwrap().place.moduledir.unwrap(), "x");
        assert!(parse("--q").unwrap().quick && parse("--quie").unwrap().quiet);
        assert_eq!(parse("--col=never").unwrap().color, Color::Never);
        assert_eq!(parse("--c=x").unwrap().place.config, ["x"], "nor does --cache");
        assert_eq!(parse("--ca=x").unwrap().cache, Some(Some("x".into())));
        assert!(parse("--no-c").unwrap().no_cache);
        assert_eq!(parse("--sym=x").map(|args| args.symvers).map_err(|stop| stop.status()), Err(1));
    }

    #[test]
    fn ambiguous_abbreviations_are_errors() {
        let text = printed("--s");
        for name in ["--show", "--symvers", "--symbol-prefix", "--syslog"] {
            assert!(text.contains(name), "{text}");
        }
        assert!(printed("--v").contains("--version"));
    }
}
