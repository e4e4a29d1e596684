//! Facts of modules, reconstructed from index files.
//!
//! `modules.dep` contains dependencies between modules, without symbols. Any symbol of the provider is
//! sufficient:
//!
//! ```text
//! kernel/md/dm-crypt.ko: kernel/md/dm-mod.ko      dm_crypt needs …
//! alias symbol:dm_get_device dm_mod               … dm_get_device
//! ```
//!
//! Index files generated from these facts are correct for any selection of the modules; only the order in a
//! line of `modules.dep` may be another valid one.

use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::name::module_name;
use crate::output::{IndexFiles, Output, SYMBOL_LINE};
use crate::parse::module::{Facts, FactsBuilder, ModinfoKey};

/// Facts by module name.
#[derive(Clone, Debug)]
pub(crate) struct IndexedFacts {
    by_name: HashMap<Vec<u8>, usize>,
    facts: Vec<Facts>,
}

/// The collected facts of one module.
#[derive(Default)]
struct ModuleText<'f> {
    needs: Vec<&'f [u8]>,
    exports: Vec<&'f [u8]>,
    modinfo: Vec<(ModinfoKey, &'f [u8])>,
}

impl IndexedFacts {
    /// Reads verified index files; `None` if a needed module has no symbols.
    pub(crate) fn of(files: &IndexFiles) -> Option<Self> {
        let lines = |output| files.get(output).split(|&b| b == b'\n');
        let name = |path: &[u8]| -> Vec<u8> { module_name(path).collect() };
        let mut by_name: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut modules: Vec<ModuleText<'_>> = Vec::new();
        for line in lines(Output::Dep) {
            let mut words = line.split(|&b| b == b' ');
            let Some(path) = words.next().and_then(|word| word.strip_suffix(b":")) else { continue };
            by_name.insert(name(path), modules.len());
            modules.push(ModuleText { needs: words.collect(), ..ModuleText::default() });
        }
        for (output, key) in KEYS {
            for line in lines(output) {
                let Some((module, value)) = parts(line, output) else { continue };
                let Some(entry) = by_name.get(module).and_then(|&at| modules.get_mut(at)) else { continue };
                match key {
                    Some(key) => entry.modinfo.push((key, value)),
                    None => entry.exports.push(value),
                }
            }
        }
        let mut builder = FactsBuilder::default();
        let mut facts = Vec::new();
        for module in &modules {
            for path in &module.needs {
                let needed = by_name.get(&name(path)).and_then(|&at| modules.get(at))?;
                builder.need(needed.exports.first()?, 0, false);
            }
            module.exports.iter().for_each(|symbol| builder.export(symbol, 0));
            module.modinfo.iter().for_each(|(key, value)| builder.modinfo(*key, value));
            facts.push(builder.finish().ok()?);
        }
        Some(Self { by_name, facts })
    }

    /// The facts of the module with this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&Facts> {
        self.by_name.get(name).and_then(|&at| self.facts.get(at))
    }
}

/// The text files except `modules.dep`; symbols have no modinfo key.
const KEYS: [(Output, Option<ModinfoKey>); 4] = [
    (Output::Alias, Some(ModinfoKey::Alias)),
    (Output::Softdep, Some(ModinfoKey::Softdep)),
    (Output::Weakdep, Some(ModinfoKey::Weakdep)),
    (Output::Symbols, None),
];

/// Module and value of a line: `alias VALUE MODULE`, `alias symbol:VALUE MODULE`, `softdep MODULE VALUE`.
fn parts(line: &[u8], output: Output) -> Option<(&[u8], &[u8])> {
    let (rest, value_first) = match output {
        Output::Alias => (line.strip_prefix(b"alias ")?, true),
        Output::Symbols => (line.strip_prefix(SYMBOL_LINE)?, true),
        Output::Softdep => (line.strip_prefix(b"softdep ")?, false),
        _ => (line.strip_prefix(b"weakdep ")?, false),
    };
    let is_space = |b: &u8| *b == b' ';
    let space = if value_first { rest.iter().rposition(is_space) } else { rest.iter().position(is_space) };
    let (first, second) = rest.split_at_checked(space?)?;
    let second = second.strip_prefix(b" ")?;
    Some(if value_first { (second, first) } else { (first, second) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(Output, &[u8])]) -> IndexFiles {
        IndexFiles::new(texts.iter().map(|(output, text)| (*output, text.to_vec())).collect())
    }

    #[test]
    fn all_kinds_of_lines_are_read() {
        let known = IndexedFacts::of(&files(&[
            (Output::Dep, b"k/a-b.ko.xz: k/c.ko\nk/c.ko:\n"),
            (Output::Alias, b"# Aliases\nalias pci:v* d* a_b\nalias gone nobody\n"),
            (Output::Softdep, b"# Soft\nsoftdep a_b pre: x post: y\n"),
            (Output::Weakdep, b"weakdep c z\n"),
            (Output::Symbols, b"alias symbol:two c\nalias symbol:one c\n"),
        ]))
        .unwrap();
        let a = known.get(b"a_b").unwrap();
        let needs: Vec<&[u8]> = a.needs().map(|need| need.name).collect();
        assert_eq!(needs, [b"two"]);
        let modinfo: Vec<_> = a.modinfo().collect();
        let expected: [(ModinfoKey, &[u8]); 2] =
            [(ModinfoKey::Alias, b"pci:v* d*"), (ModinfoKey::Softdep, b"pre: x post: y")];
        assert_eq!(modinfo, expected);
        let c = known.get(b"c").unwrap();
        let exports: Vec<&[u8]> = c.exports().map(|export| export.name).collect();
        assert_eq!(exports, [&b"two"[..], b"one"]);
        assert_eq!(c.values(ModinfoKey::Weakdep).next(), Some(&b"z"[..]));
        assert!(known.get(b"nobody").is_none());
    }

    #[test]
    fn needed_modules_without_symbols_are_rejected() {
        assert!(IndexedFacts::of(&files(&[(Output::Dep, b"a.ko: b.ko\nb.ko:\n")])).is_none());
    }
}
