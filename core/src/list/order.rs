//! `modules.order`: one uncompressed path per line, relative to the module directory
//! ([`reference::modules`](crate::reference::modules) §5).

use core::fmt;

use bstr::BStr;
use hashbrown::HashMap;

use crate::diagnostic::{Diagnostic, FileLine};
use crate::source::{Lines, PATH_LINE};

/// The order of the kernel build: the positions of some paths.
///
/// Memory is needed for these alone: the file may have many lines about other modules.
///
/// ```
/// # use depmod_core::parts::list::Order;
/// let paths: [&[u8]; 3] = [b"kernel/a.ko", b"kernel/b.ko", b"kernel/c.ko"];
/// let order = Order::of(paths, b"kernel/b.ko\nkernel/a.ko\nkernel/b.ko\n").unwrap();
/// assert_eq!(order.position(b"kernel/b.ko"), Some(0), "the first occurrence counts");
/// assert_eq!(order.position(b"kernel/a.ko"), Some(1));
/// assert_eq!(order.position(b"kernel/c.ko"), None);
/// assert_eq!(Order::of(paths, b"kernel/b.ko\nkernel/a.ko").unwrap_err().line, 2);
/// ```
#[derive(Clone, Default)]
pub struct Order<'a> {
    positions: HashMap<&'a [u8], Option<usize>>,
}

/// Paths with their positions.
impl fmt::Debug for Order<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.positions.iter().map(|(path, position)| (BStr::new(path), position)))
            .finish()
    }
}

/// A line of `modules.order` without a newline: the file ends there, or the line has more than 4,095 bytes.
/// The whole file then has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorruptLine {
    /// Its number, from 1.
    pub line: usize,
}

impl<'a> Order<'a> {
    /// The file's name in a module directory.
    pub const FILE_NAME: &'static str = "modules.order";

    /// The positions of `paths` in a whole `modules.order`. Lines are used unchanged: no trimming, no removal
    /// of CR. Paths are relative to the module directory, without a compression suffix.
    ///
    /// # Errors
    /// When a line has no newline.
    pub fn of(paths: impl IntoIterator<Item = &'a [u8]>, bytes: &[u8]) -> Result<Self, CorruptLine> {
        let mut positions: HashMap<&[u8], Option<usize>> =
            paths.into_iter().map(|path| (path, None)).collect();
        for line in Lines::new(bytes, PATH_LINE) {
            match line.text.split_last() {
                Some((b'\n', path)) => {
                    if let Some(position @ None) = positions.get_mut(path) {
                        *position = Some(line.number.saturating_sub(1));
                    }
                }
                // A NUL as the first byte makes a line empty, not corrupt.
                None => {}
                Some(_) => return Err(CorruptLine { line: line.number }),
            }
        }
        Ok(Self { positions })
    }

    /// The number of the first line with `path`, from 0; `None` also for a path that [`Order::of`] did not get.
    #[must_use]
    pub fn position(&self, path: &[u8]) -> Option<usize> {
        self.positions.get(path).copied().flatten()
    }
}

impl CorruptLine {
    /// kmod's message; `path` is the path of the file.
    #[must_use]
    pub fn diagnostic(&self, path: &[u8]) -> Diagnostic {
        Diagnostic::CorruptOrder { place: FileLine::new(path, self.line) }
    }
}

impl fmt::Display for CorruptLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} misses its newline", self.line)
    }
}

impl core::error::Error for CorruptLine {}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Order<'static>, CorruptLine> {
        let paths: [&[u8]; 5] = [b"k/a.ko", b"k/b.ko", b"k/c.ko", b"k/d.ko", b"k/d.ko"];
        Order::of(paths, bytes)
    }

    fn long_line(before_newline: usize) -> Vec<u8> {
        [&*alloc::vec![b'x'; before_newline], b"\nk/a.ko\n"].concat()
    }

    #[test]
    fn lines_are_not_trimmed() {
        let order = parse(b"k/a.ko\r\n k/b.ko\n\nk/c.ko\n").unwrap();
        assert_eq!(order.position(b"k/a.ko"), None);
        assert_eq!(order.position(b"k/b.ko"), None);
        assert_eq!(order.position(b"k/c.ko"), Some(3));
        assert_eq!(parse(b"").unwrap().position(b"k/a.ko"), None);
    }

    #[test]
    fn lines_have_at_most_4095_bytes_with_their_newline() {
        assert_eq!(parse(&long_line(4094)).unwrap().position(b"k/a.ko"), Some(1));
        assert_eq!(parse(&long_line(4095)).unwrap_err().line, 1);
        assert_eq!(parse(&long_line(4096)).unwrap_err().line, 1);
    }

    #[test]
    fn nul_bytes_end_a_line_as_in_c() {
        assert_eq!(parse(b"k/d.ko\nk/b.ko\0x\n").unwrap_err().line, 2);
        assert_eq!(parse(b"k/d.ko\n\0x\nk/b.ko\n").unwrap().position(b"k/b.ko"), Some(2));
        assert_eq!(parse(b"k/d.ko\n\0").unwrap().position(b"k/d.ko"), Some(0));
    }

    #[test]
    fn message_matches_kmod() {
        let message = CorruptLine { line: 3 }.diagnostic(b"/m/modules.order").message();
        assert_eq!(message, b"/m/modules.order:3 corrupted line misses '\\n'");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let paths: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
            if let Ok(order) = Order::of(paths.iter().copied(), &bytes) {
                for (position, path) in paths.iter().take(paths.len() - 1).enumerate() {
                    let found = order.position(path);
                    prop_assert!(path.contains(&0) || found.is_some_and(|found| found <= position));
                }
            }
        }
    }
}
