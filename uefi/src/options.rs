//! The command line: the shell's words, or the load options of a firmware boot entry.

use alloc::{string::String, vec::Vec};
use core::fmt;

use uefi::boot;
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::shell_params::ShellParameters;

/// Entry file in the program's directory, unless the load options name another.
pub const DEFAULT_ENTRY: &str = "depmod.conf";

/// Usage text.
pub const USAGE: &str = "usage: depmod.efi [-b DIR] [-o DIR] [-m DIR] [-n] [-v] VERSION\n\
     \x20      depmod.efi [-v] [ENTRY.conf]";

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Write index files, like the Linux command.
    Index(IndexCommand),
    /// Boot an entry with the modules that the machine needs.
    Boot {
        /// The entry file, if not [`DEFAULT_ENTRY`].
        entry: Option<String>,
        /// `-v`: informative messages.
        verbose: bool,
        /// `--defect`: a provoked failure.
        defect: Option<Defect>,
    },
    /// `--help`.
    Help,
}

/// Failures of the program itself, provoked by tests: the machine must boot nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// `panic`: a panic.
    Panic,
    /// `memory`: a failed allocation.
    Memory,
}

/// Options of [`Command::Index`], named as in the Linux command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexCommand {
    /// `-b`: the directory above `lib/modules`, or an archive.
    pub base: Option<String>,
    /// `-o`: another base for the files.
    pub out: Option<String>,
    /// `-m`: the module directory below the base.
    pub module_dir: Option<String>,
    /// `-n`: print, write nothing.
    pub dry_run: bool,
    /// `-v`: informative messages, and the links between modules.
    pub verbose: bool,
    /// The kernel's version.
    pub version: String,
}

/// Invalid command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// Unknown option.
    Unknown(String),
    /// An option without its value, or with an invalid one.
    Value(String),
    /// Too many operands.
    Operand(String),
    /// Options for index files without a version.
    NoVersion,
    /// The load options are not text.
    NoText,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => write!(f, "unknown option {word}"),
            Self::Value(word) => write!(f, "option {word} needs a value"),
            Self::Operand(word) => write!(f, "one operand is enough: {word}"),
            Self::NoVersion => f.write_str("which kernel version?"),
            Self::NoText => f.write_str("no text"),
        }
    }
}

impl core::error::Error for OptionsError {}

/// The words of the command line, without the program's name.
///
/// The shell passes separate words; otherwise the load options are one text.
///
/// # Errors
/// The load options are not text: the specification allows any bytes.
pub fn words_of_program() -> Result<Vec<String>, OptionsError> {
    let image = boot::image_handle();
    if let Ok(shell) = boot::open_protocol_exclusive::<ShellParameters>(image) {
        return Ok(shell.args().skip(1).map(alloc::string::ToString::to_string).collect());
    }
    let Ok(loaded) = boot::open_protocol_exclusive::<LoadedImage>(image) else { return Ok(Vec::new()) };
    loaded.load_options_as_bytes().map_or(Ok(Vec::new()), split)
}

/// Words of load options: UTF-16 up to a NUL, with `"` as quotation mark.
fn split(options: &[u8]) -> Result<Vec<String>, OptionsError> {
    let units = options.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair));
    let text: Result<String, _> = char::decode_utf16(units.take_while(|&unit| unit != 0)).collect();
    let text = text.map_err(|_| OptionsError::NoText)?;
    if text.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return Err(OptionsError::NoText);
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

impl Command {
    /// Parses the words of a command line. An operand that begins with a digit is a version, unless
    /// [`is_entry_name`]; any other operand is the path of an entry file.
    ///
    /// ```
    /// use depmod_uefi::options::Command;
    /// let words = ["-v", r"\loader\rescue.conf"].map(String::from);
    /// let entry = Some("/loader/rescue.conf".into());
    /// assert_eq!(Command::parse(&words), Ok(Command::Boot { entry, verbose: true, defect: None }));
    /// ```
    ///
    /// # Errors
    /// Invalid words.
    pub fn parse(words: &[String]) -> Result<Self, OptionsError> {
        let mut index = IndexCommand::default();
        let mut operand: Option<&str> = None;
        let mut defect = None;
        // systemd-boot adds such words for kernels that cannot take an initrd from it.
        let mut words = words.iter().filter(|word| !word.starts_with("initrd="));
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next().filter(|value| !value.is_empty());
                value.map(|value| Some(path(value))).ok_or_else(|| OptionsError::Value(word.clone()))
            };
            match &**word {
                "-h" | "--help" => return Ok(Self::Help),
                "-b" | "--basedir" => index.base = value()?,
                "-o" | "--outdir" => index.out = value()?,
                "-m" | "--moduledir" => index.module_dir = value()?,
                "--defect" => {
                    defect = match value()?.as_deref() {
                        Some("panic") => Some(Defect::Panic),
                        Some("memory") => Some(Defect::Memory),
                        _ => return Err(OptionsError::Value(word.clone())),
                    }
                }
                "-n" | "--show" | "--dry-run" => index.dry_run = true,
                "-v" | "--verbose" => index.verbose = true,
                option if option.starts_with('-') => return Err(OptionsError::Unknown(word.clone())),
                _ if operand.is_some() => return Err(OptionsError::Operand(word.clone())),
                word => operand = Some(word),
            }
        }
        let plain = IndexCommand { verbose: index.verbose, ..IndexCommand::default() };
        match operand {
            Some(version) if version.starts_with(|c: char| c.is_ascii_digit()) && !is_entry_name(version) => {
                index.version = version.into();
                Ok(Self::Index(index))
            }
            entry if index == plain => {
                Ok(Self::Boot { entry: entry.map(path), verbose: index.verbose, defect })
            }
            Some(operand) => Err(OptionsError::Operand(operand.into())),
            None => Err(OptionsError::NoVersion),
        }
    }
}

/// Whether a word is certainly the path of an entry file: it ends in `.conf`, as the Boot Loader Specification
/// requires. Another word may be one too, or garbage in the load options.
#[must_use]
pub fn is_entry_name(word: &str) -> bool {
    word.as_bytes().last_chunk().is_some_and(|end: &[u8; 5]| end.eq_ignore_ascii_case(b".conf"))
}

fn path(word: &str) -> String {
    word.replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn parse(text: &str) -> Result<Command, OptionsError> {
        Command::parse(&text.split(' ').filter(|word| !word.is_empty()).map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn load_options_become_words() {
        assert_eq!(split(&utf16("  -b \"a b\"\\c  6.1\0junk")).unwrap(), ["-b", "a b\\c", "6.1"]);
        assert_eq!(split(&utf16("\"\"")).unwrap(), [""]);
        assert_eq!(split(b"").unwrap(), [""; 0]);
        assert_eq!(split(&[0; 16]).unwrap(), [""; 0]);
        assert_eq!(split(b"\x00\xd8"), Err(OptionsError::NoText), "no UTF-16");
        assert_eq!(split(&utf16("\u{1}\u{2}")), Err(OptionsError::NoText));
    }

    #[test]
    fn commands() {
        assert_eq!(parse(""), Ok(Command::Boot { entry: None, verbose: false, defect: None }));
        let Ok(Command::Index(index)) = parse("-b \\x -o /out -m m -n -v 6.1.0") else { panic!() };
        assert_eq!(
            (index.base.unwrap(), index.out.unwrap(), index.version),
            ("/x".into(), "/out".into(), "6.1.0".to_string())
        );
        assert!(index.dry_run && index.verbose);
        assert_eq!(parse("-b x --help"), Ok(Command::Help));
    }

    #[test]
    fn versions_and_entries() {
        let entry = |name: &str| {
            let entry = Some(name.into());
            Ok(Command::Boot { entry, verbose: false, defect: None })
        };
        assert_eq!(parse("6.1.conf"), entry("6.1.conf"));
        assert_eq!(parse(r"12\DEBIAN.CONF"), entry("12/DEBIAN.CONF"));
        assert_eq!(parse("debian"), entry("debian"));
        assert_eq!(parse(r"\debian.conf initrd=\a.img initrd=\b.img"), entry("/debian.conf"));
        let index = IndexCommand { version: "6.1.config".into(), ..IndexCommand::default() };
        assert_eq!(parse("6.1.config"), Ok(Command::Index(index)));
        assert_eq!(split(b"RC").unwrap(), ["\u{4352}"], "some firmware appends these bytes");
    }

    #[test]
    fn provoked_failures() {
        let boot = |defect| Ok(Command::Boot { entry: None, verbose: false, defect: Some(defect) });
        assert_eq!(parse("--defect panic"), boot(Defect::Panic));
        assert_eq!(parse("--defect memory"), boot(Defect::Memory));
        assert_eq!(parse("--defect x"), Err(OptionsError::Value("--defect".into())));
    }

    #[test]
    fn invalid_words() {
        assert_eq!(parse("-x"), Err(OptionsError::Unknown("-x".into())));
        assert_eq!(parse("6.1 -b"), Err(OptionsError::Value("-b".into())));
        assert_eq!(parse("6.1 6.2"), Err(OptionsError::Operand("6.2".into())));
        assert_eq!(parse("-n"), Err(OptionsError::NoVersion));
        assert_eq!(parse("-n a.conf"), Err(OptionsError::Operand("a.conf".into())));
    }
}
