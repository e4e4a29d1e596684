//! `depmod pack`: a module directory as one archive, for firmware and for distributors of modules.
//!
//! The core computes every byte; this module handles the command line.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use depmod_core::parts::boot::{Location, PackError, collect};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::parts::list::ModuleFile;
use depmod_core::parts::run;
use depmod_core::{Diagnostic, Options, Reporter, Severity, Stopped};

use super::args::{Color, Place, SameVersion};
use super::confine;
use super::report::{Report, say};
use super::settings::{Environment, Target};
use super::status::{DONE, FAILED};
use super::stdout::written;
use super::usage;
use crate::codecs;
use crate::publish::{ReplaceError, replace_file};
use crate::run::Run;
use crate::source::{DiskSource, Stamp};

/// The arguments of `depmod pack`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod pack",
    no_binary_name = true,
    about = "Make one cpio archive of a kernel's modules, with index files inside.",
    after_help = "\
The archive is newc cpio, sorted; equal modules give equal bytes. depmod.efi reads it, as does the
kernel as an initrd.

Examples:
  depmod pack -o /boot/modules.cpio                    the running kernel's modules
  depmod pack 6.1.0-50-amd64 --zstd -o m.cpio.zst      another kernel's, compressed
  depmod pack -b /mnt 6.1.0-50-amd64 | xz > m.cpio.xz
  depmod pack --plan nvme ext4 -o nvme.cpio            only the modules of \"depmod plan nvme ext4\"

Exit status: 0 done, 1 failed; then FILE is as it was."
)]
pub(super) struct PackArgs {
    #[arg(value_name = "VERSION", help = "Kernel version, before --plan [default: the running kernel's]")]
    version: Option<OsString>,
    #[command(flatten)]
    same: SameVersion,
    #[command(flatten)]
    place: Place,
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
    #[cfg(feature = "answers")]
    #[command(flatten)]
    plan: super::answers::PackPlan,
}

impl PackArgs {
    /// The version, in either form.
    fn kernel(&self) -> Option<&OsString> {
        self.same.kernel.as_ref().or(self.version.as_ref())
    }
}

/// Why there is no archive.
#[derive(Debug)]
enum Failure {
    /// A run ended early, and its reporter has received the reason.
    Reported,
    Pack(PackError),
    #[cfg(feature = "answers")]
    Plan(super::answers::Failure),
    NoEncoder,
    Terminal,
    /// A module is not the one that was indexed.
    Changed(Vec<u8>),
    Write(PathBuf, ReplaceError),
    Print(Diagnostic),
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Reported
    }
}

impl Failure {
    /// Shows the reason, unless it was reported before.
    fn show(&self) {
        let why = match self {
            Self::Reported => return,
            Self::Pack(error) => Chain(error).to_string(),
            #[cfg(feature = "answers")]
            Self::Plan(failure) => return failure.show(),
            Self::NoEncoder => "this program was built without a zstd encoder".into(),
            Self::Terminal => "an archive is not for a terminal: give -o FILE".into(),
            Self::Changed(path) => {
                format!("{} changed while it was packed", OsStr::from_bytes(path).display())
            }
            Self::Write(path, error) => format!("cannot write {}: {}", path.display(), Chain(error)),
            Self::Print(diagnostic) => diagnostic.to_string(),
        };
        say(Severity::Fatal, &why);
    }
}

/// The parser of the arguments.
pub(super) fn command() -> clap::Command {
    let command = PackArgs::command();
    #[cfg(feature = "answers")]
    let command = super::answers::PackPlan::needs_a_plan(command);
    command
}

/// Executes the arguments after `pack`; returns the exit status.
pub(super) fn main(words: &[OsString]) -> u8 {
    let args: PackArgs = match usage::parse(command(), words) {
        Ok(args) => args,
        Err(status) => return status,
    };
    match pack(&args) {
        Ok(()) => DONE,
        Err(failure) => {
            failure.show();
            FAILED
        }
    }
}

fn pack(args: &PackArgs) -> Result<(), Failure> {
    // Checked before minutes of work.
    if args.zstd && !codecs::ZSTD_ENCODER {
        return Err(Failure::NoEncoder);
    }
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::Terminal);
    }
    let mut report = Report::new(Color::Auto);
    let environment = Environment::current();
    let target = Target::new(args.place.clone(), None, args.kernel().cloned(), &environment)
        .map_err(|diagnostic| report.stop(diagnostic))?;
    confine::file(args.output.as_deref());
    let mut archive = match planned(args)? {
        Some(archive) => archive,
        None => archive(&target, &mut report, || {})?,
    };
    if args.zstd {
        archive = codecs::zstd(&archive).ok_or(Failure::NoEncoder)?;
    }
    match &args.output {
        Some(path) => replace_file(path, &archive).map_err(|error| Failure::Write(path.clone(), error)),
        None => {
            let mut out = io::stdout().lock();
            written(out.write_all(&archive).and_then(|()| out.flush())).map_err(Failure::Print)
        }
    }
}

/// The archive of a plan, if one is asked for.
fn planned(args: &PackArgs) -> Result<Option<Vec<u8>>, Failure> {
    #[cfg(feature = "answers")]
    return args.plan.archive(args.kernel(), &args.place).transpose().map_err(Failure::Plan);
    #[cfg(not(feature = "answers"))]
    {
        let _ = args;
        Ok(None)
    }
}

/// The archive of a module directory. `meanwhile` happens between the two times that a module is read: for the
/// index files, and for the archive.
fn archive(target: &Target, report: &mut Report, meanwhile: impl FnOnce()) -> Result<Vec<u8>, Failure> {
    let options = target.options();
    let before = stamps(&options);
    let (listed, indexed) = Run::new(&options).make(report)?;
    meanwhile();
    let version = String::from_utf8_lossy(&target.version).trim_end_matches('/').to_owned();
    let location = Location::new(options.directory.clone(), version);
    let modules = listed.list.modules().iter().map(ModuleFile::printed_path);
    let builder = collect(&DiskSource, &location, modules, &indexed.files, &options.limits);
    let archive = builder.and_then(|builder| Ok(builder.build()?)).map_err(Failure::Pack)?;
    for module in listed.list.modules() {
        if before.get(module.path()) != stamp(module.path()).as_ref() {
            return Err(Failure::Changed(module.path().to_vec()));
        }
    }
    Ok(archive)
}

/// The stamps of all modules before they are read. What cannot be listed is reported by the run itself.
fn stamps(options: &Options) -> HashMap<Vec<u8>, Stamp> {
    let listed = run::list(options, &DiskSource, &mut ());
    let modules = listed.map(|listed| listed.list.modules().to_vec()).unwrap_or_default();
    modules.iter().filter_map(|module| Some((module.path().to_vec(), stamp(module.path())?))).collect()
}

fn stamp(path: &[u8]) -> Option<Stamp> {
    rustix::fs::stat(path).ok().map(|stat| Stamp::new(&stat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_accepts_the_definition() {
        PackArgs::command().debug_assert();
    }

    #[test]
    fn modules_that_change_are_not_packed() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("lib/modules/6.1");
        let module = directory.join("m.ko");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(&module, "no module, but long").unwrap();
        let place =
            Place { basedir: Some(root.path().into()), config: vec!["/dev/null".into()], ..Place::default() };
        let target = Target::new(place, None, Some("6.1".into()), &Environment::current()).unwrap();
        let pack = |meanwhile: &dyn Fn()| archive(&target, &mut Report::new(Color::Never), meanwhile);
        assert!(pack(&|| {}).is_ok());
        let shrink = || std::fs::write(&module, "short").unwrap();
        assert!(
            matches!(pack(&shrink), Err(Failure::Changed(path)) if path == module.as_os_str().as_bytes())
        );
        let remove = || std::fs::remove_file(&module).unwrap();
        assert!(matches!(pack(&remove), Err(Failure::Pack(_))));
    }
}
