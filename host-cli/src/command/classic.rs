//! The classic run: from its arguments to an exit status.

use std::sync::Arc;

use depmod_core::{Diagnostic, Reporter, Severity, Stopped};

use super::args::Args;
use super::index::index;
use super::progress::Progress;
use super::report::Report;
use super::settings::{Environment, Mode, Settings};
use super::status::{DONE, FAILED};
use super::uptodate::is_up_to_date;
use super::{commands, confine, hints};
use crate::run::Run;
use crate::source::DiskSource;

/// Does one run.
pub(super) fn run_one(args: Args, mut report: Report) -> u8 {
    let settings = match Settings::new(args.clone(), &Environment::current()) {
        Ok(settings) => settings,
        Err(diagnostic) => {
            let hint = match &diagnostic {
                Diagnostic::BadVersion { word } => {
                    commands::hint(word).or_else(|| Some(commands::VERSION_OR_COMMAND.into()))
                }
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
    if settings.mode == Mode::Files && !settings.target.layers.is_empty() {
        report.line(Severity::Fatal, b"--layer is for whole module directories, not for FILEs");
        return FAILED;
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

/// Prints a hint after a failure.
fn hint(settings: &Settings, args: &Args, report: &mut Report) -> u8 {
    let lines = hints::missing_directory(&DiskSource, &settings.target, args);
    for line in lines.into_iter().chain(hints::not_writable(settings)) {
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
