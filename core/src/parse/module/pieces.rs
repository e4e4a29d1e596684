//! Modules too large to be in memory, decoded in pieces.

use alloc::vec::Vec;

use super::LoadError;
use crate::{
    decompress::{Compression, DecodeError, Decoder, Feed},
    limits::Limits,
    parse::elf::{ElfError, FileHeader},
    source::{IoError, ReadAt},
};

/// Bytes kept from the end of the module: section headers and their names are usually there.
const TAIL: usize = 1 << 20;

/// Readings of one module. A module needs two, or three if its section headers are not at its end.
const READINGS: usize = 16;

/// The decoded bytes of a file. Each reading decodes the file from its begin.
pub(super) struct Pieces<'p> {
    file: &'p mut dyn ReadAt,
    decoder: &'p mut dyn Decoder,
    format: Compression,
    limits: &'p Limits,
    /// The first bytes.
    head: Vec<u8>,
    /// The last bytes.
    tail: Vec<u8>,
    size: u64,
    readings: usize,
    /// Why the last reading failed, if it was not the file's reader.
    pub(super) error: Option<DecodeError>,
}

impl<'p> Pieces<'p> {
    /// Decodes the file once: for its size, its header and its end.
    pub(super) fn new(
        file: &'p mut dyn ReadAt,
        decoder: &'p mut dyn Decoder,
        format: Compression,
        limits: &'p Limits,
    ) -> Result<Self, LoadError> {
        let (mut head, mut tail, mut size) = (Vec::new(), Vec::new(), 0u64);
        tail.try_reserve_exact(2 * TAIL).map_err(|_| IoError::no_memory())?;
        let (none, readings, error) = (Vec::new(), 0, None);
        let mut this =
            Self { file, decoder, format, limits, head: none.clone(), tail: none, size, readings, error };
        let read = this.read(&mut |offset, bytes| {
            let missing = FileHeader::MAX_LEN.saturating_sub(head.len());
            head.extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
            for bytes in bytes.chunks(TAIL) {
                if tail.len().saturating_add(bytes.len()) > 2 * TAIL {
                    tail.drain(..tail.len().saturating_sub(TAIL));
                }
                tail.extend_from_slice(bytes);
            }
            size = offset.saturating_add(bytes.len() as u64);
            // The rest of a file that is too large, or not ELF, is not needed.
            size <= limits.module_size && (head.len() < FileHeader::MAX_LEN || FileHeader::is_elf(&head))
        });
        match (read, this.error.take()) {
            (_, Some(error)) => return Err(error.into()),
            (Err(error), None) => return Err(error.into()),
            (Ok(()), None) => {}
        }
        if size > limits.module_size {
            return Err(DecodeError::too_large(format, limits).into());
        }
        if !FileHeader::is_elf(&head) {
            return Err(ElfError::NotElf.into());
        }
        (this.head, this.tail, this.size) = (head, tail, size);
        Ok(this)
    }

    /// Decodes the file until `each` returns `false`; calls it with each piece and its offset.
    fn read(&mut self, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), IoError> {
        self.readings = self.readings.saturating_add(1);
        if self.readings > READINGS {
            return Err(IoError::other("Too many readings of one module"));
        }
        let Self { file, decoder, format, limits, .. } = self;
        let mut at = 0u64;
        let mut failed = None;
        let mut input = |into: &mut [u8]| {
            let left = usize::try_from(file.size().saturating_sub(at)).unwrap_or(usize::MAX);
            let count = into.len().min(left);
            let Some(into) = into.get_mut(..count) else { return 0 };
            match file.read_at(at, into) {
                Ok(()) => {
                    at = at.saturating_add(count as u64);
                    count
                }
                Err(error) => {
                    failed = Some(error);
                    0
                }
            }
        };
        let feed = Feed::new(&mut input).ok_or_else(IoError::no_memory)?;
        let mut offset = 0u64;
        let decoded = decoder.pieces(*format, feed, limits, &mut |bytes| {
            let here = offset;
            offset = offset.saturating_add(bytes.len() as u64);
            each(here, bytes)
        });
        match (failed, decoded) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(()),
            (None, Err(error)) => {
                self.error = Some(error);
                Err(IoError::invalid())
            }
        }
    }

    /// Copies from the bytes that are kept.
    fn copy(&self, offset: u64, into: &mut [u8]) -> Option<()> {
        let tail = self.size.saturating_sub(self.tail.len() as u64);
        let (kept, start) = match offset.checked_sub(tail) {
            Some(start) => (&self.tail, start),
            None => (&self.head, offset),
        };
        let bytes = kept.get(usize::try_from(start).ok()?..)?.get(..into.len())?;
        into.copy_from_slice(bytes);
        Some(())
    }
}

impl ReadAt for Pieces<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), IoError> {
        self.read_all(&mut [(offset, into)])
    }

    fn read_all(&mut self, pieces: &mut [(u64, &mut [u8])]) -> Result<(), IoError> {
        let mut missing: Vec<(u64, &mut [u8])> = Vec::new();
        for (offset, into) in pieces {
            if self.copy(*offset, into).is_none() {
                missing.push((*offset, into));
            }
        }
        let Some(end) = missing.iter().map(|(offset, into)| offset.saturating_add(into.len() as u64)).max()
        else {
            return Ok(());
        };
        if end > self.size {
            return Err(IoError::other("Read beyond the end"));
        }
        self.read(&mut |begin, bytes| {
            for (offset, into) in &mut missing {
                // The part of the wanted bytes that this piece has.
                let skipped = usize::try_from(begin.saturating_sub(*offset)).unwrap_or(usize::MAX);
                let start = usize::try_from(offset.saturating_sub(begin)).unwrap_or(usize::MAX);
                if let (Some(into), Some(from)) = (into.get_mut(skipped..), bytes.get(start..)) {
                    let count = into.len().min(from.len());
                    if let (Some(into), Some(from)) = (into.get_mut(..count), from.get(..count)) {
                        into.copy_from_slice(from);
                    }
                }
            }
            begin.saturating_add(bytes.len() as u64) < end
        })
    }
}
