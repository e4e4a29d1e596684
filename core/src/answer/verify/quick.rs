//! Verification without reading modules: form, agreement between the files, and times.

use alloc::{borrow::Cow, collections::BTreeSet, vec::Vec};

use bstr::BString;
use hashbrown::HashSet;

pub use crate::source::FileTime;

use super::{Examination, FileFault, StoredFiles, TWINS, Verified, content};
use crate::{
    list::ModuleFile,
    options::Options,
    output::{self, Output},
    run::Listed,
};

/// Times of modification, as far as available.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Times {
    /// The last changed module or directory, and its time.
    pub newest: Option<(BString, FileTime)>,
    /// Time of each index file.
    pub files: Vec<(Output, FileTime)>,
}

impl Times {
    /// Times of the index files.
    #[must_use]
    pub fn new(files: Vec<(Output, FileTime)>) -> Self {
        Self { newest: None, files }
    }

    /// Sets [`Self::newest`].
    #[must_use]
    pub fn newest(self, newest: Option<(BString, FileTime)>) -> Self {
        Self { newest, ..self }
    }
}

/// The first part of a quick verification: the form of the stored files, and agreement between them. It needs no
/// module list, so a host may do it while it walks through the module directory.
pub struct QuickLook<'f> {
    examination: Examination<'f>,
    /// Pairs of text and index with different content.
    disagree: Vec<(Output, Output)>,
}

impl<'f> QuickLook<'f> {
    /// Examines the files.
    #[must_use]
    pub fn new(stored: &'f StoredFiles) -> Self {
        let mut examination = Examination::new(stored);
        for output in Output::ALL {
            if !Self::needs_list(stored, output) {
                examination.one(output, b"\n", false, &|_: &[u8]| true);
            }
        }
        let disagree = TWINS.into_iter().filter(|twins| !agree(&examination, *twins)).collect();
        Self { examination, disagree }
    }

    /// Whether the examination of a file needs the module list: the file is empty, or it lists built-in modules.
    fn needs_list(stored: &StoredFiles, output: Output) -> bool {
        matches!(output, Output::BuiltinIndex | Output::BuiltinAliasIndex)
            || stored.get(output).is_none_or(<[u8]>::is_empty)
    }

    /// The second part: the set of modules and built-in modules, and times.
    ///
    /// It cannot detect the replacement of a module by one with the same path and time.
    #[must_use]
    pub fn finish(self, options: &Options, listed: &Listed, times: &Times) -> Verified {
        let Self { mut examination, disagree } = self;
        let stored = examination.stored;
        let modules = listed.list.modules();
        let nothing = |_: &[u8]| true;
        for output in Output::ALL.into_iter().filter(|output| Self::needs_list(stored, *output)) {
            let (expected, whole) = match output {
                Output::BuiltinIndex => (output::builtin_index(options, &listed.builtin, &mut ()), true),
                Output::BuiltinAliasIndex => {
                    (output::builtin_alias_index(options, &listed.builtin_modinfo, &mut ()), true)
                }
                Output::Dep if modules.is_empty() => (Ok(Vec::new()), false),
                Output::Devname if !has_device_nodes(stored) => (Ok(Vec::new()), false),
                _ => (Ok(b"\n".to_vec()), false),
            };
            examination.one(output, &expected.unwrap_or_default(), whole, &nothing);
        }
        names(&mut examination, modules);
        generations(&mut examination, &disagree, times);
        stale(&mut examination, times);
        examination.finish()
    }
}

/// Verifies stored files without reading modules: both parts of a [`QuickLook`].
pub fn verify_quick(stored: &StoredFiles, options: &Options, listed: &Listed, times: &Times) -> Verified {
    QuickLook::new(stored).finish(options, listed, times)
}

/// Whether any alias asks for a device node.
fn has_device_nodes(stored: &StoredFiles) -> bool {
    let aliases = stored.get(Output::Alias).unwrap_or_default();
    aliases.split(|&b| b == b'\n').any(|line| line.starts_with(b"alias devname:"))
}

/// Compares the modules of each file with the list; `modules.dep` and its index must contain all of them.
fn names(examination: &mut Examination<'_>, modules: &[ModuleFile]) {
    let paths: HashSet<&[u8]> = modules.iter().map(ModuleFile::printed_path).collect();
    let names: HashSet<&[u8]> = modules.iter().map(ModuleFile::name).collect();
    let mut faults: Vec<(Output, FileFault)> = Vec::new();
    for (output, content) in &examination.contents {
        let output = *output;
        if matches!(output, Output::BuiltinIndex | Output::BuiltinAliasIndex)
            || examination.is_unusable(output)
            || examination.stored.get(output).is_none()
        {
            continue;
        }
        let is_dep = matches!(output, Output::Dep | Output::DepIndex);
        let mut named: HashSet<Cow<'_, [u8]>> = HashSet::new();
        let mut strangers: Vec<BString> = Vec::new();
        let mut absent: BTreeSet<&[u8]> = BTreeSet::new();
        for entry in content.entries() {
            let (_, module) = content::parts(output, entry);
            if is_dep {
                absent.extend(content::paths(output, entry).filter(|path| !paths.contains(path)));
                named.insert(module);
            } else if !names.contains(&*module) {
                strangers.push(entry.into());
            }
        }
        faults.extend(absent.into_iter().map(|path| (output, FileFault::NoFile { path: path.into() })));
        let difference = content::Difference { extra: strangers, ..Default::default() };
        faults.extend(difference.faults(output).map(|fault| (output, fault)));
        if is_dep {
            let missing = modules.iter().filter(|file| !named.contains(file.name()));
            faults.extend(missing.map(|file| {
                let lacks = Vec::from([file.printed_path().into()]);
                (output, FileFault::Differs { module: file.name().into(), lacks, extra: Vec::new() })
            }));
        }
    }
    faults.into_iter().for_each(|(output, fault)| examination.verified.push(output, fault));
}

/// Whether a text and its index have the same content, or one of them is unusable.
fn agree(examination: &Examination<'_>, (text, index): (Output, Output)) -> bool {
    let content = |output| examination.contents.iter().find(|(other, _)| *other == output);
    let (Some((_, lines)), Some((_, entries))) = (content(text), content(index)) else { return true };
    [text, index].iter().any(|output| examination.is_unusable(*output))
        || content::agree(text, lines, entries)
}

/// Reports the older file of each pair with different content.
fn generations(examination: &mut Examination<'_>, disagree: &[(Output, Output)], times: &Times) {
    let time = |output| times.files.iter().find(|(other, _)| *other == output).map(|(_, time)| *time);
    for &(text, index) in disagree {
        let (older, neighbour) = if time(text) < time(index) { (text, index) } else { (index, text) };
        examination.verified.push(older, FileFault::Generation { neighbour });
    }
}

/// Finds files that are older than a module or a module directory.
fn stale(examination: &mut Examination<'_>, times: &Times) {
    let Some((newer, at)) = &times.newest else { return };
    for (output, time) in &times.files {
        if time < at {
            examination.verified.push(*output, FileFault::Stale { newer: newer.clone() });
        }
    }
}
