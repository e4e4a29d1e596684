//! Existing initrds: the boot loader's and the ones that the boot entry names, unpacked so that a further one can go
//! on top.

use alloc::{string::String, vec::Vec};

use depmod_core::Limits;
use depmod_core::parts::boot::initrd::{ExistingError, ExistingInitrds, UnpackedInitrd};
use depmod_core::parts::decompress::PureDecoder;

use crate::error::{Error, Result};

/// Initrds without compression, with their paths.
#[derive(Debug)]
pub struct NamedInitrds<'i>(Vec<(&'i str, UnpackedInitrd<'i>)>);

/// The name of an initrd that the entry does not name.
pub const OF_BOOT_LOADER: &str = "the boot loader's initrd";

impl<'i> NamedInitrds<'i> {
    /// Decompresses each initrd. The last ones have these paths; one more, before them, is the boot loader's.
    ///
    /// # Errors
    /// An initrd is broken, too large, or in an unsupported format.
    pub fn read(paths: &'i [String], initrds: &'i [Vec<u8>], limits: &Limits) -> Result<Self> {
        let mut decoder = PureDecoder::default();
        let mut unpacked = Vec::new();
        let unnamed = initrds.len().saturating_sub(paths.len());
        let names = core::iter::repeat_n(OF_BOOT_LOADER, unnamed).chain(paths.iter().map(|path| &**path));
        for (path, initrd) in names.zip(initrds) {
            let size = initrd.len() as u64;
            if size > limits.boot_file_size {
                return Err(Error::LargeInitrd { path: path.into(), size });
            }
            let initrd = UnpackedInitrd::read(initrd, &mut decoder, limits).map_err(failed(path))?;
            unpacked.push((path, initrd));
        }
        Ok(Self(unpacked))
    }

    /// Their files, later initrds over earlier ones.
    ///
    /// # Errors
    /// The links of an initrd take too long to follow.
    pub fn merge(&self, limits: &Limits) -> Result<ExistingInitrds<'_>> {
        let mut existing = ExistingInitrds::default();
        for (path, initrd) in &self.0 {
            existing.add(initrd, limits).map_err(failed(path))?;
        }
        Ok(existing)
    }
}

fn failed(path: &str) -> impl FnOnce(ExistingError) -> Error {
    move |cause| Error::ExistingInitrd { path: path.into(), cause }
}
