//! Signs of life on the console while the program works: a line every two seconds, from an event of the firmware's timer.
//!
//! Most machines are done before the first line.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use core::time::Duration;

use uefi::Event;
use uefi::boot::{self, EventType, TimerTrigger, Tpl};

use crate::console;

const PERIOD: usize = 2;

/// The event, for [`stop`]; there is at most one.
static EVENT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Elapsed periods.
static PERIODS: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the file that is read, and how many of them are there; in KiB.
static SIZE: AtomicUsize = AtomicUsize::new(0);
static READ: AtomicUsize = AtomicUsize::new(0);

/// Lines of progress. Dropping it ends them.
#[derive(Debug)]
#[must_use]
pub struct Progress(());

/// Starts the lines. Without a timer there are none.
pub fn start() -> Progress {
    PERIODS.store(0, Ordering::Relaxed);
    // SAFETY: `tick` uses only statics of the program, which stays in memory until `stop` closes the event.
    let event = unsafe {
        boot::create_event(EventType::TIMER | EventType::NOTIFY_SIGNAL, Tpl::CALLBACK, Some(tick), None)
    };
    if let Ok(event) = event {
        // SAFETY: only one of the two is closed: the copy in `EVENT`.
        EVENT.store(unsafe { event.unsafe_clone() }.as_ptr(), Ordering::SeqCst);
        let _ = boot::set_timer(&event, TimerTrigger::Periodic(Duration::from_secs(PERIOD as u64)));
    }
    Progress(())
}

/// Ends the lines; the panic handler calls it, too.
pub fn stop() {
    let event = EVENT.swap(ptr::null_mut(), Ordering::SeqCst);
    // SAFETY: it comes from `create_event`, and was not closed.
    if let Some(event) = unsafe { Event::from_ptr(event) } {
        let _ = boot::close_event(event);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        stop();
    }
}

/// Tells how far a file is read, in bytes.
pub(crate) fn reading(read: usize, size: usize) {
    READ.store(read >> 10, Ordering::Relaxed);
    SIZE.store(size >> 10, Ordering::Relaxed);
}

unsafe extern "efiapi" fn tick(_: Event, _: Option<NonNull<c_void>>) {
    let seconds = PERIODS.fetch_add(1, Ordering::Relaxed).saturating_add(1).saturating_mul(PERIOD);
    if console::is_printing() {
        return;
    }
    let (read, size) = (READ.load(Ordering::Relaxed), SIZE.load(Ordering::Relaxed));
    if read < size {
        let (read, size) = (read >> 10, size >> 10);
        console::print(format_args!(
            "depmod: working for {seconds} s; {read} of {size} MiB of a file read\n"
        ));
    } else {
        console::print(format_args!("depmod: working for {seconds} s\n"));
    }
}
