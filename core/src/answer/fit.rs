//! Checks shipped index files against the modules.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use core::fmt;

use crate::{
    index::{Index, IndexError, Scratch},
    list::{ModuleFile, ModuleList},
    name::module_name,
    output::{IndexFiles, Output},
    parse::kernel::builtin_paths,
};

/// The reason for rejecting index files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stale {
    /// This file is missing.
    Missing(Output),
    /// This index is corrupt.
    Corrupt(Output, IndexError),
    /// This text file does not end with a newline.
    Cut(Output),
    /// This file does not belong to the present modules: index files of another generation.
    Foreign(Output),
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(output) => write!(f, "no {}", output.file_name()),
            Self::Corrupt(output, _) => write!(f, "{} is corrupt", output.file_name()),
            Self::Cut(output) => write!(f, "{} is truncated", output.file_name()),
            Self::Foreign(output) => write!(f, "{} does not match the modules", output.file_name()),
        }
    }
}

impl core::error::Error for Stale {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Corrupt(_, error) => Some(error),
            _ => None,
        }
    }
}

/// The present modules.
struct Present<'c> {
    paths: BTreeSet<&'c [u8]>,
    names: BTreeSet<&'c [u8]>,
}

/// Accepts valid files that contain exactly the modules of the list and of `modules.builtin`.
///
/// # Errors
/// The first mismatch.
pub fn ensure_fit(files: &IndexFiles, list: &ModuleList, builtin: Option<&[u8]>) -> Result<(), Stale> {
    let modules = list.modules();
    let present = Present {
        paths: names_of(&mut modules.iter().map(ModuleFile::printed_path)),
        names: names_of(&mut modules.iter().map(ModuleFile::name)),
    };
    let mut scratch = Box::new(Scratch::new());
    dependencies(files, &present, &mut scratch)?;
    for output in [Output::AliasIndex, Output::SymbolsIndex] {
        let known = |_: &[u8], value: &[u8]| present.names.contains(value);
        every(files, output, &mut scratch, known)?;
    }
    for (output, command) in [(Output::Softdep, &b"softdep"[..]), (Output::Weakdep, b"weakdep")] {
        // The file has a heading even if there are no dependencies.
        let text = files.get(output).strip_suffix(b"\n").ok_or(Stale::Cut(output))?;
        for line in text.split(|&b| b == b'\n') {
            let mut words = line.split(|&b| b == b' ');
            if words.next() == Some(command) && !words.next().is_some_and(|name| present.names.contains(name))
            {
                return Err(Stale::Foreign(output));
            }
        }
    }
    builtins(files, builtin, &mut scratch)
}

/// Checks that `modules.dep.bin` has one line for each module, and that `modules.dep` has the same lines.
fn dependencies(files: &IndexFiles, present: &Present<'_>, scratch: &mut Scratch) -> Result<(), Stale> {
    let mut lines: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut count: usize = 0;
    every(files, Output::DepIndex, scratch, |name, line| {
        count = count.saturating_add(1);
        lines.insert(line.to_vec());
        let colon = line.iter().position(|&b| b == b':').and_then(|colon| line.split_at_checked(colon));
        let Some((path, needs)) = colon else { return false };
        let mut needs = needs.split(|&b| b == b' ').skip(1).filter(|need| !need.is_empty());
        present.paths.contains(path)
            && module_name(path).eq(name.iter().copied())
            && needs.all(|need| present.paths.contains(need))
    })?;
    if count != present.paths.len() || lines.len() != count {
        return Err(Stale::Foreign(Output::DepIndex));
    }
    let text = files.get(Output::Dep);
    let text: Vec<&[u8]> = text.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
    if text.len() == count && text.iter().all(|line| lines.contains(*line)) {
        Ok(())
    } else {
        Err(Stale::Foreign(Output::Dep))
    }
}

fn names_of<'n>(names: &mut dyn Iterator<Item = &'n [u8]>) -> BTreeSet<&'n [u8]> {
    let mut set = BTreeSet::new();
    set.extend(names);
    set
}

/// Checks that the index of built-in modules has the names of `modules.builtin`, or that both are absent.
fn builtins(files: &IndexFiles, list: Option<&[u8]>, scratch: &mut Scratch) -> Result<(), Stale> {
    let listed = list.map(|list| {
        let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
        names.extend(builtin_paths(list).flatten().map(|path| module_name(path).collect::<Vec<u8>>()));
        names
    });
    let output = Output::BuiltinIndex;
    match (listed, files.get(output)) {
        (None, []) => {}
        (Some(listed), [_, ..]) => {
            let mut found: BTreeSet<Vec<u8>> = BTreeSet::new();
            every(files, output, scratch, |name, _| {
                found.insert(name.to_vec());
                true
            })?;
            if found != listed {
                return Err(Stale::Foreign(output));
            }
        }
        _ => return Err(Stale::Foreign(output)),
    }
    let output = Output::BuiltinAliasIndex;
    if files.get(output).is_empty() { Ok(()) } else { every(files, output, scratch, |_, _| true) }
}

/// Checks that an index is valid, and that all its entries pass a test.
fn every(
    files: &IndexFiles,
    output: Output,
    scratch: &mut Scratch,
    mut good: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), Stale> {
    let corrupt = |error| Stale::Corrupt(output, error);
    let index = Index::parse(files.get(output)).map_err(corrupt)?;
    index.check(scratch).map_err(corrupt)?;
    let mut entries = index.entries(scratch);
    while let Some((key, value)) = entries.next_entry().map_err(corrupt)? {
        if !good(key, value.bytes) {
            return Err(Stale::Foreign(output));
        }
    }
    Ok(())
}
