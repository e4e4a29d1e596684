//! Which line of the configuration decides between two files with the same module name.
//!
//! | The winner | Rule |
//! |---|---|
//! | has an `override` | that line |
//! | is below a directory that the search list names earlier | that word, and its line |
//! | is below the same directory of the search list as the other file | that word: the file found later wins |
//! | has no line for it | none: the file found first wins |
//!
//! [`Config::prefer_new`] decides; a [`Rule`] gives the reason.

use core::fmt;

use super::{
    configuration::{Config, Search},
    priority::{Candidate, is_below},
};
use crate::diagnostic::FileLine;

use bstr::BString;

/// The reason for the precedence of one file over another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// An `override` of the winner.
    Override(FileLine),
    /// A word of the search list that covers the winner and stands before the word of the other file.
    Search {
        /// The word: a directory, `built-in` or `external`.
        word: BString,
        /// Its line; without any `search` line the list is `updates`.
        line: Option<FileLine>,
    },
    /// Both files are in external directories; the winner's stands first.
    External(FileLine),
    /// Both files are below this directory of the search list, and the later file wins.
    SameDirectory {
        /// The directory.
        word: BString,
        /// Its line, as in [`Rule::Search`].
        line: Option<FileLine>,
    },
    /// No line prefers either file, and the first file wins. External directories come last.
    First,
    /// The other file cannot be read as a module; [`Config::rule`] does not look.
    Unreadable,
}

impl Rule {
    /// Its kind, as a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Override(_) => "override",
            Self::Search { .. } => "search",
            Self::External(_) => "external",
            Self::SameDirectory { .. } => "same-directory",
            Self::First => "first",
            Self::Unreadable => "unreadable",
        }
    }

    /// The line of the configuration, if there is one.
    #[must_use]
    pub fn line(&self) -> Option<&FileLine> {
        match self {
            Self::Override(line) | Self::External(line) => Some(line),
            Self::Search { line, .. } | Self::SameDirectory { line, .. } => line.as_ref(),
            Self::First | Self::Unreadable => None,
        }
    }
}

/// A phrase: `override (/etc/depmod.d/a.conf:3)`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override(_) => f.write_str("override")?,
            Self::Search { word, .. } => write!(f, "search, which prefers {}", word.escape_ascii())?,
            Self::External(_) => f.write_str("external, whose first line comes first")?,
            Self::SameDirectory { word, .. } => {
                write!(f, "search, where of two files below {} the later one wins", word.escape_ascii())?;
            }
            Self::First => return f.write_str("no line prefers either, and it comes first"),
            Self::Unreadable => return f.write_str("this file cannot be read as a module"),
        }
        match self.line() {
            Some(FileLine { file, line }) => write!(f, " ({}:{line})", file.escape_ascii()),
            None => f.write_str(" (the default)"),
        }
    }
}

/// The place of a file in the search list: the number of the word, then of the external directory.
type Rank = (usize, usize);

impl Config {
    /// Why `winner` takes precedence over `loser`, if [`prefer_new`](Self::prefer_new) says so. Paths are as
    /// there.
    #[must_use]
    pub fn rule(&self, directory: &[u8], winner: &[u8], loser: &[u8]) -> Rule {
        let (winner, loser) = (Candidate::new(directory, winner), Candidate::new(directory, loser));
        if let Some(line) =
            self.override_number(&winner).and_then(|number| self.lines.overrides.get(number.checked_sub(1)?))
        {
            return Rule::Override(line.clone());
        }
        let (Some(won), lost) = (self.rank(&winner), self.rank(&loser)) else { return Rule::First };
        let line = self.lines.searches.get(won.0).cloned();
        let same = lost.filter(|lost| lost.0 == won.0);
        match (self.searches.get(won.0), same) {
            (Some(Search::Directory(word)), Some(_)) => {
                Rule::SameDirectory { word: word.clone().into(), line }
            }
            (Some(Search::External), Some(lost)) if lost.1 != won.1 => {
                self.lines.externals.get(won.1).map_or(Rule::First, |line| Rule::External(line.clone()))
            }
            (_, Some(_)) | (None, _) => Rule::First,
            (Some(Search::Directory(word)), None) => Rule::Search { word: word.clone().into(), line },
            (Some(Search::External), None) => Rule::Search { word: "external".into(), line },
            (Some(Search::BuiltIn), None) => Rule::Search { word: "built-in".into(), line },
        }
    }

    /// The `external` line of the directory that a file is in.
    #[must_use]
    pub fn external_line(&self, path: &[u8]) -> Option<&FileLine> {
        self.lines.externals.get(self.external_number(path)?)
    }

    fn external_number(&self, path: &[u8]) -> Option<usize> {
        self.externals.iter().position(|directory| is_below(path, directory))
    }

    /// `None` is the lowest.
    fn rank(&self, file: &Candidate<'_>) -> Option<Rank> {
        let named = self.searches.iter().enumerate().find_map(|(number, word)| match word {
            Search::BuiltIn => None,
            Search::External => Some((number, self.external_number(file.path)?)),
            Search::Directory(directory) => is_below(file.relative?, directory).then_some((number, 0)),
        });
        named.or_else(|| {
            let built_in = self.searches.iter().position(|word| *word == Search::BuiltIn)?;
            Some((built_in, 0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limits::Limits, source::MemorySource};
    use alloc::{string::ToString, vec::Vec};

    const DIRECTORY: &[u8] = b"/lib/modules/6.1";

    fn config(lines: &str) -> Config {
        let mut host = MemorySource::new();
        host.insert(b"/c/a.conf", lines.as_bytes());
        Config::load(&host, &[b"/c"], b"6.1", &Limits::DEFAULT, &mut ()).unwrap()
    }

    fn path(file: &str) -> Vec<u8> {
        if file.starts_with('/') { file.into() } else { [DIRECTORY, b"/", file.as_bytes()].concat() }
    }

    /// The rule for a pair, which must be the pair that the configuration makes.
    fn rule(lines: &str, winner: &str, loser: &str) -> alloc::string::String {
        let (config, winner, loser) = (config(lines), path(winner), path(loser));
        let wins = config.prefer_new(DIRECTORY, &loser, &winner);
        assert!(wins || !config.prefer_new(DIRECTORY, &winner, &loser), "{lines}");
        config.rule(DIRECTORY, &winner, &loser).to_string()
    }

    #[test]
    fn the_line_that_decides() {
        let default = "search, which prefers updates (the default)";
        assert_eq!(rule("", "updates/m.ko", "kernel/m.ko"), default);
        let first = "no line prefers either, and it comes first";
        assert_eq!(rule("", "kernel/a/m.ko", "kernel/b/m.ko"), first);
        let lines = "# x\nsearch extra \\\n built-in\nsearch updates\noverride m * kernel\noverride n 9 kernel\n\
            override n * kernel/n\nexternal * /e1\nexternal 9 /no\nexternal * /e2\n";
        let built_in = "search, which prefers built-in (/c/a.conf:3)";
        assert_eq!(rule(lines, "kernel/x.ko", "updates/x.ko"), built_in);
        assert_eq!(rule(lines, "kernel/x.ko", "/e1/x.ko"), first, "external directories count as built-in");
        assert_eq!(rule(lines, "extra/x.ko", "kernel/x.ko"), "search, which prefers extra (/c/a.conf:3)");
        assert_eq!(rule(lines, "kernel/m.ko", "extra/m.ko"), "override (/c/a.conf:5)");
        assert_eq!(rule(lines, "kernel/n/n.ko", "extra/n.ko"), "override (/c/a.conf:7)");
        let same = "search, where of two files below extra the later one wins (/c/a.conf:3)";
        assert_eq!(rule(lines, "extra/x.ko.xz", "extra/x.ko"), same);
        let lines = [lines, "search external\n"].concat();
        let external = lines.replace("search extra", "search external extra");
        let wins = "search, which prefers external (/c/a.conf:3)";
        assert_eq!(rule(&external, "/e2/x.ko", "kernel/x.ko"), wins);
        assert_eq!(
            rule(&external, "/e1/x.ko", "/e2/x.ko"),
            "external, whose first line comes first (/c/a.conf:8)"
        );
        let config = config(&lines);
        assert_eq!(config.external_line(b"/e2/x.ko").map(|line| line.line), Some(10));
        assert_eq!(config.external_line(b"/e2x/x.ko"), None);
    }
}
