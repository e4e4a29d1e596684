//! The format of the cache file.
//!
//! ```text
//! 0    magic: u64        "depmodc2"; the last character is the version of this format
//! 8    head: Digest      size (u64) and checksum (u128) of the head
//! 32   body: Digest      size and checksum of the body
//! 56   the head          Head
//! …    the body          a list of CachedModule
//! ```
//!
//! A run without changes reads only the head, which is small. The facts in the body are the core's blocks
//! (`depmod_core::parts::parse::module::Facts`).

use depmod_core::Output;

use super::record::{Field, record};
use crate::digest::Digest;
use crate::source::{Stamp, Time};

record!('f, Stamp: Stamp { device, inode, size, modified, changed });
record!('f, Time: Time { seconds, nanoseconds });

/// Common to the magics of all versions of this format.
pub(super) const NAME: &[u8; 7] = b"depmodc";
/// Changes with every change of this format.
const MAGIC: u64 = u64::from_le_bytes(*b"depmodc2");

/// The start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    magic: u64,
    head: Digest,
    body: Digest,
}
record!('f, Prefix: Prefix { magic, head, body });

/// The owner of the file, and the last result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head<'f> {
    /// The program that wrote the file; another program may extract other facts from the same modules.
    pub(super) program: &'f [u8],
    /// The module directory.
    pub(super) directory: &'f [u8],
    /// The ID of its file system.
    pub(super) filesystem: u64,
    pub(super) result: Option<LastResult>,
}
record!('f, Head<'f>: Head { program, directory, filesystem, result });

/// Result of a run without diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastResult {
    /// Checksum of all input of the result.
    pub(super) input: u128,
    /// The index files, in the order of [`Output::ALL`].
    pub(super) outputs: Vec<Digest>,
}
record!('f, LastResult: LastResult { input, outputs });

/// One module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CachedModule<'f> {
    pub(super) path: &'f [u8],
    pub(super) stamp: Stamp,
    pub(super) facts: &'f [u8],
}
record!('f, CachedModule<'f>: CachedModule { path, stamp, facts });

impl Prefix {
    pub(super) const LEN: usize = 56;

    /// Parses a prefix; checks it against the size of the file.
    pub(super) fn parse(mut bytes: &[u8], file_size: u64) -> Option<Self> {
        let prefix = Self::read(&mut bytes)?;
        let size = (Self::LEN as u64).checked_add(prefix.head.size)?.checked_add(prefix.body.size)?;
        (bytes.is_empty() && prefix.magic == MAGIC && size == file_size).then_some(prefix)
    }

    /// Sizes of head and body.
    pub(super) fn sizes(&self) -> (u64, u64) {
        (self.head.size, self.body.size)
    }

    pub(super) fn head<'f>(&self, bytes: &'f [u8]) -> Option<Head<'f>> {
        let head: Head<'_> = checked(bytes, self.head)?;
        let outputs = head.result.as_ref().map_or(Output::ALL.len(), |result| result.outputs.len());
        (outputs == Output::ALL.len()).then_some(head)
    }

    pub(super) fn body<'f>(&self, bytes: &'f [u8]) -> Option<Vec<CachedModule<'f>>> {
        checked(bytes, self.body)
    }
}

/// A complete file.
pub(super) fn encode<'f>(head: &Head<'f>, cached: &Vec<CachedModule<'f>>) -> Vec<u8> {
    let mut file = vec![0; Prefix::LEN];
    head.write(&mut file);
    let body = file.len();
    cached.write(&mut file);
    let prefix =
        Prefix { magic: MAGIC, head: Digest::of(&file[Prefix::LEN..body]), body: Digest::of(&file[body..]) };
    let mut bytes = Vec::with_capacity(Prefix::LEN);
    prefix.write(&mut bytes);
    file[..Prefix::LEN].copy_from_slice(&bytes);
    file
}

fn checked<'f, T: Field<'f>>(mut bytes: &'f [u8], digest: Digest) -> Option<T> {
    if Digest::of(bytes) != digest {
        return None;
    }
    T::read(&mut bytes).filter(|_| bytes.is_empty())
}

/// Reads a damaged file: two bytes with the length of the head, the head, and the body, with right checksums or
/// as a file of its own. What is valid is written as it was.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(data: &[u8]) {
    use depmod_core::parts::parse::module::Facts;

    if let Some((prefix, rest)) = data.split_at_checked(Prefix::LEN)
        && let Some(prefix) = Prefix::parse(prefix, data.len() as u64)
        && let Some(head) = usize::try_from(prefix.sizes().0).ok().and_then(|size| rest.get(..size))
    {
        let _ = prefix.head(head);
    }
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let (head, body) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let prefix = Prefix { magic: MAGIC, head: Digest::of(head), body: Digest::of(body) };
    let (head, body) = (prefix.head(head), prefix.body(body));
    for module in body.iter().flatten() {
        if let Ok(facts) = Facts::from_bytes(module.facts.to_vec()) {
            let _ = (facts.exports().count(), facts.needs().count(), facts.modinfo().count());
        }
    }
    if let (Some(head), Some(body)) = (head, body) {
        assert!(encode(&head, &body)[Prefix::LEN..] == *rest, "a valid file is written as it was");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(words: [u64; 3], times: [(i64, u32); 2]) -> Stamp {
        let mut bytes = Vec::new();
        words.iter().for_each(|word| word.write(&mut bytes));
        for (seconds, nanoseconds) in times {
            seconds.write(&mut bytes);
            nanoseconds.write(&mut bytes);
        }
        Stamp::read(&mut bytes.as_slice()).unwrap()
    }

    fn parse(file: &[u8]) -> Option<(Head<'_>, Vec<CachedModule<'_>>)> {
        let (prefix, rest) = file.split_at_checked(Prefix::LEN)?;
        let prefix = Prefix::parse(prefix, file.len() as u64)?;
        let (head, body) = rest.split_at(usize::try_from(prefix.sizes().0).unwrap());
        Some((prefix.head(head)?, prefix.body(body)?))
    }

    #[test]
    fn results_with_another_number_of_outputs_are_invalid() {
        let result = LastResult { input: 1, outputs: vec![Digest::of(b""); 10] };
        let head = Head { program: b"p", directory: b"/d", filesystem: 7, result: Some(result) };
        assert_eq!(parse(&encode(&head, &Vec::new())), None);
    }

    proptest! {
        // Checksums reject such bytes; this covers a checksum that matches by accident.
        #[test]
        fn parsing_invalid_records_never_reads_past_the_end(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            small: bool,
        ) {
            if small {
                // Every eighth byte holds a plausible length.
                bytes.iter_mut().enumerate().filter(|(at, _)| at % 8 != 0).for_each(|(_, byte)| *byte = 0);
            }
            let mut rest = bytes.as_slice();
            if let Some(head) = Head::read(&mut rest) {
                prop_assert!(head.program.len() + head.directory.len() + rest.len() <= bytes.len());
            }
            let mut rest = bytes.as_slice();
            if let Some(cached) = Vec::<CachedModule<'_>>::read(&mut rest) {
                let held: usize = cached.iter().map(|module| module.path.len() + module.facts.len()).sum();
                prop_assert!(held + rest.len() <= bytes.len());
            }
        }

        #[test]
        fn encoded_files_parse_back(
            program in prop::collection::vec(any::<u8>(), 0..9),
            result in prop::option::of((any::<u128>(), any::<u64>(), any::<u128>())),
            modules in prop::collection::vec(
                (".{0,9}", any::<[u64; 3]>(), any::<[(i64, u32); 2]>(), prop::collection::vec(any::<u8>(), 0..9)),
                0..5,
            ),
            at in any::<prop::sample::Index>(),
            flip in 1..=255u8,
        ) {
            let outputs = |size, sum| vec![Digest { size, sum }; Output::ALL.len()];
            let result =
                result.map(|(input, size, sum)| LastResult { input, outputs: outputs(size, sum) });
            let head = Head { program: &program, directory: b"/d", filesystem: 7, result };
            let cached: Vec<_> = modules
                .iter()
                .map(|(path, words, times, facts)| CachedModule {
                    path: path.as_bytes(),
                    stamp: stamp(*words, *times),
                    facts,
                })
                .collect();
            let mut file = encode(&head, &cached);
            prop_assert_eq!(parse(&file), Some((head, cached)));

            let at = at.index(file.len());
            prop_assert_eq!(parse(&file[..at]), None, "truncated");
            file[at] ^= flip;
            prop_assert_eq!(parse(&file), None, "corrupt");
            file[at] ^= flip;
            file.push(0);
            prop_assert_eq!(parse(&file), None, "too long");
        }
    }
}
