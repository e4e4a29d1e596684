//! The parts of a file that are in memory.

use alloc::vec::Vec;
use core::ops::Range;

use super::LoadError;
use crate::source::{IoError, ReadAt};

/// Two wanted ranges with a gap of at most this many bytes between them are read in one go: a
/// system call costs about as much as copying this much.
const GAP: u64 = 4096;

/// Parts of one file. The buffer is kept from file to file.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    buffer: Vec<u8>,
    /// What is held, and where it begins in `buffer`.
    held: Vec<(Range<u64>, usize)>,
    used: usize,
}

impl Ranges {
    /// Forgets the file read so far.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.used = 0;
    }

    /// Reads what is not held yet of `wanted`, which it sorts. Ranges lie inside the file.
    pub(super) fn read(
        &mut self,
        file: &mut impl ReadAt,
        wanted: &mut Vec<Range<u64>>,
        limit: u64,
    ) -> Result<(), LoadError> {
        wanted.retain(|range| self.get(range).is_none());
        wanted.sort_unstable_by_key(|range| (range.start, range.end));
        let mut rest = wanted.iter().cloned();
        let Some(mut current) = rest.next() else { return Ok(()) };
        for next in rest {
            if next.start <= current.end.saturating_add(GAP) {
                current.end = current.end.max(next.end);
            } else {
                self.read_one(file, current, limit)?;
                current = next;
            }
        }
        self.read_one(file, current, limit)
    }

    fn read_one(&mut self, file: &mut impl ReadAt, range: Range<u64>, limit: u64) -> Result<(), LoadError> {
        let start = self.used;
        let size = range.end.saturating_sub(range.start).saturating_add(start as u64);
        let end = usize::try_from(size)
            .ok()
            .filter(|_| size <= limit)
            .ok_or(LoadError::TooLarge { size, limit })?;
        if end > self.buffer.len() {
            let more = end.saturating_sub(self.buffer.len());
            self.buffer.try_reserve(more).map_err(|_| IoError::no_memory())?;
            self.buffer.resize(end, 0);
        }
        if let Some(into) = self.buffer.get_mut(start..end) {
            file.read_at(range.start, into)?;
        }
        self.held.push((range, start));
        self.used = end;
        Ok(())
    }

    /// The bytes of a range, if all of them are held; an empty one always is.
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

    /// Counts how often it is read.
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
    fn near_ranges_are_read_together_and_held_ones_not_again() {
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
    fn the_ceiling_counts_all_of_a_file() {
        let mut file = Counted(alloc::vec![0; 50_000], 0);
        let mut ranges = Ranges::default();
        ranges.read(&mut file, &mut alloc::vec![0..60], 100).unwrap();
        let error = ranges.read(&mut file, &mut alloc::vec![10_000..10_060], 100).unwrap_err();
        assert_eq!(error, LoadError::TooLarge { size: 120, limit: 100 });
    }
}
