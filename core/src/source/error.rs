//! Errors of a host.

use alloc::borrow::Cow;
use core::fmt;

/// An error of the operating system: its number (`errno`), if any, its kind, and its text.
///
/// `Display` is the operating system's text (`strerror`), as quoted in kmod's messages.
///
/// ```
/// use depmod_core::{IoError, IoErrorKind};
/// let error = IoError::not_found();
/// assert_eq!((error.kind(), error.errno()), (IoErrorKind::NotFound, Some(2)));
/// assert_eq!(error.to_string(), "No such file or directory");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoError {
    kind: IoErrorKind,
    errno: Option<i32>,
    text: Cow<'static, str>,
}

/// The kinds of errors that the core distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoErrorKind {
    /// There is no file at this path.
    NotFound,
    /// A directory instead of a file.
    IsDirectory,
    /// Larger than the limit of the request.
    TooLarge,
    /// A temporary or permanent machine fault, so the content of the file is unknown: no memory, no
    /// descriptor, no answer from a disk or server, a file that shrinks during a read.
    Fault,
    /// Anything else.
    Other,
}

/// `ENOENT` on Linux.
const NOT_FOUND: i32 = 2;
/// `EISDIR` on Linux.
const IS_DIRECTORY: i32 = 21;
/// `EINTR`, `EIO`, `ENOMEM`, `ENFILE`, `EMFILE`, `ETIMEDOUT`, `ESTALE` on Linux.
const FAULTS: [i32; 7] = [4, 5, NO_MEMORY, 23, 24, 110, 116];
const NO_MEMORY: i32 = 12;
/// `ENOSPC` on Linux.
pub(crate) const NO_SPACE: i32 = 28;

const fn is_fault(errno: i32) -> bool {
    let [a, b, c, d, e, f, g] = FAULTS;
    errno == a || errno == b || errno == c || errno == d || errno == e || errno == f || errno == g
}

impl IoError {
    /// An error of the operating system, with its Linux number.
    #[must_use]
    pub const fn system(errno: i32, text: Cow<'static, str>) -> Self {
        let kind = match errno {
            NOT_FOUND => IoErrorKind::NotFound,
            IS_DIRECTORY => IoErrorKind::IsDirectory,
            _ if is_fault(errno) => IoErrorKind::Fault,
            _ => IoErrorKind::Other,
        };
        Self { kind, errno: Some(errno), text }
    }

    const fn known(errno: i32, text: &'static str) -> Self {
        Self::system(errno, Cow::Borrowed(text))
    }

    /// An error without a number.
    pub fn other(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: IoErrorKind::Other, errno: None, text: text.into() }
    }

    /// A machine fault without a number.
    pub fn fault(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: IoErrorKind::Fault, errno: None, text: text.into() }
    }

    /// Whether the machine is at fault, not the file.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(self.kind, IoErrorKind::Fault)
    }

    /// `No such file or directory`.
    #[must_use]
    pub const fn not_found() -> Self {
        Self::known(NOT_FOUND, "No such file or directory")
    }

    /// `Is a directory`.
    #[must_use]
    pub const fn is_directory() -> Self {
        Self::known(IS_DIRECTORY, "Is a directory")
    }

    /// `Not a directory`.
    #[must_use]
    pub const fn not_directory() -> Self {
        Self::known(20, "Not a directory")
    }

    /// `File exists`.
    #[must_use]
    pub const fn exists() -> Self {
        Self::known(17, "File exists")
    }

    /// `Exec format error`.
    #[must_use]
    pub const fn exec_format() -> Self {
        Self::known(8, "Exec format error")
    }

    /// `Cannot allocate memory`.
    #[must_use]
    pub const fn no_memory() -> Self {
        Self::known(NO_MEMORY, crate::limits::NO_MEMORY)
    }

    /// `Invalid argument`.
    #[must_use]
    pub const fn invalid() -> Self {
        Self::known(22, "Invalid argument")
    }

    /// `File name too long`.
    #[must_use]
    pub const fn name_too_long() -> Self {
        Self::known(36, "File name too long")
    }

    /// `Too many levels of symbolic links`.
    #[must_use]
    pub const fn too_many_links() -> Self {
        Self::known(40, "Too many levels of symbolic links")
    }

    /// `Numerical result out of range`.
    #[must_use]
    pub const fn out_of_range() -> Self {
        Self::known(34, "Numerical result out of range")
    }

    /// `Success`: kmod's text for an error without a cause.
    #[must_use]
    pub const fn success() -> Self {
        Self::known(0, "Success")
    }

    /// The file exceeds the limit of the request.
    #[must_use]
    pub const fn too_large() -> Self {
        Self { kind: IoErrorKind::TooLarge, errno: Some(27), text: Cow::Borrowed("File too large") }
    }

    /// The kind of error.
    #[must_use]
    pub const fn kind(&self) -> IoErrorKind {
        self.kind
    }

    /// The Linux number of the error; `None` if the error is not from the operating system.
    #[must_use]
    pub const fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// The operating system's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl core::error::Error for IoError {}
