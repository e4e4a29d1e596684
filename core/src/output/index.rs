//! The five binary indexes (`reference/outputs.md` §4).

use alloc::{format, vec::Vec};

use super::{DependencyLines, Output, text::name_of};
use crate::{
    catalog::Catalog,
    diagnostic::Diagnostic,
    host::{IoError, IoErrorKind, Reporter},
    index::{BadCharacter, IndexBuilder},
    inputs::{builtin_aliases, builtin_paths},
    limits::Limits,
    module::Facts,
    name::{is_normal_alias, module_name, normalize_alias},
    pipeline::Stopped,
    symbols::{ModuleIndex, SymbolTable},
};

/// `modules.dep.bin`: module name → its line of `modules.dep`.
pub(crate) fn dependency_index(
    catalog: &Catalog,
    lines: &DependencyLines,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Vec<u8>, Stopped> {
    let mut builder = IndexBuilder::new();
    for (priority, (file, line)) in (0..).zip(catalog.modules().iter().zip(lines.iter())) {
        let inserted = builder.insert(file.name().iter().copied(), line, priority);
        inserted.map_err(|bad| bad_character(bad, reporter))?;
    }
    finish(builder, Output::DepIndex, limits, reporter)
}

/// `modules.alias.bin`: normalised alias → module name.
pub(crate) fn alias_index(
    catalog: &Catalog,
    facts: &[Option<Facts>],
    warn_duplicates: bool,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Vec<u8>, Stopped> {
    let mut builder = IndexBuilder::new();
    // Aliases without an entry, each with the number of entries before it.
    let mut unmatched: Vec<(usize, &[u8])> = Vec::new();
    let mut bad = None;
    'modules: for (priority, (file, facts)) in (0..).zip(catalog.modules().iter().zip(facts)) {
        for alias in facts.iter().flat_map(Facts::aliases) {
            let inserted = if is_normal_alias(alias) {
                builder.insert(alias.iter().copied(), file.name(), priority)
            } else {
                match normalize_alias(alias) {
                    Ok(key) => builder.insert(key, file.name(), priority),
                    Err(_) => {
                        unmatched.push((builder.len(), alias));
                        continue;
                    }
                }
            };
            if let Err(error) = inserted {
                bad = Some(error);
                break 'modules;
            }
        }
    }
    let duplicates = if warn_duplicates { builder.duplicates() } else { Vec::new() };
    let mut unmatched = unmatched.into_iter().peekable();
    let bracket = |alias: &[u8]| Diagnostic::UnmatchedBracket { alias: alias.to_vec() };
    for ordinal in duplicates {
        while let Some((_, alias)) = unmatched.next_if(|&(before, _)| before <= ordinal) {
            reporter.report(bracket(alias));
        }
        if let Some((key, value)) = builder.entry(ordinal) {
            reporter.report(Diagnostic::DuplicateAlias { key: key.to_vec(), module: value.to_vec() });
        }
    }
    unmatched.for_each(|(_, alias)| reporter.report(bracket(alias)));
    match bad {
        Some(bad) => Err(bad_character(bad, reporter)),
        None => finish(builder, Output::AliasIndex, limits, reporter),
    }
}

/// `modules.symbols.bin`: `symbol:` and a symbol's name → the module that provides it.
pub(crate) fn symbol_index(
    catalog: &Catalog,
    table: &SymbolTable<'_>,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Vec<u8>, Stopped> {
    let mut builder = IndexBuilder::new();
    let mut insert = |(symbol, owner): (&[u8], ModuleIndex)| {
        let key = b"symbol:".iter().chain(symbol).copied();
        builder.insert(key, name_of(catalog, owner), owner)
    };
    // Keys are unique, so their order decides nothing but which bad one is reported.
    if table.owned_unordered().try_for_each(&mut insert).is_err() {
        let first = table.owned().into_iter().try_for_each(insert);
        return first.map(|()| Vec::new()).map_err(|bad| bad_character(bad, reporter));
    }
    finish(builder, Output::SymbolsIndex, limits, reporter)
}

/// `modules.builtin.bin`: name of a built-in module → nothing. Empty, even of a header, when the
/// kernel's list is missing.
pub(crate) fn builtin_index(
    directory: &[u8],
    builtin: &Result<Vec<u8>, IoError>,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Vec<u8>, Stopped> {
    let mut builder = IndexBuilder::new();
    match builtin {
        Ok(bytes) => {
            for path in builtin_paths(bytes) {
                match path {
                    Err(diagnostic) => reporter.report(diagnostic),
                    Ok(path) => {
                        let inserted = builder.insert(module_name(path), b"", 0);
                        inserted.map_err(|bad| bad_character(bad, reporter))?;
                    }
                }
            }
        }
        // `fopen` opens a directory, and reading it gives no line.
        Err(error) if error.kind() == IoErrorKind::IsDirectory => {}
        Err(error) => {
            report_missing("modules.builtin", directory, error, reporter);
            return Ok(Vec::new());
        }
    }
    finish(builder, Output::BuiltinIndex, limits, reporter)
}

/// `modules.builtin.alias.bin`: normalised alias → name of a built-in module. Empty, even of a header,
/// when the kernel's list is missing.
pub(crate) fn builtin_alias_index(
    directory: &[u8],
    modinfo: &Result<Vec<u8>, IoError>,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Vec<u8>, Stopped> {
    let bytes = match modinfo {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == IoErrorKind::IsDirectory => {
            return Err(write_error(Output::BuiltinAliasIndex, b"Invalid argument", reporter));
        }
        Err(error) => {
            report_missing("modules.builtin.modinfo", directory, error, reporter);
            return Ok(Vec::new());
        }
    };
    let mut builder = IndexBuilder::new();
    for alias in builtin_aliases(bytes) {
        match alias {
            Err(diagnostic) => reporter.report(diagnostic),
            Ok(alias) => match normalize_alias(alias.value) {
                Err(_) => {
                    reporter.report(Diagnostic::UnmatchedBracket { alias: alias.value.to_vec() });
                }
                Ok(key) => {
                    let inserted = builder.insert(key, alias.module, 0);
                    inserted.map_err(|bad| bad_character(bad, reporter))?;
                }
            },
        }
    }
    finish(builder, Output::BuiltinAliasIndex, limits, reporter)
}

fn finish(
    builder: IndexBuilder<'_>,
    output: Output,
    limits: &Limits,
    reporter: &mut impl Reporter,
) -> Result<Vec<u8>, Stopped> {
    builder.finish(limits).map_err(|error| write_error(output, format!("{error}").as_bytes(), reporter))
}

fn write_error(output: Output, cause: &[u8], reporter: &mut impl Reporter) -> Stopped {
    let name = output.file_name().into();
    reporter.report(Diagnostic::WriteIndex { name, cause: cause.to_vec() });
    Stopped
}

fn report_missing(name: &str, directory: &[u8], error: &IoError, reporter: &mut impl Reporter) {
    let (name, directory, cause) = (name.into(), directory.to_vec(), error.text().into());
    reporter.report(Diagnostic::OpenSideFile { name, directory, cause });
}

fn bad_character(bad: BadCharacter, reporter: &mut impl Reporter) -> Stopped {
    reporter.report(bad.into());
    Stopped
}
