//! The process that holds a lock.

use std::os::fd::OwnedFd;

use depmod_core::Source;
use rustix::fs::{major, minor};

use crate::source::DiskSource;

/// The process that holds the lock of this directory, where `/proc/locks` tells it: not in another container,
/// and not on file systems whose device number is not that of their files.
pub(super) fn process(dir: &OwnedFd) -> Option<u32> {
    let stat = rustix::fs::fstat(dir).ok()?;
    let file = format!("{:02x}:{:02x}:{}", major(stat.st_dev), minor(stat.st_dev), stat.st_ino);
    find(&DiskSource.read(b"/proc/locks", 1 << 20).ok()?, file.as_bytes())
}

/// `1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF`. The second word of a process that waits is an arrow.
fn find(locks: &[u8], file: &[u8]) -> Option<u32> {
    locks.split(|&byte| byte == b'\n').find_map(|line| {
        let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        match *words {
            [_, b"FLOCK", _, _, process, place, ..] if place == file => {
                str::from_utf8(process).ok()?.parse().ok().filter(|&process| process > 0)
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_found_by_their_file() {
        let locks = b"1: POSIX  ADVISORY  WRITE 11 08:01:131 0 EOF\n\
            2: FLOCK  ADVISORY  WRITE 12 08:01:13 0 EOF\n\
            3: -> FLOCK  ADVISORY  WRITE 13 08:01:131 0 EOF\n\
            4: FLOCK  ADVISORY  READ 0 08:01:131 0 EOF\n\
            5: FLOCK  ADVISORY  READ 4711 08:01:131 0 EOF\n";
        assert_eq!(find(locks, b"08:01:131"), Some(4711));
        assert_eq!(find(locks, b"08:01:1"), None);
        assert_eq!(find(b"\n1: FLOCK\n", b"08:01:131"), None);
    }
}
