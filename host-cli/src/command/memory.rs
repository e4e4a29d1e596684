//! How much memory a run may use.
//!
//! Little memory is that of a recovery environment: of a small machine, of `ulimit -v`, or of a control group.

use std::fs;
use std::path::Path;

use depmod_core::Limits;
use rustix::process::{Resource, getrlimit};
use rustix::system::sysinfo;

/// Less than this is little.
const LITTLE: u64 = 256 << 20;

/// [`Limits::buffered_size`] with little memory. Two modules of a kernel are larger: these are decoded twice.
const BUFFERED: u64 = 8 << 20;

/// The limits for modules, as the memory of this process allows them.
pub(super) fn limits() -> Limits {
    let allowed = getrlimit(Resource::As).current.unwrap_or(u64::MAX);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limits_within(allowed.min(of_machine()).min(of_groups(&groups, Path::new("/sys/fs/cgroup"))))
}

fn limits_within(memory: u64) -> Limits {
    match memory < LITTLE {
        true => Limits::DEFAULT.buffered_size(BUFFERED),
        false => Limits::DEFAULT,
    }
}

#[allow(clippy::useless_conversion, reason = "the type differs by architecture")]
fn of_machine() -> u64 {
    let info = sysinfo();
    u64::from(info.totalram).saturating_mul(info.mem_unit.into())
}

/// The least limit of the control groups in `/proc/self/cgroup` and of the groups above them. Lines are
/// `0::/GROUP` (version 2) and `N:CONTROLLERS:/GROUP` (version 1); see the kernel's `cgroup-v2.rst` and
/// `cgroup-v1/memory.rst`.
fn of_groups(groups: &str, mounted: &Path) -> u64 {
    let mut least = u64::MAX;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (directory, file) = match fields.next() {
            Some("") => (mounted.to_owned(), "memory.max"),
            Some("memory") => (mounted.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        let group = fields.next().unwrap_or_default().trim_start_matches('/');
        for group in Path::new(group).ancestors() {
            let limit = fs::read_to_string(directory.join(group).join(file));
            least = least.min(limit.ok().and_then(|limit| limit.trim_end().parse().ok()).unwrap_or(u64::MAX));
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_a_control_group_or_one_above_it_counts() {
        let mounted = tempfile::tempdir().unwrap();
        let write = |file: &str, limit: &str| {
            let path = mounted.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, limit).unwrap();
        };
        write("system/job/memory.max", "max\n");
        write("system/memory.max", "67108864\n");
        write("memory/small/job/memory.limit_in_bytes", "33554432\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let least = |groups| of_groups(groups, mounted.path());
        assert_eq!(least("5:devices:/\n0::/system/job\n"), 64 << 20);
        assert_eq!(least("4:memory:/small/job\n0::/system/job\n"), 32 << 20);
        assert_eq!(least("4:memory:/other\n"), 9_223_372_036_854_771_712);
        assert_eq!(least("0::/\nnonsense\n"), u64::MAX);
    }

    #[test]
    fn little_memory_decodes_large_modules_in_pieces() {
        assert_eq!(limits_within(u64::MAX), Limits::DEFAULT);
        assert_eq!(limits_within(LITTLE), Limits::DEFAULT);
        assert_eq!(limits_within(64 << 20).buffered_size, BUFFERED);
    }
}
