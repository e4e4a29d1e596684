//! Defects of loaded modules.

use alloc::vec::Vec;

use super::hooks::Load;
use crate::{
    decompress::{Compression, DecodeError},
    diagnostic::{Diagnostic, Reporter},
    limits::Exceeded,
    list::{ModuleFile, ModuleList},
    parse::module::{Facts, LoadError},
    source::{IoError, IoErrorKind},
};

/// The reason for not using any of the modules. A defect of a module's file is no such reason; but after a
/// machine fault or an exceeded limit, the module's content is unknown, and a new index would lose entries of
/// the existing one.
pub(super) fn fault(list: &ModuleList, loads: &[Load]) -> Option<Diagnostic> {
    list.modules().iter().zip(loads).find_map(|(file, load)| fault_of(file, load.as_ref().err()?))
}

fn fault_of(file: &ModuleFile, error: &LoadError) -> Option<Diagnostic> {
    let path = file.path().into();
    Some(match error {
        LoadError::Io(cause) if cause.kind() == IoErrorKind::NotFound => Diagnostic::ModuleVanished { path },
        LoadError::Io(cause) if cause.is_fault() => Diagnostic::ReadFault { path, cause: cause.clone() },
        LoadError::Decode(error) if error.is_no_memory() => {
            Diagnostic::ReadFault { path, cause: IoError::no_memory() }
        }
        LoadError::Decode(error) => Diagnostic::ModuleLimit { path, exceeded: error.exceeded()? },
        &LoadError::TooLarge { size, limit } => {
            Diagnostic::ModuleLimit { path, exceeded: Exceeded::Size { size, limit } }
        }
        _ => return None,
    })
}

/// The facts of the loaded modules; reports the errors of the others, in order.
pub(super) fn report(list: &ModuleList, loads: Vec<Load>, reporter: &mut dyn Reporter) -> Vec<Option<Facts>> {
    let loaded = list.modules().iter().zip(loads).map(|(file, load)| match load {
        Ok(facts) => {
            if facts.exports_invalid() {
                report_load(reporter, file.path(), IoError::invalid());
            }
            if facts.name_unended() {
                reporter.report(Diagnostic::NameUnended { path: file.path().into() });
            }
            if let Some(cause) = facts.needs_discarded() {
                reporter.report(Diagnostic::NeedsDiscarded { path: file.path().into(), cause });
            }
            Some(facts)
        }
        Err(error) => {
            report_load_error(reporter, file.path(), &error);
            None
        }
    });
    loaded.collect()
}

/// Reports the defect of one module that cannot be used, as [`report`] does.
#[cfg(feature = "answers")]
pub(crate) fn report_unreadable(reporter: &mut dyn Reporter, path: &[u8], load: &Load) {
    match load {
        Ok(_) => report_load(reporter, path, IoError::invalid()),
        Err(error) => report_load_error(reporter, path, error),
    }
}

fn report_load(reporter: &mut dyn Reporter, path: &[u8], cause: IoError) {
    reporter.report(Diagnostic::LoadModule { path: path.into(), cause });
}

/// kmod examines a module three times and decompresses it each time, so the decoder's message appears before
/// the error and twice after it ([`reference::modules`](crate::reference::modules) §7.1); gzip's appears
/// once.
fn report_load_error(reporter: &mut dyn Reporter, path: &[u8], error: &LoadError) {
    let cause = error.cause();
    let LoadError::Decode(decode) = error else { return report_load(reporter, path, cause) };
    let says = |error: &DecodeError| Diagnostic::Decoder { error: error.clone() };
    reporter.report(says(decode));
    report_load(reporter, path, cause);
    let format = decode.format();
    let again = match format {
        _ if decode.is_refusal() => return,
        Compression::Gzip => return,
        // The second and third time, kmod continues reading at the end of the first attempt.
        Compression::Xz => &DecodeError::new(format, "Unexpected end of input"),
        Compression::Zstd => decode,
    };
    reporter.report(says(again));
    reporter.report(says(again));
}
