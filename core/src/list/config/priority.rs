//! Precedence of two files with the same module name ([`reference::modules`](crate::reference::modules) §4).
//!
//! With `search updates external built-in` and one external directory, priorities increase from the last word
//! to the first: `built-in` 0, the external directory 1, `updates` 3 (each external directory and each word
//! uses one number).

use super::configuration::{Config, Search};
use crate::name::stem_end;

impl Config {
    /// Whether the file found later, `new`, replaces the file found earlier, `old`. Both paths are absolute
    /// and begin, like all paths of the walk, with `directory` (the module directory) or with a configured
    /// `external` directory.
    ///
    /// Overrides decide first, the last one before all others; then the search list. With equal priorities
    /// the old file stays, except that the new file wins if both are below the same *directory* of the search
    /// list.
    #[must_use]
    pub fn prefer_new(&self, directory: &[u8], old: &[u8], new: &[u8]) -> bool {
        let (old, new) = (Candidate::new(directory, old), Candidate::new(directory, new));
        let (override_old, override_new) = (self.override_number(&old), self.override_number(&new));
        if override_old.or(override_new).is_some() {
            return override_new >= override_old;
        }
        let (priority_old, priority_new) = self.priorities(&old, &new);
        priority_new > priority_old
    }

    pub(super) fn override_number(&self, file: &Candidate<'_>) -> Option<usize> {
        self.overrides.get(file.relative?).copied()
    }

    /// The priorities of both files; `None` is the lowest.
    fn priorities(&self, old: &Candidate<'_>, new: &Candidate<'_>) -> (Option<usize>, Option<usize>) {
        let (mut priority_old, mut priority_new, mut built_in) = (None, None, None);
        let mut numbers = 0..;
        for word in self.searches.iter().rev() {
            match word {
                Search::BuiltIn => built_in = numbers.next(),
                Search::External => {
                    for directory in self.externals.iter().rev() {
                        let number = numbers.next();
                        if is_below(new.path, directory) {
                            priority_new = number;
                        }
                        if is_below(old.path, directory) {
                            priority_old = number;
                        }
                    }
                    numbers.next();
                }
                Search::Directory(directory) => {
                    let number = numbers.next();
                    // Below the same directory, the later file wins.
                    if new.relative.is_some_and(|path| is_below(path, directory)) {
                        priority_new = number;
                    } else if old.relative.is_some_and(|path| is_below(path, directory)) {
                        priority_old = number;
                    }
                }
            }
        }
        (priority_old.or(built_in), priority_new.or(built_in))
    }
}

/// One of two files with the same module name.
pub(super) struct Candidate<'a> {
    /// Absolute path, cut at the first `.` of the file name.
    pub(super) path: &'a [u8],
    /// The same path relative to the module directory, if the file is below it.
    pub(super) relative: Option<&'a [u8]>,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(directory: &[u8], path: &'a [u8]) -> Self {
        let path = path.get(..stem_end(path)).unwrap_or(path);
        // kmod does not check the separator, so it also treats `6.1-extra/a` as relative to `6.1`.
        let relative = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix(b"/"));
        Self { path, relative }
    }
}

pub(super) fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{limits::Limits, source::MemorySource};

    const DIRECTORY: &[u8] = b"/lib/modules/6.1";

    /// The file of `files`, found in this order, that takes precedence. Relative paths are below
    /// [`DIRECTORY`].
    fn winner<'a>(lines: &str, files: &[&'a str]) -> &'a str {
        let mut host = MemorySource::new();
        host.insert(b"/c", lines.as_bytes());
        let mut messages = Vec::new();
        let config = Config::load(&host, &[b"/c"], b"6.1", &Limits::DEFAULT, &mut messages).unwrap();
        let absolute = |file: &str| match file.strip_prefix('/') {
            Some(_) => file.as_bytes().to_vec(),
            None => [DIRECTORY, b"/", file.as_bytes()].concat(),
        };
        let prefer = |old: &str, new: &str| config.prefer_new(DIRECTORY, &absolute(old), &absolute(new));
        files.iter().copied().reduce(|old, new| if prefer(old, new) { new } else { old }).unwrap()
    }

    /// Checks that the winner does not depend on the order.
    fn always(lines: &str, files: [&str; 2], expected: &str) {
        let [a, b] = files;
        assert_eq!(winner(lines, &[a, b]), expected, "{lines}");
        assert_eq!(winner(lines, &[b, a]), expected, "{lines}");
    }

    #[test]
    fn earlier_files_win_ties() {
        assert_eq!(winner("", &["updates/b/m.ko", "updates/a/m.ko"]), "updates/a/m.ko");
        assert_eq!(winner("", &["kernel/b/m.ko", "kernel/a/m.ko"]), "kernel/b/m.ko");
        assert_eq!(winner("", &["kernel/m.ko", "kernel/m.ko.xz"]), "kernel/m.ko");
        assert_eq!(winner("", &["updates/m.ko", "updates/m.ko.xz"]), "updates/m.ko.xz");
        let external = "search external\nexternal * /e";
        assert_eq!(winner(external, &["/e/b/m.ko", "/e/a/m.ko"]), "/e/b/m.ko");
    }

    #[test]
    fn first_search_word_has_highest_priority() {
        always("", ["kernel/m.ko", "updates/m.ko"], "updates/m.ko");
        always("search built-in updates", ["kernel/m.ko", "updates/m.ko"], "kernel/m.ko");
        always("search extra updates", ["extra/m.ko", "updates/m.ko"], "extra/m.ko");
        always("search extra\nsearch updates", ["extra/m.ko", "updates/m.ko"], "extra/m.ko");
        let nested = ["updates/m.ko", "updates/dkms/m.ko"];
        always("search updates/dkms updates built-in", nested, "updates/dkms/m.ko");
        // The word for the outer directory comes first and covers both files: a tie.
        let outer_first = "search updates updates/dkms built-in";
        assert_eq!(winner(outer_first, &["updates/m.ko", "updates/dkms/m.ko"]), "updates/dkms/m.ko");
        assert_eq!(winner(outer_first, &["updates/dkms/m.ko", "updates/m.ko"]), "updates/m.ko");
    }

    #[test]
    fn search_words_match_whole_components() {
        always("search foo built-in", ["foo/m.ko", "foobar/m.ko"], "foo/m.ko");
        always("search foo built-in", ["kernel/foo/m.ko", "foo/m.ko"], "foo/m.ko");
        assert_eq!(winner("search foo/ built-in", &["kernel/m.ko", "foo/m.ko"]), "kernel/m.ko");
        assert_eq!(winner("search /foo built-in", &["kernel/m.ko", "foo/m.ko"]), "kernel/m.ko");
    }

    #[test]
    fn external_directories_rank_by_search_list() {
        let two = "external * /e1\nexternal * /e2\n";
        let with = |search: &str| [two, search].concat();
        always(&with("search external built-in"), ["kernel/m.ko", "/e1/m.ko"], "/e1/m.ko");
        always(&with("search external built-in"), ["/e2/m.ko", "/e1/m.ko"], "/e1/m.ko");
        always(&with("search built-in external"), ["/e2/m.ko", "kernel/m.ko"], "kernel/m.ko");
        always(&with("search updates external"), ["/e1/m.ko", "updates/m.ko"], "updates/m.ko");
        // Outside the search list they have the lowest priority.
        assert_eq!(winner(&with("search updates built-in"), &["kernel/m.ko", "/e1/m.ko"]), "kernel/m.ko");
        assert_eq!(winner(&with("search external"), &["kernel/m.ko", "/e1x/m.ko"]), "kernel/m.ko");
    }

    #[test]
    fn overrides_take_precedence_over_the_search_list() {
        always("override m * kernel", ["kernel/m.ko", "updates/m.ko"], "kernel/m.ko");
        always("override m * kernel", ["kernel/m.x.ko.xz", "updates/m.ko"], "kernel/m.x.ko.xz");
        always("override m * kernel", ["kernel/fs/m.ko", "updates/m.ko"], "updates/m.ko");
        always("override m_x * kernel", ["kernel/m-x.ko", "updates/m_x.ko"], "updates/m_x.ko");
        always("override m 5 kernel", ["kernel/m.ko", "updates/m.ko"], "updates/m.ko");
        let three = "override m * a\noverride m * b\noverride m * a\noverride m * c";
        always(three, ["a/m.ko", "b/m.ko"], "a/m.ko");
        always(three, ["a/m.ko", "c/m.ko"], "c/m.ko");
        assert_eq!(winner("override m * kernel", &["kernel/m.ko", "kernel/m.ko.gz"]), "kernel/m.ko.gz");
    }

    #[test]
    fn directories_sharing_a_prefix_are_distinct() {
        let external = "external * /lib/modules/6.1-ext\nsearch ext external built-in\n";
        always(external, ["ext/m.ko", "/lib/modules/6.1-ext/ext/m.ko"], "ext/m.ko");
        always(external, ["kernel/m.ko", "/lib/modules/6.1-ext/m.ko"], "/lib/modules/6.1-ext/m.ko");
        let hidden = "external * /lib/modules/6.1-ext\nsearch ext built-in\n";
        assert_eq!(winner(hidden, &["kernel/m.ko", "/lib/modules/6.1-ext/m.ko"]), "kernel/m.ko");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_paths_do_not_panic(dir: Vec<u8>, old: Vec<u8>, new: Vec<u8>) {
            let config = Config::default();
            let relative = |path: &[u8]| {
                let path = path.strip_prefix(&*dir)?.strip_prefix(b"/updates/")?;
                Some(path.len())
            };
            let expected = relative(&new).is_some();
            proptest::prop_assert_eq!(config.prefer_new(&dir, &old, &new), expected);
        }
    }
}
