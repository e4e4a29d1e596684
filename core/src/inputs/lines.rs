//! Lines as C's `fgets` delivers them.

use alloc::{format, vec::Vec};

/// One piece of text: a line, or what fits of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Which piece of the file this is, from 1; kmod's line numbers count pieces.
    pub(super) number: usize,
    /// The piece with its newline if it has one, up to the first NUL.
    pub(super) text: &'a [u8],
}

impl Line<'_> {
    /// `<file>:<number>`, as messages name it.
    pub(super) fn place(&self, file: &[u8]) -> Vec<u8> {
        [file, format!(":{}", self.number).as_bytes()].concat()
    }
}

/// Iterates over pieces of at most `longest` bytes, newline included.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    longest: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// `longest` must not be 0.
    pub(super) fn new(bytes: &'a [u8], longest: usize) -> Self {
        Self { rest: bytes, longest, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let window = self.rest.get(..self.longest).unwrap_or(self.rest);
        let piece = window.split_inclusive(|&b| b == b'\n').next()?;
        self.rest = self.rest.get(piece.len()..)?;
        self.number = self.number.saturating_add(1);
        let text = piece.split(|&b| b == 0).next()?;
        Some(Line { number: self.number, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_several_and_nul_ends_one() {
        let pieces: Vec<_> =
            Lines::new(b"abcdef\n\nab\0cd\nabcd\nxyz", 4).map(|l| (l.number, l.text)).collect();
        let expected: [(usize, &[u8]); 8] = [
            (1, b"abcd"),
            (2, b"ef\n"),
            (3, b"\n"),
            (4, b"ab"),
            (5, b"d\n"),
            (6, b"abcd"),
            (7, b"\n"),
            (8, b"xyz"),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn place_names_file_and_number() {
        assert_eq!(Line { number: 12, text: b"" }.place(b"/x/Module.symvers"), b"/x/Module.symvers:12");
    }
}
