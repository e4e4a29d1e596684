//! Compressed module files.
//!
//! A module is stored plain or as one gzip, xz or zstd file. The first bytes determine the format, never the
//! name ([`reference::modules`](crate::reference::modules) §7.1):
//!
//! ```
//! use depmod_core::parts::decompress::Compression;
//!
//! assert_eq!(Compression::detect(b"\x7fELF\x02\x01"), None);
//! assert_eq!(Compression::detect(b"\x28\xb5\x2f\xfd\x24\x00"), Some(Compression::Zstd));
//! ```
//!
//! [`Decoder`] is the trait for a host's libraries; [`PureDecoder`] is the core's own implementation in pure
//! Rust. They decode whole files, with feature `pieces` also in pieces, and treat their input as hostile:
//! declared sizes are only hints, every output has a limit, and allocations can fail.
//!
//! | Format | Several members | Bytes after the last one | Truncated |
//! |---|---|---|---|
//! | gzip | concatenated | ignored | an error |
//! | xz | concatenated, padding between them allowed | an error | an error |
//! | zstd | concatenated, skippable frames skipped | ignored | an error |

mod claim;
mod compression;
#[cfg(feature = "gz")]
pub(crate) mod crc32;
mod decoder;
mod error;
mod feed;
mod grow;
#[cfg(feature = "gz")]
mod gz;
#[cfg(feature = "lz4")]
pub(crate) mod lz4;
mod pure;
#[cfg(any(feature = "xz", feature = "zst"))]
mod reader;
#[cfg(feature = "xz")]
mod xz;
#[cfg(feature = "zst")]
mod zst;

pub use claim::claimed_size;
pub use compression::Compression;
pub(crate) use compression::LZ4_MAGIC;
pub use decoder::Decoder;
pub use error::DecodeError;
pub use feed::Feed;
pub use grow::grow;
#[cfg(feature = "gz")]
pub use gz::Inflater;
pub use pure::PureDecoder;
#[cfg(feature = "xz")]
pub use xz::xz_decoded_size;
