//! How long things take, from the processor's own counter: firmware need not have a clock.

/// A moment, and how to tell what has passed since.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Option<u64>,
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: ticks() }
    }

    /// Milliseconds since the start, where the processor tells. To learn the counter's speed this may
    /// wait for some milliseconds itself.
    #[must_use]
    pub fn milliseconds(self) -> Option<u64> {
        let passed = ticks()?.saturating_sub(self.start?);
        passed.checked_div(ticks_per_millisecond()?)
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn ticks() -> Option<u64> {
    #[cfg(target_arch = "x86")]
    use core::arch::x86::_rdtsc;
    #[cfg(target_arch = "x86_64")]
    use core::arch::x86_64::_rdtsc;
    // SAFETY: every processor that runs UEFI has the instruction; firmware does not forbid it.
    Some(unsafe { _rdtsc() })
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn ticks_per_millisecond() -> Option<u64> {
    const WAIT: u64 = 4;
    let before = ticks()?;
    uefi::boot::stall(core::time::Duration::from_millis(WAIT));
    Some(ticks()?.saturating_sub(before) / WAIT).filter(|&ticks| ticks > 0)
}

#[cfg(target_arch = "aarch64")]
fn ticks() -> Option<u64> {
    let ticks;
    // SAFETY: reads a register that every level may read in firmware.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    Some(ticks)
}

#[cfg(target_arch = "aarch64")]
fn ticks_per_millisecond() -> Option<u64> {
    let frequency: u64;
    // SAFETY: as above.
    unsafe { core::arch::asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack)) };
    Some(frequency / 1000).filter(|&ticks| ticks > 0)
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn ticks() -> Option<u64> {
    None
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn ticks_per_millisecond() -> Option<u64> {
    None
}
