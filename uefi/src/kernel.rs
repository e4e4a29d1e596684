//! Loads and starts a kernel with an EFI stub.

use alloc::vec::Vec;

use depmod_core::Limits;
use depmod_core::parts::boot::{kernel_image, refuses_initrd};
use depmod_core::parts::decompress::PureDecoder;
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
    refuses_initrd: bool,
}

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
        let kernel = Self { image, _options: text, refuses_initrd: refuses_initrd(&bytes) };
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

    /// Whether it brings an initrd and takes no other.
    #[must_use]
    pub fn refuses_initrd(&self) -> bool {
        self.refuses_initrd
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
