//! newc cpio archives: the format of an initrd, and of a module directory on a case-insensitive file system.
//!
//! An archive is a sequence of members, each a header of 110 ASCII bytes, a name with its NUL, and data; name
//! and data are padded with zeros so that the next part starts at a multiple of four. The file `a` with the
//! content `hi`, up to the trailer:
//!
//! ```text
//! 070701          magic
//! 00000001        inode            000081A4  mode: regular file, 0644
//! 00000000        user             00000000  group
//! 00000001        links            00000000  modification time
//! 00000002        size of data     00000000 00000000  device of the file
//! 00000000        00000000         device number of a special file
//! 00000002        size of name, its NUL included
//! 00000000        checksum (magic 070702 only)
//! a NUL           then hi NUL NUL
//! ```
//!
//! The member `TRAILER!!!` ends an archive; zeros and further archives may follow (Linux
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! ```
//! use depmod_core::parts::cpio::{Builder, Members};
//!
//! let mut builder = Builder::new();
//! builder.file(b"/lib/modules/6.1/modules.order", b"kernel/a.ko\n");
//! let bytes = builder.build()?;
//! let order = Members::new(&bytes).filter_map(Result::ok).find(|member| member.is_file()).unwrap();
//! assert_eq!(order.name, b"lib/modules/6.1/modules.order");
//! assert_eq!(order.data, b"kernel/a.ko\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod header;
mod reader;
mod writer;

pub use header::{ALIGN, MODE_DIRECTORY, MODE_FILE, MODE_LINK, MODE_TYPE};
#[cfg(test)]
pub(crate) use header::{Header, TRAILER, padding};
pub use reader::{CpioError, ErrorKind, Member, Members};
pub use writer::{BuildError, Builder};
