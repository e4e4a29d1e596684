//! Patterns that a modalias almost matches.

use alloc::vec::Vec;

use bstr::BString;

use super::alias::{AliasMatch, visit};
use crate::index::{Index, IndexError};
use crate::sort::sort_by;

/// Bytes that may differ: a slip, or another device of the same vendor.
const MOST: usize = 2;

/// The patterns of the same bus that a modalias misses by a few bytes, the closest first. A difference weighs less in
/// a pattern that names more, so a device of the same vendor is closer than a class of devices.
///
/// ```text
/// query    pci:v00008086d000010D4sv…bc02sc00i00
/// near     pci:v00008086d000010D3sv*sd*bc*sc*i*    one byte
/// ```
pub(super) fn near(index: &Index<'_>, query: &[u8], most: usize) -> Result<Vec<AliasMatch>, IndexError> {
    let Some(bus) = query.iter().position(|&b| b == b':').and_then(|end| query.get(..=end)) else {
        return Ok(Vec::new());
    };
    let rest = query.get(bus.len()..).unwrap_or_default();
    let mut found: Vec<(usize, AliasMatch)> = Vec::new();
    let mut rows = Rows::default();
    visit(index, &mut |pattern, value| {
        let Some(tail) = pattern.strip_prefix(bus) else { return };
        let Some(differing) = rows.differing(tail, rest) else { return };
        let literal = tail.iter().filter(|b| !b"*?".contains(b)).count().max(1);
        let weight = differing.saturating_mul(256).checked_div(literal).unwrap_or(0);
        found.push((weight, AliasMatch { pattern: pattern.into(), module: BString::from(value.bytes) }));
    })?;
    sort_by(&mut found, &Ord::cmp);
    found.truncate(most);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// Rows of the table of differences, used again.
#[derive(Default)]
struct Rows {
    /// For each number of bytes of the query: how many of these differ from the pattern so far.
    row: Vec<usize>,
    next: Vec<usize>,
}

impl Rows {
    /// In how many bytes a text must be changed to match a pattern; `None` if they are more than [`MOST`].
    fn differing(&mut self, pattern: &[u8], text: &[u8]) -> Option<usize> {
        const NEVER: usize = usize::MAX;
        self.row.clear();
        self.row.resize(text.len().saturating_add(1), NEVER);
        *self.row.first_mut()? = 0;
        let mut bytes = pattern.iter();
        while let Some(&byte) = bytes.next() {
            self.next.clear();
            match byte {
                b'*' => {
                    let mut least = NEVER;
                    self.next.extend(self.row.iter().map(|&differing| {
                        least = least.min(differing);
                        least
                    }));
                }
                byte => {
                    if byte == b'[' {
                        bytes.find(|byte| **byte == b']');
                    }
                    let free = matches!(byte, b'?' | b'[');
                    self.next.push(NEVER);
                    self.next.extend(self.row.iter().zip(text).map(|(&differing, &meant)| {
                        differing.saturating_add(usize::from(!free && byte != meant))
                    }));
                }
            }
            core::mem::swap(&mut self.row, &mut self.next);
            if self.row.iter().all(|&differing| differing > MOST) {
                return None;
            }
        }
        self.row.last().copied().filter(|&differing| differing <= MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index::IndexBuilder, limits::Limits};

    #[test]
    fn bytes_that_differ() {
        let differing =
            |pattern: &str, text: &str| Rows::default().differing(pattern.as_bytes(), text.as_bytes());
        assert_eq!(differing("v1d2sv*", "v1d2sv9"), Some(0));
        assert_eq!(differing("v1d2sv*", "v1d3sv9"), Some(1));
        assert_eq!(differing("v?d[0-4]*", "v1d9sv9"), Some(0), "a range counts as any byte");
        assert_eq!(differing("*z", "abc"), Some(1));
        assert_eq!(differing("abcdefg", "tuvwxyz"), None);
        assert_eq!(differing("ab", "abc"), None, "a byte too many");
        assert_eq!(differing("", ""), Some(0));
    }

    #[test]
    fn the_same_vendor_comes_before_a_class() {
        let mut builder = IndexBuilder::new();
        let keys = ["pci:v*bc0106*", "pci:v8086d10D3bc*", "pci:v8086d10FFbc*", "usb:v8086d10D4bc0200", "x"];
        for (priority, key) in (0..).zip(keys) {
            builder.insert(key.bytes(), b"m", priority).unwrap();
        }
        let bytes = builder.finish(&Limits::DEFAULT).unwrap();
        let near = |query: &str, most| {
            let found = near(&Index::parse(&bytes).unwrap(), query.as_bytes(), most).unwrap();
            found.into_iter().map(|found| found.pattern).collect::<Vec<_>>()
        };
        let query = "pci:v8086d10D4bc0200";
        assert_eq!(near(query, 9), ["pci:v8086d10D3bc*", "pci:v8086d10FFbc*", "pci:v*bc0106*"]);
        assert_eq!(near(query, 1).len(), 1);
        assert_eq!(near("x", 9), [""; 0]);
        assert_eq!(near("acpi:x", 9), [""; 0]);
    }
}
