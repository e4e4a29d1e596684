//! What a run has to say to people, as values.
//!
//! The texts are kmod's, word for word (`reference/cli.md` §5.1), so that scripts which look for
//! them keep working; texts that kmod does not have say what and where in the same manner. A host
//! adds its prefix (`depmod: ERROR: `) and a newline.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// How grave a diagnostic is; kmod's levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The run ends here, with status 1.
    Fatal,
    /// Something is lost.
    Error,
    /// Something is odd.
    Warning,
    /// Shown from `-vv` on.
    Info,
}

macro_rules! diagnostics {
    ($( $(#[$doc:meta])* $severity:ident $name:ident { $($field:ident),* } => $($part:expr),+ ; )+) => {
        /// One message. The fields are the bytes that the text quotes: paths, names, lines.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "fields are named after what the text quotes")]
        pub enum Diagnostic {
            $( $(#[$doc])* $name { $($field: Vec<u8>),* }, )+
        }

        impl Diagnostic {
            /// How grave it is.
            #[must_use]
            pub fn severity(&self) -> Severity {
                match self { $( Self::$name { .. } => Severity::$severity, )+ }
            }

            /// A stable name for machines: the variant's.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self { $( Self::$name { .. } => stringify!($name), )+ }
            }

            /// The text, without prefix and newline; names in it are raw bytes.
            #[must_use]
            pub fn message(&self) -> Vec<u8> {
                let mut out = Vec::new();
                match self {
                    $( Self::$name { $($field),* } => { $( out.extend_from_slice($part.as_ref()); )+ } )+
                }
                out
            }
        }
    };
}

diagnostics! {
    // Configuration (`reference/modules.md` §3).
    /// A configuration directory cannot be opened.
    Error ConfigDirectory { path, cause } => b"files list ", path, b": ", cause;
    /// A configuration file cannot be opened.
    Error ConfigFile { path, cause } => b"file parse ", path, b": ", cause;
    /// An entry without the `.conf` ending.
    Info ConfigSuffix { path } => b"All cfg files need .conf: ", path;
    /// An entry of a configuration directory that leads nowhere; `path` is kmod's, without a slash.
    Error ConfigStat { path } => b"Cannot stat directory entry: ", path;
    /// A directory among the configuration files.
    Error ConfigSubdirectory { path } => b"Directories inside directories are not supported: ", path;
    /// A command that does not exist, or lacks its arguments.
    Error ConfigBadLine { place, command } => place, b": ignoring bad line starting with '", command, b"'";
    /// A command of old that does nothing.
    Info ConfigNotImplemented { place, command } => place, b": command ", command, b" not implemented yet";
    /// An `override` for another kernel.
    Info OverrideNotMatched { place, pattern } => place, b": override kernel did not match ", pattern;
    /// An `external` for another kernel.
    Info ExternalNotMatched { place, pattern } => place, b": external directory did not match ", pattern;
    /// A version pattern that is no POSIX extended regular expression, or that is too costly.
    Info ConfigPattern { place, pattern, cause } => place, b": version pattern ", pattern, b" matches nothing: ", cause;

    // The walk (`reference/modules.md` §2).
    /// The module directory or an external one cannot be opened, or a directory below is one too many.
    Error OpenDirectory { path, cause } => b"could not open directory ", path, b": ", cause;
    /// Nothing can be done without the module directory.
    Fatal SearchModules { cause } => b"could not search modules: ", cause;
    /// An entry that leads nowhere.
    Error Fstatat { dirfd, name, cause } => b"fstatat(", dirfd, b", ", name, b"): ", cause;
    /// A directory below that cannot be opened.
    Error Openat { dirfd, name, cause } => b"openat(", dirfd, b", ", name, b", O_RDONLY): ", cause;
    /// Neither file nor directory; `mode` is octal.
    Error UnsupportedFileType { path, mode } => b"unsupported file type ", path, b": ", mode;
    /// A link to a directory that is already being walked (kmod would follow it until it fails).
    Error DirectoryLoop { path } => b"directory loop, not followed: ", path;
    /// `--root-owned-only`: a module that somebody else owns.
    Warning NotRootOwned { path } => path, b" is not owned by root, left out";
    /// Deeper than the ceiling allows.
    Error DirectoryDepth { path } => b"directories too deep, not followed: ", path;

    // Command line (`reference/cli.md` §2, §3).
    /// `-P` with anything but one byte.
    Fatal SymbolPrefix { } => b"-P only takes a single char";
    /// The first operand is no version.
    Error BadVersion { word } => b"Bad version passed ", word;
    /// The name of the running kernel is not to be had.
    Fatal Uname { cause } => b"uname() failed: ", cause;
    /// `-b` is relative and the current directory unknown.
    Error ImagePath { path } => b"invalid image path ", path;
    /// `-o` is relative and the current directory unknown.
    Error OutputDirectory { path } => b"invalid output directory ", path;
    /// A directory of 4,096 bytes or more.
    Error PathTooLong { path } => b"Bad directory ", path, b": path too long";
    /// An option of old that does nothing any more.
    Warning DeprecatedOption { option } => b"Ignored deprecated option ", option;

    // Is the index up to date? (`reference/cli.md` §4).
    /// No `modules.dep` to compare with.
    Error StatIndex { directory, cause } => b"could not fstatat(", directory, b", modules.dep): ", cause;
    /// A path that kmod cannot hold; `path` ends in the entry's name.
    Error EntryPathTooLong { path } => b"path is too long ", path;

    // Operands (`reference/cli.md` §3).
    /// An operand that is no absolute path.
    Fatal NotAbsolute { path } => path, b": not absolute path.";
    /// An operand that does not exist.
    Fatal CreateModule { path, cause } => b"could not create module ", path, b": ", cause;
    /// The same operand twice: kmod's first line.
    Error DuplicateOperand { name } => b"hash_add_unique ", name, b": File exists";
    /// The same operand twice: kmod's second line.
    Fatal AddModule { path } => b"could not add module ", path, b": File exists";
    /// Two operands of one name.
    Error OperandNameTaken { name, new, old } => b"kmod_module '", name,
        b"' already exists with different path: new-path='", new, b"' old-path='", old, b"'";

    // Side files.
    /// `-E` or `-F` cannot be read.
    Fatal LoadSymbols { path, cause } => b"could not load ", path, b": ", cause;
    /// A CRC in `Module.symvers` that is no number.
    Error InvalidSymbolVersion { place, crc, cause } => place, b" Invalid symbol version ", crc, b": ", cause;
    /// A line of `System.map` with fewer than two spaces; `line` ends in its own newline.
    Error InvalidMapLine { place, line } => place, b": invalid line: ", line;
    /// No `modules.order`, `modules.builtin` or `modules.builtin.modinfo`.
    Warning OpenSideFile { name, directory, cause } => b"could not open ", name, b" at ", directory, b": ", cause;
    /// A line of `modules.order` without its end.
    Error CorruptOrder { place } => place, b" corrupted line misses '\\n'";
    /// A line of `modules.builtin` that does not begin with a letter; `line` ends in its own newline.
    Error InvalidBuiltinLine { line } => b"Invalid modules.builtin line: ", line;
    /// A field of `modules.builtin.modinfo` of more than 4,095 bytes.
    Warning BuiltinFieldTooLong { partial } => b"Could not flush stream: 28. Partial content: ", partial;

    // A tree against its `modules.order`.
    /// A file system that folds case kept only one of two modules.
    Warning CaseFolded { path, other } => b"no ", path, b", only ", other, b": names differ in case alone";
    /// Other modules that are not there.
    Warning OrderIncomplete { count } => count, b" more modules of modules.order are not there";
    /// One of them.
    Info OrderMissing { path } => b"modules.order names ", path, b", which is not there";

    // Modules (`reference/modules.md` §7).
    /// What a decoder says.
    Error Decoder { format, cause } => format, b": ", cause;
    /// A module that cannot be read; it stays in the list.
    Error LoadModule { path, cause } => b"failed to load symbols from ", path, b": ", cause;
    /// A module that has a symbol whose name is taken to end with the section.
    Warning NameUnended { path } => path, b" has a symbol whose name does not end in .strtab";
    /// A module that loses all its dependencies because one of its entries is broken.
    Warning NeedsLost { path, cause } => path, b" loses all its dependencies: ", cause;

    /// There is no cache, or not this run's; the run is slower and otherwise the same.
    Info CacheUnusable { path, cause } => b"cache ", path, b" not used: ", cause;
    /// The directory named for the cache is none that it may be in.
    Error CacheInside { path } => b"cache ", path, b" would be inside the module directory";

    // Symbols (`reference/resolution.md` §3).
    /// `-e` alone.
    Warning ErrsymsAlone { } => b"-e needs -E or -F";
    /// Nobody provides it.
    Warning UnknownSymbol { path, symbol } => path, b" needs unknown symbol ", symbol;
    /// `-u`: the same, as a failure.
    Error UnresolvedSymbol { path, symbol } => path, b" needs unknown symbol ", symbol;
    /// `-u`: why the run fails.
    Error UnresolvedCount { count } => count, b" needed symbols are provided by nobody";
    /// The provider's CRC is another one.
    Warning SymbolVersion { path, symbol } => path, b" disagrees about version of symbol ", symbol;
    /// A cycle, names joined by ` -> `.
    Error Cycle { names } => b"Cycle detected: ", names;
    /// The report ended at its ceiling.
    Error CycleReportCut { lines } => b"more cycles, report ends after ", lines, b" lines";
    /// How many modules are in cycles.
    Error CyclesFound { count } => b"Found ", count, b" modules in dependency cycles!";

    // Outputs (`reference/outputs.md`).
    /// An alias that is in no index.
    Warning UnmatchedBracket { alias } => b"Unmatched bracket in ", alias;
    /// `-w`: a module repeats an alias.
    Warning DuplicateAlias { key, module } => b"duplicate module alias:\n", key, b" ", module;
    /// A `devname:` alias without its numbers.
    Error DevnameNumbers { module, devname } => b"Module '", module, b"' has devname (", devname,
        b") but lacks major and minor information. Ignoring.";
    /// A byte that no index can hold; `byte` is raw, `hex` its number.
    Fatal BadCharacter { byte, hex, text } => b"Module index: bad character '", byte, b"'=0x", hex,
        b" - only 7-bit ASCII is supported:\n", text;
    /// Standard output took not all of it.
    Fatal StandardOutput { cause } => b"could not write to standard output: ", cause;
    /// An output that cannot be made.
    Error WriteIndex { name, cause } => b"Could not write index '", name, b"': ", cause;

    // Publishing (`reference/outputs.md` §5).
    /// The output directory cannot be made.
    Fatal CreateDirectory { path, cause } => b"could not create directory ", path, b": ", cause;
    /// The output directory cannot be opened.
    Fatal OpenOutputDirectory { path, cause } => b"could not open directory ", path, b": ", cause;
    /// Another program has locked the output directory.
    Warning LockWait { path } => b"waiting for another run in ", path;
    /// It keeps the lock longer than any run should; this run goes on without.
    Warning LockIgnored { path } => b"not waiting any longer for another run in ", path;
    /// The output directory takes no new file.
    Error CreateTemporary { path, cause } => b"Could not create temporary file at '", path, b"': ", cause;
    /// A write failed; what was there before stays.
    Error TruncatedIndex { name, cause } => b"Could not create index '", name,
        b"'. Output is truncated: ", cause;
    /// A new file cannot take the place of the old one; what was there before stays.
    Fatal PublishIndex { temporary, name, cause } => b"publish temporary from ", temporary, b" to ", name,
        b": ", cause;
    /// A file that need not change does not take the time of this run.
    Error TouchIndex { name, cause } => b"could not set the time of ", name, b": ", cause;
    /// The new files are in place, but perhaps not on the disk.
    Error SyncDirectory { path, cause } => b"could not sync directory ", path, b": ", cause;
    /// A signal arrived before anything was replaced.
    Fatal Interrupted { path } => b"interrupted, nothing replaced in ", path;
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message()))
    }
}
