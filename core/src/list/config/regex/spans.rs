//! Sets of spans: the matches of a sub-expression in one text.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "positions and words are counted in usize, below the text's length plus 1; shifts are below 64"
)]

use alloc::{vec, vec::Vec};

use crate::diagnostic::PatternError;

/// Number of remaining elementary operations. One step reads or writes one word of 64 positions.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) fn new(steps: usize) -> Self {
        Self { left: steps }
    }

    fn spend(&mut self, steps: usize) -> Result<(), PatternError> {
        self.left = self.left.checked_sub(steps).ok_or(PatternError::TooCostly)?;
        Ok(())
    }
}

/// The set of end positions for each start position, as a bit matrix. A text of n bytes has the positions 0
/// to n. An end is never before its start.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    /// Words in a row; at least 1.
    words: usize,
    /// Consecutive rows, one for each position.
    bits: Vec<u64>,
}

impl Spans {
    /// A sub-expression without a match.
    pub(super) fn nowhere(text: &[u8], budget: &mut Budget) -> Result<Self, PatternError> {
        let positions = text.len().checked_add(1).ok_or(PatternError::TooCostly)?;
        let words = positions.div_ceil(64);
        let size = positions.checked_mul(words).ok_or(PatternError::TooCostly)?;
        budget.spend(size)?;
        Ok(Self { words, bits: vec![0; size] })
    }

    /// The empty sub-expression at each position for which `holds` is true.
    pub(super) fn positions(
        text: &[u8],
        budget: &mut Budget,
        holds: impl Fn(usize) -> bool,
    ) -> Result<Self, PatternError> {
        let mut spans = Self::nowhere(text, budget)?;
        for (position, row) in spans.rows_mut().enumerate().filter(|(position, _)| holds(*position)) {
            insert(row, position);
        }
        Ok(spans)
    }

    /// One byte for which `matches` is true.
    pub(super) fn byte(
        text: &[u8],
        budget: &mut Budget,
        matches: impl Fn(u8) -> bool,
    ) -> Result<Self, PatternError> {
        let mut spans = Self::nowhere(text, budget)?;
        for ((start, row), _) in spans.rows_mut().enumerate().zip(text).filter(|(_, byte)| matches(**byte)) {
            insert(row, start + 1);
        }
        Ok(spans)
    }

    /// Whether there is any match.
    pub(super) fn any(&self) -> bool {
        self.bits.iter().any(|&word| word != 0)
    }

    /// This or `other`.
    pub(super) fn or(mut self, other: &Self) -> Self {
        unite(&mut self.bits, &other.bits);
        self
    }

    /// This, then `next`.
    pub(super) fn then(&self, next: &Self, budget: &mut Budget) -> Result<Self, PatternError> {
        let mut out = self.blank(budget)?;
        for (row, into) in self.bits.chunks_exact(self.words).zip(out.rows_mut()) {
            for middle in members(row) {
                budget.spend(self.words)?;
                unite(into, next.row(middle));
            }
        }
        Ok(out)
    }

    /// This exactly `count` times in a row.
    pub(super) fn times(&self, count: u16, budget: &mut Budget) -> Result<Self, PatternError> {
        let mut out = self.empty(budget)?;
        for bit in (0..u16::BITS - count.leading_zeros()).rev() {
            out = out.then(&out, budget)?;
            if count >> bit & 1 == 1 {
                out = out.then(self, budget)?;
            }
        }
        Ok(out)
    }

    /// This, or nothing.
    pub(super) fn optional(&self, budget: &mut Budget) -> Result<Self, PatternError> {
        Ok(self.empty(budget)?.or(self))
    }

    /// This zero or more times in a row.
    pub(super) fn any_times(&self, budget: &mut Budget) -> Result<Self, PatternError> {
        let mut out = self.empty(budget)?;
        // Spans point forward, so iterating backward completes the rows that a row depends on first.
        for start in (0..self.bits.len() / self.words).rev() {
            let mut row = out.row(start).to_vec();
            for middle in members(self.row(start)).filter(|&middle| middle > start) {
                budget.spend(self.words)?;
                unite(&mut row, out.row(middle));
            }
            unite(out.row_mut(start), &row);
        }
        Ok(out)
    }

    /// No match, for the same text.
    fn blank(&self, budget: &mut Budget) -> Result<Self, PatternError> {
        budget.spend(self.bits.len())?;
        Ok(Self { words: self.words, bits: vec![0; self.bits.len()] })
    }

    /// The empty sub-expression, for the same text.
    fn empty(&self, budget: &mut Budget) -> Result<Self, PatternError> {
        let mut out = self.blank(budget)?;
        for (position, row) in out.rows_mut().enumerate() {
            insert(row, position);
        }
        Ok(out)
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u64]> {
        self.bits.chunks_exact_mut(self.words)
    }

    fn row(&self, start: usize) -> &[u64] {
        self.bits.get(start * self.words..(start + 1) * self.words).unwrap_or_default()
    }

    fn row_mut(&mut self, start: usize) -> &mut [u64] {
        self.bits.get_mut(start * self.words..(start + 1) * self.words).unwrap_or_default()
    }
}

fn insert(row: &mut [u64], position: usize) {
    if let Some(word) = row.get_mut(position / 64) {
        *word |= 1 << (position % 64);
    }
}

fn unite(into: &mut [u64], other: &[u64]) {
    for (word, other) in into.iter_mut().zip(other) {
        *word |= other;
    }
}

/// The positions in a row, ascending.
fn members(row: &[u64]) -> impl Iterator<Item = usize> {
    row.iter().enumerate().flat_map(|(index, &word)| {
        let bits = core::iter::successors(Some(word), |&word| Some(word & (word - 1)));
        bits.take(word.count_ones() as usize).map(move |word| index * 64 + word.trailing_zeros() as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_ascending() {
        assert!(members(&[0b1001, 0, 1 << 63]).eq([0, 3, 191]));
        assert_eq!(members(&[0, 0]).next(), None);
        assert!(members(&[u64::MAX]).eq(0..64));
    }

    #[test]
    fn rows_can_span_several_words() {
        let text = [b'a'; 200];
        let budget = &mut Budget::new(1_000_000);
        let a = Spans::byte(&text, budget, |b| b == b'a').unwrap();
        assert!(a.times(200, budget).unwrap().any());
        assert!(!a.times(201, budget).unwrap().any());
        assert!(members(a.any_times(budget).unwrap().row(63)).eq(63..=200));
        assert!(members(a.times(70, budget).unwrap().row(100)).eq([170]));
    }

    #[test]
    fn exhausted_budgets_are_errors() {
        let budget = &mut Budget::new(10);
        assert_eq!(Spans::nowhere(&[0; 100], budget).unwrap_err(), PatternError::TooCostly);
        assert!(Spans::nowhere(b"123456789", budget).is_ok());
        assert_eq!(Spans::nowhere(b"", budget).unwrap_err(), PatternError::TooCostly);
    }
}
