//! Zeros at the end of a buffer that is about to be overwritten.

use alloc::vec::Vec;

/// Copied as one block.
const ZEROS: [u8; 512] = [0; 512];

/// Grows `buffer` to `length` with zeros; never shrinks it. In builds for size, `Vec::resize` writes each byte on
/// its own: more than half of the time of decoding all modules in firmware.
pub(crate) fn grow_to(buffer: &mut Vec<u8>, length: usize) {
    while let Some(missing @ 1..) = length.checked_sub(buffer.len()) {
        buffer.extend_from_slice(ZEROS.get(..missing).unwrap_or(&ZEROS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_grow_to_any_length() {
        for (before, length) in
            [(0, 0), (0, 1), (3, 512), (3, 515), (3, 516), (0, 1024), (7, 100_000), (9, 2)]
        {
            let mut buffer = alloc::vec![1; before];
            grow_to(&mut buffer, length);
            assert_eq!(buffer.len(), length.max(before));
            assert!(buffer.iter().enumerate().all(|(at, &byte)| byte == u8::from(at < before)));
        }
    }
}
