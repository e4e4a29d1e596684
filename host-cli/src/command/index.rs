//! A run of the stages, and its results on standard output or on disk.

use core::mem;
use std::io::{self, Write};

use depmod_core::{Diagnostic, Output, Reporter, Stopped};

use super::hints;
use super::report::Report;
use super::settings::Settings;
use super::status::{DONE, FAILED};
use super::stdout::written;
use super::terminal::lines_for;
use crate::run::Run;

/// Does a run, and reports missing input. Returns the exit status.
pub(super) fn index(run: Run<'_>, settings: &Settings, report: &mut Report) -> Result<u8, Stopped> {
    let links = |lines: &[u8]| print(&[lines]);
    let run = run.links(&links);
    let (listed, indexed) = if settings.no_write() && !settings.show {
        let (listed, indexed) = run.make(report)?;
        (listed, Some(indexed))
    } else if settings.show {
        let (listed, indexed) = run.make(report)?;
        let mut texts: Vec<_> = indexed.files.iter().map(|(_, text)| text).collect();
        let version = [b"# ", settings.target.version.as_slice(), b"\n"].concat();
        if settings.is_one_of_many {
            texts.insert(0, &version);
        }
        print(&texts).map_err(|diagnostic| report.stop(diagnostic))?;
        (listed, Some(indexed))
    } else {
        let finished = run.publish(report)?;
        (finished.listed, finished.indexed)
    };
    if let (Some(path), Some(map)) = (&settings.filesyms, &listed.kernel_symbols)
        && settings.errsyms
        && settings.symvers.is_none()
        && hints::is_placeholder(map)
    {
        report.hint(
            &[path.as_slice(), b" names no exported symbol; it is a placeholder for the real one"].concat(),
        );
    }
    let unresolved = indexed.as_ref().map_or(0, |indexed| indexed.unresolved);
    if unresolved > 0 {
        report.report(Diagnostic::UnresolvedCount { count: unresolved });
    }
    if settings.verbosity > 0 {
        let writes = !settings.show && !settings.no_write() && indexed.is_some();
        report.summary(listed.list.modules().len(), if writes { Output::ALL.len() } else { 0 });
    }
    if !settings.is_one_of_many {
        // The process ends now: freeing many small allocations is useless.
        mem::forget((listed, indexed));
    }
    Ok(if unresolved > 0 { FAILED } else { DONE })
}

/// Writes to standard output.
fn print(texts: &[&[u8]]) -> Result<(), Diagnostic> {
    let mut out = io::stdout().lock();
    let mut write = |text: &&[u8]| out.write_all(&lines_for(&io::stdout(), text));
    written(texts.iter().try_for_each(&mut write).and_then(|()| out.flush()))
}
