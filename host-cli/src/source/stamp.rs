//! By what a file is known to be the one that was read.

use std::time::{Duration, SystemTime};

/// What the system says of a file. Whatever changes the bytes changes this, since nobody can set
/// `changed` but the system, which sets it to the present; the exception is in `Stamp::is_settled`.
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

/// The steps in which a kernel's clock advances files' times are a tenth of this, or smaller.
const STEP: Duration = Duration::from_millis(100);

impl Stamp {
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the types differ by architecture")]
    #[allow(clippy::useless_conversion, reason = "the types differ by architecture")]
    pub(crate) fn new(stat: &rustix::fs::Stat) -> Self {
        // A time out of range stays different from all that are in it.
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

    /// Whether a change after `read`, when reading began, must show. It need not if the file has been
    /// changed just before: two changes within one step of the clock have the same time. Nor if the file
    /// was changed at a whole second: that is what makers of images write, and file systems that keep
    /// no better time.
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
    fn what_changed_just_now_may_change_again_unseen() {
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
    fn each_part_tells_files_apart() {
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
    fn a_clock_at_its_beginning_proves_nothing() {
        let stamp = Stamp { device: 1, inode: 2, size: 3, modified: at(-9, 1), changed: at(-9, 1) };
        assert!(!stamp.is_settled(SystemTime::UNIX_EPOCH));
    }
}
