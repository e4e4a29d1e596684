//! The command: words → settings → run → exit status.

use std::io::Write;
use std::process::ExitCode;

use depmod_core::{
    diagnostic::{Diagnostic, Severity},
    host::Reporter,
};
use depmod_host::{
    args::{Args, Stop},
    run::{Progress, run},
    settings::{Environment, Settings},
};

/// kmod's prefixes on standard error.
struct Stderr;

impl Reporter for Stderr {
    fn report(&mut self, diagnostic: Diagnostic) {
        let prefix: &[u8] = match diagnostic.severity() {
            Severity::Fatal => b"depmod: FATAL: ",
            Severity::Error => b"depmod: ERROR: ",
            Severity::Warning => b"depmod: WARNING: ",
            Severity::Info => return,
        };
        let _ = std::io::stderr().write_all(&[prefix, &diagnostic.message(), b"\n"].concat());
    }
}

impl Progress for Stderr {
    fn begin(&self, _: usize) {}
    fn step(&self) {}
    fn end(&self) {}
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let posixly_correct = std::env::var_os("POSIXLY_CORRECT").is_some();
    let args = match Args::parse_words(&words, posixly_correct) {
        Ok(args) => args,
        Err(stop) => {
            let status = stop.status();
            match stop {
                Stop::Told(error) => drop(error.print()),
                Stop::Said(diagnostic) => Stderr.report(diagnostic),
            }
            return ExitCode::from(status);
        }
    };
    match Settings::new(args, &Environment::current()) {
        Ok(settings) => ExitCode::from(run(&settings, &mut Stderr, &Stderr)),
        Err(diagnostic) => {
            Stderr.report(diagnostic);
            ExitCode::FAILURE
        }
    }
}
