//! Messages: the core's diagnostics on standard error or in the system log.
//!
//! ```text
//! depmod: WARNING: could not open modules.order at /lib/modules/6.1.0: No such file or directory
//! ```
//!
//! Prefix and levels are kmod's ([`reference::cli`](depmod_core::reference::cli) §5). Each message is one
//! write, so that lines of two programs on one terminal do not mix; a closed pipe is not an error.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;

use depmod_core::parts::diagnostic::push_escaped;
use depmod_core::{Diagnostic, Reporter, Severity};

use super::args::Color;
use super::progress::Progress;
use super::settings::Settings;
use super::terminal::{is_watched, use_color};
use crate::source::from_io;

const LOG_SOCKET: &str = "/dev/log";

/// Destination and level of messages.
pub(super) struct Report {
    sink: Sink,
    color: bool,
    /// Somebody is watching: standard error is a terminal.
    watched: bool,
    verbosity: u8,
    quiet: bool,
    progress: Option<Arc<Progress>>,
    /// Stands in front of every text.
    about: Vec<u8>,
}

enum Sink {
    Stream(Box<dyn Write + Send>),
    Log(UnixDatagram),
}

impl Report {
    /// Warnings and errors on standard error: the setting until the command line is parsed.
    #[must_use]
    pub(super) fn new(color: Color) -> Self {
        let stderr = std::io::stderr();
        Self {
            watched: is_watched(&stderr),
            ..Self::on(Box::new(stderr), use_color(color, &std::io::stderr()))
        }
    }

    fn on(stream: Box<dyn Write + Send>, color: bool) -> Self {
        Self {
            sink: Sink::Stream(stream),
            color,
            watched: false,
            verbosity: 0,
            quiet: false,
            progress: None,
            about: Vec::new(),
        }
    }

    /// The same, with the version of a kernel in front of every text.
    #[cfg(feature = "answers")]
    #[must_use]
    pub(super) fn about_kernel(self, version: &str) -> Self {
        Self { about: format!("{version}: ").into_bytes(), ..self }
    }

    /// Applies the command line: verbosity, `-q`, `-s`.
    pub(super) fn follow(&mut self, settings: &Settings) {
        self.verbosity = settings.verbosity;
        self.quiet = settings.quiet;
        if settings.syslog {
            self.use_log(Path::new(LOG_SOCKET));
        }
    }

    /// Sends messages to the system log; if there is none, continues on standard error, and with `-v` says so: hooks
    /// of packages run in places without a system log, and may take any line for a failure.
    fn use_log(&mut self, path: &Path) {
        let connected = UnixDatagram::unbound().and_then(|socket| socket.connect(path).map(|()| socket));
        match connected {
            Ok(socket) => self.sink = Sink::Log(socket),
            Err(_) if self.verbosity == 0 => {}
            Err(error) => {
                let text = format!("no system log at {}: {}", path.display(), from_io(&error));
                self.line(Severity::Warning, text.as_bytes());
            }
        }
    }

    /// Hides the progress bar while a message is written.
    pub(super) fn attach(&mut self, progress: Arc<Progress>) {
        self.progress = Some(progress);
    }

    /// A line without a level: `depmod: TEXT`. Only for people: on a terminal.
    pub(super) fn hint(&mut self, text: &[u8]) {
        if let Sink::Stream(stream) = &mut self.sink
            && self.watched
        {
            let mut line = [b"depmod: ", &*self.about].concat();
            push_escaped(&mut line, text);
            line.push(b'\n');
            let _ = stream.write_all(&line);
        }
    }

    /// The last line of a run with `-v`, for people: `depmod: 4,230 modules, 11 files, 0.05 s`.
    pub(super) fn summary(&mut self, modules: usize, files: usize) {
        let Some(progress) = &self.progress else { return };
        let files = match files {
            0 => "nothing written".into(),
            files => format!("{files} files"),
        };
        // Formatting of floating point numbers would take six kilobytes of the program.
        let elapsed = progress.elapsed();
        let (seconds, hundredths) = (elapsed.as_secs(), elapsed.subsec_millis().wrapping_div(10));
        let modules = if modules == 1 { "1 module".into() } else { format!("{} modules", grouped(modules)) };
        self.hint(format!("{modules}, {files}, {seconds}.{hundredths:02} s").as_bytes());
    }

    /// A line with a level: `depmod: LEVEL: MESSAGE`.
    pub(super) fn line(&mut self, severity: Severity, message: &[u8]) {
        let level = severity.word();
        let (priority, paint) = match severity {
            Severity::Fatal => (2, "\x1b[1;31m"),
            Severity::Error => (3, "\x1b[1;31m"),
            Severity::Warning => (4, "\x1b[1;33m"),
            Severity::Info => (6, "\x1b[1;36m"),
        };
        match &mut self.sink {
            Sink::Log(socket) => {
                // RFC 3164 without its time, which the receiver adds.
                const DAEMON: u8 = 3 << 3;
                let process = std::process::id();
                let head = format!("<{}>depmod[{process}]: {level}: ", DAEMON | priority);
                let _ = socket.send(&[head.as_bytes(), &self.about, message].concat());
            }
            Sink::Stream(stream) => {
                let head = if self.color {
                    format!("{paint}depmod: {level}:\x1b[0m ")
                } else {
                    format!("depmod: {level}: ")
                };
                let text = [head.as_bytes(), &self.about, message, b"\n"].concat();
                let mut write = || {
                    let _ = stream.write_all(&text);
                };
                match &self.progress {
                    Some(progress) => progress.suspend(write),
                    None => write(),
                }
            }
        }
    }
}

/// A number with its thousands apart: `4,230`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (left, digit) in (0..digits.len()).rev().zip(digits.chars()) {
        text.push(digit);
        if left > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
    }
    text
}

/// One message on standard error, in one line whatever is in it.
pub(super) fn say(severity: Severity, text: &str) {
    let mut line = Vec::new();
    push_escaped(&mut line, text.as_bytes());
    Report::new(Color::Auto).line(severity, &line);
}

impl core::fmt::Debug for Report {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Report").field("verbosity", &self.verbosity).finish_non_exhaustive()
    }
}

impl Reporter for Report {
    fn report(&mut self, diagnostic: Diagnostic) {
        let severity = diagnostic.severity();
        if severity == Severity::Info && self.verbosity < 2 {
            return;
        }
        let missing =
            matches!(diagnostic, Diagnostic::UnknownSymbol { .. } | Diagnostic::UnresolvedSymbol { .. });
        if self.quiet && missing {
            return;
        }
        let is_wait = matches!(diagnostic, Diagnostic::LockWait { .. });
        if is_wait && !self.watched && self.verbosity == 0 {
            return;
        }
        self.line(severity, &diagnostic.message());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Records each write separately.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn unknown() -> Diagnostic {
        Diagnostic::UnknownSymbol { path: "/m.ko".into(), symbol: "f".into() }
    }

    fn unresolved() -> Diagnostic {
        Diagnostic::UnresolvedSymbol { path: "/m.ko".into(), symbol: "f".into() }
    }

    fn written(change: impl FnOnce(&mut Report), diagnostics: Vec<Diagnostic>) -> Vec<String> {
        let writes = Writes::default();
        let mut report = Report::on(Box::new(writes.clone()), false);
        change(&mut report);
        for diagnostic in diagnostics {
            report.report(diagnostic);
        }
        writes.0.lock().unwrap().clone()
    }

    #[test]
    fn control_characters_are_escaped() {
        let writes = Writes::default();
        let mut report = Report::on(Box::new(writes.clone()), false);
        report.hint(b"nobody is there");
        report.watched = true;
        report.hint(b"/lib\x1b[2J\nERROR");
        let unknown = Diagnostic::UnknownSymbol { path: "/m\r.ko".into(), symbol: "f\nx".into() };
        let lines = [writes.0.lock().unwrap().clone(), written(|_| {}, vec![unknown])].concat();
        let expected = [
            "depmod: /lib\\x1b[2J\\x0aERROR\n",
            "depmod: WARNING: /m\\x0d.ko needs unknown symbol f\\x0ax\n",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn messages_are_single_writes_with_kmods_prefix() {
        let fatal = Diagnostic::SearchModules { cause: depmod_core::IoError::not_found() };
        let lines = written(|_| {}, vec![unknown(), fatal]);
        assert_eq!(
            lines,
            [
                "depmod: WARNING: /m.ko needs unknown symbol f\n",
                "depmod: FATAL: could not search modules: No such file or directory\n"
            ]
        );
    }

    #[test]
    fn verbosity_and_quiet_select_messages() {
        let info = || Diagnostic::ConfigSuffix { path: "/x".into() };
        assert!(written(|report| report.verbosity = 1, vec![info()]).is_empty());
        assert_eq!(written(|report| report.verbosity = 2, vec![info()]).len(), 1);
        let quiet = |report: &mut Report| report.quiet = true;
        assert!(written(quiet, vec![unknown(), unresolved()]).is_empty());
        assert_eq!(written(quiet, vec![Diagnostic::ErrsymsAlone {}]).len(), 1);
    }

    #[test]
    fn thousands_are_apart() {
        let shown = [0, 999, 1000, 4230, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "4,230", "1,234,567"]);
    }

    #[test]
    fn a_wait_is_for_people() {
        let wait = || vec![Diagnostic::LockWait { path: "/x".into(), holder: None }];
        assert!(written(|_| {}, wait()).is_empty());
        assert_eq!(written(|report| report.watched = true, wait()).len(), 1);
        assert_eq!(written(|report| report.verbosity = 1, wait()).len(), 1);
        let ignored = vec![Diagnostic::LockIgnored { path: "/x".into(), holder: None }];
        assert_eq!(written(|_| {}, ignored).len(), 1, "the run goes on without the lock");
    }

    #[test]
    fn only_the_prefix_is_coloured() {
        let lines = written(|report| report.color = true, vec![unknown()]);
        assert_eq!(lines, ["\x1b[1;33mdepmod: WARNING:\x1b[0m /m.ko needs unknown symbol f\n"]);
    }

    #[test]
    fn the_system_log_gets_datagrams() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let lines = written(|report| report.use_log(&path), vec![unknown()]);
        assert!(lines.is_empty());
        let mut buffer = [0; 200];
        let size = receiver.recv(&mut buffer).unwrap();
        let process = std::process::id();
        let text = format!("<28>depmod[{process}]: WARNING: /m.ko needs unknown symbol f");
        assert_eq!(&buffer[..size], text.as_bytes());
    }

    #[test]
    fn without_a_system_log_messages_go_to_standard_error() {
        let nowhere = |report: &mut Report| report.use_log(Path::new("/nowhere/log"));
        assert_eq!(written(nowhere, vec![unknown()]).len(), 1, "hooks take any line for a failure");
        let verbose = |report: &mut Report| {
            report.verbosity = 1;
            nowhere(report);
        };
        let lines = written(verbose, vec![unknown()]);
        assert_eq!(lines[0], "depmod: WARNING: no system log at /nowhere/log: No such file or directory\n");
        assert_eq!(lines.len(), 2);
    }
}
