//! Iteration over the members of archives.

use core::fmt;

use bstr::BStr;

use super::header::{
    Header, MAGIC, MAGIC_CHECKSUM, MODE_DIRECTORY, MODE_FILE, MODE_LINK, MODE_TYPE, NAME_MAX, TRAILER,
    padding,
};

/// One archive member. Name and data borrow from the archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name as stored, with a leading `./` or `/`, without its NUL.
    pub name: &'a [u8],
    /// File type and permissions.
    pub mode: u32,
    /// Content of a file or target of a link.
    pub data: &'a [u8],
    /// Position of the header in the archive.
    pub offset: usize,
    /// Number of names of the file; above 1, another of them may have the data.
    pub links: u32,
    /// Identity of the file, shared by all its names: device and inode.
    pub identity: [u32; 3],
}

/// Names as text.
impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("name", &BStr::new(self.name))
            .field("mode", &self.mode)
            .field("offset", &self.offset)
            .finish()
    }
}

impl Member<'_> {
    /// A regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & MODE_TYPE == MODE_FILE
    }

    /// A directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & MODE_TYPE == MODE_DIRECTORY
    }

    /// A symbolic link.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.mode & MODE_TYPE == MODE_LINK
    }
}

/// An error in an archive, with its location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpioError {
    /// The cause.
    pub kind: ErrorKind,
    /// Offset of the member's header in bytes.
    pub offset: usize,
}

/// Causes of [`CpioError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no newc header at this offset.
    Magic,
    /// A header field is not hexadecimal.
    Number,
    /// The archive ends inside a member or before its trailer.
    Truncated,
    /// A name that is empty, too long, unterminated, or contains another NUL.
    Name,
    /// The checksum of the data is wrong.
    Checksum,
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Magic => "no newc cpio header",
            ErrorKind::Number => "bad number in cpio header",
            ErrorKind::Truncated => "cpio archive is truncated",
            ErrorKind::Name => "bad name in cpio archive",
            ErrorKind::Checksum => "wrong checksum in cpio archive",
        };
        write!(f, "{what} at offset {:#x}", self.offset)
    }
}

impl core::error::Error for CpioError {}

/// Iterates over the members of concatenated archives, without trailers. Ends after an error.
///
/// ```
/// use depmod_core::parts::cpio::{Builder, Members};
/// let mut builder = Builder::new();
/// builder.file(b"a", b"hi");
/// let twice = builder.build().unwrap().repeat(2);
/// assert!(Members::new(&twice).all(|member| member.unwrap().data == b"hi"));
/// ```
#[derive(Clone, Debug)]
pub struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    inside: bool,
}

impl<'a> Members<'a> {
    /// Starts at the beginning of `bytes`, which may be several concatenated archives.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        // Empty input is not an archive.
        Self { bytes, at: 0, inside: true }
    }

    fn next_member(&mut self) -> Result<Option<Member<'a>>, CpioError> {
        loop {
            if !self.inside {
                self.skip_zeros();
                if self.at >= self.bytes.len() {
                    return Ok(None);
                }
                self.inside = true;
            }
            let (member, next) = self.member_at(self.at)?;
            self.at = next;
            if member.name != TRAILER {
                return Ok(Some(member));
            }
            self.inside = false;
        }
    }

    fn skip_zeros(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let zeros = rest.iter().take_while(|&&b| b == 0).count();
        self.at = self.at.saturating_add(zeros);
    }

    fn member_at(&self, offset: usize) -> Result<(Member<'a>, usize), CpioError> {
        let fail = |kind| CpioError { kind, offset };
        let mut cursor = Cursor { bytes: self.bytes, at: offset };
        let magic = cursor.take(MAGIC.len()).ok_or(fail(ErrorKind::Truncated))?;
        if magic != MAGIC && magic != MAGIC_CHECKSUM {
            return Err(fail(ErrorKind::Magic));
        }
        let fields =
            cursor.take(Header::LEN.saturating_sub(MAGIC.len())).ok_or(fail(ErrorKind::Truncated))?;
        let header = Header::read(fields).ok_or(fail(ErrorKind::Number))?;

        let size = |word: u32| usize::try_from(word).map_err(|_| fail(ErrorKind::Truncated));
        let (name_size, data_size) = (size(header.namesize)?, size(header.filesize)?);
        if name_size > NAME_MAX {
            return Err(fail(ErrorKind::Name));
        }
        let name = cursor.take(name_size).ok_or(fail(ErrorKind::Truncated))?;
        let name = match name.split_last() {
            Some((0, name)) if !name.is_empty() && !name.contains(&0) => name,
            _ => return Err(fail(ErrorKind::Name)),
        };
        cursor.align(offset);
        let data = cursor.take(data_size).ok_or(fail(ErrorKind::Truncated))?;
        // The last padding may be missing, without loss of data.
        cursor.align(offset);

        let sum = |data: &[u8]| data.iter().fold(0_u32, |sum, &b| sum.wrapping_add(u32::from(b)));
        if magic == MAGIC_CHECKSUM && sum(data) != header.check {
            return Err(fail(ErrorKind::Checksum));
        }
        let member = Member {
            name,
            mode: header.mode,
            data,
            offset,
            links: header.nlink,
            identity: [header.devmajor, header.devminor, header.ino],
        };
        Ok((member, cursor.at))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, CpioError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_member();
        if next.is_err() {
            (self.at, self.inside) = (self.bytes.len(), false);
        }
        next.transpose()
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..len)?;
        self.at = self.at.checked_add(len)?;
        Some(taken)
    }

    /// Advances to the next multiple of four, counted from the member's header.
    fn align(&mut self, start: usize) {
        let padded = self.at.saturating_add(padding(self.at.saturating_sub(start)));
        self.at = padded.min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec, vec::Vec};
    use proptest::prelude::*;

    fn raw(magic: &str, name: &str, data: &[u8], check: u32) -> Vec<u8> {
        let head = format!(
            "{magic}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08x}{:08X}{:08X}{:08X}{:08X}{:08X}{check:08X}",
            7,
            0o100_644,
            0,
            0,
            1,
            99,
            data.len(),
            0,
            0,
            0,
            0,
            name.len() + 1,
        );
        let mut out = head.into_bytes();
        out.extend(name.bytes().chain([0]));
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn kinds(bytes: &[u8]) -> Vec<Result<&[u8], (ErrorKind, usize)>> {
        Members::new(bytes).map(|e| e.map(|e| e.name).map_err(|e| (e.kind, e.offset))).collect()
    }

    #[test]
    fn concatenated_archives_are_read() {
        let mut bytes = raw("070701", "./a", b"hello", 0);
        bytes.extend(raw("070701", "TRAILER!!!", b"", 0));
        bytes.resize(bytes.len() + 512, 0);
        let second = bytes.len();
        bytes.extend(raw("070702", "/b", b"\x01\x02\xff", 0x102));
        bytes.extend(raw("070701", "TRAILER!!!", b"", 0));
        assert_eq!(kinds(&bytes), [Ok(&b"./a"[..]), Ok(b"/b")]);
        let member = Members::new(&bytes).nth(1).unwrap().unwrap();
        assert_eq!((member.offset, member.data, member.is_file()), (second, &b"\x01\x02\xff"[..], true));
    }

    #[test]
    fn errors_are_reported_with_their_offset() {
        use ErrorKind::*;
        let a = raw("070701", "a", b"1", 0);
        let trailer = raw("070701", "TRAILER!!!", b"", 0);
        assert_eq!(kinds(b""), [Err((Truncated, 0))]);
        assert_eq!(kinds(b"07070"), [Err((Truncated, 0))]);
        assert_eq!(kinds(b"070707"), [Err((Magic, 0))]);
        assert_eq!(kinds(&a), [Ok(&b"a"[..]), Err((Truncated, a.len()))], "no trailer");
        assert_eq!(kinds(&[&*trailer, b"\0\0\0\x28"].concat()), [Err((Truncated, trailer.len() + 3))]);
        assert_eq!(kinds(&raw("070702", "a", b"1", 0)), [Err((Checksum, 0))]);
        assert_eq!(kinds(&raw("070701", "", b"", 0)), [Err((Name, 0))]);
        assert_eq!(kinds(&raw("070701", "a\0b", b"", 0)), [Err((Name, 0))]);
        assert_eq!(kinds(&raw("070701", &"n".repeat(4096), b"", 0)), [Err((Name, 0))]);

        let mut huge = a.clone();
        huge[54..62].copy_from_slice(b"FFFFFFFF");
        assert_eq!(kinds(&huge), [Err((Truncated, 0))]);
        huge[54..62].copy_from_slice(b"0000000g");
        assert_eq!(kinds(&huge), [Err((Number, 0))]);
        let mut nameless = a;
        nameless[94..102].copy_from_slice(b"00000000");
        assert_eq!(kinds(&nameless), [Err((Name, 0))]);
    }

    proptest! {
        #[test]
        fn arbitrary_changes_do_not_panic(at in 0_usize..400, to: u8, cut in 0_usize..400) {
            let mut bytes = [raw("070701", "lib", b"abcdef", 0), raw("070702", "x/y", b"", 0),
                raw("070701", "TRAILER!!!", b"", 0)].concat();
            let len = bytes.len();
            bytes[at % len] = to;
            bytes.truncate(len - cut % len);
            prop_assert!(Members::new(&bytes).count() <= 4);
        }
    }

    #[test]
    fn iteration_ends_after_an_error() {
        let bytes = vec![b'x'; 1000];
        assert_eq!(Members::new(&bytes).count(), 1);
    }
}
