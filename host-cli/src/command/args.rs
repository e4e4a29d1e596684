//! The parsed command line: all options and operands, before validation.
//!
//! Parsing follows GNU `getopt_long` ([`reference::cli`](depmod_core::reference::cli) §1): options may follow
//! operands, short options may be joined (`-nev`, `-b/dir`), long options may be abbreviated to any
//! unambiguous prefix, an option's argument may begin with a dash, `--` ends the options, and with
//! `POSIXLY_CORRECT` the first operand ends them. So
//!
//! ```text
//! depmod 6.1.0 -nb. --conf=x
//! ```
//!
//! is `show`, `basedir` `.`, `config` `x` and the operand `6.1.0`.
//!
//! clap parses; [`getopt`](super::getopt) adds the rest.

use core::num::NonZeroUsize;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, ColorChoice, CommandFactory, FromArgMatches, Parser, ValueEnum};
use depmod_core::Diagnostic;

#[cfg(feature = "answers")]
use super::checks::Checks;
use super::commands;
#[cfg(feature = "answers")]
use super::format::Format;
use super::getopt::{explain_ambiguous, invalid_argument, with_abbreviations, with_doubled_equals};
use super::paths::MODULE_DIRECTORY;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The options that select the module directory, common to all commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(super) struct Place {
    /// `-b`
    #[arg(short = 'b', long, value_name = "DIR", allow_hyphen_values = true, help_heading = WHERE,
          help = "Look for the module directory below DIR [default: /]")]
    pub(super) basedir: Option<OsString>,
    /// `-m`
    #[arg(short = 'm', long, value_name = "DIR", allow_hyphen_values = true, help_heading = WHERE,
          help = format!("Module directory below the base directory [default: {MODULE_DIRECTORY}]"))]
    pub(super) moduledir: Option<OsString>,
    /// `-C`
    #[arg(short = 'C', long, value_name = "PATH", allow_hyphen_values = true, help_heading = WHERE,
          help = "Read this configuration file or directory; may be repeated, the first one wins \
                  [default: depmod.d in /etc, /run, /usr/local/lib, /usr/lib and /lib]")]
    pub(super) config: Vec<OsString>,
}

/// `-k`, for commands whose operand `version` is a kernel version.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(super) struct SameVersion {
    /// The version.
    #[arg(
        short = 'k',
        long,
        value_name = "VERSION",
        conflicts_with = "version",
        help = "The same as the operand"
    )]
    pub(super) kernel: Option<OsString>,
}

/// The command line as typed.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "depmod",
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    override_usage = "depmod [OPTIONS] [VERSION [FILE]...]\n       depmod COMMAND [OPTIONS] [WORD]...",
    about = "Index the modules of a kernel version for modprobe and related tools.",
    group = clap::ArgGroup::new("destination").args(["outdir", "show"]).multiple(true),
    help_template = "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}{all-args}{after-help}",
    after_help = AFTER_HELP
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Args {
    /// A kernel version, then optional module files.
    #[arg(value_name = "VERSION", help = "Kernel version [default: the running kernel's]", hide = true)]
    pub(super) operands: Vec<OsString>,

    /// `-a`
    #[arg(short = 'a', long, help_heading = WHAT, help = "Index every module, even when files are named [default]")]
    pub(super) all: bool,
    /// `-A`
    #[arg(short = 'A', long, help_heading = WHAT, help = "Stop if no module is newer than modules.dep")]
    pub(super) quick: bool,
    /// `-n`
    #[arg(short = 'n', long, visible_alias = "dry-run", help_heading = WHAT,
          help = "Print the text files and write nothing")]
    pub(super) show: bool,
    /// `--all-kernels`
    #[cfg(feature = "answers")]
    #[arg(long, conflicts_with_all = ["operands", "kernel", "symvers", "filesyms", "layer"], help_heading = WHAT,
          help = "Do this for every version that has modules, each on its own")]
    pub(super) all_kernels: bool,

    /// `--keep-going`
    #[cfg(feature = "answers")]
    #[arg(long, conflicts_with_all = ["quick", "kernel"], help_heading = WHAT,
          help = "Leave out unreadable modules and those in cycles, with what needs them, and index the others; exit \
                  status 4 if there are any")]
    pub(super) keep_going: bool,

    /// The module directory.
    #[command(flatten)]
    pub(super) place: Place,
    /// `-o`
    #[arg(short = 'o', long, value_name = "DIR", allow_hyphen_values = true, help_heading = WHERE,
          help = "Write below DIR [default: the base directory]")]
    pub(super) outdir: Option<OsString>,

    /// `--layer`
    #[arg(long, value_name = "DIR", allow_hyphen_values = true, requires = "destination",
          conflicts_with_all = ["quick", "cache"], help_heading = WHERE,
          help = "Index the modules below DIR, a base directory, too, as if they lay over those below -b; may be \
                  repeated, the last one is uppermost; needs -o or -n")]
    pub(super) layer: Vec<OsString>,

    /// `-e`
    #[arg(short = 'e', long, help_heading = CHECKS,
          help = "Report symbols that neither the kernel nor a module provides; needs -E or -F")]
    pub(super) errsyms: bool,
    /// `-E`
    #[arg(short = 'E', long, value_name = "FILE", allow_hyphen_values = true, help_heading = CHECKS,
          help = "The kernel's symbols and their versions: its Module.symvers")]
    pub(super) symvers: Option<OsString>,
    /// `-F`
    #[arg(short = 'F', long, value_name = "FILE", allow_hyphen_values = true, help_heading = CHECKS,
          help = "The kernel's symbols: its System.map")]
    pub(super) filesyms: Option<OsString>,
    /// `-u`
    #[arg(short = 'u', long, help_heading = CHECKS, help = "Fail if -e reports unknown symbols")]
    pub(super) unresolved_error: bool,
    /// `-w`
    #[arg(short = 'w', long, help_heading = CHECKS, help = "Report aliases that a module repeats")]
    pub(super) warn: bool,
    /// `-P`
    #[arg(short = 'P', long, value_name = "CHAR", allow_hyphen_values = true, help_heading = CHECKS,
          value_parser = ValueParser::new(SingleByte),
          help = "Leave out this character where a symbol begins with it")]
    pub(super) symbol_prefix: Option<u8>,

    /// `--strict`
    #[cfg(feature = "answers")]
    #[arg(long, value_name = "LIST", num_args = 0..=1, require_equals = true, default_missing_value = "",
          conflicts_with = "quick", value_parser = Checks::parse, help_heading = CHECKS,
          help = "Check whether modules will load: all checks, or only the named ones of unresolved, crc, gpl, \
                  namespace, vermagic, duplicate, cycle, corrupt; exit status 3 with findings")]
    pub(super) strict: Option<Checks>,
    /// `-k`
    #[cfg(feature = "answers")]
    #[arg(short = 'k', long, value_name = "VERSION", allow_hyphen_values = true, requires = "strict",
          help_heading = CHECKS,
          help = "With --strict: check whether the FILEs load on this kernel, and write nothing")]
    pub(super) kernel: Option<OsString>,
    /// `--no-write`
    #[cfg(feature = "answers")]
    #[arg(long, requires = "strict", help_heading = CHECKS, help = "With --strict: write no index files")]
    pub(super) no_write: bool,
    /// `--format`
    #[cfg(feature = "answers")]
    #[arg(long, value_enum, value_name = "FORM", requires = "strict", conflicts_with = "show",
          hide_possible_values = true, help_heading = CHECKS,
          help = "With --strict: findings as text or json")]
    pub(super) format: Option<Format>,
    /// `--long`
    #[cfg(feature = "answers")]
    #[arg(long, requires = "strict", help_heading = CHECKS, help = "With --strict: show every finding, not only causes")]
    pub(super) long: bool,

    /// `-v`
    #[arg(short = 'v', long, action = ArgAction::Count, help_heading = OUTPUT,
          help = "Print dependencies, on a terminal also a summary; twice: also skipped configuration files")]
    pub(super) verbose: u8,
    /// `-q`
    #[arg(short = 'q', long, help_heading = OUTPUT, help = "Do not report unknown symbols")]
    pub(super) quiet: bool,
    /// `-s`
    #[arg(short = 's', long, help_heading = OUTPUT, help = "Send messages to the system log")]
    pub(super) syslog: bool,
    /// `--color`
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true,
          help_heading = OUTPUT, help = "Colours: auto, always or never")]
    pub(super) color: Color,
    /// `--progress`
    #[arg(long, help_heading = OUTPUT, help = "Show progress from the start, and not only on a terminal")]
    pub(super) progress: bool,
    /// `--jobs`
    #[arg(long, value_name = "N", help_heading = OUTPUT,
          help = "Read modules with N threads [default: one for each processor]")]
    pub(super) jobs: Option<NonZeroUsize>,

    /// `--cache`
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, overrides_with = "no_cache",
          help_heading = OUTPUT,
          help = "Keep facts of modules in DIR [default: /var/cache/depmod; without this option \
                  only for the running system's own module directories]")]
    pub(super) cache: Option<Option<OsString>>,
    /// `--no-cache`
    #[arg(long, overrides_with = "cache", help_heading = OUTPUT, help = "Read every module again")]
    pub(super) no_cache: bool,

    /// `-r`
    #[arg(short = 'r', long, help_heading = LEGACY, help = "Accept modules that root does not own [default]")]
    pub(super) root: bool,
    /// `--root-owned-only`
    #[arg(long, help_heading = LEGACY, help = "Leave out modules that root does not own")]
    pub(super) root_owned_only: bool,
    /// `--map`
    #[arg(long, help_heading = LEGACY, help = "Does nothing; module maps are obsolete")]
    pub(super) map: bool,

    #[arg(short = 'h', long, action = ArgAction::HelpShort, help_heading = OUTPUT, help = "Print this help")]
    help: Option<bool>,
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = OUTPUT,
          help = "Print the version, compression formats and the module directory")]
    version: Option<bool>,
}

const WHAT: &str = "What to do";
const WHERE: &str = "Where";
const CHECKS: &str = "Checks";
const OUTPUT: &str = "Messages and running";
const LEGACY: &str = "For old scripts";

const AFTER_HELP: &str = "\
VERSION begins with two numbers, such as 6.1.0-50-amd64. With FILEs, absolute paths of modules, only
these are indexed; the index files then contain no other modules.

Examples:
  depmod                              index the running kernel's modules
  depmod 6.1.0-50-amd64               index another kernel's: /lib/modules/6.1.0-50-amd64
  depmod -b /mnt 6.1.0-50-amd64       the same in a system mounted at /mnt
  depmod -n -b /mnt 6.1.0-50-amd64    show what would be written
  depmod -e -F /boot/System.map-6.1.0-50-amd64 6.1.0-50-amd64
                                      report symbols without a provider
  depmod help plan                    the help of a command
  depmod --keep-going                 leave out broken modules, and index the others
  depmod --strict --no-write          would all modules of the running kernel load?
  depmod --strict -k 6.1.0-50-amd64 /tmp/zfs.ko
                                      would this module load there?

Environment:
  NO_COLOR, TERM=dumb    no colours, unless --color says otherwise
  POSIXLY_CORRECT        the first operand ends the options
  LD_PRELOAD             the program does not confine itself, since such libraries need more
  DPKG_MAINTSCRIPT_NAME  a package's script runs the program: neither bar nor hints
  SOURCE_DATE_EPOCH      a reproducible image is built: no cache, unless --cache is given

Exit status: 0 done; 1 failed, the index files are as they were, or -u found symbols missing;
3 --strict has findings; 4 --keep-going left modules out.";

/// The end of the short help.
const AFTER_SHORT_HELP: &str = "\
depmod --help has all options and examples, depmod help COMMAND those of a command.";

/// Why there is no run.
#[derive(Debug)]
pub(super) enum Stop {
    /// `-h` or `-V`: a text for standard output, status 0. A usage error: a text for standard error, status
    /// 1. [`clap::Error::print`] selects the stream.
    Clap(Box<clap::Error>),
    /// A message of kmod, status 1.
    Message(Diagnostic),
}

impl Stop {
    /// The exit status.
    #[cfg(any(test, fuzzing))]
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Clap(error) if !error.use_stderr() => 0,
            _ => 1,
        }
    }
}

impl Args {
    /// Parses the arguments of the program. With `posixly_correct`, the first operand ends the options.
    ///
    /// # Errors
    /// On help, version, or invalid arguments. The first of them on the command line wins.
    pub(super) fn parse_words(words: &[OsString], posixly_correct: bool) -> Result<Self, Stop> {
        let mut command = with_abbreviations(Self::command())
            .version(version_text())
            .before_help(commands::list())
            .no_binary_name(true)
            .color(color_of(words));
        if asks_briefly(words) {
            command = brief(command);
        }
        if posixly_correct {
            command = command.mut_arg("operands", |operands| operands.trailing_var_arg(true));
        }
        let matches = command.try_get_matches_from_mut(with_doubled_equals(words));
        matches.and_then(|matches| Self::from_arg_matches(&matches)).map_err(|error| {
            if invalid_argument(&error).is_some_and(|arg| arg.starts_with("--symbol-prefix")) {
                return Stop::Message(Diagnostic::SymbolPrefix {});
            }
            Stop::Clap(Box::new(explain_ambiguous(error, &command, &Self::command())))
        })
    }
}

/// Whether the help is asked for by `-h`.
fn asks_briefly(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "-h") && !words.iter().any(|word| word.as_bytes().starts_with(b"--h"))
}

/// The parser with a short help: what is used every day. (clap's own would give the long one another layout.)
fn brief(command: clap::Command) -> clap::Command {
    let is_rare = |arg: &clap::Arg| matches!(arg.get_help_heading(), Some(CHECKS | LEGACY));
    command.mut_args(|arg| if is_rare(&arg) { arg.hide(true) } else { arg }).after_help(AFTER_SHORT_HELP)
}

/// The text of `-V` after the name.
pub(super) fn version_text() -> String {
    format!(
        "{} (independent implementation; index files as kmod 34.2 writes them)\n{}\nmodule directory: {MODULE_DIRECTORY}",
        env!("CARGO_PKG_VERSION"),
        crate::codecs::FEATURES
    )
}

/// Exactly one byte of any value.
#[derive(Clone)]
struct SingleByte;

impl clap::builder::TypedValueParser for SingleByte {
    type Value = u8;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<u8, clap::Error> {
        match value.as_bytes() {
            &[byte] => Ok(byte),
            _ => {
                let mut error = clap::Error::new(ErrorKind::ValueValidation).with_cmd(command);
                let name = ContextValue::String(arg.map(ToString::to_string).unwrap_or_default());
                error.insert(ContextKind::InvalidArg, name);
                Err(error)
            }
        }
    }
}

/// `--color` also applies to the messages of this module, so its value is needed before parsing.
fn color_of(words: &[OsString]) -> ColorChoice {
    let mut words = words.iter().map(|word| word.as_bytes());
    let mut choice = ColorChoice::Auto;
    while let Some(word) = words.next() {
        let value = match word {
            b"--" => break,
            b"--color" => words.next(),
            _ => word.strip_prefix(b"--color="),
        };
        choice = match value {
            Some(b"always") => ColorChoice::Always,
            Some(b"never") => ColorChoice::Never,
            _ => choice,
        };
    }
    choice
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    pub(in crate::command) fn parse(line: &str) -> Result<Args, Stop> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        Args::parse_words(&words, false)
    }

    pub(in crate::command) fn printed(line: &str) -> String {
        match parse(line).unwrap_err() {
            Stop::Clap(error) => error.render().to_string(),
            Stop::Message(diagnostic) => diagnostic.to_string(),
        }
    }

    #[test]
    fn clap_accepts_the_definition() {
        with_abbreviations(Args::command()).version(version_text()).debug_assert();
    }

    #[test]
    fn all_options_have_long_and_short_names() {
        let args = parse("-a -A -n -e -w -q -s -u -r -vv -b B -m M -o O -C c1 -C c2 -E E -F F -P _ 5.0 /f");
        let long = parse(
            "--all --quick --show --errsyms --warn --quiet --syslog --unresolved-error --root --verbose \
             --verbose --basedir B --moduledir M --outdir O --config c1 --config c2 --symvers E \
             --filesyms F --symbol-prefix _ 5.0 /f",
        );
        let args = args.unwrap();
        assert_eq!(args, long.unwrap());
        assert!(args.all && args.quick && args.show && args.errsyms && args.warn);
        assert!(args.quiet && args.syslog && args.unresolved_error && args.root);
        assert_eq!((args.verbose, args.symbol_prefix), (2, Some(b'_')));
        assert_eq!(args.place.basedir.unwrap(), "B");
        assert_eq!(args.place.moduledir.unwrap(), "M");
        assert_eq!(args.outdir.unwrap(), "O");
        assert_eq!(args.place.config, ["c1", "c2"]);
        assert_eq!(args.symvers.unwrap(), "E");
        assert_eq!(args.filesyms.unwrap(), "F");
        assert_eq!(args.operands, ["5.0", "/f"]);
        #[cfg(feature = "answers")]
        {
            let strict = parse("--strict=crc,cycle -k 5.0 --no-write --format json --long /f").unwrap();
            assert_eq!(strict.kernel.as_deref(), Some(OsStr::new("5.0")));
            assert!(strict.strict.is_some() && strict.no_write && strict.long && strict.format.is_some());
        }
        let own = parse("--map --root-owned-only --color=never --progress --jobs 3").unwrap();
        assert!(own.map && own.root_owned_only && own.progress);
        assert_eq!((own.color, own.jobs), (Color::Never, NonZeroUsize::new(3)));
    }

    #[test]
    fn the_last_cache_option_wins() {
        let cache = |line: &str| parse(line).map(|args| (args.cache, args.no_cache)).unwrap();
        assert_eq!(cache("5.0"), (None, false));
        assert_eq!(cache("--cache 5.0"), (Some(None), false), "the version is not its argument");
        assert_eq!(cache("--cache=/x --cache 5.0"), (Some(None), false));
        assert_eq!(cache("--cache --no-cache"), (None, true));
        assert_eq!(cache("--no-cache --cache=/x"), (Some(Some("/x".into())), false));
    }

    #[cfg(feature = "answers")]
    #[test]
    fn what_belongs_to_strict_is_refused_without_it() {
        for line in
            ["--no-write", "--format json", "--long", "-k 5.0", "--strict -A", "--strict -n --format json"]
        {
            assert_eq!(parse(line).unwrap_err().status(), 1, "{line}");
        }
        assert_eq!(parse("--strict 5.0").unwrap().operands, ["5.0"], "the version is no list");
        assert!(printed("--strict=crc,magic").contains("vermagic"));
        assert_eq!(parse("-k=5.0 --strict /f").unwrap().kernel.unwrap(), "=5.0");
    }

    #[test]
    fn paths_need_not_be_unicode() {
        let odd = OsString::from_vec(b"\xff/x".to_vec());
        let args = Args::parse_words(&["-b".into(), odd.clone(), odd.clone()], false).unwrap();
        assert_eq!((args.place.basedir, args.operands), (Some(odd.clone()), vec![odd]));
    }

    #[test]
    fn the_first_of_help_version_and_error_wins() {
        let status = |line: &str| parse(line).unwrap_err().status();
        assert_eq!(status("-V -x"), 0);
        assert_eq!(status("-x -V"), 1);
        assert_eq!(status("-h --bogus"), 0);
        assert_eq!(status("5.0 --bogus"), 1);
        assert_eq!(status("-b"), 1);
        assert_eq!(status("--all=1"), 1);
        assert!(matches!(parse("-P ab -V"), Err(Stop::Message(Diagnostic::SymbolPrefix {}))));
        assert!(matches!(parse("--symbol-prefix="), Err(Stop::Message(Diagnostic::SymbolPrefix {}))));
        assert_eq!(parse("-P \u{e9}").unwrap_err().status(), 1, "two bytes");
    }

    #[test]
    fn version_and_help_describe_this_program() {
        assert!(printed("-V").starts_with("depmod 0."), "{}", printed("-V"));
        assert!(printed("-V").lines().any(|line| line == "+ZSTD +XZ +ZLIB"));
        let help = printed("--help");
        for text in ["/lib/modules", "/etc", "Examples:", "--dry-run", "What to do:", "Exit status"] {
            assert!(help.contains(text), "{help}");
        }
        let brief = printed("-h");
        assert!(brief.lines().count() < help.lines().count() * 2 / 3, "{brief}");
        assert!(brief.contains("depmod --help") && brief.contains("--quick") && !brief.contains("--symvers"));
        assert!(help.find(WHAT) < help.find(WHERE) && help.find(OUTPUT) < help.find(LEGACY), "{help}");
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}
