//! The five binary indexes ([`reference::outputs`](crate::reference::outputs) §4).

use alloc::vec::Vec;

use super::{
    DependencyLines, Output,
    text::{SYMBOL_KEY, name_of},
};
use crate::{
    diagnostic::{Diagnostic, Reporter, Stopped, WriteFault},
    index::{BadCharacter, IndexBuilder, IndexTooLarge, check_text},
    limits::Limits,
    list::ModuleList,
    name::{is_normal_alias, module_name, normalize_alias},
    options::Options,
    parse::{
        kernel::{BUILTIN, BUILTIN_MODINFO, builtin_aliases, builtin_paths},
        module::Facts,
    },
    resolve::{ModuleIndex, SymbolTable},
    source::{IoError, IoErrorKind},
};

/// `modules.dep.bin`: module name → its line of `modules.dep`. Without the text, lines are made for the index.
pub(crate) fn dependency_index(
    list: &ModuleList,
    lines: &mut DependencyLines<'_>,
    text: Option<&[u8]>,
    limits: &Limits,
    reporter: &mut dyn Reporter,
) -> Result<Vec<u8>, Stopped> {
    if text.is_none() {
        check_lines(list, lines).map_err(|bad| bad_character(bad, reporter))?;
    }
    let mut builder = IndexBuilder::new();
    for (module, file) in (0..).zip(list.modules()) {
        let line = text.map_or(&b""[..], |text| lines.line(module, text));
        let inserted = builder.insert(file.name().iter().copied(), line, module);
        inserted.map_err(|bad| bad_character(bad, reporter))?;
    }
    if text.is_some() {
        return finish(builder, Output::DepIndex, limits, reporter);
    }
    let index = builder.finish_with(limits, &mut |module, out| lines.make(module, out));
    index.map_err(|error| too_large(Output::DepIndex, error, reporter))
}

/// Finds the first name or line with a bad character. Lines consist of paths.
fn check_lines(list: &ModuleList, lines: &mut DependencyLines<'_>) -> Result<(), BadCharacter> {
    if list.modules().iter().all(|file| check_text(file.printed_path()).is_ok()) {
        return Ok(());
    }
    let mut line = Vec::new();
    for (module, file) in (0..).zip(list.modules()) {
        check_text(file.name())?;
        line.clear();
        lines.make(module, &mut line);
        check_text(&line)?;
    }
    Ok(())
}

/// `modules.alias.bin`: normalised alias → module name.
pub(crate) fn alias_index(
    list: &ModuleList,
    facts: &[Option<Facts>],
    options: &Options,
    reporter: &mut dyn Reporter,
) -> Result<Vec<u8>, Stopped> {
    let mut builder = IndexBuilder::new();
    // Aliases without an index entry, each with the number of entries before it.
    let mut unmatched: Vec<(usize, &[u8])> = Vec::new();
    let mut bad = None;
    'modules: for (priority, (file, facts)) in (0..).zip(list.modules().iter().zip(facts)) {
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
    let duplicates = if options.warn_duplicates { builder.duplicates() } else { Vec::new() };
    let mut unmatched = unmatched.into_iter().peekable();
    let bracket = |alias: &[u8]| Diagnostic::UnmatchedBracket { alias: alias.into() };
    for ordinal in duplicates {
        while let Some((_, alias)) = unmatched.next_if(|&(before, _)| before <= ordinal) {
            reporter.report(bracket(alias));
        }
        if let Some((key, value)) = builder.entry(ordinal) {
            reporter.report(Diagnostic::DuplicateAlias { key: key.into(), module: value.into() });
        }
    }
    unmatched.for_each(|(_, alias)| reporter.report(bracket(alias)));
    match bad {
        Some(bad) => Err(bad_character(bad, reporter)),
        None => finish(builder, Output::AliasIndex, &options.limits, reporter),
    }
}

/// `modules.symbols.bin`: `symbol:` and a symbol's name → its provider.
pub(crate) fn symbol_index(
    list: &ModuleList,
    table: &SymbolTable<'_>,
    limits: &Limits,
    reporter: &mut dyn Reporter,
) -> Result<Vec<u8>, Stopped> {
    let mut builder = IndexBuilder::new();
    let mut insert = |(symbol, owner): (&[u8], ModuleIndex)| {
        let key = SYMBOL_KEY.iter().chain(symbol).copied();
        builder.insert(key, name_of(list, owner), owner)
    };
    // Keys are unique, so their order affects only which bad character is reported.
    if table.owned_unordered().try_for_each(&mut insert).is_err() {
        let first = table.owned().into_iter().try_for_each(insert);
        return first.map(|()| Vec::new()).map_err(|bad| bad_character(bad, reporter));
    }
    finish(builder, Output::SymbolsIndex, limits, reporter)
}

/// `modules.builtin.bin`: name of a built-in module → empty value. An empty file without a header if the
/// kernel's list is missing.
pub(crate) fn builtin_index(
    options: &Options,
    builtin: &Result<Vec<u8>, IoError>,
    reporter: &mut dyn Reporter,
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
        // `fopen` opens a directory, and reading it returns no line.
        Err(error) if error.kind() == IoErrorKind::IsDirectory => {}
        Err(error) => {
            report_missing(BUILTIN, options, error, reporter);
            return Ok(Vec::new());
        }
    }
    finish(builder, Output::BuiltinIndex, &options.limits, reporter)
}

/// `modules.builtin.alias.bin`: normalised alias → name of a built-in module. An empty file without a header
/// if the kernel's list is missing.
pub(crate) fn builtin_alias_index(
    options: &Options,
    modinfo: &Result<Vec<u8>, IoError>,
    reporter: &mut dyn Reporter,
) -> Result<Vec<u8>, Stopped> {
    let bytes = match modinfo {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == IoErrorKind::IsDirectory => {
            return Err(write_error(Output::BuiltinAliasIndex, WriteFault::Io(IoError::invalid()), reporter));
        }
        Err(error) => {
            report_missing(BUILTIN_MODINFO, options, error, reporter);
            return Ok(Vec::new());
        }
    };
    let mut builder = IndexBuilder::new();
    for alias in builtin_aliases(bytes) {
        match alias {
            Err(diagnostic) => reporter.report(diagnostic),
            Ok(alias) => match normalize_alias(alias.value) {
                Err(_) => {
                    reporter.report(Diagnostic::UnmatchedBracket { alias: alias.value.into() });
                }
                Ok(key) => {
                    let inserted = builder.insert(key, alias.module, 0);
                    inserted.map_err(|bad| bad_character(bad, reporter))?;
                }
            },
        }
    }
    finish(builder, Output::BuiltinAliasIndex, &options.limits, reporter)
}

fn finish(
    builder: IndexBuilder<'_>,
    output: Output,
    limits: &Limits,
    reporter: &mut dyn Reporter,
) -> Result<Vec<u8>, Stopped> {
    builder.finish(limits).map_err(|error| too_large(output, error, reporter))
}

fn too_large(output: Output, error: IndexTooLarge, reporter: &mut dyn Reporter) -> Stopped {
    write_error(output, WriteFault::TooLarge(error), reporter)
}

fn write_error(output: Output, cause: WriteFault, reporter: &mut dyn Reporter) -> Stopped {
    reporter.stop(Diagnostic::WriteIndex { name: output.file_name(), cause })
}

fn report_missing(name: &'static str, options: &Options, error: &IoError, reporter: &mut dyn Reporter) {
    let (directory, cause) = (options.directory.clone(), error.clone());
    reporter.report(Diagnostic::OpenSideFile { name, directory, cause });
}

fn bad_character(bad: BadCharacter, reporter: &mut dyn Reporter) -> Stopped {
    reporter.stop(Diagnostic::BadCharacter { byte: bad.byte, text: bad.text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_characters_are_reported_as_in_kmod() {
        let mut messages = Vec::new();
        let bad = IndexBuilder::new().insert(*b"a\xe9", b"", 0).unwrap_err();
        let stopped = bad_character(bad, &mut messages);
        assert_eq!(
            stopped.diagnostic().message(),
            b"Module index: bad character '\xe9'=0xe9 - only 7-bit ASCII is supported:\na\xe9"
        );
        assert_eq!(messages, [stopped.diagnostic().clone()]);
    }
}
