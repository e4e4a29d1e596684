//! `modprobe.d`: the administrator's configuration of modules.
//!
//! ```text
//! # /etc/modprobe.d/site.conf
//! alias net-pf-10 off                     # another name; patterns may have wildcards
//! blacklist nouveau                       # aliases do not lead to it
//! softdep snd_hda_intel post: snd_pcsp    # as in a module; takes precedence over modules
//! weakdep ahci raid456
//! install floppy /bin/false               # a command in place of loading
//! ```
//!
//! Files are found and their lines are read as with `depmod.d`: sorted by base name, of several with one base name the
//! first counts. The behaviour of `modprobe` of kmod 34.2, according to tests:
//!
//! * an alias stands for the modules of all matching `alias` lines, in order and with repeats; names and indexes are
//!   then not searched. These modules are names, not aliases;
//! * a name with only an `install` or `remove` command exists, too;
//! * `softdep` names modules by a pattern, `blacklist` by the name itself, `install` by a pattern;
//! * a module with any soft dependency is never loaded by its `install` command;
//! * `options` do not affect planning and are ignored, as are commands of `depmod.d`, which may share a directory.

use alloc::{collections::BTreeSet, vec::Vec};

use bstr::{BString, ByteSlice};

use super::soft_dependencies::SoftLine;
use crate::{
    diagnostic::{Diagnostic, FileLine, Reporter},
    index::fnmatch,
    limits::Limits,
    list::{
        WalkError,
        config::{
            files::{self, File},
            parse::LogicalLines,
        },
    },
    name::normalize_alias,
    source::Source,
};

/// Commands of `depmod.d`, and obsolete ones.
const OTHERS: [&[u8]; 7] =
    [b"search", b"override", b"external", b"exclude", b"make_map_files", b"include", b"config"];

/// The commands of `modprobe.d`.
const COMMANDS: [&[u8]; 7] =
    [b"alias", b"blacklist", b"install", b"options", b"remove", b"softdep", b"weakdep"];

/// The content of `modprobe.d`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModprobeConfig {
    aliases: Vec<Line>,
    blacklist: BTreeSet<BString>,
    installs: Vec<Line>,
    removes: Vec<Line>,
    softdeps: Vec<Line>,
    weakdeps: Vec<Line>,
}

/// A line about a name, which may be a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    pattern: BString,
    value: BString,
}

impl Line {
    fn fits(&self, name: &[u8]) -> bool {
        self.pattern == name || fnmatch(&self.pattern, name)
    }
}

impl ModprobeConfig {
    /// The default directories of `modprobe`; earlier directories mask later ones.
    pub const PATHS: &[&[u8]] = &[
        b"/etc/modprobe.d",
        b"/run/modprobe.d",
        b"/usr/local/lib/modprobe.d",
        b"/usr/lib/modprobe.d",
        b"/lib/modprobe.d",
    ];

    /// Whether a line that begins with this word is for `modprobe`, not for `depmod`.
    #[must_use]
    pub fn is_command(word: &[u8]) -> bool {
        COMMANDS.contains(&word)
    }

    /// Reads the configuration from directories or files. Unreadable files and invalid lines are reported and
    /// ignored.
    ///
    /// # Errors
    /// If the machine fails at a path: the configuration is unknown.
    pub fn load<S: Source>(
        source: &S,
        paths: &[impl AsRef<[u8]>],
        limits: &Limits,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, WalkError> {
        let mut config = Self::default();
        for File { path, is_empty } in files::list(source, paths, reporter)? {
            if is_empty {
                continue;
            }
            match source.read_named(&path, limits.text_size) {
                Ok(bytes) => config.read(&path, &bytes, reporter),
                Err(cause) if cause.is_fault() => return Err(WalkError { path: path.into(), cause }),
                Err(cause) => reporter.report(Diagnostic::ConfigFile { path: path.into(), cause }),
            }
        }
        Ok(config)
    }

    /// Adds options of a kernel's command line: `modprobe.blacklist=NAME,NAME`.
    pub fn add_kernel_options(&mut self, options: &[u8]) {
        for option in options.split(u8::is_ascii_whitespace) {
            let option = option.trim_with(|c| c == '"');
            if let Some(names) = option.strip_prefix(b"modprobe.blacklist=") {
                let names = names.trim_with(|c| c == '"').split(|&b| b == b',');
                self.blacklist.extend(names.filter(|name| !name.is_empty()).map(underscores));
            }
        }
    }

    fn read(&mut self, path: &[u8], bytes: &[u8], reporter: &mut dyn Reporter) {
        for line in LogicalLines::new(bytes) {
            if line.text.starts_with(b"#") {
                continue;
            }
            let (command, rest) = first_word(&line.text);
            if command.is_empty() || OTHERS.contains(&command) {
                continue;
            }
            if self.obey(command, rest).is_none() {
                let place = FileLine::new(path, line.number);
                reporter.report(Diagnostic::ConfigBadLine { place, command: command.into() });
            }
        }
    }

    /// Applies a line; `None` for an unknown command or too few words.
    fn obey(&mut self, command: &[u8], rest: &[u8]) -> Option<()> {
        let (name, rest) = first_word(rest);
        let name = normal(name)?;
        let value = || match rest {
            [] => None,
            rest => Some(Line { pattern: name.clone(), value: rest.into() }),
        };
        match command {
            b"alias" => {
                let target = normal(first_word(rest).0)?;
                self.aliases.push(Line { pattern: name, value: target });
            }
            b"blacklist" => {
                self.blacklist.insert(name);
            }
            b"install" => self.installs.push(value()?),
            b"remove" => self.removes.push(value()?),
            b"softdep" => self.softdeps.push(value()?),
            b"weakdep" => self.weakdeps.push(value()?),
            b"options" => drop(value()?),
            _ => return None,
        }
        Some(())
    }

    /// The names for an alias, in order and with repeats. The query is normalised.
    pub fn aliases<'c>(&'c self, query: &'c [u8]) -> impl Iterator<Item = &'c BString> {
        self.aliases.iter().filter(|line| line.fits(query)).map(|line| &line.value)
    }

    /// Whether a command has this name.
    #[must_use]
    pub fn has_command(&self, name: &[u8]) -> bool {
        self.installs.iter().chain(&self.removes).any(|line| line.pattern == name)
    }

    /// The command in place of loading this module; its effect is unknown.
    #[must_use]
    pub fn install_command(&self, name: &[u8]) -> Option<&BString> {
        self.installs.iter().find(|line| line.fits(name)).map(|line| &line.value)
    }

    /// Whether aliases must not lead to this module.
    #[must_use]
    pub fn is_blacklisted(&self, name: &[u8]) -> bool {
        self.blacklist.contains(name.as_bstr())
    }

    pub(super) fn softdeps(&self) -> impl Iterator<Item = (&BString, SoftLine<'_>)> {
        self.softdeps.iter().map(|line| (&line.pattern, SoftLine::of(words(&line.value))))
    }

    pub(super) fn weakdeps<'c>(&'c self, name: &[u8]) -> impl Iterator<Item = &'c [u8]> {
        self.weakdeps.iter().filter(|line| line.fits(name)).flat_map(|line| words(&line.value))
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// The first word, and the rest after its blanks.
fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    let skip = |text: &[u8]| text.iter().take_while(|byte| is_blank(byte)).count();
    let (_, text) = text.split_at_checked(skip(text)).unwrap_or_default();
    let end = text.iter().position(is_blank).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or_default();
    let (_, rest) = rest.split_at_checked(skip(rest)).unwrap_or_default();
    (word, rest)
}

/// A word as index keys are written; `None` for none, or for an unmatched bracket.
fn normal(word: &[u8]) -> Option<BString> {
    let bytes: Vec<u8> = normalize_alias(word).ok()?.collect();
    (!bytes.is_empty()).then(|| bytes.into())
}

fn underscores(name: &[u8]) -> BString {
    name.iter().map(|&b| if b == b'-' { b'_' } else { b }).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use alloc::{
        string::{String, ToString},
        vec,
    };

    fn config(files: &[(&str, &str)], paths: &[&str]) -> (ModprobeConfig, Vec<String>) {
        let mut source = MemorySource::new();
        files.iter().for_each(|(path, text)| source.insert(path.as_bytes(), text.as_bytes()));
        let mut said: Vec<Diagnostic> = Vec::new();
        let config = ModprobeConfig::load(&source, paths, &Limits::DEFAULT, &mut said).unwrap();
        (config, said.iter().map(ToString::to_string).collect())
    }

    fn one(text: &str) -> (ModprobeConfig, Vec<String>) {
        config(&[("/f", text)], &["/f"])
    }

    fn aliases<'c>(config: &'c ModprobeConfig, query: &'c str) -> Vec<&'c BString> {
        config.aliases(query.as_bytes()).collect()
    }

    #[test]
    fn aliases_in_order_and_with_repeats() {
        let (config, said) = one("alias q1 m1\nalias q* m-3\nalias q-[x-z] m4 ignored\nalias q1 m1\n");
        assert_eq!(said, [""; 0]);
        assert_eq!(aliases(&config, "q1"), ["m1", "m_3", "m1"]);
        assert_eq!(aliases(&config, "q_y"), ["m_3", "m4"]);
        assert_eq!(aliases(&config, "r"), [""; 0]);
    }

    #[test]
    fn commands_and_patterns() {
        let (config, _) = one(
            "install nb* /bin/x  a\\\n b\nremove gone /bin/r\nblacklist snd-pcsp e1000*\nblacklist e1000*\n",
        );
        assert_eq!(config.install_command(b"nbd").unwrap(), "/bin/x  a b");
        assert_eq!(config.install_command(b"gone"), None);
        assert!(config.has_command(b"gone") && config.has_command(b"nb*") && !config.has_command(b"nbd"));
        assert!(config.is_blacklisted(b"snd_pcsp") && !config.is_blacklisted(b"e1000e"));
    }

    #[test]
    fn dependencies() {
        let (config, _) = one("softdep a-? x pre: b c-d post: e\nweakdep a v w\nweakdep b* x\n");
        let soft: Vec<_> = config.softdeps().collect();
        let line = SoftLine { pre: vec![b"b", b"c-d"], post: vec![b"e"] };
        assert_eq!(soft, [(&BString::from("a_?"), line)]);
        assert_eq!(config.weakdeps(b"a").collect::<Vec<_>>(), [b"v", b"w"]);
        assert_eq!(config.weakdeps(b"bc").count(), 1);
    }

    #[test]
    fn earlier_directories_mask_later_ones_and_names_sort() {
        let files = [
            ("/etc/m.d/b.conf", "alias x second\n"),
            ("/usr/m.d/b.conf", "alias x masked\n"),
            ("/usr/m.d/a.conf", "alias x first\n"),
            ("/usr/m.d/notes", "alias x none\n"),
        ];
        let (config, said) = config(&files, &["/etc/m.d", "/nowhere", "/usr/m.d"]);
        assert_eq!(aliases(&config, "x"), ["first", "second"]);
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[test]
    fn bad_lines_are_reported() {
        let text = "bad\nalias a\nalias a] b\nalias a b]\nblacklist\ninstall x\n\t# c\n#c\nsearch y\nsoftdep\n\
            options a\noptions a b=1\ninclude /x\n";
        let (config, said) = one(text);
        assert_eq!(config, ModprobeConfig::default());
        let lines = [(1, "bad"), (2, "alias"), (3, "alias"), (4, "alias"), (5, "blacklist"), (6, "install")];
        let lines = lines.into_iter().chain([(7, "#"), (10, "softdep"), (11, "options")]);
        let expected: Vec<_> = lines
            .map(|(line, word)| alloc::format!("/f:{line}: ignoring bad line starting with '{word}'"))
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn kernel_options() {
        let mut config = ModprobeConfig::default();
        config.add_kernel_options(
            b"quiet modprobe.blacklist=nouveau,,snd-pcsp \"modprobe.blacklist=x\" blacklist=y\n",
        );
        let names: Vec<_> = config.blacklist.iter().collect();
        assert_eq!(names, ["nouveau", "snd_pcsp", "x"]);
    }
}
