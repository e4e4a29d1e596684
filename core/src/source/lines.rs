//! Lines of text files, as the C library's `fgets` reads them.

use crate::name::PATH_MAX;

/// Usable bytes of kmod's line buffer for paths, newline included.
pub(crate) const PATH_LINE: usize = PATH_MAX - 1;

/// One piece of text: a line, or a part of a long line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Number of the piece, from 1; kmod's line numbers count pieces.
    pub(crate) number: usize,
    /// The piece with its newline, if any, up to the first NUL.
    pub(crate) text: &'a [u8],
}

/// Iterates over pieces of at most `longest` bytes, newline included.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    longest: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// `longest` must not be 0.
    pub(crate) fn new(bytes: &'a [u8], longest: usize) -> Self {
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
    use alloc::vec::Vec;

    #[test]
    fn long_lines_are_split_and_nul_ends_a_line() {
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
}
