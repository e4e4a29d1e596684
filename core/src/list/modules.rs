//! The modules of a run, in their final order ([`reference::modules`](crate::reference::modules) §§4–5).
//!
//! Modules in `modules.order` come first, in its order, then the others in the order of kmod's hash table.

use alloc::vec::Vec;
use core::mem;

use bstr::BString;
use hashbrown::{HashMap, hash_map::Entry};

use super::{CorruptLine, Order, config::Config};
use crate::{
    diagnostic::{Diagnostic, Reporter, Stopped},
    hash::superfast,
    name::{self, module_name},
    options::{Options, Selection},
    sort::sort_by,
    source::{IoError, IoErrorKind, Source},
};

/// Buckets of kmod's hash table, whose iteration order is the order of the list.
const BUCKETS: u32 = 512;

/// Length of the suffix `.ko`.
const SUFFIX_LEN: usize = 3;

/// One module file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFile {
    path: BString,
    name: BString,
    /// Offset of the printed path in `path`.
    printed: usize,
    /// Number of its directory in [`Options::directories`].
    layer: usize,
    /// Position in `modules.order`; a larger number than any if it is not there.
    place: usize,
    /// Bucket in kmod's hash table.
    bucket: u32,
    /// Position in an earlier list.
    position: usize,
}

/// The path of a file in the outputs: relative to the module directory if the file is below it.
#[must_use]
pub fn printed_path<'p>(directory: &[u8], path: &'p [u8]) -> &'p [u8] {
    path.strip_prefix(directory).and_then(|rest| rest.strip_prefix(b"/")).unwrap_or(path)
}

/// Whether lines with this printed path could be mistaken for other lines; such a file is left out.
#[must_use]
pub fn has_control_character(printed: &[u8]) -> bool {
    printed.iter().any(u8::is_ascii_control)
}

impl ModuleFile {
    pub(super) fn new(directory: &[u8], path: &[u8]) -> Self {
        let printed = path.len().saturating_sub(printed_path(directory, path).len());
        let name: BString = module_name(path).collect::<Vec<u8>>().into();
        let bucket = superfast(&name) % BUCKETS;
        Self { path: path.into(), name, printed, layer: 0, place: usize::MAX, bucket, position: 0 }
    }

    /// A file of this layer.
    pub(super) fn in_layer(options: &Options, layer: usize, path: &[u8]) -> Self {
        let directory = options.directories().nth(layer).unwrap_or(&options.directory);
        Self { layer, ..Self::new(directory, path) }
    }

    /// Its absolute path, as found by the walk.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Its normalised name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The path shown in the outputs: relative to the module directory if the file is below it.
    #[must_use]
    pub fn printed_path(&self) -> &[u8] {
        self.path.get(self.printed..).unwrap_or_default()
    }

    /// Whether its lines in the index files could be mistaken for other lines.
    pub(super) fn has_control_character(&self) -> bool {
        has_control_character(self.printed_path())
    }

    /// Its path in `modules.order`: without a compression suffix.
    pub(crate) fn order_path(&self) -> Option<&[u8]> {
        if self.printed == 0 {
            return None;
        }
        let printed = self.printed_path();
        let directory = printed.len().saturating_sub(name::file_name(printed).len());
        let length = directory.saturating_add(self.name.len()).saturating_add(SUFFIX_LEN);
        printed.get(..length.min(printed.len()))
    }
}

/// The modules of one run, in their final order.
#[derive(Clone, Debug, Default)]
pub struct ModuleList {
    modules: Vec<ModuleFile>,
    /// The other files with the names of modules, in walk order.
    others: Vec<ModuleFile>,
    precedence: Precedence,
}

/// Precedence among files with the same name.
#[derive(Clone, Debug, Default)]
struct Precedence {
    config: Config,
    /// [`Options::directories`]
    directories: Vec<BString>,
}

impl Precedence {
    /// Whether the file found later, `new`, replaces the file found earlier, `old`.
    fn prefer_new(&self, old: &ModuleFile, new: &ModuleFile) -> bool {
        if old.layer != new.layer {
            return new.layer > old.layer;
        }
        let directory = self.directories.get(new.layer).map_or(&[][..], |directory| directory);
        self.config.prefer_new(directory, &old.path, &new.path)
    }
}

impl ModuleList {
    /// The modules, in order.
    #[must_use]
    pub fn modules(&self) -> &[ModuleFile] {
        &self.modules
    }

    /// The module at a position.
    #[must_use]
    pub fn get(&self, module: u32) -> Option<&ModuleFile> {
        self.modules.get(usize::try_from(module).ok()?)
    }

    /// Of several files with the same name, the one that the configuration prefers.
    pub(super) fn of_found<S: Source>(
        found: Vec<ModuleFile>,
        config: Config,
        options: &Options,
        source: &S,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, Stopped> {
        let precedence = Precedence { config, directories: options.directories().cloned().collect() };
        let mut modules: Vec<ModuleFile> = Vec::with_capacity(found.len());
        // In walk order, too: each at its position among the found files.
        let mut others: Vec<Option<ModuleFile>> = Vec::new();
        let mut by_name: HashMap<BString, usize> = HashMap::with_capacity(found.len());
        for (at, mut file) in found.into_iter().enumerate() {
            file.position = at;
            match by_name.entry(file.name.clone()) {
                Entry::Vacant(slot) => {
                    slot.insert(modules.len());
                    modules.push(file);
                }
                Entry::Occupied(slot) => {
                    if let Some(old) = modules.get_mut(*slot.get())
                        && precedence.prefer_new(old, &file)
                    {
                        mem::swap(old, &mut file);
                    }
                    others.resize_with(at.saturating_add(1), || None);
                    if let Some(place) = others.get_mut(file.position) {
                        *place = Some(file);
                    }
                }
            }
        }
        let others = others.into_iter().flatten().collect();
        Self { modules, others, precedence }.sorted(options, source, reporter)
    }

    /// The files of [`Selection::Files`]; empty for another selection.
    ///
    /// # Errors
    /// When an operand is not an absolute path, does not exist, or has the module name of another operand.
    pub fn of_operands<S: Source>(
        options: &Options,
        source: &S,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, Stopped> {
        let Selection::Files(files) = &options.selection else { return Ok(Self::default()) };
        let mut modules: Vec<ModuleFile> = Vec::new();
        let mut by_name: HashMap<BString, usize> = HashMap::new();
        for path in files {
            if path.first() != Some(&b'/') {
                return Err(reporter.stop(Diagnostic::NotAbsolute { path: path.clone() }));
            }
            let file = ModuleFile::new(&options.directory, path);
            if file.has_control_character() {
                reporter.report(Diagnostic::ControlCharacter { path: file.path });
                continue;
            }
            let nameless = || if path.ends_with(b"/") { Err(IoError::not_found()) } else { Ok(()) };
            if let Err(cause) = source.stat(path).and_then(|_| nameless()) {
                return Err(reporter.stop(Diagnostic::CreateModule { path: path.clone(), cause }));
            }
            match by_name.entry(file.name.clone()) {
                Entry::Vacant(slot) => {
                    slot.insert(modules.len());
                    modules.push(file);
                }
                Entry::Occupied(slot) => {
                    let old = modules.get(*slot.get()).map(|old| old.path.clone()).unwrap_or_default();
                    return Err(report_taken(file, old, reporter));
                }
            }
        }
        Self { modules, ..Self::default() }.sorted(options, source, reporter)
    }

    fn sorted<S: Source>(
        mut self,
        options: &Options,
        source: &S,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, Stopped> {
        // Positions in the file of an upper layer follow those of the lower ones.
        let mut first = 0_usize;
        let name = Order::FILE_NAME;
        for (layer, (directory, path)) in options.paths_of(name).enumerate() {
            match source.read(&path, options.limits.text_size) {
                // `fopen` opens a directory, and reading it returns no line.
                Err(error) if error.kind() == IoErrorKind::IsDirectory => {}
                Err(cause) if cause.is_fault() => {
                    return Err(reporter.stop(Diagnostic::ReadFault { path, cause }));
                }
                Err(error) if layer > 0 && error.kind() == IoErrorKind::NotFound => {}
                Err(cause) => {
                    reporter.report(Diagnostic::OpenSideFile { name, directory: directory.clone(), cause });
                }
                Ok(bytes) => match self.places(&bytes) {
                    Ok(places) => {
                        let files = self.modules.iter_mut().chain(&mut self.others);
                        for (file, place) in files.zip(places) {
                            file.place = file.place.min(place.saturating_add(first));
                        }
                        first = first.saturating_add(bytes.len());
                    }
                    Err(corrupt) => reporter.report(corrupt.diagnostic(&path)),
                },
            }
        }
        self.sort();
        Ok(self)
    }

    /// The position of each module, then of each other file, in a `modules.order`.
    fn places(&self, order: &[u8]) -> Result<Vec<usize>, CorruptLine> {
        let paths = || self.modules.iter().chain(&self.others).map(ModuleFile::order_path);
        let order = Order::of(paths().flatten(), order)?;
        let place = |path: Option<&[u8]>| path.and_then(|path| order.position(path)).unwrap_or(usize::MAX);
        Ok(paths().map(place).collect())
    }

    /// Modules are in the order of `modules.order`, then in that of kmod's hash table.
    fn sort(&mut self) {
        sort_by(&mut self.modules, &|a, b| {
            let rank = |file: &ModuleFile| (file.place, file.bucket);
            rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
        });
    }

    /// For each of these positions, in their order, the best other file of its name, which is then no longer
    /// among the others.
    pub(crate) fn take_others(&mut self, positions: &[usize]) -> Vec<(usize, ModuleFile)> {
        let mut wanted: HashMap<BString, usize> = HashMap::new();
        let mut best: Vec<Option<ModuleFile>> = Vec::new();
        for file in positions.iter().filter_map(|&at| self.modules.get(at)) {
            wanted.insert(file.name.clone(), best.len());
            best.push(None);
        }
        let mut others = Vec::new();
        for mut file in mem::take(&mut self.others) {
            let place = wanted.get(&file.name).and_then(|&at| best.get_mut(at));
            match place {
                Some(place @ None) => *place = Some(file),
                Some(Some(old)) => {
                    if self.precedence.prefer_new(old, &file) {
                        mem::swap(old, &mut file);
                    }
                    others.push(file);
                }
                None => others.push(file),
            }
        }
        self.others = others;
        positions.iter().zip(best).filter_map(|(&at, file)| Some((at, file?))).collect()
    }

    /// A list of other files than those of this list.
    pub(crate) fn of_files(files: Vec<ModuleFile>) -> Self {
        Self { modules: files, ..Self::default() }
    }

    /// The files, in order.
    pub(crate) fn into_files(self) -> Vec<ModuleFile> {
        self.modules
    }

    /// Replaces modules at these positions, and gives each module of the new order the value that it had.
    pub(crate) fn replace<T>(&mut self, files: Vec<(usize, ModuleFile)>, values: Vec<T>) -> Vec<T> {
        for (position, file) in files {
            if let Some(old) = self.modules.get_mut(position) {
                *old = file;
            }
        }
        for (at, file) in self.modules.iter_mut().enumerate() {
            file.position = at;
        }
        self.sort();
        let mut values: Vec<Option<T>> = values.into_iter().map(Some).collect();
        self.modules.iter().filter_map(|file| values.get_mut(file.position)?.take()).collect()
    }
}

/// Reports two operands with the same module name, in kmod's two lines.
fn report_taken(file: ModuleFile, old: BString, reporter: &mut dyn Reporter) -> Stopped {
    let ModuleFile { name, path, .. } = file;
    if old == path {
        let stopped = reporter.stop(Diagnostic::DuplicateOperand { name });
        reporter.report(Diagnostic::AddModule { path });
        stopped
    } else {
        let stopped = reporter.stop(Diagnostic::OperandNameTaken { name, new: path.clone(), old });
        reporter.report(Diagnostic::CreateModule { path, cause: IoError::exists() });
        stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;

    const DIRECTORY: &str = "/lib/modules/6.1";

    fn source(files: &[(&str, &str)]) -> MemorySource {
        let mut source = MemorySource::new();
        files.iter().for_each(|(path, text)| source.insert(path.as_bytes(), text.as_bytes()));
        source
    }

    #[test]
    fn operands_with_the_same_name_are_errors() {
        let source = source(&[("/x/a.ko", ""), ("/y/a.ko", "")]);
        let files = |files: [&str; 2]| {
            let options = Options::new(DIRECTORY, "6.1");
            let options = options.selection(Selection::Files(files.map(BString::from).to_vec()));
            let mut messages = Vec::new();
            let stopped = ModuleList::of_operands(&options, &source, &mut messages).unwrap_err();
            assert_eq!((messages.len(), &messages[0]), (2, stopped.diagnostic()));
            messages.iter().map(Diagnostic::code).collect::<Vec<_>>()
        };
        assert_eq!(files(["/x/a.ko", "/y/a.ko"]), ["OperandNameTaken", "CreateModule"]);
        assert_eq!(files(["/x/a.ko", "/x/a.ko"]), ["DuplicateOperand", "AddModule"]);
    }
}
