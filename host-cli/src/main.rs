//! The command: words → settings → run → exit status.

#![allow(clippy::std_instead_of_alloc, reason = "this package has an operating system below it")]

use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::Arc;

use depmod_core::diagnostic::Diagnostic;
use depmod_core::host::Reporter;
use depmod_core::limits::Limits;
use depmod_host::args::{Args, Color, Stop};
use depmod_host::hints;
use depmod_host::progress::Progress;
use depmod_host::report::Report;
use depmod_host::run::{DONE, FAILED, run};
use depmod_host::settings::{Environment, Mode, Settings};
use depmod_host::source::DiskSource;
use depmod_host::uptodate::is_up_to_date;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((first, rest)) = words.split_first()
        && first == "pack"
    {
        return ExitCode::from(depmod_host::pack::main(rest));
    }
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    ExitCode::from(match Args::parse_words(&words, posixly_correct) {
        Ok(args) => obey(args),
        Err(stop) => {
            let status = stop.status();
            match stop {
                Stop::Told(error) => match error.print() {
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => FAILED,
                    _ => status,
                },
                Stop::Said(diagnostic) => {
                    Report::new(Color::Auto).report(diagnostic);
                    status
                }
            }
        }
    })
}

/// Does what a command line asks; returns the exit status.
fn obey(args: Args) -> u8 {
    let mut report = Report::new(args.color);
    if args.map {
        report.report(Diagnostic::DeprecatedOption { option: b"--map".to_vec() });
    }
    let settings = match Settings::new(args.clone(), &Environment::current()) {
        Ok(settings) => settings,
        Err(diagnostic) => {
            report.report(diagnostic);
            return FAILED;
        }
    };
    if settings.mode == Mode::Quick
        && (settings.show || is_up_to_date(&settings.dirname, &Limits::DEFAULT, &mut report))
    {
        return DONE;
    }
    report.follow(&settings);
    let progress = Arc::new(Progress::new(settings.progress));
    report.attach(Arc::clone(&progress));
    let status = run(&settings, &mut report, &*progress);
    if status == FAILED {
        for line in hints::missing_directory(&DiskSource, &settings, &args) {
            report.hint(&line);
        }
    }
    status
}
