//! The eleven index files, in memory.

use alloc::vec::Vec;
use core::fmt;

use bstr::BStr;

use super::Output;

/// Index files, read or generated. An absent file counts as empty.
#[derive(Clone, PartialEq, Eq)]
pub struct IndexFiles {
    files: Vec<(Output, Vec<u8>)>,
}

/// Names and contents; text as text.
impl fmt::Debug for IndexFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(output, bytes)| (output.file_name(), BStr::new(bytes))))
            .finish()
    }
}

impl IndexFiles {
    /// A set of files, in the order of [`Output::ALL`].
    #[must_use]
    pub fn new(files: Vec<(Output, Vec<u8>)>) -> Self {
        Self { files }
    }

    /// One file; empty if absent.
    #[must_use]
    pub fn get(&self, output: Output) -> &[u8] {
        self.files.iter().find(|(other, _)| *other == output).map_or(&[], |(_, bytes)| bytes)
    }

    /// All files in kmod's order.
    #[must_use]
    pub fn iter(&self) -> Files<'_> {
        Files(self.files.iter())
    }
}

impl<'f> IntoIterator for &'f IndexFiles {
    type Item = (Output, &'f [u8]);
    type IntoIter = Files<'f>;

    fn into_iter(self) -> Files<'f> {
        self.iter()
    }
}

/// Iterates over [`IndexFiles`] in kmod's order.
#[derive(Clone, Debug)]
pub struct Files<'f>(core::slice::Iter<'f, (Output, Vec<u8>)>);

impl<'f> Iterator for Files<'f> {
    type Item = (Output, &'f [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(output, bytes)| (*output, &**bytes))
    }
}
