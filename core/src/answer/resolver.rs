//! Lookups as with `modprobe --resolve-alias`, for many queries.

use alloc::vec::Vec;

use bstr::BString;

use super::{IndexDirectory, IndexFileError, ModprobeConfig};
use crate::{
    index::{Index, Searcher, Value},
    name::normalize_alias,
    output::{Output, SYMBOL_KEY},
    source::Source,
};

/// Resolves names and aliases with reused memory. An index is read for the first query that needs it.
#[derive(Debug)]
pub struct Resolver<'a, S> {
    files: &'a IndexDirectory<'a, S>,
    config: &'a ModprobeConfig,
    indexes: [Option<Option<Index<'a>>>; INDEXES.len()],
    searcher: Searcher,
    query: BString,
    values: Vec<Value<'a>>,
}

const INDEXES: [Output; 5] = [
    Output::DepIndex,
    Output::AliasIndex,
    Output::SymbolsIndex,
    Output::BuiltinIndex,
    Output::BuiltinAliasIndex,
];

impl<'a, S: Source> Resolver<'a, S> {
    /// Resolves with these files and this configuration.
    #[must_use]
    pub fn new(files: &'a IndexDirectory<'a, S>, config: &'a ModprobeConfig) -> Self {
        Self {
            files,
            config,
            indexes: [None; INDEXES.len()],
            searcher: Searcher::default(),
            query: BString::default(),
            values: Vec::new(),
        }
    }

    /// Calls `found` for each resulting name, in `modprobe`'s order and with its repeats; returns their number.
    /// The first of these with a result counts:
    ///
    /// 1. aliases of the configuration, then names with a command there;
    /// 2. the module of that name;
    /// 3. modules with a matching alias, or for `symbol:NAME` the provider of the symbol;
    /// 4. built-in modules, by alias, then by name.
    ///
    /// # Errors
    /// When a needed index cannot be read, or is corrupt.
    pub fn resolve(&mut self, query: &[u8], mut found: impl FnMut(&[u8])) -> Result<usize, IndexFileError> {
        let Ok(bytes) = normalize_alias(query) else { return Ok(0) };
        let mut query = core::mem::take(&mut self.query);
        query.clear();
        query.extend(bytes);
        let count = self.resolve_normal(&query, &mut found);
        self.query = query;
        count
    }

    fn resolve_normal(
        &mut self,
        query: &[u8],
        found: &mut impl FnMut(&[u8]),
    ) -> Result<usize, IndexFileError> {
        let aliases = self.config.aliases(query).map(|name| found(name)).count();
        if aliases > 0 {
            return Ok(aliases);
        }
        if self.config.has_command(query) || self.has(Output::DepIndex, query)? {
            found(query);
            return Ok(1);
        }
        let aliases = if query.starts_with(SYMBOL_KEY) { Output::SymbolsIndex } else { Output::AliasIndex };
        for output in [aliases, Output::BuiltinAliasIndex] {
            // A built-in module's name comes before aliases of others, as in kmod.
            if output == Output::BuiltinAliasIndex && self.has(Output::BuiltinIndex, query)? {
                found(query);
                return Ok(1);
            }
            if let Some(index) = self.index(output)? {
                let done = self.searcher.find_into(&index, query, &mut self.values);
                done.map_err(|error| self.files.corrupt(output, error))?;
                if !self.values.is_empty() {
                    self.values.iter().for_each(|value| found(value.bytes));
                    return Ok(self.values.len());
                }
            }
        }
        Ok(0)
    }

    fn has(&mut self, output: Output, name: &[u8]) -> Result<bool, IndexFileError> {
        let Some(index) = self.index(output)? else { return Ok(false) };
        let value = index.get(name).map_err(|error| self.files.corrupt(output, error))?;
        Ok(value.is_some())
    }

    fn index(&mut self, output: Output) -> Result<Option<Index<'a>>, IndexFileError> {
        let Some(at) = INDEXES.iter().position(|other| *other == output) else { return Ok(None) };
        let Some(slot) = self.indexes.get_mut(at) else { return Ok(None) };
        if let Some(index) = slot {
            return Ok(*index);
        }
        let index = self.files.index(output)?;
        *slot = Some(index);
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{index::IndexBuilder, limits::Limits, source::MemorySource};
    use alloc::{string::String, vec};

    fn index(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = IndexBuilder::new();
        for (priority, (key, value)) in (0..).zip(entries) {
            builder.insert(key.bytes(), value.as_bytes(), priority).unwrap();
        }
        builder.finish(&Limits::DEFAULT).unwrap()
    }

    fn source() -> MemorySource {
        let mut source = MemorySource::new();
        let mut put = |name: &str, entries| {
            source.insert(alloc::format!("/d/modules.{name}.bin").as_bytes(), index(entries));
        };
        put("dep", &[("nvme", "nvme.ko:"), ("a_b", "a-b.ko:")]);
        put("alias", &[("pci:v1*", "nvme"), ("pci:v*d2", "nvme"), ("pci:v1d*", "a_b"), ("nvme", "a_b")]);
        put("symbols", &[("symbol:f", "nvme")]);
        put("builtin", &[("zcrc", ""), ("loop", ""), ("nvme", "")]);
        put("builtin.alias", &[("zcrc", "crc_generic"), ("pci:v9*", "loop"), ("pci:v1*", "loop")]);
        source.insert(b"/c", *b"alias c* x\nalias c1 y-z\nalias c1 x\ninstall only /bin/x\n");
        source
    }

    #[test]
    fn who_answers() {
        let (source, limits) = (source(), Limits::DEFAULT);
        let files = IndexDirectory::new(&source, "/d", &limits);
        let config = ModprobeConfig::load(&source, &["/c"], &limits, &mut ()).unwrap();
        let mut resolver = Resolver::new(&files, &config);
        for (query, expected) in [
            ("nvme", vec!["nvme"]),
            ("a-b", vec!["a_b"]),
            ("pci:v1d2", vec!["nvme", "nvme", "a_b"]),
            ("pci:v9", vec!["loop"]),
            ("symbol:f", vec!["nvme"]),
            ("loop", vec!["loop"]),
            ("zcrc", vec!["zcrc"]),
            ("c1", vec!["x", "y_z", "x"]),
            ("only", vec!["only"]),
            ("gone", vec![]),
            ("a]", vec![]),
            ("", vec![]),
        ] {
            let mut names = Vec::new();
            let count = resolver
                .resolve(query.as_bytes(), |name| names.push(String::from_utf8(name.to_vec()).unwrap()))
                .unwrap();
            assert_eq!(names, expected, "{query}");
            assert_eq!(count, names.len());
        }
    }

    #[test]
    fn what_is_not_needed_is_not_read() {
        let mut source = MemorySource::new();
        source.insert(b"/d/modules.dep.bin", index(&[("nvme", "nvme.ko:")]));
        let (limits, config) = (Limits::DEFAULT, ModprobeConfig::default());
        let files = IndexDirectory::new(&source, "/d", &limits);
        let mut resolver = Resolver::new(&files, &config);
        assert_eq!(resolver.resolve(b"nvme", |_| {}), Ok(1));
        assert_eq!(resolver.resolve(b"gone", |_| {}).unwrap_err().output, Output::AliasIndex);
    }
}
