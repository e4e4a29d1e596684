//! The content of an index file as comparable entries, independent of its layout.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, vec::Vec};

use bstr::{BString, ByteSlice};
use hashbrown::{HashMap, HashSet};

use super::FileFault;
use crate::sort::sort_by;
use crate::{
    index::{Flaw, Index, IndexError, Layout, Scratch, VERSION},
    name::{is_normal_alias, module_name, normalize_alias},
    output::{Output, SYMBOL_LINE},
};

/// The entries of a readable file: lines of a text, or keys and values of an index, joined by a space.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    text: Vec<u8>,
    entries: Vec<Slot>,
    /// Order of the nodes of an index.
    pub(super) layout: Option<Layout>,
    /// Offset of an incomplete last line of a text.
    pub(super) unended: Option<usize>,
    /// Comments of a text: the heading.
    comments: Vec<Slot>,
}

/// Range of an entry in the text.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    end: usize,
    /// Priority of the module, in an index only.
    priority: u32,
}

impl Content {
    fn slice(&self, slot: &Slot) -> &[u8] {
        self.text.get(slot.start..slot.end).unwrap_or_default()
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries, in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|slot| self.slice(slot))
    }

    fn with_priorities(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.entries.iter().map(|slot| (self.slice(slot), slot.priority))
    }
}

/// Reads a file and records defects of its form. `None` if no entry is readable.
pub(super) fn read(
    output: Output,
    bytes: &[u8],
    scratch: &mut Scratch,
    faults: &mut Vec<FileFault>,
) -> Option<Content> {
    if output.is_index() {
        match read_index(bytes, scratch) {
            Ok(content) => Some(content),
            Err(IndexError::Corrupt { offset, flaw: Flaw::Trailing }) => {
                faults.push(FileFault::Trailing { offset, bytes: bytes.len().saturating_sub(offset) });
                bytes.get(..offset).and_then(|whole| read_index(whole, scratch).ok())
            }
            Err(error) => {
                faults.push(fault_of(error));
                None
            }
        }
    } else {
        Some(read_text(output, bytes, faults))
    }
}

/// The fault of a file for an error of its index.
fn fault_of(error: IndexError) -> FileFault {
    match error {
        IndexError::TooShort { len } => FileFault::Cut { offset: len },
        IndexError::Magic { .. } | IndexError::Version { .. } => FileFault::Foreign(error),
        IndexError::Corrupt { offset, flaw: Flaw::Cut } => FileFault::Cut { offset },
        _ => FileFault::Corrupt(error),
    }
}

fn read_index(bytes: &[u8], scratch: &mut Scratch) -> Result<Content, IndexError> {
    let index = Index::parse(bytes)?;
    // Readers accept any minor version, but every kmod writes this one.
    if let Some(found) =
        bytes.get(4..8).and_then(|word| word.first_chunk()).map(|word| u32::from_be_bytes(*word))
        && found != VERSION
    {
        return Err(IndexError::Version { found });
    }
    let mut content = Content::default();
    let summary = index.check_entries(scratch, |key, value| {
        let start = content.text.len();
        content.text.extend_from_slice(key);
        content.text.push(b' ');
        content.text.extend_from_slice(value.bytes);
        content.entries.push(Slot { start, end: content.text.len(), priority: value.priority });
    })?;
    content.layout = Some(summary.layout);
    Ok(content)
}

fn read_text(output: Output, bytes: &[u8], faults: &mut Vec<FileFault>) -> Content {
    let mut content = Content { text: bytes.to_vec(), ..Content::default() };
    let mut start: usize = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(start..end).unwrap_or_default();
        let slot = Slot { start, end, priority: 0 };
        match line {
            [b'#', ..] => content.comments.push(slot),
            line if is_line(output, line) => content.entries.push(slot),
            _ => faults.push(FileFault::BadLine { offset: start }),
        }
        start = end.saturating_add(1);
    }
    content.unended = (start < bytes.len()).then_some(start);
    content
}

/// Whether a line has the form of this file's lines.
fn is_line(output: Output, line: &[u8]) -> bool {
    let spaces = || memchr::memchr_iter(b' ', line);
    let has_three_words = || spaces().nth(1).is_some();
    match output {
        Output::Dep => {
            let first = line.get(..spaces().next().unwrap_or(line.len())).unwrap_or_default();
            first.strip_suffix(b":").is_some_and(|path| !path.is_empty())
        }
        Output::Alias => line.starts_with(b"alias ") && has_three_words(),
        Output::Symbols => line.starts_with(SYMBOL_LINE) && has_three_words(),
        Output::Softdep => line.starts_with(b"softdep ") && has_three_words(),
        Output::Weakdep => line.starts_with(b"weakdep ") && has_three_words(),
        Output::Devname => spaces().count() == 2,
        _ => false,
    }
}

/// Key and module of an entry. In files with one line for each module, its name is the key.
pub(super) fn parts(output: Output, entry: &[u8]) -> (Cow<'_, [u8]>, Cow<'_, [u8]>) {
    let first = |text: &'_ [u8]| memchr::memchr(b' ', text).unwrap_or(text.len());
    let (entry, module_last) = match output {
        Output::Dep => {
            let path = entry.get(..first(entry)).unwrap_or_default();
            let name: Cow<'_, [u8]> = Cow::Owned(module_name(path).collect());
            return (name.clone(), name);
        }
        Output::Alias | Output::Symbols => (entry.strip_prefix(b"alias ").unwrap_or(entry), true),
        Output::AliasIndex | Output::SymbolsIndex | Output::BuiltinAliasIndex => (entry, true),
        Output::Softdep => (entry.strip_prefix(b"softdep ").unwrap_or(entry), false),
        Output::Weakdep => (entry.strip_prefix(b"weakdep ").unwrap_or(entry), false),
        Output::DepIndex | Output::BuiltinIndex | Output::Devname => (entry, false),
    };
    if !module_last {
        let name = Cow::Borrowed(entry.get(..first(entry)).unwrap_or_default());
        return (name.clone(), name);
    }
    let (key, module) = entry.rsplit_once_str(b" ").unwrap_or((entry, entry));
    (Cow::Borrowed(key), Cow::Borrowed(module))
}

/// Paths in an entry of `modules.dep` or its index: the module's own, then its dependencies.
pub(super) fn paths(output: Output, entry: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = match output {
        Output::DepIndex => entry.split_once_str(b" ").map_or(entry, |(_, line)| line),
        _ => entry,
    };
    line.split(|&b| b == b' ')
        .map(|word| word.strip_suffix(b":").unwrap_or(word))
        .filter(|path| !path.is_empty())
}

/// The difference of two files of one kind.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Entries of the second only.
    pub(super) lacks: Vec<BString>,
    /// Entries of the first only.
    pub(super) extra: Vec<BString>,
    /// The same entries, but with other priorities.
    pub(super) order: bool,
}

impl Difference {
    pub(super) fn is_none(&self) -> bool {
        self.lacks.is_empty() && self.extra.is_empty() && !self.order
    }

    /// Compares a file with the expected one.
    pub(super) fn between(found: &Content, expected: &Content) -> Self {
        if found.with_priorities().eq(expected.with_priorities()) {
            return Self::default();
        }
        let sorted = |content| {
            let mut entries: Vec<(&[u8], u32)> = Content::with_priorities(content).collect();
            sort_by(&mut entries, &Ord::cmp);
            entries
        };
        let (found, expected) = (sorted(found), sorted(expected));
        let mut difference = Self::default();
        merge(
            found.iter().map(|(entry, _)| *entry),
            expected.iter().map(|(entry, _)| *entry),
            |extra| difference.extra.push(extra.into()),
            |lack| difference.lacks.push(lack.into()),
        );
        if difference.is_none() {
            difference.order = found != expected;
        }
        difference
    }

    /// A finding for each module.
    pub(super) fn faults(&self, output: Output) -> impl Iterator<Item = FileFault> {
        let mut by_module: BTreeMap<BString, (Vec<BString>, Vec<BString>)> = BTreeMap::new();
        for entry in &self.lacks {
            by_module.entry(module_of(output, entry)).or_default().0.push(entry.clone());
        }
        for entry in &self.extra {
            by_module.entry(module_of(output, entry)).or_default().1.push(entry.clone());
        }
        let entries = by_module.into_iter();
        let entries = entries.map(|(module, (lacks, extra))| FileFault::Differs { module, lacks, extra });
        entries.chain(self.order.then_some(FileFault::Order))
    }
}

/// Calls back for elements of only one of two sorted sequences.
pub(super) fn merge<T: Ord + Copy>(
    left: impl Iterator<Item = T>,
    right: impl Iterator<Item = T>,
    mut only_left: impl FnMut(T),
    mut only_right: impl FnMut(T),
) {
    use core::cmp::Ordering::{Equal, Greater, Less};

    let (mut left, mut right) = (left.peekable(), right.peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(l), Some(r)) => l.cmp(r),
            (Some(_), None) => Less,
            (None, Some(_)) => Greater,
            (None, None) => return,
        };
        if order == Equal {
            left.next();
            right.next();
        } else if order == Less {
            left.next().into_iter().for_each(&mut only_left);
        } else {
            right.next().into_iter().for_each(&mut only_right);
        }
    }
}

fn module_of(output: Output, entry: &[u8]) -> BString {
    parts(output, entry).1.into_owned().into()
}

/// Whether a text and its index have the same entries.
pub(super) fn agree(text: Output, lines: &Content, index: &Content) -> bool {
    let mut counts: HashMap<&[u8], usize> = HashMap::with_capacity(index.len());
    for entry in index.entries() {
        let count = counts.entry(entry).or_default();
        *count = count.saturating_add(1);
    }
    let mut left = index.len();
    let mut take = |entry: &[u8]| {
        let count = counts.get_mut(entry).filter(|count| **count > 0);
        let found = count.map(|count| *count = count.saturating_sub(1)).is_some();
        left = left.saturating_sub(1);
        found
    };
    let all = lines.entries().all(|line| match text {
        Output::Dep => take(&[&*parts(text, line).0, b" ", line].concat()),
        Output::Alias => {
            let (alias, module) = parts(text, line);
            if is_normal_alias(&alias) {
                return take(line.strip_prefix(b"alias ").unwrap_or(line));
            }
            // An index contains no alias with an unmatched bracket.
            let Ok(alias) = normalize_alias(&alias) else { return true };
            take(&[&*alias.collect::<Vec<u8>>(), b" ", &module].concat())
        }
        _ => take(line.strip_prefix(b"alias ").unwrap_or(line)),
    });
    all && left == 0
}

/// Expected entries that a lookup in a damaged index does not find.
pub(super) fn not_found<'e>(bytes: &[u8], expected: &'e Content, output: Output) -> Vec<&'e [u8]> {
    let Ok(index) = Index::parse(bytes) else { return expected.entries().collect() };
    let gives = |entry: &[u8]| {
        let (key, value) = match output {
            Output::DepIndex | Output::BuiltinIndex => entry.split_once_str(b" "),
            _ => entry.rsplit_once_str(b" "),
        }
        .unwrap_or((entry, b""));
        let Ok(values) = index.values(key) else { return false };
        values.map_while(Result::ok).any(|found| found.bytes == value)
    };
    expected.entries().filter(|entry| !gives(entry)).collect()
}

/// Whether a lookup in a damaged index still finds a value for a key.
pub(super) fn gives_any(bytes: &[u8], key: &[u8]) -> bool {
    let values = Index::parse(bytes).and_then(|index| index.values(key));
    values.is_ok_and(|mut values| matches!(values.next(), Some(Ok(_))))
}

/// Offset of the first unexpected comment of a text.
pub(super) fn wrong_comment(found: &Content, expected: &Content) -> Option<usize> {
    let expected: Vec<&[u8]> = expected.comments.iter().map(|slot| expected.slice(slot)).collect();
    if found.comments.iter().map(|slot| found.slice(slot)).eq(expected.iter().copied()) {
        return None;
    }
    let wrong = found.comments.iter().find(|slot| !expected.contains(&found.slice(slot)));
    Some(wrong.map_or(0, |slot| slot.start))
}

/// The keys of all entries.
pub(super) fn keys(output: Output, content: &Content) -> HashSet<Cow<'_, [u8]>> {
    content.entries().map(|entry| parts(output, entry).0).collect()
}

/// Memory for walks.
pub(super) fn scratch() -> Box<Scratch> {
    Box::new(Scratch::new())
}
