//! Hands initrds to the Linux kernel's EFI stub.
//!
//! The stub looks for a handle with the device path "vendor media, `LINUX_EFI_INITRD_MEDIA_GUID`" and
//! calls its `LoadFile2` protocol twice: for the size of the initrd and for its bytes
//! (Linux `Documentation/admin-guide/efi-stub.rst`, `drivers/firmware/efi/libstub`).
//!
//! The kernel gets the parts as one file and unpacks archive after archive. It skips zeros between them, with
//! two conditions: an archive without compression begins at a multiple of four, and an LZ4 stream has no end
//! mark, but ends at a chunk of size zero. So there are at least four zeros between two parts:
//!
//! ```text
//! 02 21 4c 18 … 05   an existing initrd of 5 + 4n bytes, LZ4
//! 00 00 00 00        its end
//! 00 00 00           up to a multiple of four
//! 30 37 30 37 30 31  the archive with the modules
//! ```
//!
//! A boot loader may provide an initrd already: systemd-boot does for an entry with the key `initrd`. Its bytes
//! ([`of_boot_loader`]) can be the first part; on the loader's handle our protocol stands in for its own until ours is
//! withdrawn.

use alloc::{boxed::Box, vec::Vec};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use depmod_core::parts::cpio::ALIGN;
use uefi::boot::{OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::device_path::{DevicePath, FfiDevicePath};
use uefi::proto::media::load_file::LoadFile2;
use uefi::{Guid, Handle, Identify, Status, boot, guid};
use uefi_raw::Boolean;
use uefi_raw::protocol::device_path::DevicePathProtocol;
use uefi_raw::protocol::media::LoadFile2Protocol;

use crate::error::{Doing, Result};
use crate::memory;

/// GUID in the device path that the kernel's stub looks for.
pub const LINUX_EFI_INITRD_MEDIA_GUID: Guid = guid!("5568e427-68fc-4f3d-ac74-ca555231cc68");

const VENDOR_MEDIA: [u8; 4] = [4, 3, 20, 0];
const END: [u8; 4] = [0x7f, 0xff, 4, 0];

/// The published provider, for [`withdraw`]; there is at most one.
static PUBLISHED: AtomicPtr<Provider> = AtomicPtr::new(ptr::null_mut());

/// Published initrds. Dropping them withdraws them.
#[derive(Debug)]
pub struct Initrd {
    provider: *mut Provider,
}

/// The protocol's data, which the firmware refers to. `protocol` is the first field: its address is the
/// provider's.
#[repr(C)]
struct Provider {
    protocol: LoadFile2Protocol,
    path: [u8; 24],
    handle: Option<Handle>,
    /// The boot loader's protocol on this handle, which ours replaces; or null.
    replaced: *const c_void,
    parts: Vec<Vec<u8>>,
    size: usize,
}

impl Initrd {
    /// Publishes the parts as one initrd, with zeros between them. That of a boot loader is replaced until these are
    /// withdrawn.
    ///
    /// # Errors
    /// The firmware refuses. Then nothing has changed, and the parts are freed.
    pub fn publish(parts: Vec<Vec<u8>>) -> Result<Self> {
        let size = parts.iter().fold(0, |size, part| size_with(size, part));
        let protocol = LoadFile2Protocol { load_file };
        memory::keep(parts.as_ptr());
        parts.iter().for_each(|part| memory::keep(part.as_ptr()));
        let (path, replaced) = (device_path(), ptr::null());
        let provider = Provider { protocol, path, handle: None, replaced, parts, size };
        let provider = Box::into_raw(Box::new(provider));
        memory::keep(provider);
        let initrd = Self { provider };
        // SAFETY: there is no other reference, and the provider does not move until it is withdrawn.
        unsafe { (*provider).install() }?;
        Ok(initrd)
    }

    /// Adds a part after the others.
    pub fn push(&mut self, part: Vec<u8>) {
        // SAFETY: the provider lives as long as `self`, and the firmware reads it only while a kernel runs.
        let provider = unsafe { &mut *self.provider };
        memory::keep(part.as_ptr());
        let size = size_with(provider.size, &part);
        // If this allocation fails, the kernel starts from here: size and parts must still agree.
        provider.parts.push(part);
        provider.size = size;
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Vec<u8>] {
        // SAFETY: the provider lives as long as `self`, and `push` borrows all of it.
        unsafe { &(*self.provider).parts }
    }

    /// Size of the whole initrd, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        // SAFETY: the provider lives as long as `self`.
        unsafe { (*self.provider).size }
    }
}

impl Provider {
    /// # Safety
    /// The provider stays where it is until it is withdrawn.
    unsafe fn install(&mut self) -> Result<()> {
        let this = (&raw const self.protocol).cast::<c_void>();
        if let Some((handle, theirs)) = boot_loaders() {
            // SAFETY: this interface is installed there, and the boot loader waits for this program's end.
            unsafe { boot::reinstall_protocol_interface(handle, &LoadFile2Protocol::GUID, theirs, this) }
                .doing("publish the initrd in place of the boot loader's")?;
            (self.handle, self.replaced) = (Some(handle), theirs);
            PUBLISHED.store(self, Ordering::SeqCst);
            return Ok(());
        }
        let path = (&raw const self.path).cast::<c_void>();
        // SAFETY: the GUID belongs to this interface, which outlives its installation.
        let handle = unsafe { boot::install_protocol_interface(None, &DevicePath::GUID, path) }
            .doing("publish the initrd's device path")?;
        self.handle = Some(handle);
        PUBLISHED.store(self, Ordering::SeqCst);
        // SAFETY: as above; on failure the owner withdraws the device path.
        unsafe { boot::install_protocol_interface(Some(handle), &LoadFile2Protocol::GUID, this) }
            .doing("publish the initrd")?;
        Ok(())
    }
}

impl Drop for Initrd {
    fn drop(&mut self) {
        // Memory that the firmware still refers to must stay.
        if withdraw() {
            // SAFETY: the provider comes from `Box::into_raw`, and the firmware does not refer to it any more.
            drop(unsafe { Box::from_raw(self.provider) });
        }
    }
}

/// Withdraws the published initrds, and returns whether nothing is published any more. The panic handler calls
/// it, because it cannot drop the [`Initrd`].
#[must_use]
pub fn withdraw() -> bool {
    let provider = PUBLISHED.load(Ordering::SeqCst);
    // SAFETY: a published provider is live.
    let Some(handle) = (unsafe { provider.as_ref() }).and_then(|provider| provider.handle) else {
        return true;
    };
    let gone = |result: uefi::Result| match result {
        Ok(()) => true,
        Err(error) => error.status() == Status::NOT_FOUND,
    };
    let (guid, ours) = (&LoadFile2Protocol::GUID, provider.cast::<c_void>());
    // SAFETY: these are the interfaces that `install` installed, and nothing uses them now.
    let gone = unsafe {
        let theirs = (*provider).replaced;
        if theirs.is_null() {
            let path = (&raw const (*provider).path).cast::<c_void>();
            gone(boot::uninstall_protocol_interface(handle, guid, ours))
                && gone(boot::uninstall_protocol_interface(handle, &DevicePath::GUID, path))
        } else {
            gone(boot::reinstall_protocol_interface(handle, guid, ours, theirs))
        }
    };
    if gone {
        PUBLISHED.store(ptr::null_mut(), Ordering::SeqCst);
    }
    gone
}

/// The initrd that a boot loader provides to the kernel, if there is one.
///
/// # Errors
/// It cannot be read.
pub fn of_boot_loader() -> Result<Option<Vec<u8>>> {
    let Some((_, theirs)) = boot_loaders() else { return Ok(None) };
    let theirs = theirs.cast_mut().cast::<LoadFile2>();
    // SAFETY: this interface is installed; its owner waits for this program's end.
    let bytes = unsafe { (*theirs).load_file(DevicePath::from_ffi_ptr(END.as_ptr().cast())) };
    Ok(Some(bytes.doing("read the boot loader's initrd")?.into_vec()))
}

/// The handle and the protocol of the initrd that the kernel would take.
fn boot_loaders() -> Option<(Handle, *const c_void)> {
    let path = device_path();
    // SAFETY: `path` is a complete device path with its end node.
    let mut wanted: &DevicePath = unsafe { DevicePath::from_ffi_ptr(path.as_ptr().cast::<FfiDevicePath>()) };
    let handle = boot::locate_device_path::<LoadFile2>(&mut wanted).ok()?;
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: only the address is taken here.
    let theirs = unsafe { boot::open_protocol::<LoadFile2>(params, OpenProtocolAttributes::GetProtocol) };
    Some((handle, (&raw const *theirs.ok()?).cast()))
}

/// Zeros that end an LZ4 stream.
const LZ4_END: usize = 4;

/// Zeros between `size` bytes and the next part.
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
    // SAFETY: the protocol is the first field of a live provider.
    let provider = unsafe { &*this.cast::<Provider>() };
    // SAFETY: `size` is the caller's, and not null.
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
    fn device_path_of_the_stub() {
        let expected = b"\x04\x03\x14\x00\x27\xe4\x68\x55\xfc\x68\x3d\x4f\xac\x74\xca\x55\x52\x31\xcc\x68\x7f\xff\x04\x00";
        assert_eq!(&device_path(), expected);
    }

    #[test]
    fn load_file_gives_size_then_bytes() {
        let protocol = LoadFile2Protocol { load_file };
        let parts = vec![vec![1; 5], vec![2; 4], vec![3; 1]];
        let size = parts.iter().fold(0, |size, part| size_with(size, part));
        assert_eq!(size, 5 + 7 + 4 + 4 + 1);
        let mut provider =
            Provider { protocol, path: device_path(), handle: None, replaced: ptr::null(), parts, size };
        let this = (&raw mut provider).cast::<LoadFile2Protocol>();
        let path = (&raw const provider.path).cast::<DevicePathProtocol>();
        let ask = |policy, mut size, buffer: *mut u8| {
            // SAFETY: all pointers refer to live memory.
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
