//! Loads and starts a kernel with an EFI stub.

use alloc::vec::Vec;

use depmod_core::Limits;
use depmod_core::parts::boot::{compat_entry, kernel_image, refuses_initrd};
use depmod_core::parts::decompress::PureDecoder;
use uefi::boot::{self, LoadImageSource};
use uefi::proto::loaded_image::LoadedImage;
use uefi::{Handle, Status};

use crate::error::{Doing, Error, Result};
use crate::memory;

/// A loaded kernel. Dropping it unloads it.
#[derive(Debug)]
pub struct Kernel {
    image: Handle,
    /// UTF-16 with a NUL. The image refers to it.
    _options: Vec<u16>,
    refuses_initrd: bool,
    /// Where 32-bit firmware enters a 64-bit kernel: it loads such images, but does not start them.
    compat: Option<Entry>,
}

/// The firmware's processor, as PE names it, where firmware can be of another processor than the kernel.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86") { Some(0x14c) } else { None };

/// The function that firmware calls to start an image.
pub(crate) type Entry =
    unsafe extern "efiapi" fn(image: Handle, system: *const uefi_raw::table::system::SystemTable) -> Status;

impl Kernel {
    /// Loads an image, also from gzip. With Secure Boot the firmware verifies it.
    ///
    /// # Errors
    /// The file is no kernel with an EFI stub, the firmware refuses it, or the options contain a NUL.
    pub fn load(file: &[u8], options: &str) -> Result<Self> {
        let bytes = kernel_image(file, &mut PureDecoder::default(), &Limits::DEFAULT)?;
        if options.as_bytes().contains(&0) {
            return Err(Error::Text(options.into()));
        }
        // UTF-16, because the kernel's stub decodes surrogates; `CString16` is UCS-2.
        let text: Vec<u16> = options.encode_utf16().chain([0]).collect();
        memory::keep(text.as_ptr());
        let source = LoadImageSource::FromBuffer { buffer: &bytes, file_path: None };
        let image = boot::load_image(boot::image_handle(), source).doing("load the kernel")?;
        let mut kernel = Self { image, _options: text, refuses_initrd: refuses_initrd(&bytes), compat: None };
        let compat = MACHINE.and_then(|machine| compat_entry(&bytes, machine));
        let mut loaded =
            boot::open_protocol_exclusive::<LoadedImage>(image).doing("give the kernel its options")?;
        let size = u32::try_from(size_of_val(&*kernel._options)).map_err(|_| Error::Text(options.into()))?;
        // SAFETY: `kernel` owns the text, which therefore outlives the image.
        unsafe { loaded.set_load_options(kernel._options.as_ptr().cast(), size) };
        let (start, size) = loaded.info();
        if let Some(offset) = compat.map(|offset| offset as usize).filter(|&offset| (offset as u64) < size) {
            let entry = start.cast::<u8>().wrapping_add(offset);
            // SAFETY: the kernel names this address as a function of this kind.
            kernel.compat = Some(unsafe { core::mem::transmute::<*const u8, Entry>(entry) });
        }
        drop(loaded);
        Ok(kernel)
    }

    /// The loaded image.
    #[must_use]
    pub fn image(&self) -> Handle {
        self.image
    }

    /// Where to enter it, if not through the firmware.
    pub(crate) fn compat(&self) -> Option<Entry> {
        self.compat
    }

    /// Whether it brings an initrd and takes no other.
    #[must_use]
    pub fn refuses_initrd(&self) -> bool {
        self.refuses_initrd
    }

    /// Starts the kernel. Returns only if the kernel gives up before it takes over the machine.
    pub fn start(&self) -> Error {
        let status = match start(self.image, self.compat) {
            Status::SUCCESS => Status::ABORTED,
            status => status,
        };
        Error::Firmware { doing: "start the kernel", status }
    }
}

/// Starts a loaded image.
pub(crate) fn start(image: Handle, compat: Option<Entry>) -> Status {
    match (compat, uefi::table::system_table_raw()) {
        // SAFETY: the image is loaded, the firmware has verified it, and the stack is the firmware's.
        (Some(entry), Some(system)) => unsafe { entry(image, system.as_ptr()) },
        _ => boot::start_image(image).map_or_else(|error| error.status(), |()| Status::SUCCESS),
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // A kernel that has returned is unloaded already: the error is ignored.
        let _ = boot::unload_image(self.image);
    }
}
