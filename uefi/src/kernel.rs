//! Loads and starts a kernel with an EFI stub.

use alloc::vec::Vec;

use uefi::Handle;
use uefi::boot::{self, LoadImageSource};
use uefi::proto::loaded_image::LoadedImage;

use crate::error::{Doing, Error, Result};
use crate::memory;

/// A loaded kernel. Dropping it unloads it.
#[derive(Debug)]
pub struct Kernel {
    image: Handle,
    /// UTF-16 with a NUL. The image refers to it.
    _options: Vec<u16>,
}

impl Kernel {
    /// Loads an image. With Secure Boot the firmware verifies it.
    ///
    /// # Errors
    /// The firmware refuses the image, or the options contain a NUL.
    pub fn load(bytes: &[u8], options: &str) -> Result<Self> {
        if options.as_bytes().contains(&0) {
            return Err(Error::Text(options.into()));
        }
        // UTF-16, because the kernel's stub decodes surrogates; `CString16` is UCS-2.
        let text: Vec<u16> = options.encode_utf16().chain([0]).collect();
        memory::keep(text.as_ptr());
        let source = LoadImageSource::FromBuffer { buffer: bytes, file_path: None };
        let image = boot::load_image(boot::image_handle(), source).doing("load the kernel")?;
        let kernel = Self { image, _options: text };
        let mut loaded =
            boot::open_protocol_exclusive::<LoadedImage>(image).doing("give the kernel its options")?;
        let size = u32::try_from(size_of_val(&*kernel._options)).map_err(|_| Error::Text(options.into()))?;
        // SAFETY: `kernel` owns the text, which therefore outlives the image.
        unsafe { loaded.set_load_options(kernel._options.as_ptr().cast(), size) };
        drop(loaded);
        Ok(kernel)
    }

    /// The loaded image.
    #[must_use]
    pub fn image(&self) -> Handle {
        self.image
    }

    /// Starts the kernel. Returns only if the kernel gives up before it takes over the machine.
    pub fn start(&self) -> Error {
        let status = match boot::start_image(self.image) {
            Ok(()) => uefi::Status::ABORTED,
            Err(error) => error.status(),
        };
        Error::Firmware { doing: "start the kernel", status }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // A kernel that has returned is unloaded already: the error is ignored.
        let _ = boot::unload_image(self.image);
    }
}
