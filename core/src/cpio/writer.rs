//! Reproducible archives.

use alloc::{borrow::Cow, collections::BTreeMap, vec::Vec};
use core::fmt;

use bstr::{BStr, BString};

use super::header::{Header, MODE_DIRECTORY, MODE_FILE, NAME_MAX, TRAILER, padding};
use crate::sort::sort_by;

/// Collects files, then writes them sorted: inode numbers are sequential, times and owners are zero, modes
/// are 0644 and 0755, and all parent directories of a file precede it.
///
/// The name of a directory has a trailing slash, so that Linux follows links: if an earlier archive made
/// `lib` a link to `usr/lib`, a member `lib` would replace the link, `lib/` preserves it.
#[derive(Clone, Debug, Default)]
pub struct Builder<'a> {
    /// Directories have no content.
    members: BTreeMap<BString, Option<Cow<'a, [u8]>>>,
}

/// The reason for an archive that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// An invalid name: empty, too long, with a NUL or `..`, equal to the trailer's, or used both for a file
    /// and for a directory.
    Name(BString),
    /// A file of 4 GiB or more.
    TooLarge(BString),
    /// Not enough memory for this many bytes.
    Memory(usize),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "invalid name for a cpio archive: {}", name.escape_ascii()),
            Self::TooLarge(name) => write!(f, "too large for a cpio archive: {}", name.escape_ascii()),
            Self::Memory(size) => write!(f, "no memory for a cpio archive of {size} bytes"),
        }
    }
}

impl core::error::Error for BuildError {}

/// Stored name, and the content of a file.
type Planned<'b> = (Cow<'b, [u8]>, Option<&'b [u8]>);

impl<'a> Builder<'a> {
    /// An archive without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or replaces it; leading slashes and `.` components are ignored.
    pub fn file(&mut self, path: &[u8], content: impl Into<Cow<'a, [u8]>>) {
        self.members.insert(clean(path).into(), Some(content.into()));
    }

    /// Adds a directory, which may be empty.
    pub fn directory(&mut self, path: &[u8]) {
        self.members.entry(clean(path).into()).or_insert(None);
    }

    /// Moves the content of one directory to another one.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn moved(self, from: &[u8], to: &[u8]) -> Self {
        let moved = |(path, content): (BString, _)| match path.strip_prefix(from) {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => ([to, rest].concat().into(), content),
            _ => (path, content),
        };
        Self { members: self.members.into_iter().map(moved).collect() }
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When newc cannot store a name or file, or memory is exhausted.
    pub fn build(&self) -> Result<Vec<u8>, BuildError> {
        self.build_onto(&|_| false)
    }

    /// Writes the archive for unpacking over existing directories: directories for which `is_there` is true
    /// get no member, and so keep their modes and owners. Its argument is a path without a trailing slash.
    ///
    /// # Errors
    /// As for [`Self::build`].
    pub fn build_onto(&self, is_there: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, BuildError> {
        let mut out = Vec::new();
        let mut plan = self.plan()?;
        plan.retain(|(name, content)| {
            content.is_some() || !is_there(name.strip_suffix(b"/").unwrap_or(name))
        });
        write(&plan, &mut out)?;
        Ok(out)
    }

    /// Appends the archive to others, at a multiple of four. `out` is unchanged on failure.
    ///
    /// # Errors
    /// As for [`Self::build`].
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<(), BuildError> {
        write(&self.plan()?, out)
    }

    /// Members in order, with explicit parents.
    fn plan(&self) -> Result<Vec<Planned<'_>>, BuildError> {
        let mut plan: Vec<Planned<'_>> = Vec::with_capacity(self.members.len());
        // The parents of the latest member; sorting keeps the members below a directory together.
        let mut open: Vec<&[u8]> = Vec::new();
        for (path, content) in &self.members {
            let refused = || BuildError::Name(path.clone());
            let bad_part = |part: &[u8]| part == b".." || part.contains(&0);
            let too_long = path.len() > NAME_MAX.saturating_sub(2);
            if path.is_empty() || path == TRAILER || too_long || path.split(|&b| b == b'/').any(bad_part) {
                return Err(refused());
            }
            if content.as_ref().is_some_and(|content| u32::try_from(content.len()).is_err()) {
                return Err(BuildError::TooLarge(path.clone()));
            }
            open.retain(|dir| is_below(path, dir));
            let from = open.last().map_or(0, |dir| dir.len().saturating_add(1));
            let below = path.get(from..).unwrap_or_default();
            let ends = below.iter().enumerate().filter(|&(_, &b)| b == b'/');
            for end in ends.map(|(end, _)| from.saturating_add(end)) {
                let dir = path.get(..end).unwrap_or_default();
                if self.members.get(BStr::new(dir)).is_some_and(Option::is_some) {
                    return Err(refused());
                }
                open.push(dir);
                plan.push((with_slash(dir), None));
            }
            match content {
                Some(content) => plan.push((Cow::Borrowed(path), Some(content))),
                None => {
                    open.push(path);
                    plan.push((with_slash(path), None));
                }
            }
        }
        sort_by(&mut plan, &|(a, _): &Planned<'_>, (b, _)| a.cmp(b));
        plan.dedup_by(|(a, _), (b, _)| a == b);
        Ok(plan)
    }
}

fn write(plan: &[Planned<'_>], out: &mut Vec<u8>) -> Result<(), BuildError> {
    let sizes = plan.iter().try_fold(padding(out.len()), |sum: usize, (name, content)| {
        sum.checked_add(member_size(name.len(), content.map_or(0, <[u8]>::len))?)
    });
    let size = sizes.and_then(|sum| sum.checked_add(member_size(TRAILER.len(), 0)?));
    let size = size.ok_or(BuildError::Memory(usize::MAX))?;
    out.try_reserve_exact(size).map_err(|_| BuildError::Memory(size))?;

    pad(out);
    for (ino, (name, content)) in (1..).zip(plan) {
        let (mode, nlink) = match content {
            Some(_) => (MODE_FILE | 0o644, 1),
            None => (MODE_DIRECTORY | 0o755, 2),
        };
        write_member(
            out,
            name,
            content.unwrap_or_default(),
            Header { ino, mode, nlink, ..Header::default() },
        );
    }
    write_member(out, TRAILER, b"", Header { nlink: 1, ..Header::default() });
    Ok(())
}

fn is_below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn with_slash(dir: &[u8]) -> Cow<'static, [u8]> {
    let mut name = dir.to_vec();
    name.push(b'/');
    Cow::Owned(name)
}

/// Components joined by single slashes, without `.`.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for part in path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if !out.is_empty() {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
    out
}

fn member_size(name: usize, data: usize) -> Option<usize> {
    let head = Header::LEN.checked_add(name)?.checked_add(1)?;
    let head = head.checked_add(padding(head))?;
    head.checked_add(data)?.checked_add(padding(data))
}

fn write_member(out: &mut Vec<u8>, name: &[u8], data: &[u8], header: Header) {
    let word = |len: usize| u32::try_from(len).unwrap_or(u32::MAX); // `plan` has rejected larger values
    Header { filesize: word(data.len()), namesize: word(name.len().saturating_add(1)), ..header }.write(out);
    out.extend_from_slice(name);
    out.push(0);
    pad(out);
    out.extend_from_slice(data);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().saturating_add(padding(out.len())), 0);
}

#[cfg(test)]
mod tests {
    use super::super::{Member, Members};
    use super::*;
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;

    fn names(bytes: &[u8]) -> Vec<(&[u8], u32)> {
        Members::new(bytes).map(Result::unwrap).map(|Member { name, mode, .. }| (name, mode)).collect()
    }

    #[test]
    fn directories_precede_files_and_end_in_a_slash() {
        let mut builder = Builder::new();
        builder.file(b"/lib/modules/6.1/a-b/x.ko", b"1");
        builder.file(b"./lib/modules/6.1/a/y.ko", b"2");
        builder.file(b"lib/modules/6.1/a.ko", b"3");
        builder.directory(b"lib//modules/");
        let bytes = builder.build().unwrap();
        let (d, f) = (0o040_755, 0o100_644);
        assert_eq!(
            names(&bytes),
            [
                (&b"lib/"[..], d),
                (b"lib/modules/", d),
                (b"lib/modules/6.1/", d),
                (b"lib/modules/6.1/a-b/", d),
                (b"lib/modules/6.1/a-b/x.ko", f),
                (b"lib/modules/6.1/a.ko", f),
                (b"lib/modules/6.1/a/", d),
                (b"lib/modules/6.1/a/y.ko", f),
            ]
        );
    }

    #[test]
    fn one_file_has_the_expected_bytes() {
        let mut builder = Builder::new();
        builder.file(b"a", b"hi");
        let expected: &[u8] = b"07070100000001000081A4000000000000000000000001000000000000000200000000\
            000000000000000000000000000000020000000\x30a\0hi\0\0\
            0707010000000000000000000000000000000000000001000000000000000000000000\
            0000000000000000000000000000000B00000000TRAILER!!!\0\0\0\0";
        assert_eq!(builder.build().unwrap().escape_ascii().to_string(), expected.escape_ascii().to_string());
        let mut after = vec![1, 2, 3];
        builder.append_to(&mut after).unwrap();
        assert_eq!(after, [&[1, 2, 3, 0], expected].concat());
    }

    #[test]
    fn invalid_names_are_errors() {
        for paths in [&[&b"a"[..], b"a/b"][..], &[b"/"], &[b"a/../b"], &[b"TRAILER!!!"], &[b"a\0"]] {
            let mut builder = Builder::new();
            paths.iter().for_each(|path| builder.file(path, b""));
            assert!(matches!(builder.build(), Err(BuildError::Name(_))), "{paths:?}");
        }
        let mut builder = Builder::new();
        builder.file(&[b'x'; 4095], b"");
        assert!(builder.build().is_err());
    }

    proptest! {
        #[test]
        fn archives_round_trip_in_any_order(
            files in prop::collection::btree_map("[ab]{1,2}(/[ab]{1,2}){0,2}\\.ko", prop::collection::vec(any::<u8>(), 0..9), 0..9)
        ) {
            let (mut forth, mut back) = (Builder::new(), Builder::new());
            files.iter().for_each(|(path, data)| forth.file(path.as_bytes(), &**data));
            files.iter().rev().for_each(|(path, data)| back.file(path.as_bytes(), &**data));
            let bytes = forth.build().unwrap();
            prop_assert_eq!(&bytes, &back.build().unwrap());
            prop_assert_eq!(bytes.len() % 4, 0);
            let read: BTreeMap<_, _> = Members::new(&bytes).map(Result::unwrap).filter(Member::is_file)
                .map(|e| (alloc::string::String::from_utf8(e.name.to_vec()).unwrap(), e.data.to_vec())).collect();
            prop_assert_eq!(read, files);
        }
    }
}
