//! A plan, with files and firmware of its modules.

use core::num::NonZero;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::thread;

use bstr::BString;
use clap::{ArgGroup, ValueEnum};
use depmod_core::parts::answer::{
    FirmwareDirectories, FirmwareFile, Lookup, ModprobeConfig, Schedule, Unplanned, proposals, schedule,
};
use depmod_core::parts::boot::{
    Location,
    initrd::{ExistingInitrds, InitrdBuilder},
};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::parts::parse::module::ModinfoKey;
use depmod_core::parts::run::InTurn;
use depmod_core::parts::sort::sort_by;
use depmod_core::{Limits, Reason, Request, Severity, Source};

use super::Failure;
use super::indexes::{Origin, with_lookup};
use super::kernel::Kernel;
use super::requests;
use crate::codecs::HostDecoder;
use crate::command::args::{Color, Place};
use crate::command::nearest::instead;
use crate::command::paths::before_slashes;
use crate::command::report::{Report, say};
use crate::command::settings::Target;
use crate::source::DiskSource;
use crate::threads::build_beside;

/// Limit on suggestions for a request without a match.
const PROPOSED: usize = 3;

/// The handling of requests without a match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Missing {
    /// An error; there is no plan.
    #[default]
    Error,
    /// A warning; the plan omits them.
    Warn,
    /// The plan omits them.
    Ignore,
}

/// Options of planning, for `plan` and `pack --plan`.
#[derive(Clone, Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct How {
    #[arg(long, help_heading = PLAN, help = "Also plan for the devices of this machine: the modaliases below /sys/devices")]
    pub(crate) hardware: bool,
    #[arg(long, value_name = "DIR", default_value = "/sys", help_heading = PLAN,
          help = "With --hardware: the mount point of sysfs")]
    sysfs: OsString,
    #[arg(long, help_heading = PLAN, help = "Carry weak dependencies along, without loading them")]
    weak: bool,
    #[arg(long, value_enum, value_name = "WHAT", default_value_t, hide_possible_values = true, help_heading = PLAN,
          help = "Handling of X without a match: error, warn or ignore")]
    missing: Missing,
    #[arg(long, help_heading = PLAN, help = "Omit firmware; modules are then not read")]
    no_firmware: bool,
    #[arg(long, help_heading = PLAN, help = "Read all modules instead of the index files")]
    from_modules: bool,
    #[arg(long, conflicts_with = "from_modules", help_heading = PLAN,
          help = "Fail without sound index files, instead of reading all modules")]
    from_index: bool,
    #[arg(long, help_heading = PLAN,
          help = "In the archive: usr/lib in place of lib, for systems whose /lib is a link to usr/lib")]
    usr: bool,
}

impl How {
    /// The path of the directory `lib` in the archive.
    fn lib(&self) -> &'static [u8] {
        if self.usr { b"usr/lib" } else { b"lib" }
    }

    /// Whether something is said about archives.
    pub(super) fn is_for_archives(&self) -> bool {
        self.usr
    }
}

const PLAN: &str = "How to plan";

/// Arguments of `depmod pack` for a plan.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PackPlan {
    #[arg(long = "plan", value_name = "X", num_args = 1.., help_heading = PLAN,
          help = "Pack only the modules of depmod plan X…, with firmware")]
    words: Vec<OsString>,
    #[command(flatten)]
    how: How,
}

impl PackPlan {
    /// Without a plan, the words that say how to plan are an error.
    pub(crate) fn needs_a_plan(command: clap::Command) -> clap::Command {
        let plan = ArgGroup::new("planned").args(["words", "hardware"]).multiple(true);
        let how = ["sysfs", "weak", "missing", "no_firmware", "from_modules", "from_index", "usr"];
        let command = command.mut_arg("config", |arg| arg.help(super::kernel::BOTH));
        how.into_iter()
            .fold(command.group(plan), |command, id| command.mut_arg(id, |arg| arg.requires("planned")))
    }

    /// The archive of the plan; `None` if none is asked for.
    pub(crate) fn archive(
        &self,
        version: Option<&OsString>,
        place: &Place,
    ) -> Option<Result<Vec<u8>, Failure>> {
        if self.words.is_empty() && !self.how.hardware {
            return None;
        }
        let kernel = Kernel::new(version.cloned(), place.clone());
        let planned = plan(&self.words, &self.how, &kernel, true);
        Some(planned.and_then(|planned| planned.archive(&self.how)))
    }
}

/// A plan.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) target: Target,
    pub(super) schedule: Schedule,
    /// Size of each module file as stored; `None` if it is missing.
    pub(super) sizes: Vec<Option<u64>>,
    /// Firmware of the modules, in their order; `None` if it was not searched for.
    pub(super) firmware: Option<Vec<Firmware>>,
    /// Modules that could not be read for firmware, and the reasons.
    pub(super) unreadable: Vec<(BString, String)>,
    /// Requests without a match, with suggestions.
    pub(super) missing: Vec<(Request, Vec<BString>)>,
    /// Modaliases of the hardware without a match.
    pub(super) driverless: Vec<Request>,
}

/// A name of firmware, its modules and its files.
#[derive(Debug)]
pub(super) struct Firmware {
    pub(super) name: BString,
    pub(super) modules: Vec<BString>,
    pub(super) files: Vec<FirmwareFile>,
}

/// Plans. Requests without a match are reported here, according to `--missing`.
pub(super) fn plan(
    words: &[OsString],
    how: &How,
    kernel: &Kernel,
    wants_firmware: bool,
) -> Result<Planned, Failure> {
    let target = kernel.target()?;
    let mut report = Report::new(Color::Auto);
    let config = kernel.modprobe_config(&mut report)?;
    let mut all = requests::of_words(words)?;
    let hardware = match how.hardware {
        true => requests::of_hardware(how.sysfs.as_bytes())?,
        false => Vec::new(),
    };
    let asked = all.len();
    all.extend(hardware);
    let origin = match () {
        () if how.from_modules => Origin::Modules,
        () if how.from_index => Origin::Index,
        () => Origin::Any,
    };
    let mut planned = None;
    with_lookup(&target, origin, &mut report, &mut |lookup, _| {
        let target = target.clone();
        planned = Some(of_lookup(target, &lookup.config(&config), &config, &all, (asked, how))?);
        Ok(())
    })?;
    // The lookup has been asked.
    let planned = planned.ok_or("no plan")?;
    Ok(if wants_firmware && !how.no_firmware { planned.with_firmware(kernel) } else { planned })
}

fn of_lookup(
    target: Target,
    lookup: &Lookup<'_>,
    config: &ModprobeConfig,
    all: &[Request],
    (asked, how): (usize, &How),
) -> Result<Planned, Failure> {
    let failed = |error| Chain(&error).to_string();
    let schedule = schedule(lookup, all, how.weak).map_err(failed)?;
    let (by_words, by_hardware) = all.split_at_checked(asked).unwrap_or((all, &[]));
    let (mut missing, mut driverless) = (Vec::new(), Vec::new());
    for unplanned in &schedule.unplanned {
        let Unplanned::Missing { reason: Reason::Requested(request), query } = unplanned else { continue };
        if config.install_command(query).is_some() {
            continue;
        }
        if by_hardware.contains(request) && !by_words.contains(request) {
            driverless.push(request.clone());
        } else {
            let names = proposals(lookup, query, PROPOSED).map_err(failed)?;
            missing.push((request.clone(), names));
        }
    }
    say_missing(&missing, how.missing)?;
    let absolute = |path: &BString| path_of(&target, path);
    let size = |path: &BString| DiskSource.stat(&absolute(path)).ok().map(|stat| stat.size);
    let sizes = schedule.modules.iter().map(|module| size(&module.path)).collect();
    Ok(Planned { target, schedule, sizes, firmware: None, unreadable: Vec::new(), missing, driverless })
}

/// Reports all requests without a match.
fn say_missing(missing: &[(Request, Vec<BString>)], what: Missing) -> Result<(), Failure> {
    let severity = match what {
        Missing::Error => Severity::Error,
        Missing::Warn => Severity::Warning,
        Missing::Ignore => return Ok(()),
    };
    for (request, names) in missing {
        say(
            severity,
            &format!("no module or alias named {request}{}", instead(request.query.as_ref(), names)),
        );
    }
    match missing.len() {
        0 => Ok(()),
        _ if what == Missing::Warn => Ok(()),
        1 => Err("no plan, because a request has no module; --missing=warn plans without".into()),
        count => {
            Err(format!("no plan, because {count} requests have no module; --missing=warn plans without")
                .into())
        }
    }
}

/// A path of `modules.dep`, made absolute.
pub(super) fn path_of(target: &Target, path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") { path.to_vec() } else { [target.dirname.as_slice(), b"/", path].concat() }
}

impl Planned {
    /// Reads the modules, and searches for their firmware.
    fn with_firmware(mut self, kernel: &Kernel) -> Self {
        let modules = &self.schedule.modules;
        let limits = Limits::DEFAULT;
        let jobs = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let load = |at: usize| {
            let path = modules.get(at).map(|module| path_of(&self.target, &module.path)).unwrap_or_default();
            let mut decoder = HostDecoder::default();
            let facts = InTurn::new(&DiskSource, &mut decoder, &limits).load_one(&path);
            let names =
                facts.map(|facts| facts.values(ModinfoKey::Firmware).map(BString::from).collect::<Vec<_>>());
            (at, names)
        };
        let mut loads = build_beside(jobs, modules.len(), load, || ());
        sort_by(&mut loads, &|a, b| a.0.cmp(&b.0));
        let directories = firmware_directories(kernel, &self.target);
        let mut wanted: Vec<Firmware> = Vec::new();
        let mut places = hashbrown::HashMap::new();
        for ((_, names), module) in loads.into_iter().zip(modules) {
            let names = match names {
                Ok(names) => names,
                Err(error) => {
                    self.unreadable.push((module.path.clone(), error.cause().to_string()));
                    continue;
                }
            };
            for name in names {
                let at = *places.entry(name.clone()).or_insert_with(|| {
                    let files = directories.find(&name);
                    wanted.push(Firmware { name, modules: Vec::new(), files });
                    wanted.len().saturating_sub(1)
                });
                if let Some(firmware) =
                    wanted.get_mut(at).filter(|one| one.modules.last() != Some(&module.name))
                {
                    firmware.modules.push(module.name.clone());
                }
            }
        }
        self.firmware = Some(wanted);
        self
    }

    /// The plan as an archive: modules, their index files, load lists, and firmware.
    pub(super) fn archive(&self, how: &How) -> Result<Vec<u8>, Failure> {
        let limits = Limits::DEFAULT;
        let version = String::from_utf8_lossy(&self.target.version).trim_end_matches('/').to_owned();
        let location = Location::new(self.target.dirname.as_slice(), version);
        let mut further = Vec::new();
        for file in self.firmware.iter().flatten().flat_map(|firmware| &firmware.files) {
            let bytes = DiskSource.read(&file.path, limits.file_size);
            further
                .push((file.place.clone(), bytes.map_err(|error| Failure::cannot_read(&file.path, &error))?));
        }
        let existing = ExistingInitrds::default();
        let builder = InitrdBuilder::new(&DiskSource, &location, &existing, &limits);
        let order = self.schedule.load_order();
        let archive = builder.pack(&order, further, how.lib(), &mut HostDecoder::default());
        archive.map_err(|error| Chain(&error).to_string().into())
    }
}

/// Where the firmware of a kernel is.
pub(super) fn firmware_directories(
    kernel: &Kernel,
    target: &Target,
) -> FirmwareDirectories<'static, DiskSource> {
    let root = kernel.place.basedir.as_ref().map(|dir| dir.as_bytes()).unwrap_or_default();
    FirmwareDirectories::new(&DiskSource, before_slashes(root), &target.version)
}
