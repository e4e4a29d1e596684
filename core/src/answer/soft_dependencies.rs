//! `modules.softdep` and `modules.weakdep`, line by line.

use alloc::{collections::BTreeMap, vec::Vec};

/// Words of the two parts of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SoftLine<'a> {
    pub(super) pre: Vec<&'a [u8]>,
    pub(super) post: Vec<&'a [u8]>,
}

impl<'a> SoftLine<'a> {
    /// The words after the module's name.
    pub(super) fn of(words: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut soft = SoftLine::default();
        let mut side = None;
        for word in words {
            match word {
                b"pre:" => side = Some(&mut soft.pre),
                b"post:" => side = Some(&mut soft.post),
                word => {
                    if let Some(side) = &mut side {
                        side.push(word);
                    }
                }
            }
        }
        soft
    }
}

/// Soft dependencies by module name, one [`SoftLine`] per line.
///
/// `softdep foo a pre: b c post: d` has `b c` before and `d` after; words before both markers, here `a`, are
/// ignored.
pub(super) fn softdeps(text: &[u8]) -> BTreeMap<&[u8], Vec<SoftLine<'_>>> {
    let mut lines: BTreeMap<&[u8], Vec<SoftLine<'_>>> = BTreeMap::new();
    for (name, words) in entries(text, b"softdep") {
        lines.entry(name).or_default().push(SoftLine::of(words));
    }
    lines
}

/// Weak dependencies by module name, all lines combined.
pub(super) fn weakdeps(text: &[u8]) -> BTreeMap<&[u8], Vec<&[u8]>> {
    let mut all: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for (name, words) in entries(text, b"weakdep") {
        all.entry(name).or_default().extend(words);
    }
    all
}

fn entries<'a>(
    text: &'a [u8],
    command: &'a [u8],
) -> impl Iterator<Item = (&'a [u8], impl Iterator<Item = &'a [u8]>)> {
    text.split(|&b| b == b'\n').filter_map(move |line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        (words.next()? == command).then_some(())?;
        Some((words.next()?, words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn lines_are_parsed() {
        let text = b"# Soft dependencies extracted from modules themselves.\nsoftdep cifs gcm\nsoftdep a pre: x y post: z pre: w\nsoftdep a post: p\nsoftdep\nsoftdep b";
        let soft = softdeps(text);
        assert_eq!(soft.len(), 3);
        assert_eq!(soft[&b"cifs"[..]], [SoftLine::default()]);
        assert_eq!(
            soft[&b"a"[..]],
            [
                SoftLine { pre: vec![b"x", b"y", b"w"], post: vec![b"z"] },
                SoftLine { pre: vec![], post: vec![b"p"] },
            ]
        );
        let weak = weakdeps(b"weakdep a b c\nsoftdep a d\nweakdep a e\n");
        assert_eq!(weak[&b"a"[..]], [b"b", b"c", b"e"]);
    }
}
