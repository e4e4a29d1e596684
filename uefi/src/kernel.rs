//! A kernel with an EFI stub: loaded, given its options, started.

use alloc::vec::Vec;

use uefi::Handle;
use uefi::boot::{self, LoadImageSource};
use uefi::proto::loaded_image::LoadedImage;

use crate::error::{Doing, Error, Result};
use crate::memory;

/// A loaded kernel; dropped without being started, it is unloaded.
#[derive(Debug)]
pub struct Kernel {
    image: Handle,
    /// UTF-16 with a NUL. The image points at them.
    _options: Vec<u16>,
}

impl Kernel {
    /// Has the firmware load `bytes`. It verifies them where Secure Boot is on.
    ///
    /// # Errors
    /// When the firmware refuses the image, or the options hold a NUL.
    pub fn load(bytes: &[u8], options: &str) -> Result<Self> {
        if options.contains('\0') {
            return Err(Error::Text(options.into()));
        }
        // The kernel's stub knows surrogates, which the firmware's own texts cannot have.
        let text: Vec<u16> = options.encode_utf16().chain([0]).collect();
        memory::keep(text.as_ptr());
        let source = LoadImageSource::FromBuffer { buffer: bytes, file_path: None };
        let image = boot::load_image(boot::image_handle(), source).doing("load the kernel")?;
        let kernel = Self { image, _options: text };
        let mut loaded =
            boot::open_protocol_exclusive::<LoadedImage>(image).doing("give the kernel its options")?;
        let size = u32::try_from(size_of_val(&*kernel._options)).map_err(|_| Error::Text(options.into()))?;
        // SAFETY: the kernel owns the text, so it lives until after the image has returned.
        unsafe { loaded.set_load_options(kernel._options.as_ptr().cast(), size) };
        drop(loaded);
        Ok(kernel)
    }

    /// The loaded image.
    #[must_use]
    pub fn image(&self) -> Handle {
        self.image
    }

    /// Starts it. This comes back only when the kernel gave up before taking over.
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
        // An image that was started and has returned is unloaded already; then this fails, rightly.
        let _ = boot::unload_image(self.image);
    }
}
