//! Records in a file: one list of fields defines both writing and reading.
//!
//! Numbers are little-endian; texts and lists follow their length (a `u64`); an optional value is a list of
//! zero or one elements. Example:
//!
//! ```text
//! struct Pair<'f> { path: &'f [u8], tag: Option<u32> }
//! record!('f, Pair<'f>: Pair { path, tag });
//!
//! Pair { path: b"ab", tag: Some(7) }     02 00 00 00 00 00 00 00  61 62
//!                                        01 00 00 00 00 00 00 00  07 00 00 00
//! ```

use crate::digest::Digest;

/// A type that can be part of a record. Reading borrows from the file.
pub(super) trait Field<'f>: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);

    /// Parses the value at the front and removes it; `None` if the bytes are invalid.
    fn read(from: &mut &'f [u8]) -> Option<Self>;
}

/// Makes a structure a [`Field`]; all of its fields must be listed.
macro_rules! record {
    ($life:lifetime, $whole:ty: $name:ident { $($field:ident),* }) => {
        impl<$life> crate::cache::record::Field<$life> for $whole {
            fn write(&self, out: &mut Vec<u8>) {
                $(crate::cache::record::Field::write(&self.$field, out);)*
            }

            fn read(from: &mut &$life [u8]) -> Option<Self> {
                Some($name { $($field: crate::cache::record::Field::read(from)?,)* })
            }
        }
    };
}
pub(super) use record;

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl<'f> Field<'f> for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(from: &mut &'f [u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}
numbers!(u32 u64 u128 i64);

record!('f, Digest: Digest { size, sum });

impl<'f> Field<'f> for &'f [u8] {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        out.extend_from_slice(self);
    }

    fn read(from: &mut &'f [u8]) -> Option<Self> {
        let length = usize::try_from(u64::read(from)?).ok()?;
        let (text, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(text)
    }
}

impl<'f, T: Field<'f>> Field<'f> for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        self.iter().for_each(|item| item.write(out));
    }

    fn read(from: &mut &'f [u8]) -> Option<Self> {
        // No capacity is reserved: a wrong length costs nothing.
        (0..u64::read(from)?).map(|_| T::read(from)).collect()
    }
}

impl<'f, T: Field<'f>> Field<'f> for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        u64::from(self.is_some()).write(out);
        self.iter().for_each(|value| value.write(out));
    }

    fn read(from: &mut &'f [u8]) -> Option<Self> {
        match u64::read(from)? {
            0 => Some(None),
            1 => T::read(from).map(Some),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Pair<'f> {
        path: &'f [u8],
        tag: Option<u32>,
    }
    record!('f, Pair<'f>: Pair { path, tag });

    #[test]
    fn records_have_the_documented_layout() {
        let pair = Pair { path: b"ab", tag: Some(7) };
        let mut bytes = Vec::new();
        pair.write(&mut bytes);
        assert_eq!(bytes, *b"\x02\0\0\0\0\0\0\0ab\x01\0\0\0\0\0\0\0\x07\0\0\0");
        let mut from = bytes.as_slice();
        assert_eq!((Pair::read(&mut from), from), (Some(pair), &b""[..]));
        for length in 0..bytes.len() {
            assert_eq!(Pair::read(&mut &bytes[..length]), None);
        }
    }

    #[test]
    fn wrong_lengths_are_errors() {
        let endless = [0xff; 8];
        assert_eq!(<&[u8]>::read(&mut &endless[..]), None);
        assert_eq!(Vec::<u64>::read(&mut &endless[..]), None);
        assert_eq!(Option::<u32>::read(&mut &endless[..]), None);
    }
}
