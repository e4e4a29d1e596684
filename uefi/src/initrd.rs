//! The hand-over: initrds for the Linux kernel's EFI stub.
//!
//! The stub looks for a handle with the device path "vendor media, `LINUX_EFI_INITRD_MEDIA_GUID`" and
//! asks the `LoadFile2` protocol on it for the initrd, once for its size and once for its bytes
//! (Linux `Documentation/admin-guide/efi-stub.rst`, `drivers/firmware/efi/libstub`).
//!
//! The parts are one file to the kernel, which unpacks archive after archive. Zeros between them do not
//! matter to it, with two exceptions: a plain archive begins at a multiple of four, and an LZ4 stream has no
//! end of its own but ends where a chunk has the size zero. So at least four zeros stand between two parts:
//!
//! ```text
//! 02 21 4c 18 … 05   a base initrd of 5 + 4n bytes, LZ4
//! 00 00 00 00        its end
//! 00 00 00           up to a multiple of four
//! 30 37 30 37 30 31  our archive
//! ```

use alloc::{boxed::Box, vec::Vec};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use depmod_core::cpio::ALIGN;
use uefi::proto::device_path::{DevicePath, FfiDevicePath};
use uefi::proto::media::load_file::LoadFile2;
use uefi::{Guid, Handle, Identify, Status, boot, guid};
use uefi_raw::Boolean;
use uefi_raw::protocol::device_path::DevicePathProtocol;
use uefi_raw::protocol::media::LoadFile2Protocol;

use crate::error::{Doing, Error, Result};
use crate::memory;

/// Names the device path that the kernel's stub looks for.
pub const LINUX_EFI_INITRD_MEDIA_GUID: Guid = guid!("5568e427-68fc-4f3d-ac74-ca555231cc68");

const VENDOR_MEDIA: [u8; 4] = [4, 3, 20, 0];
const END: [u8; 4] = [0x7f, 0xff, 4, 0];

/// What is published, for [`withdraw`]: there is never more than one.
static PUBLISHED: AtomicPtr<Provider> = AtomicPtr::new(ptr::null_mut());

/// Initrds that are published until this is dropped.
#[derive(Debug)]
pub struct Initrd {
    provider: *mut Provider,
}

/// What the firmware points at. `protocol` comes first: its address is the provider's.
#[repr(C)]
struct Provider {
    protocol: LoadFile2Protocol,
    path: [u8; 24],
    handle: Option<Handle>,
    parts: Vec<Vec<u8>>,
    size: usize,
}

impl Initrd {
    /// Publishes the parts as one initrd, with zeros between them as the kernel wants it.
    ///
    /// # Errors
    /// When someone else provides an initrd, or the firmware refuses. Nothing is published then,
    /// and the parts' memory is returned.
    pub fn publish(parts: Vec<Vec<u8>>) -> Result<Self> {
        ensure_no_other()?;
        let path = device_path();
        let size = parts.iter().fold(0, |size, part| size_with(size, part));
        let protocol = LoadFile2Protocol { load_file };
        memory::keep(parts.as_ptr());
        parts.iter().for_each(|part| memory::keep(part.as_ptr()));
        let provider = Box::into_raw(Box::new(Provider { protocol, path, handle: None, parts, size }));
        memory::keep(provider);
        // SAFETY: the provider stays where it is until it is withdrawn.
        let path = unsafe { &raw const (*provider).path };
        // SAFETY: the GUID belongs to this interface, which outlives its installation.
        let handle =
            unsafe { boot::install_protocol_interface(None, &DevicePath::GUID, path.cast::<c_void>()) };
        let handle = match handle.doing("publish the initrd's device path") {
            Ok(handle) => handle,
            Err(error) => {
                // SAFETY: it comes from `Box::into_raw`, and nothing was installed.
                drop(unsafe { Box::from_raw(provider) });
                return Err(error);
            }
        };
        // SAFETY: nobody else looks at it.
        unsafe { (*provider).handle = Some(handle) };
        PUBLISHED.store(provider, Ordering::SeqCst);
        let initrd = Self { provider };
        // SAFETY: as above; on failure `initrd` takes the device path away again.
        unsafe {
            boot::install_protocol_interface(
                Some(handle),
                &LoadFile2Protocol::GUID,
                provider.cast::<c_void>(),
            )
        }
        .doing("publish the initrd")?;
        Ok(initrd)
    }

    /// Adds a part behind the others.
    pub fn push(&mut self, part: Vec<u8>) {
        // SAFETY: the provider lives as long as `self`, and firmware reads it only when a kernel runs.
        let provider = unsafe { &mut *self.provider };
        memory::keep(part.as_ptr());
        let size = size_with(provider.size, &part);
        // A failed allocation may start the kernel from here: size and parts always fit.
        provider.parts.push(part);
        provider.size = size;
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Vec<u8>] {
        // SAFETY: the provider lives as long as `self`, and `push` borrows all of it.
        unsafe { &(*self.provider).parts }
    }

    /// Size as the kernel sees it, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        // SAFETY: the provider lives as long as `self`.
        unsafe { (*self.provider).size }
    }
}

impl Drop for Initrd {
    fn drop(&mut self) {
        // What the firmware still points at must stay.
        if withdraw() {
            // SAFETY: it comes from `Box::into_raw` and is not reachable any more.
            drop(unsafe { Box::from_raw(self.provider) });
        }
    }
}

/// For the handler of panics, which cannot drop the [`Initrd`]: takes away what is published, and says whether
/// nothing is any more.
#[must_use]
pub fn withdraw() -> bool {
    let provider = PUBLISHED.load(Ordering::SeqCst);
    // SAFETY: what stands there is live.
    let Some(handle) = (unsafe { provider.as_ref() }).and_then(|provider| provider.handle) else {
        return true;
    };
    // SAFETY: these are the interfaces that `publish` installed; nobody holds on to them.
    let (file, path) = unsafe {
        let path = (&raw const (*provider).path).cast::<c_void>();
        (
            boot::uninstall_protocol_interface(handle, &LoadFile2Protocol::GUID, provider.cast::<c_void>()),
            boot::uninstall_protocol_interface(handle, &DevicePath::GUID, path),
        )
    };
    let gone = |result: uefi::Result| match result {
        Ok(()) => true,
        Err(error) => error.status() == Status::NOT_FOUND,
    };
    let gone = gone(file) && gone(path);
    if gone {
        PUBLISHED.store(ptr::null_mut(), Ordering::SeqCst);
    }
    gone
}

/// Looks whether somebody else provides an initrd: two with one device path would be a matter of luck.
///
/// # Errors
/// When somebody does.
pub fn ensure_no_other() -> Result<()> {
    let path = device_path();
    // SAFETY: `path` is a whole device path with its end node.
    let mut wanted: &DevicePath = unsafe { DevicePath::from_ffi_ptr(path.as_ptr().cast::<FfiDevicePath>()) };
    match boot::locate_device_path::<LoadFile2>(&mut wanted) {
        Ok(_) => Err(Error::InitrdProvider),
        Err(_) => Ok(()),
    }
}

/// Ends an LZ4 stream.
const LZ4_END: usize = 4;

/// Zeros between what ends after `size` bytes and the next part.
fn zeros_after(size: usize) -> usize {
    if size == 0 { 0 } else { size.saturating_add(LZ4_END).next_multiple_of(ALIGN).saturating_sub(size) }
}

fn size_with(size: usize, part: &[u8]) -> usize {
    size.saturating_add(zeros_after(size)).saturating_add(part.len())
}

fn device_path() -> [u8; 24] {
    let mut path = [0; 24];
    let guid = LINUX_EFI_INITRD_MEDIA_GUID.to_bytes();
    let bytes = VENDOR_MEDIA.iter().chain(&guid).chain(&END);
    path.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    path
}

unsafe extern "efiapi" fn load_file(
    this: *mut LoadFile2Protocol,
    path: *const DevicePathProtocol,
    boot_policy: Boolean,
    size: *mut usize,
    buffer: *mut c_void,
) -> Status {
    if this.is_null() || path.is_null() || size.is_null() {
        return Status::INVALID_PARAMETER;
    }
    if boot_policy.0 != 0 {
        return Status::UNSUPPORTED;
    }
    // SAFETY: the protocol is the first field of a live provider, which only `load_file` reads.
    let provider = unsafe { &*this.cast::<Provider>() };
    // SAFETY: the caller lends us its size.
    let room = unsafe { size.replace(provider.size) };
    if buffer.is_null() || room < provider.size {
        return Status::BUFFER_TOO_SMALL;
    }
    let mut to = buffer.cast::<u8>();
    let mut size = 0;
    for part in &provider.parts {
        let zeros = zeros_after(size);
        // SAFETY: the buffer has room for all parts with the zeros between them.
        unsafe {
            to.write_bytes(0, zeros);
            to = to.add(zeros);
            to.copy_from_nonoverlapping(part.as_ptr(), part.len());
            to = to.add(part.len());
        }
        size = size_with(size, part);
    }
    Status::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_path_that_the_stub_looks_for() {
        let expected = b"\x04\x03\x14\x00\x27\xe4\x68\x55\xfc\x68\x3d\x4f\xac\x74\xca\x55\x52\x31\xcc\x68\x7f\xff\x04\x00";
        assert_eq!(&device_path(), expected);
    }

    #[test]
    fn asked_for_the_size_then_for_the_bytes() {
        let protocol = LoadFile2Protocol { load_file };
        let parts = vec![vec![1; 5], vec![2; 4], vec![3; 1]];
        let size = parts.iter().fold(0, |size, part| size_with(size, part));
        assert_eq!(size, 5 + 7 + 4 + 4 + 1);
        let mut provider = Provider { protocol, path: device_path(), handle: None, parts, size };
        let this = (&raw mut provider).cast::<LoadFile2Protocol>();
        let path = (&raw const provider.path).cast::<DevicePathProtocol>();
        let ask = |policy, mut size, buffer: *mut u8| {
            // SAFETY: everything points to live memory.
            let status = unsafe { load_file(this, path, Boolean(policy), &mut size, buffer.cast()) };
            (status, size)
        };
        let mut out = [9; 22];
        assert_eq!(ask(1, 22, out.as_mut_ptr()), (Status::UNSUPPORTED, 22));
        assert_eq!(ask(0, 0, ptr::null_mut()), (Status::BUFFER_TOO_SMALL, 21));
        assert_eq!(ask(0, 20, out.as_mut_ptr()), (Status::BUFFER_TOO_SMALL, 21));
        assert_eq!(out, [9; 22]);
        assert_eq!(ask(0, 22, out.as_mut_ptr()), (Status::SUCCESS, 21));
        assert_eq!(out, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0, 3, 9]);
    }
}
