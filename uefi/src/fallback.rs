//! What happens when the program itself fails.
//!
//! A panic cannot be caught in firmware: there is no unwinding. So the kernel is loaded first, and its base
//! initrds are published before risky work begins; the handler of panics, which failed allocations reach as
//! well, then returns the memory of that work and starts that kernel. It needs no memory for it. Where the
//! entry says `stop`, it takes everything back instead, so that whoever started the program finds the firmware
//! as it was.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use uefi::{Handle, boot};

use crate::initrd;
use crate::memory::{self, Which};

/// Image handle of the loaded kernel; null when there is none.
static KERNEL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
/// Whether it shall be started.
static START: AtomicBool = AtomicBool::new(false);
static ENTERED: AtomicBool = AtomicBool::new(false);

/// From now until it is dropped, [`recover`] knows of this kernel.
#[derive(Debug)]
#[must_use]
pub struct Armed(());

/// Names the loaded kernel that [`recover`] shall start, or only unload.
pub fn arm(kernel: Handle, start: bool) -> Armed {
    START.store(start, Ordering::SeqCst);
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
    START.load(Ordering::SeqCst) && !KERNEL.load(Ordering::SeqCst).is_null()
}

/// Starts the kernel, if there is one to start. Comes back when there is none or that did not work: then
/// nothing of ours is published or loaded, and all memory of [`memory::Allocator`] is returned.
///
/// # Safety
/// Nothing that the program allocated may be used any more: what follows is [`boot::exit`].
pub unsafe fn recover() {
    let start = is_armed();
    let kernel = KERNEL.swap(ptr::null_mut(), Ordering::SeqCst);
    // SAFETY: it is what `arm` got, and its image is loaded while it stands here.
    if let Some(kernel) = unsafe { Handle::from_ptr(kernel) } {
        if start {
            // SAFETY: what the kernel needs is kept, and the caller promises the rest.
            unsafe { memory::give_back(Which::NotKept) };
            // Nothing is left to try.
            let _ = boot::start_image(kernel);
        }
        // One that has returned is unloaded already; then this fails, rightly.
        let _ = boot::unload_image(kernel);
    }
    // What the firmware still points at must stay.
    let which = if initrd::withdraw() { Which::All } else { Which::NotKept };
    // SAFETY: nobody points to it any more.
    unsafe { memory::give_back(which) };
}
