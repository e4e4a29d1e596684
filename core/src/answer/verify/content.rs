//! What an index file says, whatever its layout: entries that can be compared.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use bstr::{BString, ByteSlice};

use super::Fault;
use crate::{
    index::{Flaw, Index, IndexError, Layout, Scratch, VERSION},
    name::{module_name, normalize_alias},
    output::Output,
};

/// An entry: a line of a text, or key and value of an index with a space between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) text: BString,
    /// A module's place in the order; only an index tells it.
    priority: u32,
}

/// The entries of a file that could be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) entries: Vec<Entry>,
    /// How the nodes of an index are ordered.
    pub(super) layout: Option<Layout>,
    /// A text whose last line does not end; where that line begins.
    pub(super) unended: Option<usize>,
    /// Comments of a text, each with its place: the heading.
    comments: Vec<(usize, BString)>,
}

/// Reads a file; notes what is wrong with its form. `None` if nothing of it can be told. `len` is the
/// length that it should have, if that is known.
pub(super) fn read(
    output: Output,
    bytes: &[u8],
    len: Option<usize>,
    scratch: &mut Scratch,
    faults: &mut Vec<Fault>,
) -> Option<Content> {
    if output.is_index() {
        match read_index(bytes, scratch) {
            Ok(content) => Some(content),
            Err(IndexError::Corrupt { offset, flaw: Flaw::Trailing }) => {
                faults.push(Fault::Trailing { offset, bytes: bytes.len().saturating_sub(offset) });
                bytes.get(..offset).and_then(|whole| read_index(whole, scratch).ok())
            }
            Err(error) => {
                faults.push(fault_of(error, bytes.len(), len));
                None
            }
        }
    } else {
        Some(read_text(output, bytes, faults))
    }
}

/// What an error of an index says about the file.
fn fault_of(error: IndexError, found: usize, len: Option<usize>) -> Fault {
    match error {
        IndexError::TooShort { len } => Fault::Cut { offset: len },
        IndexError::Magic { .. } | IndexError::Version { .. } => Fault::Foreign(error),
        IndexError::Corrupt { offset, flaw: Flaw::Truncated | Flaw::Unterminated | Flaw::Reference }
            if len.is_none_or(|len| found < len) =>
        {
            Fault::Cut { offset: offset.min(found) }
        }
        _ => Fault::Corrupt(error),
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
    let summary = index.check(scratch)?;
    let mut entries = Vec::with_capacity(summary.values);
    let mut walk = index.entries(scratch);
    while let Some((key, value)) = walk.next_entry()? {
        entries.push(Entry { text: [key, b" ", value.bytes].concat().into(), priority: value.priority });
    }
    Ok(Content { entries, layout: Some(summary.layout), ..Content::default() })
}

fn read_text(output: Output, bytes: &[u8], faults: &mut Vec<Fault>) -> Content {
    let mut content = Content::default();
    let mut offset: usize = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        match line.strip_suffix(b"\n") {
            None => content.unended = Some(offset),
            Some(line) if line.starts_with(b"#") => content.comments.push((offset, line.into())),
            Some(line) if is_line(output, line) => {
                content.entries.push(Entry { text: line.into(), priority: 0 });
            }
            Some(_) => faults.push(Fault::BadLine { offset }),
        }
        offset = offset.saturating_add(line.len());
    }
    content
}

/// Whether a line has the form that this file's lines have.
fn is_line(output: Output, line: &[u8]) -> bool {
    let words = || line.split(|&b| b == b' ');
    let first = words().next().unwrap_or_default();
    match output {
        Output::Dep => first.strip_suffix(b":").is_some_and(|path| !path.is_empty()),
        Output::Alias => first == b"alias" && words().count() >= 3,
        Output::Symbols => line.starts_with(b"alias symbol:") && words().count() >= 3,
        Output::Softdep => first == b"softdep" && words().count() >= 3,
        Output::Weakdep => first == b"weakdep" && words().count() >= 3,
        Output::Devname => words().count() == 3,
        _ => false,
    }
}

/// Key and module of an entry. A module's own name is the key of what is said about it.
pub(super) fn parts(output: Output, entry: &[u8]) -> (BString, BString) {
    let first = |text: &[u8]| BString::from(text.split(|&b| b == b' ').next().unwrap_or_default());
    let both = |name: BString| (name.clone(), name);
    let (entry, module_last) = match output {
        Output::Dep => {
            let path = first(entry);
            return both(module_name(&path).collect::<Vec<u8>>().into());
        }
        Output::Alias | Output::Symbols => (entry.strip_prefix(b"alias ").unwrap_or(entry), true),
        Output::AliasIndex | Output::SymbolsIndex | Output::BuiltinAliasIndex => (entry, true),
        Output::Softdep => (entry.strip_prefix(b"softdep ").unwrap_or(entry), false),
        Output::Weakdep => (entry.strip_prefix(b"weakdep ").unwrap_or(entry), false),
        Output::DepIndex | Output::BuiltinIndex | Output::Devname => (entry, false),
    };
    if !module_last {
        return both(first(entry));
    }
    match entry.rsplit_once_str(b" ") {
        Some((key, module)) => (key.into(), module.into()),
        None => both(entry.into()),
    }
}

/// Paths that an entry of `modules.dep` or its index names: the module's own, then what it needs.
pub(super) fn paths(output: Output, entry: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = match output {
        Output::DepIndex => entry.split_once_str(b" ").map_or(entry, |(_, line)| line),
        _ => entry,
    };
    line.split(|&b| b == b' ')
        .map(|word| word.strip_suffix(b":").unwrap_or(word))
        .filter(|path| !path.is_empty())
}

/// How two files of one kind differ.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Entries of the second that the first has not.
    pub(super) lacks: Vec<BString>,
    /// Entries of the first that the second has not.
    pub(super) extra: Vec<BString>,
    /// The same entries, but with other priorities.
    pub(super) order: bool,
}

impl Difference {
    pub(super) fn is_none(&self) -> bool {
        self.lacks.is_empty() && self.extra.is_empty() && !self.order
    }

    /// Compares what is there with what should be there.
    pub(super) fn between(found: &Content, expected: &Content) -> Self {
        if found.entries == expected.entries {
            return Self::default();
        }
        let sorted = |content: &Content| {
            let mut entries = content.entries.clone();
            entries.sort_unstable();
            entries
        };
        let (found, expected) = (sorted(found), sorted(expected));
        let mut difference = Self::default();
        merge(
            found.iter().map(|entry| &entry.text),
            expected.iter().map(|entry| &entry.text),
            |extra| difference.extra.push(extra.clone()),
            |lack| difference.lacks.push(lack.clone()),
        );
        if difference.is_none() {
            difference.order = found != expected;
        }
        difference
    }

    /// A finding for each module.
    pub(super) fn faults(&self, output: Output) -> impl Iterator<Item = Fault> {
        let mut by_module: BTreeMap<BString, (Vec<BString>, Vec<BString>)> = BTreeMap::new();
        for entry in &self.lacks {
            by_module.entry(parts(output, entry).1).or_default().0.push(entry.clone());
        }
        for entry in &self.extra {
            by_module.entry(parts(output, entry).1).or_default().1.push(entry.clone());
        }
        let entries = by_module.into_iter();
        let entries = entries.map(|(module, (lacks, extra))| Fault::Entries { module, lacks, extra });
        entries.chain(self.order.then_some(Fault::Order))
    }
}

/// Calls back for what only one of two sorted sequences has.
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

/// Whether a text and the index beside it say the same.
pub(super) fn agree(text: Output, lines: &Content, index: &Content) -> bool {
    let key = |line: &[u8]| -> Option<Vec<u8>> {
        match text {
            Output::Dep => {
                let (_, module) = parts(text, line);
                Some([module.as_slice(), b" ", line].concat())
            }
            Output::Alias => {
                let (alias, module) = parts(text, line);
                let mut key: Vec<u8> = normalize_alias(&alias).ok()?.collect();
                key.push(b' ');
                key.extend_from_slice(&module);
                Some(key)
            }
            _ => Some(line.strip_prefix(b"alias ")?.to_vec()),
        }
    };
    let mut expected: Vec<Vec<u8>> = lines.entries.iter().filter_map(|line| key(&line.text)).collect();
    expected.sort_unstable();
    let mut found: Vec<&[u8]> = index.entries.iter().map(|entry| entry.text.as_slice()).collect();
    found.sort_unstable();
    expected.iter().map(Vec::as_slice).eq(found)
}

/// Of the entries that an index should have, those that a look-up in a damaged one does not give.
pub(super) fn not_found<'e>(bytes: &[u8], expected: &'e Content, output: Output) -> Vec<&'e Entry> {
    let Ok(index) = Index::parse(bytes) else { return expected.entries.iter().collect() };
    let gives = |entry: &Entry| {
        let (key, value) = match output {
            Output::DepIndex | Output::BuiltinIndex => entry.text.split_once_str(b" "),
            _ => entry.text.rsplit_once_str(b" "),
        }
        .unwrap_or((&entry.text, b""));
        let Ok(values) = index.values(key) else { return false };
        values.map_while(Result::ok).any(|found| found.bytes == value)
    };
    expected.entries.iter().filter(|entry| !gives(entry)).collect()
}

/// Whether a look-up in a damaged index still gives anything for a key.
pub(super) fn gives_any(bytes: &[u8], key: &[u8]) -> bool {
    let values = Index::parse(bytes).and_then(|index| index.values(key));
    values.is_ok_and(|mut values| matches!(values.next(), Some(Ok(_))))
}

/// Where the comments of a text are not those that it should have.
pub(super) fn wrong_comment(found: &Content, expected: &Content) -> Option<usize> {
    let texts = |content: &Content| content.comments.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    let expected = texts(expected);
    if texts(found) == expected {
        return None;
    }
    let wrong = found.comments.iter().find(|(_, text)| !expected.contains(text));
    Some(wrong.map_or(0, |(offset, _)| *offset))
}

/// The keys of all entries.
pub(super) fn keys(output: Output, content: &Content) -> BTreeSet<BString> {
    content.entries.iter().map(|entry| parts(output, &entry.text).0).collect()
}

/// Memory for walks.
pub(super) fn scratch() -> Box<Scratch> {
    Box::new(Scratch::new())
}
