//! The kernel and configuration of a query.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use depmod_core::parts::answer::ModprobeConfig;
use depmod_core::parts::diagnostic::Chain;
use depmod_core::{Limits, Reporter, Source};

use super::{Failure, versions};
use crate::command::args::Place;
use crate::command::settings::{Environment, Target};
use crate::source::DiskSource;

/// What `-C` names where only `modprobe.d` is read.
pub(super) const MODPROBE_D: &str = "Read this modprobe.d file or directory; may be repeated, the first one wins \
    [default: modprobe.d in /etc, /run, /usr/local/lib, /usr/lib and /lib]";
/// What `-C` names where both configurations are read.
pub(super) const BOTH: &str = "Read this file or directory, in place of modprobe.d and, where modules are indexed, of \
    depmod.d; may be repeated, the first one wins [default: both in /etc, /run, /usr/local/lib, /usr/lib and /lib]";

/// Arguments for the kernel.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Kernel {
    #[arg(
        short = 'k',
        long = "kernel",
        value_name = "VERSION",
        help = "Kernel version, since operands are questions [default: the running kernel's]"
    )]
    version: Option<OsString>,
    #[command(flatten)]
    pub(super) place: Place,
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "/proc/cmdline",
        help = "Obey modprobe.blacklist= on the kernel's command line [without FILE: the running kernel's]"
    )]
    cmdline: Option<OsString>,
}

impl Kernel {
    /// A kernel from the arguments of another command.
    pub(super) fn new(version: Option<OsString>, place: Place) -> Self {
        Self { version, place, cmdline: None }
    }

    /// The module directory.
    pub(super) fn target(&self) -> Result<Target, Failure> {
        let target = Target::new(self.place.clone(), None, self.version.clone(), &Environment::current())?;
        versions::check(&target)?;
        Ok(target)
    }

    /// The configuration of `modprobe.d` and the kernel's command line.
    pub(super) fn modprobe_config(&self, reporter: &mut dyn Reporter) -> Result<ModprobeConfig, Failure> {
        let paths: Vec<Vec<u8>> = if self.place.config.is_empty() {
            ModprobeConfig::PATHS.iter().map(|path| path.to_vec()).collect()
        } else {
            self.place.config.iter().cloned().map(OsString::into_vec).collect()
        };
        let mut config = ModprobeConfig::load(&DiskSource, &paths, &Limits::DEFAULT, reporter)
            .map_err(|error| Chain(&error).to_string())?;
        if let Some(file) = &self.cmdline {
            let options = DiskSource
                .read_named(file.as_bytes(), Limits::DEFAULT.text_size)
                .map_err(|error| Failure::cannot_read(file.as_bytes(), &error))?;
            config.add_kernel_options(&options);
        }
        Ok(config)
    }
}
