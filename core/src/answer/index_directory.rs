//! The index files of a module directory, each read on first use.

use alloc::vec::Vec;
use core::{cell::OnceCell, fmt};

use bstr::BString;

use super::Lookup;
use crate::{
    index::{Index, IndexError},
    limits::Limits,
    output::{IndexFiles, Output},
    source::{IoError, IoErrorKind, Source},
};

/// The files that lookups and load orders need, in the order of reading.
pub const PLANNED_WITH: [Output; 7] = [
    Output::DepIndex,
    Output::AliasIndex,
    Output::SymbolsIndex,
    Output::BuiltinIndex,
    Output::BuiltinAliasIndex,
    Output::Softdep,
    Output::Weakdep,
];

/// Optional files: old kernels list no built-in modules, old releases of kmod make no `modules.weakdep`.
const OPTIONAL: [Output; 4] =
    [Output::BuiltinIndex, Output::BuiltinAliasIndex, Output::Softdep, Output::Weakdep];

/// Index files below a directory. An index is checked completely before its first use: any damage is an error,
/// even if no query reaches it.
#[derive(Debug)]
pub struct IndexDirectory<'s, S> {
    source: &'s S,
    directory: BString,
    limits: &'s Limits,
    files: [OnceCell<Result<Vec<u8>, IndexFault>>; Output::ALL.len()],
}

/// An unusable index file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFileError {
    /// The directory.
    pub directory: BString,
    /// The file.
    pub output: Output,
    /// The reason.
    pub fault: IndexFault,
}

/// The reasons for which an index file is unusable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexFault {
    /// The file is unreadable.
    Read(IoError),
    /// The index is corrupt.
    Corrupt(IndexError),
}

impl IndexFileError {
    /// Whether the file does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(&self.fault, IndexFault::Read(error) if error.kind() == IoErrorKind::NotFound)
    }
}

impl fmt::Display for IndexFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.fault {
            IndexFault::Read(_) => "read",
            IndexFault::Corrupt(_) => "use",
        };
        write!(f, "cannot {verb} {}/{}", self.directory, self.output.file_name())
    }
}

impl core::error::Error for IndexFileError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.fault {
            IndexFault::Read(error) => Some(error),
            IndexFault::Corrupt(error) => Some(error),
        }
    }
}

impl<'s, S: Source> IndexDirectory<'s, S> {
    /// The index files of this directory. Nothing is read yet.
    pub fn new(source: &'s S, directory: impl Into<BString>, limits: &'s Limits) -> Self {
        Self { source, directory: directory.into(), limits, files: Default::default() }
    }

    /// The content of a file; empty for a missing optional file.
    ///
    /// # Errors
    /// When it is unreadable, or a corrupt index.
    pub fn file(&self, output: Output) -> Result<&[u8], IndexFileError> {
        let error = |fault| IndexFileError { directory: self.directory.clone(), output, fault };
        let Some(cell) = Output::ALL.into_iter().zip(&self.files).find(|(other, _)| *other == output) else {
            return Err(error(IndexFault::Read(IoError::not_found())));
        };
        cell.1.get_or_init(|| self.read(output)).as_deref().map_err(|fault| error(fault.clone()))
    }

    /// An index; `None` for a missing optional one.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn index(&self, output: Output) -> Result<Option<Index<'_>>, IndexFileError> {
        let bytes = self.file(output)?;
        if bytes.is_empty() && OPTIONAL.contains(&output) {
            return Ok(None);
        }
        let index = Index::parse(bytes).map(|index| Some(index.steps(self.limits.steps)));
        index.map_err(|error| self.corrupt(output, error))
    }

    /// All files for planning.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn lookup(&self) -> Result<Lookup<'_>, IndexFileError> {
        for output in PLANNED_WITH {
            self.file(output)?;
        }
        let lookup = Lookup::new(|output| self.file(output).unwrap_or_default());
        // The headers have been checked.
        lookup
            .map(|lookup| lookup.steps(self.limits.steps))
            .map_err(|error| self.corrupt(Output::DepIndex, error))
    }

    /// The binary indexes, and which of those of built-in modules are missing or empty: the built-in modules are
    /// then not known, which does not mean that there are none.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn indexes(&self) -> Result<(IndexFiles, Vec<Output>), IndexFileError> {
        let (mut files, mut unknown) = (Vec::new(), Vec::new());
        for output in Output::ALL.into_iter().filter(|output| output.is_index()) {
            let bytes = self.file(output)?;
            if bytes.is_empty() {
                unknown.push(output);
            }
            files.push((output, bytes.to_vec()));
        }
        Ok((IndexFiles::new(files), unknown))
    }

    pub(super) fn corrupt(&self, output: Output, error: IndexError) -> IndexFileError {
        IndexFileError { directory: self.directory.clone(), output, fault: IndexFault::Corrupt(error) }
    }

    fn read(&self, output: Output) -> Result<Vec<u8>, IndexFault> {
        let path = [self.directory.as_slice(), b"/", output.file_name().as_bytes()].concat();
        let bytes = match self.source.read(&path, self.limits.text_size) {
            Err(error) if error.kind() == IoErrorKind::NotFound && OPTIONAL.contains(&output) => Vec::new(),
            read => read.map_err(IndexFault::Read)?,
        };
        if output.is_index() && !(bytes.is_empty() && OPTIONAL.contains(&output)) {
            Index::parse(&bytes).and_then(|index| index.skim()).map_err(IndexFault::Corrupt)?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use alloc::string::ToString;

    #[test]
    fn built_in_modules_without_an_index_are_unknown() {
        let mut source = MemorySource::new();
        let good = crate::index::IndexBuilder::new().finish(&Limits::DEFAULT).unwrap();
        let limits = Limits::DEFAULT;
        for output in [Output::DepIndex, Output::AliasIndex, Output::SymbolsIndex, Output::BuiltinIndex] {
            let indexes = IndexDirectory::new(&source, "/d", &limits).indexes();
            assert_eq!(indexes.is_err_and(|error| error.is_missing()), output != Output::BuiltinIndex);
            source.insert(&[b"/d/", output.file_name().as_bytes()].concat(), good.clone());
        }
        let unknown = |source: &MemorySource| IndexDirectory::new(source, "/d", &limits).indexes().unwrap().1;
        assert_eq!(unknown(&source), [Output::BuiltinAliasIndex]);
        source.insert(b"/d/modules.builtin.alias.bin", good);
        assert_eq!(unknown(&source), []);
        source.insert(b"/d/modules.builtin.bin", *b"");
        assert_eq!(unknown(&source), [Output::BuiltinIndex]);
    }

    #[test]
    fn what_is_missing_and_what_is_broken() {
        let mut source = MemorySource::new();
        let good = crate::index::IndexBuilder::new().finish(&Limits::DEFAULT).unwrap();
        source.insert(b"/d/modules.dep.bin", good.clone());
        let mut bad = good.clone();
        bad[9] = 0xff;
        source.insert(b"/d/modules.alias.bin", bad);
        source.insert(b"/d/modules.builtin.bin", *b"");
        source.insert(b"/d/modules.symbols.bin", [&good[..], b"tail"].concat());
        let limits = Limits::DEFAULT;
        let files = IndexDirectory::new(&source, "/d", &limits);
        assert!(files.index(Output::DepIndex).unwrap().is_some());
        assert!(files.index(Output::SymbolsIndex).unwrap().is_some());
        assert!(files.index(Output::BuiltinIndex).unwrap().is_none());
        assert!(files.index(Output::BuiltinAliasIndex).unwrap().is_none());
        assert_eq!(files.file(Output::Weakdep), Ok(&b""[..]));
        let error = files.index(Output::AliasIndex).unwrap_err();
        assert_eq!(error.to_string(), "cannot use /d/modules.alias.bin");
        assert!(matches!(error.fault, IndexFault::Corrupt(IndexError::Corrupt { offset: _, .. })));
        assert_eq!(files.lookup().unwrap_err(), error);
        let error = files.file(Output::Alias).unwrap_err();
        assert!(error.is_missing());
        assert_eq!(error.to_string(), "cannot read /d/modules.alias");
    }
}
