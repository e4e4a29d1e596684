//! Lines, words and commands of a configuration file ([`reference::modules`](crate::reference::modules) §3.2,
//! §3.3).

use alloc::vec::Vec;

use bstr::BString;

use super::super::walk::WalkError;
use super::{
    configuration::{Config, Search},
    files::File,
    regex::pattern_occurs,
};
use crate::{
    diagnostic::{Diagnostic, FileLine, Reporter},
    limits::Limits,
    source::Source,
};

/// Parses configuration files in order into a [`Config`].
pub(super) struct Parser<'a> {
    version: &'a [u8],
    limits: &'a Limits,
    reporter: &'a mut dyn Reporter,
    config: Config,
    /// Number of effective `override` lines.
    overrides: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(version: &'a [u8], limits: &'a Limits, reporter: &'a mut dyn Reporter) -> Self {
        let config = Config { searches: Vec::new(), ..Config::default() };
        Self { version, limits, reporter, config, overrides: 0 }
    }

    pub(super) fn finish(mut self) -> Config {
        if self.config.searches.is_empty() {
            self.config.searches = Config::default().searches;
        }
        self.config
    }

    pub(super) fn read(&mut self, source: &impl Source, file: &File) -> Result<(), WalkError> {
        if file.is_empty {
            return Ok(());
        }
        match source.read_named(&file.path, self.limits.text_size) {
            Ok(bytes) => self.parse(&file.path, &bytes),
            Err(cause) if cause.is_fault() => {
                return Err(WalkError { path: file.path.clone().into(), cause });
            }
            Err(cause) => {
                self.reporter.report(Diagnostic::ConfigFile { path: file.path.clone().into(), cause });
            }
        }
        Ok(())
    }

    fn parse(&mut self, path: &[u8], bytes: &[u8]) {
        for line in LogicalLines::new(bytes) {
            let mut words = line.text.split(|&b| b == b' ' || b == b'\t').filter(|word| !word.is_empty());
            if line.text.starts_with(b"#") {
                continue;
            }
            if let Some(command) = words.next() {
                let place = FileLine::new(path, line.number);
                if let Err(diagnostic) = self.execute(place, command, words) {
                    self.reporter.report(diagnostic);
                }
            }
        }
    }

    /// Executes one command; `place` is its location.
    fn execute<'w>(
        &mut self,
        place: FileLine,
        command: &[u8],
        mut words: impl Iterator<Item = &'w [u8]>,
    ) -> Result<(), Diagnostic> {
        match command {
            b"search" => {
                self.config.searches.extend(words.map(Search::from_word));
                #[cfg(feature = "answers")]
                self.config.lines.searches.resize(self.config.searches.len(), place);
            }
            b"exclude" => self.config.excludes.extend(words.map(BString::from)),
            b"override" => {
                let (Some(module), Some(pattern), Some(subdir)) = (words.next(), words.next(), words.next())
                else {
                    return Err(bad_line(place, command));
                };
                if !self.version_matches(&place, pattern) {
                    return Err(Diagnostic::OverrideNotMatched { place, pattern: pattern.into() });
                }
                self.overrides = self.overrides.saturating_add(1);
                self.config.overrides.insert([subdir, b"/", module].concat().into(), self.overrides);
                #[cfg(feature = "answers")]
                self.config.lines.overrides.push(place);
            }
            b"external" => {
                let (Some(pattern), Some(directory)) = (words.next(), words.next()) else {
                    return Err(bad_line(place, command));
                };
                if !self.version_matches(&place, pattern) {
                    return Err(Diagnostic::ExternalNotMatched { place, pattern: pattern.into() });
                }
                self.config.externals.push(directory.into());
                #[cfg(feature = "answers")]
                self.config.lines.externals.push(place);
            }
            b"include" | b"make_map_files" => {
                return Err(Diagnostic::ConfigNotImplemented { place, command: command.into() });
            }
            _ => return Err(bad_line(place, command)),
        }
        Ok(())
    }

    /// Whether a version pattern matches the kernel. An invalid pattern matches nothing.
    fn version_matches(&mut self, place: &FileLine, pattern: &[u8]) -> bool {
        if pattern == b"*" {
            return true;
        }
        pattern_occurs(pattern, self.version, self.limits.steps).unwrap_or_else(|error| {
            self.reporter.report(Diagnostic::ConfigPattern {
                place: place.clone(),
                pattern: pattern.into(),
                cause: error,
            });
            false
        })
    }
}

impl Search {
    fn from_word(word: &[u8]) -> Self {
        match word {
            b"built-in" => Self::BuiltIn,
            b"external" => Self::External,
            _ => Self::Directory(word.to_vec()),
        }
    }
}

fn bad_line(place: FileLine, command: &[u8]) -> Diagnostic {
    Diagnostic::ConfigBadLine { place, command: command.into() }
}

/// A line with its continuations joined and backslashes removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogicalLine {
    /// Number of its last physical line, from 1.
    pub(crate) number: usize,
    /// The text up to the first NUL, as a C string.
    pub(crate) text: Vec<u8>,
}

/// Iterates over logical lines. A backslash before a newline joins the next physical line; before any other
/// byte it is dropped without effect, because words are separated later.
pub(crate) struct LogicalLines<'a> {
    rest: &'a [u8],
    /// Number of the first physical line of `rest`.
    number: usize,
}

impl<'a> LogicalLines<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, number: 1 }
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = LogicalLine;

    fn next(&mut self) -> Option<LogicalLine> {
        if self.rest.is_empty() {
            return None;
        }
        let mut number = self.number;
        let mut text = Vec::new();
        loop {
            let special = self.rest.iter().position(|&b| b == b'\\' || b == b'\n');
            let (plain, rest) = self.rest.split_at(special.unwrap_or(self.rest.len()));
            text.extend_from_slice(plain);
            self.rest = match rest {
                [b'\\', b'\n', rest @ ..] => {
                    number = number.saturating_add(1);
                    rest
                }
                [b'\\', literal, rest @ ..] => {
                    text.push(*literal);
                    rest
                }
                // A backslash at the end of the file, a newline, or the end of the file.
                [_, rest @ ..] => {
                    self.rest = rest;
                    break;
                }
                [] => {
                    self.rest = rest;
                    break;
                }
            };
        }
        self.number = number.saturating_add(1);
        if let Some(end) = text.iter().position(|&b| b == 0) {
            text.truncate(end);
        }
        Some(LogicalLine { number, text })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;
    use crate::source::MemorySource;

    fn lines(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
        LogicalLines::new(bytes).map(|line| (line.number, line.text)).collect()
    }

    /// Parses one file `f` for kernel 6.1.0; returns the messages, too.
    fn config(bytes: &[u8]) -> (Config, Vec<String>) {
        let mut host = MemorySource::new();
        host.insert(b"/f", bytes);
        let mut messages = Vec::new();
        let mut parser = Parser::new(b"6.1.0", &Limits::DEFAULT, &mut messages);
        parser.read(&host, &File { path: b"/f".to_vec(), is_empty: false }).unwrap();
        let config = parser.finish();
        (config, messages.iter().map(|message| String::from_utf8(message.message()).unwrap()).collect())
    }

    #[test]
    fn backslashes_join_lines() {
        for (bytes, expected) in [
            (&b""[..], &[][..]),
            (b"a", &[(1, &b"a"[..])]),
            (b"a\nb\n", &[(1, b"a"), (2, b"b")]),
            (b"a\\\n\nb\\\\c\nlast\\", &[(2, b"a"), (3, b"b\\c"), (4, b"last")]),
            (b"a\\\n#b\nz\n\\\n#c\nz", &[(2, b"a#b"), (3, b"z"), (5, b"#c"), (6, b"z")]),
            (b"a\\\n\\\n\\\nb", &[(4, b"ab")]),
            (b"a\\\n", &[(2, b"a")]),
            (b"\\ a\\\tb\\\r\n", &[(1, b" a\tb\r")]),
            (b"ba\0d\nq\0\\\nr\ns", &[(1, b"ba"), (3, b"q"), (4, b"s")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|&(number, text)| (number, text.to_vec())).collect();
            assert_eq!(lines(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn invalid_lines_are_reported() {
        let text = b"bad\n\nfoo\\ bar\n\\# x\nab\\\ncd\n  # c\n# c\\\nbad\n \t \nx\r\n\0y\n";
        let expected = [
            "/f:1: ignoring bad line starting with 'bad'",
            "/f:3: ignoring bad line starting with 'foo'",
            "/f:6: ignoring bad line starting with 'abcd'",
            "/f:7: ignoring bad line starting with '#'",
            "/f:11: ignoring bad line starting with 'x\\x0d'",
        ];
        assert_eq!(config(text).1, expected);
    }

    #[test]
    fn invalid_commands_are_reported() {
        let text = b"override\noverride a b\noverride a b c\noverride a ( c\nexternal\nexternal a\n\
            external a b\nsearch\nexclude\ninclude\nmake_map_files x\nSearch\n";
        let expected = [
            "/f:1: ignoring bad line starting with 'override'",
            "/f:2: ignoring bad line starting with 'override'",
            "/f:3: override kernel did not match b",
            "/f:4: version pattern ( matches nothing: Unmatched ( or \\(",
            "/f:4: override kernel did not match (",
            "/f:5: ignoring bad line starting with 'external'",
            "/f:6: ignoring bad line starting with 'external'",
            "/f:7: external directory did not match a",
            "/f:10: command include not implemented yet",
            "/f:11: command make_map_files not implemented yet",
            "/f:12: ignoring bad line starting with 'Search'",
        ];
        assert_eq!(config(text).1, expected);
    }

    #[test]
    fn repeated_commands_accumulate() {
        let text = b"search a/b built-in\nexclude x y\nsearch external\texternal/\nexclude x z\n\
            external ^6 /opt/1 ignored\nexternal * /opt/2\nexternal 5 /opt/3\n";
        let (config, _) = config(text);
        let directory = |name: &[u8]| Search::Directory(name.to_vec());
        assert_eq!(
            config.searches,
            [directory(b"a/b"), Search::BuiltIn, Search::External, directory(b"external/")]
        );
        assert_eq!(config.externals, ["/opt/1", "/opt/2"], "the last one is walked first");
        assert!([&b"x"[..], b"y", b"z"].iter().all(|name| config.is_excluded(name)));
        assert!(!config.is_excluded(b"exclude"));
    }

    #[test]
    fn later_overrides_win_even_if_repeated() {
        let (config, _) = config(b"override a * x\noverride b * x\noverride a * x y\noverride c 6.1 x\n");
        let number = |key: &[u8]| config.overrides.get(key).copied();
        assert_eq!([number(b"x/a"), number(b"x/b"), number(b"x/c")], [Some(3), Some(2), Some(4)]);
    }

    #[test]
    fn default_search_list_is_updates() {
        for text in [&b""[..], b"search\nsearch \n"] {
            assert_eq!(config(text).0.searches, [Search::Directory(b"updates".to_vec())]);
        }
    }

    #[test]
    fn unreadable_files_are_reported() {
        let mut messages = Vec::new();
        let mut parser = Parser::new(b"6.1.0", &Limits::DEFAULT, &mut messages);
        parser.read(&MemorySource::new(), &File { path: b"/f".to_vec(), is_empty: true }).unwrap();
        parser.read(&MemorySource::new(), &File { path: b"/f".to_vec(), is_empty: false }).unwrap();
        parser.finish();
        let messages: Vec<_> = messages.iter().map(Diagnostic::message).collect();
        assert_eq!(messages, [b"file parse /f: No such file or directory"]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            config(&bytes.iter().map(|&b| if b < 128 { b } else { b'\\' }).collect::<Vec<_>>());
        }

        #[test]
        fn line_numbers_count_physical_lines(text in "[a\\\\\n]{0,30}") {
            let found = lines(text.as_bytes());
            prop_assert!(found.is_sorted_by(|a, b| a.0 < b.0));
            if let Some((last, _)) = found.last() {
                let lines = text.bytes().filter(|&b| b == b'\n').count() + 1;
                prop_assert!(*last == lines || *last + 1 == lines);
            }
        }
    }
}
