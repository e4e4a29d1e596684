//! From a command line to an exit status.

use core::mem;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

#[cfg(feature = "answers")]
use depmod_core::Severity;
use depmod_core::{Diagnostic, Reporter, Stopped};

use super::args::{Args, Color, Stop};
use super::progress::Progress;
use super::report::Report;
use super::settings::{Environment, Mode, Settings};
use super::status::{DONE, FAILED};
use super::terminal::lines_for;
use super::uptodate::is_up_to_date;
use super::{commands, confine, hints};
use crate::run::Run;
use crate::source::{DiskSource, from_io};

/// Executes the command line; returns the exit status.
pub fn main(words: &[OsString]) -> u8 {
    if let Some((command, words)) = commands::with_arguments(words) {
        return (command.main)(&words);
    }
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    match Args::parse_words(words, posixly_correct) {
        Ok(args) => execute(args),
        Err(stop) => explain(stop),
    }
}

/// Prints why there is no run.
pub(super) fn explain(stop: Stop) -> u8 {
    let status = stop.status();
    match stop {
        Stop::Clap(error) => match error.print() {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => FAILED,
            _ => status,
        },
        Stop::Message(diagnostic) => {
            Report::new(Color::Auto).report(diagnostic);
            status
        }
    }
}

/// Executes a parsed command line.
fn execute(args: Args) -> u8 {
    let mut report = Report::new(args.color);
    if args.map {
        report.report(Diagnostic::DeprecatedOption { option: "--map" });
    }
    #[cfg(feature = "answers")]
    if args.all_kernels {
        return super::all_kernels::run(&args, report);
    }
    run_one(args, report)
}

/// Does one run.
pub(super) fn run_one(args: Args, mut report: Report) -> u8 {
    let settings = match Settings::new(args.clone(), &Environment::current()) {
        Ok(settings) => settings,
        Err(diagnostic) => {
            let hint = match &diagnostic {
                Diagnostic::BadVersion { word } => commands::hint(word),
                _ => None,
            };
            report.report(diagnostic);
            hint.iter().for_each(|hint| report.hint(hint.as_bytes()));
            return FAILED;
        }
    };
    if !settings.is_one_of_many {
        confine::classic(&settings);
    }
    if settings.mode == Mode::Quick && (settings.show || is_up_to_date(&settings.options(), &mut report)) {
        return DONE;
    }
    #[cfg(feature = "answers")]
    if settings.keep_going && settings.mode == Mode::Files {
        report.line(Severity::Fatal, b"--keep-going is for whole module directories, not for FILEs");
        return FAILED;
    }
    report.follow(&settings);
    let progress = Arc::new(Progress::new(settings.progress));
    report.attach(Arc::clone(&progress));
    #[cfg(feature = "answers")]
    if let Some(strict) = &settings.strict {
        return match strict.run(&settings, &mut report, &*progress) {
            Ok(status) => status,
            Err(_) => hint(&settings, &args, &mut report),
        };
    }
    match run(&settings, &mut report, &*progress) {
        Ok(status) => status,
        Err(_) => hint(&settings, &args, &mut report),
    }
}

/// Says what may help after a failure.
fn hint(settings: &Settings, args: &Args, report: &mut Report) -> u8 {
    for line in hints::missing_directory(&DiskSource, &settings.target, args) {
        report.hint(&line);
    }
    FAILED
}

/// Indexes a module directory. Returns the exit status.
fn run(settings: &Settings, report: &mut Report, progress: &dyn crate::run::Progress) -> Result<u8, Stopped> {
    let options = settings.options();
    let run = Run::new(&options)
        .output(&settings.target.outdirname)
        .jobs(settings.jobs)
        .cache(settings.cache.as_deref())
        .progress(progress);
    #[cfg(feature = "answers")]
    if settings.keep_going {
        return super::answers::keep_going(run, settings, report).map(|kept| kept.status);
    }
    index(run, settings, report)
}

/// Does a run, and says what it found missing. Returns the exit status.
pub(super) fn index(run: Run<'_>, settings: &Settings, report: &mut Report) -> Result<u8, Stopped> {
    let links = |lines: &[u8]| print(&[lines]);
    let run = run.links(&links);
    #[cfg(feature = "answers")]
    let no_write = settings.strict.as_ref().is_some_and(|strict| strict.no_write);
    #[cfg(not(feature = "answers"))]
    let no_write = false;
    let (listed, indexed) = if no_write && !settings.show {
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
        let outcome = run.publish(report)?;
        (outcome.listed, outcome.indexed)
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
    if !settings.is_one_of_many {
        // The process ends now: freeing many small allocations is useless.
        mem::forget((listed, indexed));
    }
    Ok(if unresolved > 0 { FAILED } else { DONE })
}

/// Writes to standard output. A closed pipe is not an error.
fn print(texts: &[&[u8]]) -> Result<(), Diagnostic> {
    let mut out = io::stdout().lock();
    let mut write = |text: &&[u8]| out.write_all(&lines_for(&io::stdout(), text));
    let result = texts.iter().try_for_each(&mut write).and_then(|()| out.flush());
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Diagnostic::StandardOutput { cause: from_io(&error) })
        }
        _ => Ok(()),
    }
}
