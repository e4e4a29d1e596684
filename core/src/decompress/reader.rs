//! The input of the decoders' crates: one type for files in memory and for files in pieces, so that a program
//! holds each decoder once.

/// Bytes from a function. It fills the bytes that it gets as far as there are more, and returns their number.
pub(super) struct Reader<'r>(pub(super) &'r mut dyn FnMut(&mut [u8]) -> usize);

#[cfg(feature = "xz")]
impl lzma_rust2::Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, lzma_rust2::Error> {
        Ok((self.0)(into))
    }
}

#[cfg(feature = "zst")]
impl ruzstd::io::Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, ruzstd::io::Error> {
        Ok((self.0)(into))
    }
}

/// Moves bytes from the begin of `file` to `into`; returns their number.
pub(super) fn take(file: &mut &[u8], into: &mut [u8]) -> usize {
    let count = file.len().min(into.len());
    if let (Some((now, later)), Some(into)) = (file.split_at_checked(count), into.get_mut(..count)) {
        into.copy_from_slice(now);
        *file = later;
    }
    count
}
