//! The fields of the header, shared by reader and writer.

/// Alignment of every part of an archive.
pub const ALIGN: usize = 4;

/// Mask of the file type in a mode.
pub const MODE_TYPE: u32 = 0o170_000;
/// Type of a regular file.
pub const MODE_FILE: u32 = 0o100_000;
/// Type of a directory.
pub const MODE_DIRECTORY: u32 = 0o040_000;
/// Type of a symbolic link; its data is the target.
pub const MODE_LINK: u32 = 0o120_000;

/// Magic of members without checksums.
pub(super) const MAGIC: [u8; 6] = *b"070701";
/// Magic of members with the sum of all data bytes in `check`.
pub(super) const MAGIC_CHECKSUM: [u8; 6] = *b"070702";
/// Name of the last member of an archive.
pub(crate) const TRAILER: &[u8] = b"TRAILER!!!";
/// Linux's limit on the length of a name, NUL included.
pub(super) const NAME_MAX: usize = crate::name::PATH_MAX;

const DIGITS: usize = 8;

macro_rules! header {
    ($($(#[$doc:meta])* $field:ident),+ $(,)?) => {
        /// The fields after the magic, in file order.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Header { $($(#[$doc])* pub(crate) $field: u32),+ }

        impl Header {
            /// Bytes of magic and fields together.
            pub(super) const LEN: usize = MAGIC.len() $(+ { let _ = stringify!($field); DIGITS })+;

            /// Appends magic and fields.
            pub(crate) fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(&MAGIC);
                $( out.extend_from_slice(&to_hex(self.$field)); )+
            }

            /// Parses the fields after a magic; `None` if there are invalid digits or missing bytes.
            pub(super) fn read(fields: &[u8]) -> Option<Self> {
                let mut chunks = fields.as_chunks::<DIGITS>().0.iter();
                Some(Self { $($field: from_hex(chunks.next()?)?),+ })
            }
        }
    };
}

header! {
    /// Inode number: identifies hard links.
    ino,
    /// File type and permissions.
    mode,
    uid,
    gid,
    nlink,
    mtime,
    /// Bytes of data.
    filesize,
    devmajor,
    devminor,
    rdevmajor,
    rdevminor,
    /// Bytes of the name, its NUL included.
    namesize,
    /// Sum of the data bytes, with the checksum magic only.
    check,
}

static_assertions::const_assert_eq!(Header::LEN, 110);

fn to_hex(value: u32) -> [u8; DIGITS] {
    let mut shift = u32::BITS;
    [(); DIGITS].map(|()| {
        shift = shift.saturating_sub(4);
        let digit = value.wrapping_shr(shift) & 0xf;
        char::from_digit(digit, 16).map_or(b'0', |c| c.to_ascii_uppercase() as u8)
    })
}

fn from_hex(digits: &[u8; DIGITS]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, &b| Some(value.wrapping_shl(4) | char::from(b).to_digit(16)?))
}

/// Number of zeros after `len` bytes.
pub(crate) fn padding(len: usize) -> usize {
    len.wrapping_neg() % ALIGN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_round_trip(words in any::<[u32; 13]>()) {
            let mut bytes = alloc::vec::Vec::from(MAGIC);
            words.iter().for_each(|&word| bytes.extend(to_hex(word)));
            let header = Header::read(&bytes[6..]).unwrap();
            prop_assert_eq!((header.ino, header.mode, header.check), (words[0], words[1], words[12]));
            let mut again = alloc::vec::Vec::new();
            header.write(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn signs_are_invalid_digits() {
        assert_eq!(from_hex(b"0000001F"), Some(31));
        assert_eq!(from_hex(b"0000001f"), Some(31));
        assert_eq!(from_hex(b"+000001F"), None);
        assert_eq!(Header::read(&[b'0'; 103]), None);
    }
}
