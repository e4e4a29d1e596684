//! Suggestions for misspelt names.

use alloc::{boxed::Box, vec::Vec};

use bstr::BString;

use crate::index::{Index, IndexError, Scratch};
use crate::sort::sort_by;

/// Limit on the length of compared words, in bytes; longer ones are not typed by hand.
const LONGEST: usize = 64;
/// Limit on the distance of close words.
const FARTHEST: usize = 3;

/// Keys of indexes that are close to a word, the closest first, at most `most`. Patterns are no names.
///
/// ```text
/// nvem      nvme
/// virtio    virtio_pci, virtio_blk, …
/// ```
///
/// # Errors
/// When an index is corrupt.
pub fn nearest<'i>(
    query: &[u8],
    indexes: impl IntoIterator<Item = Index<'i>>,
    most: usize,
) -> Result<Vec<BString>, IndexError> {
    let mut close = Close::new(query);
    if !close.is_word() {
        return Ok(Vec::new());
    }
    let mut scratch = Box::new(Scratch::new());
    for index in indexes {
        let mut entries = index.entries(&mut scratch);
        let mut last = Vec::new();
        while let Some((key, _)) = entries.next_entry()? {
            if key == last || key.iter().any(|b| b"*?[:".contains(b)) {
                continue;
            }
            last.clear();
            last.extend_from_slice(key);
            close.look_at(key);
        }
    }
    Ok(close.finish(most))
}

/// The names that are close to a word, the closest first, at most `most`.
pub(super) fn closest(query: &[u8], names: &mut dyn Iterator<Item = &[u8]>, most: usize) -> Vec<BString> {
    let mut close = Close::new(query);
    if close.is_word() {
        names.for_each(|name| close.look_at(name));
    }
    close.finish(most)
}

/// The close names so far.
struct Close {
    query: Vec<u8>,
    /// Distance, whether the name does not begin with the query, length, name.
    names: Vec<(usize, usize, usize, BString)>,
}

impl Close {
    fn new(query: &[u8]) -> Self {
        Self { query: query.iter().map(normal).collect(), names: Vec::new() }
    }

    fn is_word(&self) -> bool {
        !self.query.is_empty() && self.query.len() <= LONGEST && !self.query.contains(&b':')
    }

    fn look_at(&mut self, name: &[u8]) {
        if let Some(distance) = distance(&self.query, name, self.query.len()) {
            let other_start = usize::from(!name.starts_with(&self.query));
            self.names.push((distance, other_start, name.len(), name.into()));
        }
    }

    fn finish(mut self, most: usize) -> Vec<BString> {
        sort_by(&mut self.names, &Ord::cmp);
        self.names.dedup_by(|a, b| a.3 == b.3);
        self.names.into_iter().take(most).map(|(_, _, _, name)| name).collect()
    }
}

/// The word that is closest to another one, of those that are close. Dashes do not count, and a word may go on where
/// a name ends.
pub fn nearest_word<'n>(word: &[u8], words: &mut dyn Iterator<Item = &'n str>) -> Option<&'n str> {
    let letters = |word: &[u8]| -> Vec<u8> { word.iter().map(normal).filter(|byte| *byte != b'_').collect() };
    let word = letters(word);
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let close = words.filter_map(|name| {
        let letters = letters(name.as_bytes());
        let begins = (letters.len() > 3 && word.starts_with(&letters)).then_some(FARTHEST);
        Some((distance(&word, &letters, word.len().max(letters.len())).or(begins)?, name))
    });
    close.min().map(|(_, name)| name)
}

fn normal(byte: &u8) -> u8 {
    match byte {
        b'-' => b'_',
        byte => byte.to_ascii_lowercase(),
    }
}

/// The edit distance of two words: inserted, missing, replaced and swapped bytes. `None` above the limit for a
/// typing error in so many letters. Words that begin with the whole query are close, too.
fn distance(query: &[u8], name: &[u8], letters: usize) -> Option<usize> {
    let most = letters.wrapping_div(3).clamp(1, FARTHEST);
    if query.len() >= 3 && name.starts_with(query) && name.len() > query.len() {
        return Some(name.len().saturating_sub(query.len()).min(2));
    }
    if name.len() > LONGEST || name.len().abs_diff(query.len()) > most {
        return None;
    }
    // Rows of the table of distances between beginnings: the one before the last, the last, the current.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=name.len()).collect();
    let mut previous = None;
    for (row, typed) in query.iter().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row.saturating_add(1));
        let mut left = None;
        for (column, meant) in name.iter().map(normal).enumerate() {
            let at = |cells: &[usize], column: usize| cells.get(column).copied().unwrap_or(usize::MAX);
            let next = column.saturating_add(1);
            let other = at(&last, column).saturating_add(usize::from(*typed != meant));
            let mut least =
                other.min(at(&last, next).saturating_add(1)).min(at(&current, column).saturating_add(1));
            if previous == Some(meant) && left == Some(*typed) {
                least = least.min(at(&before, column.saturating_sub(1)).saturating_add(1));
            }
            current.push(least);
            left = Some(meant);
        }
        if current.iter().min().is_some_and(|least| *least > most) {
            return None;
        }
        before = core::mem::replace(&mut last, current);
        previous = Some(*typed);
    }
    last.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index::IndexBuilder, limits::Limits};

    #[test]
    fn slips() {
        for (query, name, expected) in [
            ("nvem", "nvme", Some(1)),
            ("nvme", "nvme", Some(0)),
            ("nvm", "nvme", Some(1)),
            ("ext", "ext4", Some(1)),
            ("nvm", "nvme_core", Some(2)),
            ("exf4", "ext4", Some(1)),
            ("ext44", "ext4", Some(1)),
            ("nv", "nvme", None),
            ("e1000", "nvme", None),
        ] {
            assert_eq!(distance(query.as_bytes(), name.as_bytes(), query.len()), expected, "{query} {name}");
        }
    }

    #[test]
    fn the_closest_word() {
        let words = ["verify", "plan", "from-index", "from-modules"];
        for (word, expected) in [
            ("verfy", Some("verify")),
            ("vrfy", Some("verify")),
            ("Plan", Some("plan")),
            ("from-modul", Some("from-modules")),
            ("from-indes", Some("from-index")),
            ("fromindex", Some("from-index")),
            ("frommod", Some("from-modules")),
            ("verify-all", Some("verify")),
            ("ver", Some("verify")),
            ("pla", Some("plan")),
            ("explain", None),
            ("", None),
        ] {
            assert_eq!(nearest_word(word.as_bytes(), &mut words.into_iter()), expected, "{word}");
        }
    }

    #[test]
    fn the_closest_first() {
        let mut builder = IndexBuilder::new();
        for key in ["nvme", "nvme_core", "nvmet", "nv*e", "name", "virtio_blk", "xfs"] {
            builder.insert(key.bytes(), b"x", 0).unwrap();
        }
        let bytes = builder.finish(&Limits::DEFAULT).unwrap();
        let index = Index::parse(&bytes).unwrap();
        assert_eq!(nearest(b"nvem", [index], 9).unwrap(), ["nvme"]);
        assert_eq!(nearest(b"nvme", [index, index], 3).unwrap(), ["nvme", "nvmet", "name"]);
        assert_eq!(nearest(b"nvm", [index], 2).unwrap(), ["nvme", "nvmet"]);
        assert_eq!(nearest(b"nam", [index], 2).unwrap(), ["name"]);
        assert_eq!(nearest(b"xvme", [index], 1).unwrap(), ["nvme"]);
        assert_eq!(nearest(b"VIRTIO-BLK", [index], 3).unwrap(), ["virtio_blk"]);
        assert_eq!(nearest(b"pci:v1", [index], 3).unwrap(), [""; 0]);
    }
}
