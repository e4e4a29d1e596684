//! newc cpio archives: what the kernel unpacks as an initrd, and what holds a module tree best
//! where the file system folds case.
//!
//! An archive is a row of entries, each a header of 110 ASCII bytes, a name with its NUL, and data;
//! name and data are padded with zeros so that the next part starts at a multiple of four. The file
//! `a` with the content `hi` is, up to the trailer:
//!
//! ```text
//! 070701          magic
//! 00000001        inode            000081A4  mode: regular file, 0644
//! 00000000        user             00000000  group
//! 00000001        links            00000000  modification time
//! 00000002        size of data     00000000 00000000  device of the file
//! 00000000        00000000         device that a special file stands for
//! 00000002        size of name, its NUL included
//! 00000000        checksum (magic 070702 only)
//! a NUL           then hi NUL NUL
//! ```
//!
//! The entry named `TRAILER!!!` ends an archive; zeros and further archives may follow it
//! (Linux `Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! ```
//! use depmod_core::cpio::{Archive, Builder};
//! use depmod_core::host::Source;
//!
//! let mut builder = Builder::new();
//! builder.file(b"/lib/modules/6.1/modules.order", b"kernel/a.ko\n");
//! let bytes = builder.build()?;
//! let archive = Archive::parse(&bytes, &depmod_core::limits::Limits::DEFAULT)?;
//! assert_eq!(archive.read(b"/lib/modules/6.1/modules.order", 100)?, b"kernel/a.ko\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod header;
mod reader;
mod writer;

pub use archive::{Archive, ArchiveError};
pub use header::{ALIGN, MODE_DIRECTORY, MODE_FILE, MODE_LINK, MODE_TYPE};
pub use reader::{Entries, Entry, Error, ErrorKind};
pub use writer::{BuildError, Builder};
