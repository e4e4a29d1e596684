//! The firmware's watchdog, which resets the machine some minutes after a boot loader started.
//!
//! On a slow disk reading takes longer than that, for ever.

use uefi::boot;

/// What firmware sets before it starts a boot option (UEFI 2.10 §3.1.2).
const SECONDS: usize = 5 * 60;

/// Below 0x10000, codes are the firmware's.
const CODE: u64 = 0x1_0000;

/// Switches it off. A firmware without a watchdog refuses, which changes nothing.
pub fn off() {
    let _ = boot::set_watchdog_timer(0, CODE, None);
}

/// Sets it to five minutes again, for the boot loader that the program returns to.
pub fn on() {
    let _ = boot::set_watchdog_timer(SECONDS, CODE, None);
}
