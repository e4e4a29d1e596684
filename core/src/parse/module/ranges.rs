//! Parts of a file in memory.

use alloc::vec::Vec;
use core::ops::Range;

use super::LoadError;
use crate::{
    source::{IoError, ReadAt},
    zeros,
};

/// Ranges with a gap of at most this many bytes between them are read together: a system call costs about as
/// much as copying this many bytes.
const GAP: u64 = 4096;

/// Parts of one file. The buffer is reused for the next file.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    buffer: Vec<u8>,
    /// Ranges in memory, with their offsets in `buffer`.
    held: Vec<(Range<u64>, usize)>,
    used: usize,
}

impl Ranges {
    /// Discards the current file.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.used = 0;
    }

    /// Reads the missing parts of `wanted`, which it sorts. Ranges are inside the file.
    pub(super) fn read(
        &mut self,
        file: &mut dyn ReadAt,
        wanted: &mut Vec<Range<u64>>,
        limit: u64,
    ) -> Result<(), LoadError> {
        wanted.retain(|range| self.get(range).is_none());
        wanted.sort_unstable_by_key(|range| (range.start, range.end));
        wanted.dedup_by(|next, current| {
            let joined = next.start <= current.end.saturating_add(GAP);
            if joined {
                current.end = current.end.max(next.end);
            }
            joined
        });
        let begin = self.used;
        let mut end = begin;
        for range in wanted.iter() {
            let size = range.end.saturating_sub(range.start).saturating_add(end as u64);
            end = usize::try_from(size)
                .ok()
                .filter(|_| size <= limit)
                .ok_or(LoadError::TooLarge { size, limit })?;
        }
        let more = end.saturating_sub(self.buffer.len());
        self.buffer.try_reserve(more).map_err(|_| IoError::no_memory())?;
        zeros::grow_to(&mut self.buffer, end);
        let mut rest = self.buffer.get_mut(begin..end).unwrap_or_default();
        let mut pieces = Vec::with_capacity(wanted.len());
        for range in wanted.iter() {
            let size = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            let (into, after) = rest.split_at_mut(size.min(rest.len()));
            pieces.push((range.start, into));
            rest = after;
        }
        file.read_all(&mut pieces)?;
        for range in wanted.drain(..) {
            let start = self.used;
            let size = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            self.held.push((range, start));
            self.used = start.saturating_add(size);
        }
        Ok(())
    }

    /// The bytes of a range, if all of them are in memory; an empty range always is.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<&[u8]> {
        if range.is_empty() {
            return Some(&[]);
        }
        let (held, start) =
            self.held.iter().find(|(held, _)| held.start <= range.start && range.end <= held.end)?;
        let skip = usize::try_from(range.start.checked_sub(held.start)?).ok()?;
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        self.buffer.get(start.checked_add(skip)?..)?.get(..length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts reads.
    struct Counted(Vec<u8>, usize);

    impl ReadAt for Counted {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
            self.1 += 1;
            self.0.as_slice().read_at(offset, into)
        }
    }

    #[test]
    fn near_ranges_are_read_together_and_only_once() {
        let mut file = Counted((0..=255).cycle().take(100_000).collect(), 0);
        let mut ranges = Ranges::default();
        ranges.read(&mut file, &mut alloc::vec![90_000..90_010, 10..20, 100..200, 15..18], 1 << 20).unwrap();
        assert_eq!(file.1, 2);
        assert_eq!(ranges.get(&(16..18)), Some(&[16, 17][..]));
        assert_eq!(ranges.get(&(150..151)), Some(&[150][..]));
        assert_eq!(ranges.get(&(90_000..90_001)), Some(&[144][..]));
        assert_eq!(ranges.get(&(90_009..90_011)), None);
        assert_eq!(ranges.get(&(500..500)), Some(&[][..]));
        ranges.read(&mut file, &mut alloc::vec![12..14], 1 << 20).unwrap();
        assert_eq!(file.1, 2);
    }

    #[test]
    fn limit_applies_to_the_sum_of_a_files_ranges() {
        let mut file = Counted(alloc::vec![0; 50_000], 0);
        let mut ranges = Ranges::default();
        ranges.read(&mut file, &mut alloc::vec![0..60], 100).unwrap();
        let error = ranges.read(&mut file, &mut alloc::vec![10_000..10_060], 100).unwrap_err();
        assert_eq!(error, LoadError::TooLarge { size: 120, limit: 100 });
    }
}
