//! `depmod pack`: a module tree as one archive, for firmware and for whoever ships trees.
//!
//! The core decides every byte (`depmod_core::pack`); here are the command line, the threads, and a file
//! that appears whole or not at all.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Parser;
use depmod_core::catalog::ModuleFile;
use depmod_core::host::Reporter;
use depmod_core::output::Output;
use depmod_core::pack::{PackError, collect};
use depmod_core::pipeline::{Gathered, Loaded, Resolved, Stopped, Tables};
use depmod_core::tree::{IndexFiles, Place};

use crate::args::{Args, Color, Stop};
use crate::codecs::{self, HostDecoder};
use crate::load::Loading;
use crate::report::Report;
use crate::run::{DONE, FAILED, request};
use crate::settings::{Environment, Settings};
use crate::source::DiskSource;

/// The words after `depmod pack`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod pack",
    no_binary_name = true,
    about = "Make one cpio archive of a kernel's modules, with index files inside.",
    after_help = "\
The archive is newc cpio, sorted; equal modules give equal bytes. depmod.efi reads it, as does the kernel
as an initrd.

Examples:
  depmod pack -o /boot/modules.cpio                  the running kernel's modules
  depmod pack -k 6.1.0-50-amd64 --zstd -o m.cpio.zst  another kernel's, compressed
  depmod pack -b /mnt -k 6.1.0-50-amd64 | xz > m.cpio.xz

Exit status: 0 done, 1 failed; then FILE is as it was."
)]
pub struct PackArgs {
    #[arg(
        short = 'k',
        long,
        value_name = "VERSION",
        help = "Kernel version [default: the running kernel's]"
    )]
    kernel: Option<OsString>,
    #[arg(
        short = 'b',
        long,
        value_name = "DIR",
        allow_hyphen_values = true,
        help = "Look for the module directory below DIR [default: /]"
    )]
    basedir: Option<OsString>,
    #[arg(
        short = 'm',
        long,
        value_name = "DIR",
        allow_hyphen_values = true,
        help = "Module directory below the base directory [default: /lib/modules]"
    )]
    moduledir: Option<OsString>,
    #[arg(
        short = 'C',
        long,
        value_name = "PATH",
        allow_hyphen_values = true,
        help = "Read this configuration file or directory; may be repeated, the first wins"
    )]
    config: Vec<OsString>,
    #[arg(
        short = 'o',
        long,
        value_name = "FILE",
        allow_hyphen_values = true,
        help = "Write the archive to FILE [default: standard output]"
    )]
    output: Option<PathBuf>,
    #[arg(long, help = "Compress the archive with zstd")]
    zstd: bool,
}

/// Why there is no archive; what concerns modules has been reported.
#[derive(Debug)]
enum Failure {
    Reported,
    Pack(PackError),
    NoEncoder,
    Terminal,
    Write(PathBuf, io::Error),
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Reported
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported => f.write_str("no archive made"),
            Self::Pack(error) => {
                write!(f, "{error}")?;
                let mut cause = core::error::Error::source(error);
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::NoEncoder => f.write_str("this program was built without a zstd encoder"),
            Self::Terminal => f.write_str("an archive is not for a terminal: give -o FILE"),
            Self::Write(path, error) => write!(f, "cannot write {}: {error}", path.display()),
        }
    }
}

/// Does what the words after `pack` ask; returns the exit status.
pub fn main(words: &[OsString]) -> u8 {
    match PackArgs::try_parse_from(words) {
        Ok(args) => match run(&args) {
            Ok(()) => DONE,
            Err(failure) => {
                eprintln!("depmod: FATAL: {failure}");
                FAILED
            }
        },
        Err(error) => {
            // Nobody is left to be told that nobody reads.
            let _ = error.print();
            if error.use_stderr() { FAILED } else { DONE }
        }
    }
}

fn run(args: &PackArgs) -> Result<(), Failure> {
    // Before minutes of work.
    if args.zstd && !codecs::ZSTD_ENCODER {
        return Err(Failure::NoEncoder);
    }
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::Terminal);
    }
    let mut report = Report::new(Color::Auto);
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(Stop::Said(diagnostic)) => {
            report.report(diagnostic);
            return Err(Failure::Reported);
        }
        Err(Stop::Told(error)) => {
            let _ = error.print();
            return Err(Failure::Reported);
        }
    };
    let mut archive = archive(&settings, &mut report)?;
    if args.zstd {
        archive = codecs::zstd(&archive).ok_or(Failure::NoEncoder)?;
    }
    match &args.output {
        Some(path) => write_file(path, &archive).map_err(|error| Failure::Write(path.clone(), error)),
        None => {
            let mut out = io::stdout().lock();
            let written = out.write_all(&archive).and_then(|()| out.flush());
            written.map_err(|error| Failure::Write("standard output".into(), error))
        }
    }
}

/// The classic run's view of the same words, so that both mean the same directory.
fn settings(args: &PackArgs) -> Result<Settings, Stop> {
    let mut words: Vec<OsString> = Vec::new();
    let options = [("--basedir", &args.basedir), ("--moduledir", &args.moduledir)];
    let configs = args.config.iter().map(|path| ("--config", path));
    for (name, value) in
        options.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).chain(configs)
    {
        words.extend([name.into(), value.clone()]);
    }
    words.push("--".into());
    words.extend(args.kernel.clone());
    Settings::new(Args::parse_words(&words, false)?, &Environment::current()).map_err(Stop::Said)
}

fn archive(settings: &Settings, report: &mut Report) -> Result<Vec<u8>, Failure> {
    let request = request(settings);
    let source = DiskSource;
    let loading = Loading {
        source: &source,
        jobs: settings.jobs,
        decoder: HostDecoder::default,
        limits: &request.limits,
    };
    let mut gathered = Err(Stopped);
    let early = loading.while_finding(&mut |found| {
        gathered = Gathered::while_finding(&request, &source, report, found);
    });
    let gathered = gathered?;
    let catalog = gathered.catalog();
    let results = loading.load_all(catalog, early, || ());
    let loaded = Loaded::new(catalog, results, report);
    let tables = Tables::new(&request, &gathered, &loaded);
    let resolved = Resolved::new(&tables, &mut Vec::new(), report)?;
    let emit = |output| Ok((output, resolved.emit(output, report)?));
    let files = Output::ALL.into_iter().map(emit).collect::<Result<Vec<_>, Stopped>>()?;
    let version = String::from_utf8_lossy(&settings.version).trim_end_matches('/').to_owned();
    let place = Place { directory: settings.dirname.clone(), version };
    let modules = catalog.modules().iter().map(ModuleFile::printed_path);
    let builder = collect(&source, &place, modules, &IndexFiles::new(files), &request.limits);
    builder.and_then(|builder| Ok(builder.build()?)).map_err(Failure::Pack)
}

/// Replaces a file by a new one that is on the disk already; what is no file, such as a pipe, is written to.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|old| !old.is_file()) {
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        return file.write_all(bytes);
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let temporary =
        [b".", name.as_bytes(), format!(".{}.depmod-new", std::process::id()).as_bytes()].concat();
    let temporary = directory.join(std::ffi::OsStr::from_bytes(&temporary));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let done = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(directory)?.sync_all());
    if done.is_err() {
        // Gone already if it has its name.
        let _ = fs::remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        PackArgs::command().debug_assert();
    }

    #[test]
    fn a_file_is_replaced_or_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.cpio");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_file(&dir.path().join("gone/m.cpio"), b"").is_err());
        assert!(write_file(dir.path(), b"").is_err(), "a directory");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
