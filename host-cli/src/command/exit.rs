//! From a command line to an exit status.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use depmod_core::{Diagnostic, Reporter, Severity};

use super::args::{Args, Color, Stop};
use super::classic::run_one;
use super::report::{Report, say};
use super::status::FAILED;
use super::stdout::print;
use super::{commands, pack};

/// Executes the arguments of a command; returns the exit status.
type Main = fn(&[OsString]) -> u8;

/// Words with the name of a command that are looked at: each is an attempt to parse the words before it.
const MOST_NAMES: usize = 8;

/// Executes the command line; returns the exit status.
pub fn main(words: &[OsString]) -> u8 {
    if let Some((command, words)) = with_arguments(words) {
        return command(&words);
    }
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    match Args::parse_words(words, posixly_correct) {
        Ok(args) => execute(args),
        Err(stop) => explain(stop),
    }
}

/// Prints why there is no run.
fn explain(stop: Stop) -> u8 {
    match stop {
        Stop::Clap(text) => print(&text),
        Stop::Message(diagnostic) => {
            Report::new(Color::Auto).report(diagnostic);
            FAILED
        }
    }
}

/// Executes a parsed command line.
fn execute(args: Args) -> u8 {
    let mut report = Report::new(args.color);
    if args.map {
        report.report(Diagnostic::DeprecatedOption { option: "--map" });
    }
    #[cfg(feature = "answers")]
    if args.all_kernels {
        return super::all_kernels::run(&args, report);
    }
    run_one(args, report)
}

/// The command of a name.
fn command(name: &OsStr) -> Option<Main> {
    match name.to_str()? {
        "pack" => Some(pack::main),
        "help" => Some(help),
        #[cfg(feature = "answers")]
        name => super::answers::main_of(name),
        #[cfg(not(feature = "answers"))]
        _ => None,
    }
}

/// The command that is named in a command line, and its arguments. It may follow options, as in `-b DIR plan`: the
/// classic run has no operand of such a name.
pub(super) fn with_arguments(words: &[OsString]) -> Option<(Main, Vec<OsString>)> {
    let named = words.iter().enumerate().filter_map(|(at, word)| Some((at, command(word)?)));
    for (at, command) in named.take(MOST_NAMES) {
        let (options, rest) = words.split_at_checked(at)?;
        // Without options, none need to be understood.
        let parsed = (!options.is_empty()).then(|| Args::parse_words(options, false));
        match parsed {
            // The word is the argument of an option.
            Some(Err(_)) => {}
            // The word, and each after it, follows an operand.
            Some(Ok(args))
                if !args.operands.is_empty() || options.last().is_some_and(|last| last == "--") =>
            {
                return None;
            }
            _ => return Some((command, options.iter().chain(rest.iter().skip(1)).cloned().collect())),
        }
    }
    None
}

/// `depmod help [COMMAND]`
fn help(words: &[OsString]) -> u8 {
    let help = [OsString::from("--help")];
    match words.first() {
        None => main(&help),
        Some(word) if word == "help" => main(&help),
        Some(word) => {
            if let Some(command) = command(word) {
                return command(&help);
            }
            let hint = commands::hint(word.as_bytes()).unwrap_or_else(|| "depmod help lists commands".into());
            let text = format!("there is no command {}; {hint}", word.display());
            say(Severity::Fatal, &text);
            FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_command_exists() {
        assert!(commands::names().all(|name| command(name.as_ref()).is_some()));
        assert!(command("verfy".as_ref()).is_none());
    }

    #[test]
    fn commands_after_options() {
        let named = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let (command, words) = with_arguments(&words)?;
            assert!(core::ptr::fn_addr_eq(command, pack::main as Main));
            Some(words.join(" ".as_ref()))
        };
        let pack = |words: &str| Some(OsString::from(words));
        assert_eq!(named("pack -b x 5.0"), pack("-b x 5.0"));
        assert_eq!(named("-b x -C=y pack 5.0"), pack("-b x -C=y 5.0"));
        assert_eq!(named("-b pack 5.0"), None, "an argument of an option");
        assert_eq!(named("-b pack pack"), pack("-b pack"));
        assert_eq!(named("5.0 pack"), None);
        assert_eq!(named("-- pack"), None);
        assert_eq!(named("--basedir x -a"), None);
    }
}
