//! Elapsed time by the processor's own counter: not every firmware has a clock.

/// Measures the time since its start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Option<u64>,
}

impl Clock {
    /// Starts the measurement.
    #[must_use]
    pub fn start() -> Self {
        Self { start: ticks() }
    }

    /// Milliseconds since the start; `None` on processors without a known counter. The call may wait some
    /// milliseconds, to measure the counter's frequency.
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
    // SAFETY: every processor with UEFI has the instruction, and firmware does not disable it.
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
    // SAFETY: reads a register that is readable at every exception level of firmware.
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
