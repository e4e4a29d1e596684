//! Search for the exported symbols of a kernel.
//!
//! The kernel image is the best source, first below the base directory, then in the module directory. Files of
//! distributions follow:
//!
//! | | |
//! |---|---|
//! | image | `boot/vmlinuz-V`, `boot/vmlinux-V`, `boot/Image-V`, the module directory's `vmlinuz` |
//! | `Module.symvers` | `boot/symvers-V` and the module directory's `symvers`, with `.gz`, `.xz`, `.zst` or without |
//! | the same of a build | the module directory's `build`, `usr/src/linux-headers-V`, `usr/src/kernels/V` |
//!
//! The link `build` is absolute; with a base directory it leads out of it and is not followed.

use alloc::{format, string::String, string::ToString, vec::Vec};
use core::fmt;

use bstr::{BStr, BString};

use crate::{
    decompress::{Compression, Decoder},
    diagnostic::Chain,
    limits::Limits,
    options::KernelSymbols,
    parse::kernel::{KernelExports, image_exports},
    source::{IoErrorKind, Source},
};

/// The kernel to search for.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct KernelPlace<'p> {
    /// The base directory, as with `-b`; empty for the root.
    pub base: &'p [u8],
    /// The module directory.
    pub directory: &'p [u8],
    /// The version.
    pub version: &'p [u8],
}

/// Paths and version as text.
impl fmt::Debug for KernelPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelPlace")
            .field("base", &BStr::new(self.base))
            .field("directory", &BStr::new(self.directory))
            .field("version", &BStr::new(self.version))
            .finish()
    }
}

impl<'p> KernelPlace<'p> {
    /// The kernel of a version with this module directory, below a base directory.
    #[must_use]
    pub fn new(base: &'p [u8], directory: &'p [u8], version: &'p [u8]) -> Self {
        Self { base, directory, version }
    }
}

/// A file with exported symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportsFile {
    /// A kernel image.
    Image(BString),
    /// A `Module.symvers`, plain or compressed.
    Symvers(BString),
    /// A `System.map`.
    SystemMap(BString),
}

impl ExportsFile {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Image(path) | Self::Symvers(path) | Self::SystemMap(path) => path,
        }
    }

    /// The kind of file: `image`, `symvers`, `system-map`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image(_) => "image",
            Self::Symvers(_) => "symvers",
            Self::SystemMap(_) => "system-map",
        }
    }
}

/// The result of the search.
#[derive(Clone, Debug, Default)]
pub struct FoundExports {
    /// The exports, and their file.
    pub exports: Option<(KernelExports, ExportsFile)>,
    /// Existing files without usable exports, and the reasons.
    pub refused: Vec<(ExportsFile, String)>,
}

/// Finds the exports of a kernel; a named file is the only candidate, unless it is a placeholder.
pub fn find_kernel_exports<S: Source>(
    source: &S,
    place: KernelPlace<'_>,
    named: Option<&KernelSymbols>,
    decoder: &mut dyn Decoder,
    limits: &Limits,
) -> FoundExports {
    let named = named.map(|named| match named {
        KernelSymbols::Symvers(path) => ExportsFile::Symvers(path.clone()),
        KernelSymbols::SystemMap(path) => ExportsFile::SystemMap(path.clone()),
    });
    let mut found = FoundExports::default();
    if let Some(file) = named {
        match read(source, &file, true, decoder, limits) {
            Ok(exports) => {
                found.exports = exports.map(|exports| (exports, file));
                return found;
            }
            Err(why) => {
                let is_placeholder = why == PLACEHOLDER;
                found.refused.push((file, why));
                if !is_placeholder {
                    return found;
                }
            }
        }
    }
    for file in candidates(place) {
        match read(source, &file, false, decoder, limits) {
            Ok(Some(exports)) => {
                found.exports = Some((exports, file));
                break;
            }
            Ok(None) => {}
            Err(why) => found.refused.push((file, why)),
        }
    }
    found
}

fn candidates(place: KernelPlace<'_>) -> Vec<ExportsFile> {
    let KernelPlace { base, directory, version } = place;
    let below = |name: &str| BString::from([base, b"/", name.as_bytes(), version].concat());
    let beside = |name: &str| BString::from([directory, b"/", name.as_bytes()].concat());
    let mut files = Vec::new();
    let images = ["boot/vmlinuz-", "boot/vmlinux-", "boot/Image-"].map(below);
    files.extend(images.into_iter().chain([beside("vmlinuz")]).map(ExportsFile::Image));
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let mut shipped = below("boot/symvers-");
        shipped.extend_from_slice(suffix.as_bytes());
        files.extend([shipped, beside(&format!("symvers{suffix}"))].map(ExportsFile::Symvers));
    }
    if base.iter().all(|&byte| byte == b'/') {
        files.push(ExportsFile::Symvers(beside("build/Module.symvers")));
    }
    for name in ["usr/src/linux-headers-", "usr/src/kernels/"] {
        let mut built = below(name);
        built.extend_from_slice(b"/Module.symvers");
        files.push(ExportsFile::Symvers(built));
    }
    files
}

/// Reads a candidate; `None` if it does not exist. A named file must exist.
fn read<S: Source>(
    source: &S,
    file: &ExportsFile,
    named: bool,
    decoder: &mut dyn Decoder,
    limits: &Limits,
) -> Result<Option<KernelExports>, String> {
    let limit = match file {
        ExportsFile::Image(_) => limits.boot_file_size,
        ExportsFile::Symvers(_) | ExportsFile::SystemMap(_) => limits.text_size,
    };
    let bytes = if named { source.read_named(file.path(), limit) } else { source.read(file.path(), limit) };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) if !named && error.kind() == IoErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    match file {
        ExportsFile::Image(_) => {
            image_exports(&bytes, decoder, limits).map_err(|error| Chain(&error).to_string())
        }
        ExportsFile::Symvers(_) => {
            let plain = match Compression::detect(&bytes) {
                None => bytes,
                Some(format) => {
                    let mut plain = Vec::new();
                    decoder.decode(format, &bytes, limits, &mut plain).map_err(|error| error.to_string())?;
                    plain
                }
            };
            KernelExports::from_symvers(&plain)
                .ok_or_else(|| "it names no symbol of the kernel itself".into())
        }
        ExportsFile::SystemMap(_) => KernelExports::from_system_map(&bytes).ok_or_else(|| PLACEHOLDER.into()),
    }
    .map(Some)
}

/// The reason for rejecting placeholders such as Debian's `System.map`.
pub(crate) const PLACEHOLDER: &str =
    "it names no exported symbol; it is a placeholder for the real System.map";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decompress::PureDecoder, source::MemorySource};

    const SYMVERS: &[u8] = b"0x00000007\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n";

    fn find(source: &MemorySource, base: &[u8], named: Option<&KernelSymbols>) -> FoundExports {
        let directory = [base, b"/lib/modules/6.1"].concat();
        let place = KernelPlace { base, directory: &directory, version: b"6.1" };
        find_kernel_exports(source, place, named, &mut PureDecoder::new(), &Limits::DEFAULT)
    }

    fn path(found: &FoundExports) -> Option<&[u8]> {
        found.exports.as_ref().map(|(_, file)| file.path())
    }

    #[test]
    fn debug_prints_paths_as_text() {
        let place = KernelPlace::new(b"/b", b"/lib/modules/6.1", b"6.1");
        let text = r#"KernelPlace { base: "/b", directory: "/lib/modules/6.1", version: "6.1" }"#;
        assert_eq!(format!("{place:?}"), text);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_next_is_taken() {
        let mut source = MemorySource::new();
        assert!(find(&source, b"/b", None).exports.is_none());
        source.insert(b"/b/boot/vmlinuz-6.1", *b"no kernel");
        source.insert(b"/b/lib/modules/6.1/build/Module.symvers", SYMVERS);
        assert!(find(&source, b"/b", None).exports.is_none(), "the link leads out of the base directory");
        source.insert(b"/b/usr/src/linux-headers-6.1/Module.symvers", SYMVERS);
        let found = find(&source, b"/b", None);
        assert_eq!(path(&found), Some(&b"/b/usr/src/linux-headers-6.1/Module.symvers"[..]));
        assert_eq!(found.refused[0].1, "this is no kernel image");
        source.insert(b"/lib/modules/6.1/build/Module.symvers", SYMVERS);
        assert_eq!(path(&find(&source, b"", None)), Some(&b"/lib/modules/6.1/build/Module.symvers"[..]));
    }

    #[test]
    fn a_named_file_stands_for_all_others() {
        let mut source = MemorySource::new();
        source.insert(b"/boot/symvers-6.1", SYMVERS);
        assert_eq!(path(&find(&source, b"", None)), Some(&b"/boot/symvers-6.1"[..]));
        source.insert(b"/map", *b"ffffffffffffffff B The real System.map is elsewhere\n");
        let map = KernelSymbols::SystemMap("/map".into());
        let found = find(&source, b"", Some(&map));
        assert_eq!(path(&found), Some(&b"/boot/symvers-6.1"[..]), "not for a placeholder");
        assert_eq!(found.refused[0].1, PLACEHOLDER);
        let gone = KernelSymbols::Symvers("/gone".into());
        assert_eq!(find(&source, b"", Some(&gone)).refused[0].1, "No such file or directory");
    }
}
