//! Messages of a run, as values.
//!
//! The texts are kmod's, word for word ([`reference::cli`](crate::reference::cli) §5.1), so that scripts that
//! match them keep working. Other messages follow the same style. A host adds a prefix (`depmod: ERROR: `)
//! and a newline.
//!
//! ```
//! use depmod_core::{Diagnostic, IoError, Severity};
//!
//! let diagnostic = Diagnostic::OpenDirectory { path: "/lib/modules/6.1".into(), cause: IoError::not_found() };
//! assert_eq!(diagnostic.to_string(), "could not open directory /lib/modules/6.1: No such file or directory");
//! assert_eq!(diagnostic.severity(), Severity::Error);
//! ```

mod cause;
mod file_line;
mod part;

pub use cause::{CacheFault, NeedsDiscarded, PatternError, WriteFault};
pub use file_line::FileLine;

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use bstr::BString;

use crate::{decompress::DecodeError, limits::Exceeded, source::IoError};
pub use part::push_escaped;
use part::{Hexadecimal, Joined, Line, Octal, Part, Process};

/// Severity of a diagnostic; kmod's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Ends the run with status 1.
    Fatal,
    /// Part of the input has no effect.
    Error,
    /// Suspicious input.
    Warning,
    /// Shown from `-vv` on.
    Info,
}

impl Severity {
    /// kmod's name of the level: `FATAL`, `ERROR`, `WARNING`, `INFO`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
        }
    }
}

/// Receives the diagnostics of a run, in order.
pub trait Reporter {
    /// Called once for each diagnostic.
    fn report(&mut self, diagnostic: Diagnostic);

    /// Reports the reason for the end of a run, and returns it as an error.
    fn stop(&mut self, diagnostic: Diagnostic) -> Stopped {
        let stopped = Stopped::because(&diagnostic);
        self.report(diagnostic);
        stopped
    }
}

/// Collects the diagnostics.
impl Reporter for Vec<Diagnostic> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.push(diagnostic);
    }
}

/// Drops the diagnostics.
impl Reporter for () {
    fn report(&mut self, _: Diagnostic) {}
}

/// A run that ended without a result. It carries and displays the diagnostic with the reason. The reporter has
/// received it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped(Box<Diagnostic>);

impl Stopped {
    /// Ends a run for this reason; the caller reports it.
    #[must_use]
    pub fn because(diagnostic: &Diagnostic) -> Self {
        Self(Box::new(diagnostic.clone()))
    }

    /// The reason for the end of the run, without a copy.
    #[must_use]
    pub fn into_diagnostic(self) -> Diagnostic {
        *self.0
    }

    /// The reason for the end of the run.
    #[must_use]
    pub fn diagnostic(&self) -> &Diagnostic {
        &self.0
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Stopped {}

/// An error with its causes, as one line: `cannot read /a: No such file or directory`.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'e>(pub &'e dyn core::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

macro_rules! diagnostics {
    ($( $(#[$doc:meta])* $severity:ident $name:ident { $($field:ident: $type:ty),* } => $($part:expr),+ ; )+) => {
        /// One message, with its subject as typed fields; the text is formatted on display.
        #[derive(Clone, PartialEq, Eq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "fields are named after what the text quotes")]
        pub enum Diagnostic {
            $( $(#[$doc])* $name { $($field: $type),* }, )+
        }

        impl Diagnostic {
            /// Its severity.
            #[must_use]
            pub fn severity(&self) -> Severity {
                match self { $( Self::$name { .. } => Severity::$severity, )+ }
            }

            /// A stable, machine-readable name: the variant's.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self { $( Self::$name { .. } => stringify!($name), )+ }
            }

            /// The text, without prefix and newline. Control characters of names are escaped: they could erase
            /// or forge lines of a terminal or log. All other bytes are as in the input.
            #[must_use]
            pub fn message(&self) -> Vec<u8> {
                let mut out = Vec::new();
                match self {
                    $( Self::$name { $($field),* } => { $( $part.push_to(&mut out); )+ } )+
                }
                out
            }
        }
    };
}

diagnostics! {
    // Configuration (`depmod_core::reference::modules` §3).
    /// A configuration directory cannot be opened.
    Error ConfigDirectory { path: BString, cause: IoError } => b"files list ", path, b": ", cause;
    /// A configuration file cannot be opened.
    Error ConfigFile { path: BString, cause: IoError } => b"file parse ", path, b": ", cause;
    /// A directory entry without the `.conf` suffix.
    Info ConfigSuffix { path: BString } => b"All cfg files need .conf: ", path;
    /// A dangling entry of a configuration directory; `path` has no slash, as in kmod.
    Error ConfigStat { path: BString } => b"Cannot stat directory entry: ", path;
    /// A directory among the configuration files.
    Error ConfigSubdirectory { path: BString } => b"Directories inside directories are not supported: ", path;
    /// An unknown command, or missing arguments.
    Error ConfigBadLine { place: FileLine, command: BString } => place, b": ignoring bad line starting with '", command, b"'";
    /// An obsolete command without effect.
    Info ConfigNotImplemented { place: FileLine, command: BString } => place, b": command ", command, b" not implemented yet";
    /// An `override` for another kernel.
    Info OverrideNotMatched { place: FileLine, pattern: BString } => place, b": override kernel did not match ", pattern;
    /// An `external` for another kernel.
    Info ExternalNotMatched { place: FileLine, pattern: BString } => place, b": external directory did not match ", pattern;
    /// A version pattern that is not a valid POSIX extended regular expression, or is too expensive.
    Info ConfigPattern { place: FileLine, pattern: BString, cause: PatternError } => place, b": version pattern ", pattern, b" matches nothing: ", cause;

    // Machine faults.
    /// A machine fault during a read: new index files would lose entries of the existing ones.
    Fatal ReadFault { path: BString, cause: IoError } => b"could not read ", path, b": ", cause,
        b"; index files left as they were";
    /// A module that exceeds a limit.
    Fatal ModuleLimit { path: BString, exceeded: Exceeded } => path, b": ", exceeded, b"; index files left as they were";
    /// A module that vanished between listing and reading.
    Fatal ModuleVanished { path: BString } => path, b" vanished while modules were read; index files left as they were";

    // The walk (`depmod_core::reference::modules` §2).
    /// The module directory or an external directory cannot be opened, or there are too many subdirectories.
    Error OpenDirectory { path: BString, cause: IoError } => b"could not open directory ", path, b": ", cause;
    /// The module directory is unreadable, so the run ends.
    Fatal SearchModules { cause: IoError } => b"could not search modules: ", cause;
    /// A dangling directory entry.
    Error Fstatat { dirfd: usize, name: BString, cause: IoError } => b"fstatat(", dirfd, b", ", name, b"): ", cause;
    /// An unreadable subdirectory.
    Error Openat { dirfd: usize, name: BString, cause: IoError } => b"openat(", dirfd, b", ", name, b", O_RDONLY): ", cause;
    /// A directory entry that is neither file nor directory; `mode` is octal.
    Error UnsupportedFileType { path: BString, mode: u32 } => b"unsupported file type ", path, b": ", Octal(*mode);
    /// A module whose path could forge lines of the index files.
    Error ControlCharacter { path: BString } => path, b": control character in the path of a module, left out";
    /// A link to a parent directory (kmod follows it until it fails).
    Error DirectoryLoop { path: BString } => b"directory loop, not followed: ", path;
    /// `--root-owned-only`: a module that root does not own.
    Warning NotRootOwned { path: BString } => path, b" is not owned by root, left out";
    /// A directory below the depth limit.
    Error DirectoryDepth { path: BString } => b"directories too deep, not followed: ", path;

    // Command line (`depmod_core::reference::cli` §2, §3).
    /// `-P` with an argument of zero or several bytes.
    Fatal SymbolPrefix {} => b"-P only takes a single char";
    /// The first operand is not a version.
    Error BadVersion { word: BString } => b"Bad version passed ", word;
    /// The release of the running kernel is unknown.
    Fatal Uname { cause: IoError } => b"uname() failed: ", cause;
    /// `-b` is relative and the current directory is unknown.
    Error ImagePath { path: BString } => b"invalid image path ", path;
    /// `-o` is relative and the current directory is unknown.
    Error OutputDirectory { path: BString } => b"invalid output directory ", path;
    /// A directory path of 4,096 bytes or more.
    Error PathTooLong { path: BString } => b"Bad directory ", path, b": path too long";
    /// An obsolete option without effect.
    Warning DeprecatedOption { option: &'static str } => b"Ignored deprecated option ", option;

    // Is the index up to date? (`depmod_core::reference::cli` §4).
    /// There is no `modules.dep` to compare with.
    Error StatIndex { directory: BString, cause: IoError } => b"could not fstatat(", directory, b", modules.dep): ", cause;
    /// A path beyond kmod's buffer size; `path` ends in the entry's name.
    Error FoundPathTooLong { path: BString } => b"path is too long ", path;

    // Operands (`depmod_core::reference::cli` §3).
    /// An operand that is not an absolute path.
    Fatal NotAbsolute { path: BString } => path, b": not absolute path.";
    /// A missing operand file.
    Fatal CreateModule { path: BString, cause: IoError } => b"could not create module ", path, b": ", cause;
    /// The same operand twice: kmod's first line.
    Error DuplicateOperand { name: BString } => b"hash_add_unique ", name, b": File exists";
    /// The same operand twice: kmod's second line.
    Fatal AddModule { path: BString } => b"could not add module ", path, b": File exists";
    /// Two operands with the same module name.
    Error OperandNameTaken { name: BString, new: BString, old: BString } => b"kmod_module '", name,
        b"' already exists with different path: new-path='", new, b"' old-path='", old, b"'";

    // Side files.
    /// The file of `-E` or `-F` cannot be read.
    Fatal LoadSymbols { path: BString, cause: IoError } => b"could not load ", path, b": ", cause;
    /// An invalid CRC in `Module.symvers`.
    Error InvalidSymbolVersion { place: FileLine, crc: BString, cause: IoError } => place, b" Invalid symbol version ", crc, b": ", cause;
    /// A line of `System.map` with fewer than two spaces; `line` includes its newline.
    Error InvalidMapLine { place: FileLine, line: BString } => place, b": invalid line: ", Line(line);
    /// `modules.order`, `modules.builtin` or `modules.builtin.modinfo` cannot be opened.
    Warning OpenSideFile { name: &'static str, directory: BString, cause: IoError } => b"could not open ", name, b" at ", directory, b": ", cause;
    /// A line of `modules.order` without a newline.
    Error CorruptOrder { place: FileLine } => place, b" corrupted line misses '\\n'";
    /// A line of `modules.builtin` that does not begin with a letter; `line` includes its newline.
    Error InvalidBuiltinLine { line: BString } => b"Invalid modules.builtin line: ", Line(line);
    /// A field of `modules.builtin.modinfo` of more than 4,095 bytes.
    Warning BuiltinFieldTooLong { errno: i32, partial: BString } => b"Could not flush stream: ", errno, b". Partial content: ", partial;

    // Comparison of a module directory with its `modules.order`.
    /// A case-insensitive file system kept only one of two modules.
    Warning CaseFolded { path: BString, other: BString } => b"no ", path, b", only ", other, b": names differ in case alone";
    /// Other missing modules.
    Warning OrderIncomplete { count: usize } => count, b" more modules of modules.order are not there";
    /// One missing module.
    Info OrderMissing { path: BString } => b"modules.order names ", path, b", which is not there";

    // Modules (`depmod_core::reference::modules` §7).
    /// A decoder's message.
    Error Decoder { error: DecodeError } => error;
    /// An unreadable module; it stays in the list.
    Error LoadModule { path: BString, cause: IoError } => b"failed to load symbols from ", path, b": ", cause;
    /// A file that cannot be a module, and another file of its name that is one.
    Warning OtherFile { path: BString, other: BString, cause: IoError } => path, b" is no usable module: ", cause, b"; ",
        other, b" takes its place";
    /// A module with an unterminated symbol name, cut at the end of the section.
    Warning NameUnended { path: BString } => path, b" has a symbol whose name does not end in .strtab";
    /// A module that loses all its dependencies because of one invalid entry.
    Warning NeedsDiscarded { path: BString, cause: NeedsDiscarded } => path, b" loses all its dependencies: ", cause;

    /// There is no usable cache for this run; the run is slower, with the same result.
    Info CacheUnusable { path: BString, cause: CacheFault } => b"cache ", path, b" not used: ", cause;
    /// The cache directory is inside the module directory.
    Error CacheInside { path: BString } => b"cache ", path, b" would be inside the module directory";

    // Symbols (`depmod_core::reference::resolution` §3).
    /// `-e` without `-E` or `-F`.
    Warning ErrsymsAlone {} => b"-e needs -E or -F";
    /// A symbol without a provider.
    Warning UnknownSymbol { path: BString, symbol: BString } => path, b" needs unknown symbol ", symbol;
    /// `-u`: a symbol without a provider, as an error.
    Error UnresolvedSymbol { path: BString, symbol: BString } => path, b" needs unknown symbol ", symbol;
    /// `-u`: the number of symbols without a provider, which fails the run.
    Error UnresolvedCount { count: usize } => count, b" needed symbols have no provider";
    /// The CRCs of user and provider differ.
    Warning SymbolVersion { path: BString, symbol: BString } => path, b" disagrees about version of symbol ", symbol;
    /// A cycle, names joined by ` -> `.
    Error Cycle { names: Vec<BString> } => b"Cycle detected: ", Joined(names);
    /// The report reached its length limit.
    Error CycleReportCut { lines: usize } => b"more cycles, report ends after ", lines, b" lines";
    /// The number of modules in cycles.
    Error CyclesFound { count: usize } => b"Found ", count, b" modules in dependency cycles!";

    // Outputs (`depmod_core::reference::outputs`).
    /// An alias with an unmatched bracket; the indexes omit it.
    Warning UnmatchedBracket { alias: BString } => b"Unmatched bracket in ", alias;
    /// `-w`: a repeated alias of a module.
    Warning DuplicateAlias { key: BString, module: BString } => b"duplicate module alias:\n", key, b" ", module;
    /// A `devname:` alias without device numbers.
    Error DevnameNumbers { module: BString, devname: BString } => b"Module '", module, b"' has devname (", devname,
        b") but lacks major and minor information. Ignoring.";
    /// A byte that an index cannot store, shown raw and in hexadecimal.
    Fatal BadCharacter { byte: u8, text: BString } => b"Module index: bad character '", [*byte], b"'=0x", Hexadecimal(*byte),
        b" - only 7-bit ASCII is supported:\n", text;
    /// A write to standard output failed.
    Fatal StandardOutput { cause: IoError } => b"could not write to standard output: ", cause;
    /// An output that cannot be generated.
    Error WriteIndex { name: &'static str, cause: WriteFault } => b"Could not write index '", name, b"': ", cause;

    // Publishing (`depmod_core::reference::outputs` §5).
    /// The output directory cannot be created.
    Fatal CreateDirectory { path: BString, cause: IoError } => b"could not create directory ", path, b": ", cause;
    /// The output directory cannot be opened.
    Fatal OpenOutputDirectory { path: BString, cause: IoError } => b"could not open directory ", path, b": ", cause;
    /// Another process holds the lock of the output directory.
    Warning LockWait { path: BString, holder: Option<u32> } => b"waiting for another run in ", path, Process(*holder);
    /// Any reader can hold the lock indefinitely, so waiting is bounded; this run continues without the lock.
    Warning LockIgnored { path: BString, holder: Option<u32> } => b"not waiting any longer for another run in ", path,
        Process(*holder);
    /// A file cannot be created in the output directory.
    Error CreateTemporary { path: BString, cause: IoError } => b"Could not create temporary file at '", path, b"': ", cause;
    /// A write failed; the old file stays.
    Error TruncatedIndex { name: BString, cause: IoError } => b"Could not create index '", name,
        b"'. Output is truncated: ", cause;
    /// A new file cannot replace the old one; the old file stays.
    Fatal PublishIndex { temporary: BString, name: BString, cause: IoError } => b"publish temporary from ", temporary, b" to ", name,
        b": ", cause;
    /// The modification time of an unchanged file cannot be set.
    Error TouchIndex { name: BString, cause: IoError } => b"could not set the time of ", name, b": ", cause;
    /// The new files are in place, but may not be on the disk yet.
    Error SyncDirectory { path: BString, cause: IoError } => b"could not sync directory ", path, b": ", cause,
        b"; the new files are in place, but may not be on the disk yet";
    /// A signal arrived before any file was replaced.
    Fatal Interrupted { path: BString } => b"interrupted, nothing replaced in ", path;
}

/// Its name and its text. A derived one would take three kilobytes of each program.
impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.code())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn file_lines_show_path_and_number() {
        let mut shown = Vec::new();
        FileLine::new(b"/x/Module.symvers", 12).push_to(&mut shown);
        assert_eq!(shown, b"/x/Module.symvers:12");
    }

    #[test]
    fn numbers_and_names_have_kmods_format() {
        let shown = |diagnostic: Diagnostic| diagnostic.to_string();
        let (path, mode) = ("/d/pipe".into(), 0o010_000);
        assert_eq!(
            shown(Diagnostic::UnsupportedFileType { path, mode }),
            "unsupported file type /d/pipe: 10000"
        );
        let names = ["a", "b", "a"].map(BString::from).to_vec();
        assert_eq!(shown(Diagnostic::Cycle { names }), "Cycle detected: a -> b -> a");
        let (dirfd, name, cause) = (3, "x".into(), IoError::not_found());
        assert_eq!(
            shown(Diagnostic::Fstatat { dirfd, name, cause }),
            "fstatat(3, x): No such file or directory"
        );
    }

    #[test]
    fn invalid_utf8_names_stay_bytes() {
        let diagnostic = Diagnostic::UnmatchedBracket { alias: b"\xff]".into() };
        assert_eq!(diagnostic.message(), b"Unmatched bracket in \xff]");
        assert_eq!(diagnostic.to_string(), "Unmatched bracket in \u{fffd}]");
        assert_eq!((diagnostic.code(), diagnostic.severity()), ("UnmatchedBracket", Severity::Warning));
    }

    #[test]
    fn control_characters_are_escaped() {
        let path = b"/a\nERROR: b\x1b[2J\x7f\xc2\x9b\xc3\xa9\r".into();
        let diagnostic = Diagnostic::NotRootOwned { path };
        let text = b"/a\\x0aERROR: b\\x1b[2J\\x7f\\xc2\\x9b\xc3\xa9\\x0d is not owned by root, left out";
        assert_eq!(diagnostic.message(), text);
        let line = b"a\tb\nc\n".into();
        let text = b"Invalid modules.builtin line: a\\x09b\\x0ac\n";
        assert_eq!(Diagnostic::InvalidBuiltinLine { line }.message(), text);
    }

    #[test]
    fn stop_reports_and_returns_the_reason() {
        let mut messages = Vec::new();
        let stopped = messages.stop(Diagnostic::SymbolPrefix {});
        assert_eq!(messages, [Diagnostic::SymbolPrefix {}]);
        assert_eq!(stopped, Stopped::because(&Diagnostic::SymbolPrefix {}));
        assert_eq!(stopped.to_string(), "-P only takes a single char");
        assert_eq!(().stop(Diagnostic::SymbolPrefix {}), stopped);
    }

    #[test]
    fn chains_show_each_cause_once() {
        #[derive(Debug)]
        struct Outer(IoError);

        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("could not open /d")
            }
        }

        impl core::error::Error for Outer {
            fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
                Some(&self.0)
            }
        }

        let error = Outer(IoError::not_found());
        assert_eq!(Chain(&error).to_string(), "could not open /d: No such file or directory");
        assert_eq!(Chain(&IoError::invalid()).to_string(), "Invalid argument");
    }

    #[test]
    fn causes_are_values_until_they_are_shown() {
        let shown = |diagnostic: Diagnostic| diagnostic.to_string();
        let path = || BString::from("/m/a.ko");
        let exceeded = Exceeded::Size { size: 9, limit: 5 };
        assert_eq!(
            shown(Diagnostic::ModuleLimit { path: path(), exceeded }),
            "/m/a.ko: 9 bytes exceed the limit of 5; index files left as they were"
        );
        let partial = "x".into();
        assert_eq!(
            shown(Diagnostic::BuiltinFieldTooLong { errno: crate::source::NO_SPACE, partial }),
            "Could not flush stream: 28. Partial content: x"
        );
        let limits = crate::limits::Limits { decoder_memory: 7, ..crate::limits::Limits::DEFAULT };
        let error = DecodeError::memory_limit(crate::decompress::Compression::Xz, &limits);
        assert_eq!(error.exceeded(), Some(Exceeded::DecoderMemory { limit: 7 }));
        assert_eq!(shown(Diagnostic::Decoder { error }), "xz: more than 7 bytes of memory needed");
        let cause = NeedsDiscarded::VersionName;
        assert_eq!(
            shown(Diagnostic::NeedsDiscarded { path: path(), cause }),
            "/m/a.ko loses all its dependencies: a name in __versions does not end"
        );
        let cause = CacheFault::Times;
        assert_eq!(
            shown(Diagnostic::CacheUnusable { path: "/c".into(), cause }),
            "cache /c not used: the file system of the modules has no reliable times"
        );
        let (place, pattern) = (FileLine::new(b"/c/a.conf", 3), "(".into());
        let cause = PatternError::UnmatchedParenthesis;
        assert_eq!(
            shown(Diagnostic::ConfigPattern { place, pattern, cause }),
            "/c/a.conf:3: version pattern ( matches nothing: Unmatched ( or \\("
        );
    }
}
