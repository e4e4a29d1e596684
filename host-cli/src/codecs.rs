//! Decoders for compressed modules: the C libraries, or Rust alone.
//!
//! With the default feature `native-codecs` every thread has one [`NativeDecoder`]: libzstd, liblzma
//! and libdeflate, linked statically. They decode what the core's
//! [`PureDecoder`](depmod_core::decompress::PureDecoder) decodes, say the same, and are faster.

#[cfg(feature = "native-codecs")]
mod native;

#[cfg(feature = "native-codecs")]
pub use native::NativeDecoder;
/// The decoder of this build.
#[cfg(feature = "native-codecs")]
pub use native::NativeDecoder as HostDecoder;

/// The decoder of this build.
#[cfg(not(feature = "native-codecs"))]
pub use depmod_core::decompress::PureDecoder as HostDecoder;

/// The formats as `-V` lists them, in kmod's form.
pub const FEATURES: &str = "+ZSTD +XZ +ZLIB";
