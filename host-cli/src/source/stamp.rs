//! Stamps identify the version of a file that was read.

use std::time::{Duration, SystemTime};

/// The status of a file. Every change of the bytes changes the stamp: only the system sets `changed`, and
/// sets it to the present. `Stamp::is_settled` has the exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
}

/// Since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// Ten times the interval at which a kernel's clock advances file times, or more.
const STEP: Duration = Duration::from_millis(100);

impl Stamp {
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the types differ by architecture")]
    #[allow(clippy::useless_conversion, reason = "the types differ by architecture")]
    pub(crate) fn new(stat: &rustix::fs::Stat) -> Self {
        // A time out of range differs from all times in range.
        let time = |seconds: i64, nanoseconds: u64| Time {
            seconds,
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(u32::MAX),
        };
        Self {
            device: stat.st_dev.into(),
            inode: stat.st_ino.into(),
            size: stat.st_size as u64,
            modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }

    /// The device of its file system.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether any change after `read`, the start of reading, must change the stamp. It need not if the file
    /// changed just before: two changes within one interval of the clock have the same time. Nor if the
    /// change time is a whole second: image builders write such times, and file systems with a resolution of
    /// one second.
    pub(crate) fn is_settled(&self, read: SystemTime) -> bool {
        let limit = read.checked_sub(STEP).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let before = |time: Time| {
            limit.is_some_and(|limit| {
                let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
                time < Time { seconds, nanoseconds: limit.subsec_nanos() }
            })
        };
        self.changed.nanoseconds != 0 && before(self.modified) && before(self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Time {
        Time { seconds, nanoseconds }
    }

    fn settled(modified: Time, changed: Time) -> bool {
        let stamp = Stamp { device: 1, inode: 2, size: 3, modified, changed };
        stamp.is_settled(SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500))
    }

    #[test]
    fn recently_changed_files_are_not_settled() {
        let old = at(5, 5);
        assert!(settled(old, old) && settled(at(-5, 0), old) && settled(old, at(-5, 5)));
        assert!(settled(old, at(1000, 399_999_999)));
        assert!(!settled(old, at(1000, 400_000_000)));
        assert!(!settled(at(1000, 400_000_000), old));
        assert!(!settled(old, at(1000, 900_000_000)), "from the future");
        assert!(!settled(old, at(5, 0)), "whole seconds");
        assert!(!settled(at(i64::MAX, 1), old));
    }

    #[test]
    fn every_field_distinguishes_files() {
        let original = rustix::fs::stat("/").unwrap();
        let changes: [fn(&mut rustix::fs::Stat); 7] = [
            |stat| stat.st_dev ^= 1,
            |stat| stat.st_ino ^= 1,
            |stat| stat.st_size ^= 1,
            |stat| stat.st_mtime ^= 1,
            |stat| stat.st_mtime_nsec ^= 1,
            |stat| stat.st_ctime ^= 1,
            |stat| stat.st_ctime_nsec ^= 1,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = original;
            change(&mut other);
            assert_ne!(Stamp::new(&other), Stamp::new(&original), "{number}");
        }
    }

    #[test]
    fn no_file_is_settled_at_the_epoch() {
        let stamp = Stamp { device: 1, inode: 2, size: 3, modified: at(-9, 1), changed: at(-9, 1) };
        assert!(!stamp.is_settled(SystemTime::UNIX_EPOCH));
    }
}
