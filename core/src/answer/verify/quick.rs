//! Verification without reading modules: form, agreement between the files, and times.

use alloc::{borrow::Cow, collections::BTreeSet, vec::Vec};

use bstr::BString;
use hashbrown::HashSet;

use super::{Examination, FileFault, StoredFiles, TWINS, Verified, content};
use crate::{
    list::ModuleFile,
    options::Options,
    output::{self, Output},
    run::Listed,
};

/// Time of modification. Unit and origin are the host's choice, the same for all files.
pub type FileTime = i128;

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

/// Verifies stored files without reading modules: their form, the set of modules and built-in modules, agreement
/// between the files, and times.
///
/// It cannot detect the replacement of a module by one with the same path and time.
pub fn verify_quick(stored: &StoredFiles, options: &Options, listed: &Listed, times: &Times) -> Verified {
    let mut examination = Examination::new(stored);
    let builtin = output::builtin_index(options, &listed.builtin, &mut ()).unwrap_or_default();
    let aliases = output::builtin_alias_index(options, &listed.builtin_modinfo, &mut ()).unwrap_or_default();
    let modules = listed.list.modules();
    for output in Output::ALL {
        let nothing = |_: &[u8]| true;
        match output {
            Output::BuiltinIndex => examination.one(output, &builtin, true, &nothing),
            Output::BuiltinAliasIndex => examination.one(output, &aliases, true, &nothing),
            _ => {
                let empty = match output {
                    Output::Dep => modules.is_empty(),
                    Output::Devname => !has_device_nodes(stored),
                    _ => false,
                };
                examination.one(output, if empty { b"" } else { b"\n" }, false, &nothing);
            }
        }
    }
    names(&mut examination, modules);
    twins(&mut examination, times);
    stale(&mut examination, times);
    examination.finish()
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

/// Finds a text and an index that differ, and reports the older one.
fn twins(examination: &mut Examination<'_>, times: &Times) {
    let time = |output| times.files.iter().find(|(other, _)| *other == output).map(|(_, time)| *time);
    let mut faults = Vec::new();
    for (text, index) in TWINS {
        let content = |output| examination.contents.iter().find(|(other, _)| *other == output);
        let (Some((_, lines)), Some((_, entries))) = (content(text), content(index)) else { continue };
        let unusable = [text, index]
            .iter()
            .any(|output| examination.stored.get(*output).is_none() || examination.is_unusable(*output));
        if !unusable && !content::agree(text, lines, entries) {
            let (older, neighbour) = if time(text) < time(index) { (text, index) } else { (index, text) };
            faults.push((older, FileFault::Generation { neighbour }));
        }
    }
    faults.into_iter().for_each(|(output, fault)| examination.verified.push(output, fault));
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
