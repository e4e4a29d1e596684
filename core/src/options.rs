//! Options of a run.

use alloc::vec::Vec;
use core::iter;

use bstr::BString;

use crate::limits::Limits;

/// The options of a run.
///
/// ```
/// use depmod_core::{Options, Unresolved};
///
/// let options = Options::new("/lib/modules/6.1", "6.1")
///     .config_paths(["/etc/depmod.d"])
///     .unresolved(Unresolved::Warn);
/// assert_eq!(options.directory, "/lib/modules/6.1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The module directory: `<basedir>/<moduledir>/<version>`, absolute.
    pub directory: BString,
    /// Module directories that lie over [`Self::directory`] and over each other, the uppermost last, as image-based
    /// systems merge extensions: see [`Self::layers`](Self::layers()).
    pub layers: Vec<BString>,
    /// The kernel version, matched against patterns in the configuration.
    pub version: BString,
    /// The modules to index.
    pub selection: Selection,
    /// Omit modules that root does not own.
    pub root_owned_only: bool,
    /// Configuration files and directories; earlier ones mask later ones.
    pub config_paths: Vec<BString>,
    /// The file with the kernel's own symbols.
    pub kernel_symbols: Option<KernelSymbols>,
    /// `-P`: an optional first character of symbol names.
    pub symbol_prefix: Option<u8>,
    /// Reporting of needed symbols without a provider.
    pub unresolved: Unresolved,
    /// `-w`: report repeated aliases.
    pub warn_duplicates: bool,
    /// `-v`: list the symbol that links each pair of modules
    /// ([`Hooks::links`](crate::parts::run::Hooks::links)).
    pub trace_links: bool,
    /// `-n`: generate only the text files, without the messages of the binary indexes.
    pub text_only: bool,
    /// Limits on input.
    pub limits: Limits,
}

/// Selection of modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All modules below the module directory and the external directories.
    All,
    /// These files, by absolute path.
    Files(Vec<BString>),
}

/// The path of a file with the kernel's own symbols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelSymbols {
    /// `-E`: `Module.symvers`; turns the comparison of versions on.
    Symvers(BString),
    /// `-F`: `System.map`.
    SystemMap(BString),
}

/// Reporting of needed symbols without a provider, and about wrong versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Nothing.
    Ignore,
    /// `-e`: warnings.
    Warn,
    /// `-u`: errors, which are counted.
    Fail,
}

impl Options {
    /// All modules of a directory, other options at their defaults.
    pub fn new(directory: impl Into<BString>, version: impl Into<BString>) -> Self {
        Self {
            directory: directory.into(),
            layers: Vec::new(),
            version: version.into(),
            selection: Selection::All,
            root_owned_only: false,
            config_paths: Vec::new(),
            kernel_symbols: None,
            symbol_prefix: None,
            unresolved: Unresolved::Ignore,
            warn_duplicates: false,
            trace_links: false,
            text_only: false,
            limits: Limits::DEFAULT,
        }
    }

    /// Sets [`Self::layers`]: the modules of all directories are indexed as those of one directory.
    ///
    /// Of two modules with the same name, the one in the upper layer is indexed. The lines of all order files count,
    /// lower ones first. The lists of built-in modules are those of the lowest directory that has them. Files of
    /// [`Selection::Files`] have no layer.
    #[must_use]
    pub fn layers(self, layers: impl IntoIterator<Item = impl Into<BString>>) -> Self {
        Self { layers: layers.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets [`Self::selection`].
    #[must_use]
    pub fn selection(self, selection: Selection) -> Self {
        Self { selection, ..self }
    }

    /// Whether modules of this owner are indexed.
    #[must_use]
    pub fn admits_owner(&self, root_owned: bool) -> bool {
        root_owned || !self.root_owned_only
    }

    /// Sets [`Self::root_owned_only`].
    #[must_use]
    pub fn root_owned_only(self, root_owned_only: bool) -> Self {
        Self { root_owned_only, ..self }
    }

    /// Sets [`Self::config_paths`].
    #[must_use]
    pub fn config_paths(self, paths: impl IntoIterator<Item = impl Into<BString>>) -> Self {
        Self { config_paths: paths.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets [`Self::kernel_symbols`].
    #[must_use]
    pub fn kernel_symbols(self, kernel_symbols: Option<KernelSymbols>) -> Self {
        Self { kernel_symbols, ..self }
    }

    /// Sets [`Self::symbol_prefix`].
    #[must_use]
    pub fn symbol_prefix(self, symbol_prefix: Option<u8>) -> Self {
        Self { symbol_prefix, ..self }
    }

    /// Sets [`Self::unresolved`].
    #[must_use]
    pub fn unresolved(self, unresolved: Unresolved) -> Self {
        Self { unresolved, ..self }
    }

    /// Sets [`Self::warn_duplicates`].
    #[must_use]
    pub fn warn_duplicates(self, warn_duplicates: bool) -> Self {
        Self { warn_duplicates, ..self }
    }

    /// Sets [`Self::trace_links`].
    #[must_use]
    pub fn trace_links(self, trace_links: bool) -> Self {
        Self { trace_links, ..self }
    }

    /// Sets [`Self::text_only`].
    #[must_use]
    pub fn text_only(self, text_only: bool) -> Self {
        Self { text_only, ..self }
    }

    /// Sets [`Self::limits`].
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The module directory and those over it, the lowest first.
    pub fn directories(&self) -> impl Iterator<Item = &BString> {
        iter::once(&self.directory).chain(&self.layers)
    }

    /// The path of a file of the module directory.
    #[must_use]
    pub fn path_of(&self, name: &str) -> BString {
        path_in(&self.directory, name)
    }

    /// The paths of a file in [`Self::directories`], each with its directory.
    pub(crate) fn paths_of(&self, name: &str) -> impl Iterator<Item = (&BString, BString)> {
        self.directories().map(move |directory| (directory, path_in(directory, name)))
    }

    /// Cache key: every option that can change a byte or a message of the result. Two runs with equal keys
    /// and equal input files have equal results.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        // Destructuring makes a new field a compile error until the key covers it.
        let Self {
            directory,
            layers,
            version,
            selection,
            root_owned_only,
            config_paths,
            kernel_symbols,
            symbol_prefix,
            unresolved,
            warn_duplicates,
            trace_links,
            text_only,
            limits,
        } = self;
        let mut key = Key(Vec::new());
        key.text(directory);
        key.texts(layers);
        key.text(version);
        match selection {
            Selection::All => key.number(0),
            Selection::Files(files) => {
                key.number(1);
                key.texts(files);
            }
        }
        key.texts(config_paths);
        match kernel_symbols {
            None => key.number(0),
            Some(KernelSymbols::Symvers(path)) => {
                key.number(1);
                key.text(path);
            }
            Some(KernelSymbols::SystemMap(path)) => {
                key.number(2);
                key.text(path);
            }
        }
        key.number(symbol_prefix.map_or(0, |byte| u64::from(byte).saturating_add(1)));
        key.number(match unresolved {
            Unresolved::Ignore => 0,
            Unresolved::Warn => 1,
            Unresolved::Fail => 2,
        });
        for switch in [root_owned_only, warn_duplicates, trace_links, text_only] {
            key.number(u64::from(*switch));
        }
        limits.each().into_iter().for_each(|limit| key.number(limit));
        key.0
    }
}

fn path_in(directory: &[u8], name: &str) -> BString {
    [directory, b"/", name.as_bytes()].concat().into()
}

/// Numbers of eight bytes, and texts with a length prefix.
struct Key(Vec<u8>);

impl Key {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text);
    }

    fn texts(&mut self, texts: &[BString]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.text(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn every_limit_changes_the_key() {
        let fields: [fn(&mut Limits); 24] = [
            |limits| limits.module_size = 1,
            |limits| limits.unpieced_module_size = 1,
            |limits| limits.buffered_size = 1,
            |limits| limits.file_size = 1,
            |limits| limits.decoder_memory = 1,
            |limits| limits.sections_size = 1,
            |limits| limits.text_size = 1,
            |limits| limits.archive_size = 1,
            |limits| limits.archive_members = 1,
            |limits| limits.boot_entry_size = 1,
            |limits| limits.boot_file_size = 1,
            |limits| limits.firmware_table_size = 1,
            |limits| limits.firmware_tables = 1,
            |limits| limits.block_devices = 1,
            |limits| limits.superblock_size = 1,
            |limits| limits.superblocks = 1,
            |limits| limits.layers = 1,
            |limits| limits.depth = 1,
            |limits| limits.directories = 1,
            |limits| limits.candidates = 1,
            |limits| limits.index_size = 1,
            |limits| limits.cycle_steps = 1,
            |limits| limits.cycle_lines = 1,
            |limits| limits.steps = 1,
        ];
        let keys: BTreeSet<_> = fields
            .iter()
            .map(|set| {
                let mut limits = Limits::DEFAULT;
                set(&mut limits);
                Options::new("/d", "6.1").limits(limits).key()
            })
            .collect();
        assert_eq!(keys.len(), fields.len());
        assert!(!keys.contains(&Options::new("/d", "6.1").key()));
    }

    #[test]
    fn every_field_changes_the_key() {
        let new = || Options::new("/d", "6.1");
        let mut limits = Limits::DEFAULT;
        limits.steps = 1;
        let changed = [
            Options::new("/e", "6.1"),
            Options::new("/d", "6.2"),
            Options::new("/d6", ".1"),
            new().layers(["/e"]),
            new().layers(["/e", "/f"]),
            new().selection(Selection::Files(Vec::new())),
            new().selection(Selection::Files(Vec::from(["/d/a.ko".into()]))),
            new().root_owned_only(true),
            new().config_paths(["a"]),
            new().config_paths(["a", "b"]),
            new().config_paths(["ab"]),
            new().kernel_symbols(Some(KernelSymbols::Symvers("f".into()))),
            new().kernel_symbols(Some(KernelSymbols::SystemMap("f".into()))),
            new().symbol_prefix(Some(0)),
            new().symbol_prefix(Some(b'_')),
            new().unresolved(Unresolved::Warn),
            new().unresolved(Unresolved::Fail),
            new().warn_duplicates(true),
            new().trace_links(true),
            new().text_only(true),
            new().limits(limits),
        ];
        let mut keys: Vec<_> = changed.iter().chain([&new()]).map(Options::key).collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
