//! Decoders for compressed modules: the C libraries, or Rust alone.
//!
//! With the default feature `native-codecs`, or with `system-codecs`, every thread has one [`NativeDecoder`]:
//! libzstd, liblzma and libdeflate, linked statically or the system's. They decode the same files as the core's
//! [`PureDecoder`](depmod_core::parts::decompress::PureDecoder), with the same messages, but faster.

mod budget;
#[cfg(feature = "c-codecs")]
mod native;
#[cfg(not(feature = "c-codecs"))]
mod pure;

#[cfg(feature = "c-codecs")]
pub use native::NativeDecoder;
/// The decoder of this build.
#[cfg(feature = "c-codecs")]
pub use native::NativeDecoder as HostDecoder;

#[cfg(not(feature = "c-codecs"))]
pub use pure::HostDecoder;

/// Whether [`zstd`] is available.
pub const ZSTD_ENCODER: bool = cfg!(feature = "c-codecs");

/// One zstd frame with its size and a checksum: the same bytes for the same input. `None` in a build without
/// an encoder.
#[must_use]
pub fn zstd(plain: &[u8]) -> Option<Vec<u8>> {
    #[cfg(feature = "c-codecs")]
    {
        native::zstd(plain)
    }
    #[cfg(not(feature = "c-codecs"))]
    {
        let _ = plain;
        None
    }
}

/// The formats in kmod's notation, for `-V`.
pub const FEATURES: &str = "+ZSTD +XZ +ZLIB";
