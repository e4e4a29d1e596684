//! How much memory a run may use.
//!
//! Little memory is that of a recovery environment: of a small machine, or of `ulimit -v`.

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
    limits_within(allowed.min(of_machine()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_decodes_large_modules_in_pieces() {
        assert_eq!(limits_within(u64::MAX), Limits::DEFAULT);
        assert_eq!(limits_within(LITTLE), Limits::DEFAULT);
        assert_eq!(limits_within(64 << 20).buffered_size, BUFFERED);
    }
}
