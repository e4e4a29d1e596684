//! Recovery from a failure of the program itself.
//!
//! A panic cannot be caught in firmware: there is no unwinding. So the kernel is loaded and its existing
//! initrds are published before the risky work begins. The panic handler, which failed allocations reach too,
//! returns the memory of that work and starts the kernel. It allocates nothing itself. If the entry says
//! `stop`, it withdraws everything instead, and the caller gets the firmware back unchanged.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use uefi::{Handle, boot};

use crate::initrd;
use crate::kernel::{self, Entry, Kernel};
use crate::memory::{self, Scope};
use crate::{progress, watchdog};

/// Image handle of the loaded kernel, or null.
static KERNEL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Where to enter it, if not through the firmware; or null.
static COMPAT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Whether to start it.
static START: AtomicBool = AtomicBool::new(false);
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Registers a kernel with [`recover`] until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Armed(());

/// Registers the loaded kernel, which [`recover`] starts or only unloads.
pub fn arm(kernel: &Kernel, start: bool) -> Armed {
    START.store(start, Ordering::SeqCst);
    COMPAT.store(kernel.compat().map_or(ptr::null_mut(), |entry| entry as *mut c_void), Ordering::SeqCst);
    KERNEL.store(kernel.image().as_ptr(), Ordering::SeqCst);
    Armed(())
}

impl Drop for Armed {
    fn drop(&mut self) {
        KERNEL.store(ptr::null_mut(), Ordering::SeqCst);
    }
}

/// Called by the panic handler; false if it is running already.
pub fn enter() -> bool {
    !ENTERED.swap(true, Ordering::SeqCst)
}

/// Whether there is a kernel to start.
pub fn is_armed() -> bool {
    START.load(Ordering::SeqCst) && !KERNEL.load(Ordering::SeqCst).is_null()
}

fn compat() -> Option<Entry> {
    let entry = COMPAT.load(Ordering::SeqCst);
    // SAFETY: it comes from `arm`, which stored such a function; null is `None`.
    unsafe { core::mem::transmute::<*mut c_void, Option<Entry>>(entry) }
}

/// Starts the registered kernel. Returns if there is none or its start failed: then nothing is published or
/// loaded any more, and all memory of [`memory::Allocator`] is returned to the firmware.
///
/// # Safety
/// The caller uses no allocated memory afterwards, and ends with [`boot::exit`].
pub unsafe fn recover() {
    progress::stop();
    let start = is_armed();
    let kernel = KERNEL.swap(ptr::null_mut(), Ordering::SeqCst);
    // SAFETY: the handle comes from `arm`, and its image is loaded while it is registered.
    if let Some(kernel) = unsafe { Handle::from_ptr(kernel) } {
        if start {
            // SAFETY: memory that the kernel needs is kept, and the caller promises the rest.
            unsafe { memory::release(Scope::NotKept) };
            // No further attempt on failure.
            let _ = kernel::start(kernel, compat());
        }
        // A kernel that has returned is unloaded already: the error is ignored.
        let _ = boot::unload_image(kernel);
    }
    watchdog::on();
    // Memory that the firmware still refers to must stay.
    let scope = if initrd::withdraw() { Scope::All } else { Scope::NotKept };
    // SAFETY: nothing refers to it any more.
    unsafe { memory::release(scope) };
}
