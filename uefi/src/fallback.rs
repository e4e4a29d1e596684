//! What starts when the program itself fails.
//!
//! A panic cannot be caught in firmware: there is no unwinding. So the kernel is loaded first, and its base
//! initrds are published before risky work begins; the handler of panics, which failed allocations reach as
//! well, then has nothing to do but start that kernel. It needs no memory for it.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use uefi::{Handle, boot};

/// Image handle of the kernel to start; null when there is none.
static KERNEL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static ENTERED: AtomicBool = AtomicBool::new(false);

/// From now until it is dropped, [`start`] starts this kernel.
#[derive(Debug)]
#[must_use]
pub struct Armed(());

/// Names the loaded kernel that [`start`] shall start.
pub fn arm(kernel: Handle) -> Armed {
    KERNEL.store(kernel.as_ptr(), Ordering::SeqCst);
    Armed(())
}

impl Drop for Armed {
    fn drop(&mut self) {
        KERNEL.store(ptr::null_mut(), Ordering::SeqCst);
    }
}

/// For the handler of panics: whether it is not running already.
pub fn enter() -> bool {
    !ENTERED.swap(true, Ordering::SeqCst)
}

/// Whether there is a kernel to start.
pub fn is_armed() -> bool {
    !KERNEL.load(Ordering::SeqCst).is_null()
}

/// Starts the kernel, if there is one. Comes back when that did not work; a second call does nothing.
pub fn start() {
    let kernel = KERNEL.swap(ptr::null_mut(), Ordering::SeqCst);
    // SAFETY: it is what `arm` got, and its image is loaded while it stands here.
    if let Some(kernel) = unsafe { Handle::from_ptr(kernel) } {
        // Nothing is left to try.
        let _ = boot::start_image(kernel);
    }
}
