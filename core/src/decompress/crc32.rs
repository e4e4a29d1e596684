//! CRC-32 of gzip (RFC 1952 §8), four bytes at a time. Faster crates have tables of 16 KiB, too much for the
//! small programs.

/// Remainders of one byte, followed by zero to three bytes of zeros.
const TABLES: [[u32; 256]; 4] = tables();

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
#[allow(clippy::cast_possible_truncation, reason = "a number below 256")]
const fn tables() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let (mut table, mut rest) = (0, byte as u32);
        while table < 4 {
            let mut bit = 0;
            while bit < 8 {
                rest = if rest & 1 == 0 { rest >> 1 } else { (rest >> 1) ^ 0xedb8_8320 };
                bit += 1;
            }
            tables[table][byte] = rest;
            table += 1;
        }
        byte += 1;
    }
    tables
}

/// The checksum of bytes so far.
#[derive(Clone, Copy)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    pub(crate) const fn new() -> Self {
        Self(u32::MAX)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let [one, two, three, four] = &TABLES;
        let at = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
        let (words, rest) = bytes.as_chunks::<4>();
        let mut crc = self.0;
        for word in words {
            let [a, b, c, d] = (crc ^ u32::from_le_bytes(*word)).to_le_bytes();
            crc = at(four, a) ^ at(three, b) ^ at(two, c) ^ at(one, d);
        }
        for byte in rest {
            let [low, ..] = crc.to_le_bytes();
            crc = (crc >> 8) ^ at(one, low ^ byte);
        }
        self.0 = crc;
    }

    pub(crate) const fn finish(self) -> u32 {
        !self.0
    }

    pub(crate) fn of(bytes: &[u8]) -> u32 {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(Crc32::of(b"123456789"), 0xcbf4_3926);
        assert_eq!(Crc32::of(b""), 0);
        assert_eq!(Crc32::of(b"depmod"), 0xf0ff_3e14);
        let bytes: [u8; 64] = core::array::from_fn(|at| at as u8 ^ 0x5a);
        for split in 0..bytes.len() {
            let mut crc = Crc32::new();
            crc.update(&bytes[..split]);
            crc.update(&bytes[split..]);
            assert_eq!(crc.finish(), Crc32::of(&bytes), "{split}");
        }
    }
}
