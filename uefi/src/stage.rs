//! The stage before the kernel: from a boot entry to a running kernel.
//!
//! ```text
//! entry ─► load kernel ─► publish existing initrds ─► hardware, root ─► load order ─► add initrd ─► start kernel
//!                       ╰ from here on the machine boots: a failure skips to the last step
//! ```
//!
//! Messages on the console, one line each: `depmod: preload: …` counts the modules;
//! `depmod: ERROR: CAUSE; booting without preload` is a failure, with `; stopped` instead if the entry says
//! so; with `-v` there are also `depmod: time: …` and the report.

use alloc::{borrow::ToOwned, format, string::String, string::ToString, vec::Vec};

use depmod_core::parts::boot::initrd::{InitrdBuilder, ModuleInitrd, Wanted};
use depmod_core::parts::boot::{BootEntry, HardwareUse, OnError, Provenance, locate};
use depmod_core::parts::decompress::PureDecoder;
use depmod_core::parts::diagnostic::Chain;
use depmod_core::{Limits, Request, Source};
use uefi::Status;
use uefi::boot;
use uefi::proto::loaded_image::LoadedImage;

use crate::clock::Clock;
use crate::console::Console;
use crate::error::{Doing, Error, Result};
use crate::existing::NamedInitrds;
use crate::initrd::{self, Initrd};
use crate::kernel::Kernel;
use crate::modules::ModuleStore;
use crate::options::{DEFAULT_ENTRY, Defect, is_entry_name};
use crate::volume::{Volume, from_firmware};
use crate::{disks, fallback, hardware, progress, shell, tcg, watchdog};

/// Origin of the requests in the boot entry.
const ENTRY: &str = "x-depmod-preload";

/// Boots an entry.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// The entry file, if not the one in the program's directory.
    pub entry: Option<String>,
    /// A provoked failure, for tests.
    pub defect: Option<Defect>,
    /// For messages.
    pub console: Console,
}

impl Stage {
    /// Boots. Returns only on failure; then all memory is freed and nothing is published.
    pub fn run(&self) -> Error {
        watchdog::off();
        let error = match self.boot() {
            Ok(never) => match never {},
            Err(error) => error,
        };
        watchdog::on();
        error
    }

    fn boot(&self) -> Result<core::convert::Infallible> {
        let clock = Clock::start();
        let working = progress::start();
        let limits = Limits::DEFAULT;
        let (volume, path) = self.entry_file()?;
        let bytes = volume
            // One byte more shows whether the file is too long.
            .read_head(path.as_bytes(), limits.boot_entry_size.saturating_add(1))
            .map_err(|cause| Error::File { path: path.clone(), cause })?;
        let mut entry = BootEntry::parse(&bytes, &limits).map_err(|cause| Error::Entry { path, cause })?;
        let stop = entry.on_error == OnError::Stop;
        self.report_ignored(&entry);

        let mut kernel = Kernel::load(&volume.read_file(&entry.linux)?, &entry.options)?;
        if kernel.refuses_initrd() {
            self.leave_initrds_out(&mut entry);
        }
        let armed = fallback::arm(&kernel, !stop);
        let (existing, complete) = self.existing_initrds(&entry, &volume)?;
        let mut initrd = None;
        let added = publish(existing, &mut initrd).and_then(|()| {
            if !complete {
                return Ok(());
            }
            let existing = initrd.as_ref().map_or(&[][..], Initrd::parts);
            let modules = self.module_initrd(&entry, &volume, existing, &limits)?;
            self.add(modules, &mut initrd)
        });
        if let Err(error) = added {
            if stop {
                return Err(error);
            }
            self.without_preload(&error);
        }
        if self.console.verbose {
            let size = initrd.as_ref().map_or(0, Initrd::size);
            let time = clock.milliseconds().map_or("unknown".to_owned(), |time| format!("{time} ms"));
            self.console.info(format_args!("time: {time} from start to kernel, initrds {size} bytes"));
        }
        drop(working);
        let mut error = kernel.start();
        drop(armed);
        if is_refusal_of_second_initrd(&error) && initrd.is_some() {
            self.console
                .warning(format_args!("{} refuses our initrd; starting it without ours", entry.linux));
            drop(initrd.take());
            // Before the next image is loaded, which may get the handle of this one.
            drop(kernel);
            kernel = Kernel::load(&volume.read_file(&entry.linux)?, &entry.options)?;
            error = kernel.start();
        }
        drop(initrd);
        Err(error)
    }

    /// Makes an entry one without initrds, with a line.
    fn leave_initrds_out(&self, entry: &mut BootEntry) {
        if !entry.initrds.is_empty() || entry.modules.is_some() {
            self.console.warning(format_args!(
                "{} brings an initrd and takes no other; starting it without ours",
                entry.linux
            ));
        }
        entry.initrds.clear();
        entry.preload.clear();
        (entry.modules, entry.hardware) = (None, HardwareUse::Off);
    }

    fn entry_file(&self) -> Result<(Volume, String)> {
        let named = self.entry.as_deref();
        if let Some(path) = named.filter(|_| shell::is_there()) {
            return shell::locate(path);
        }
        let volume = Volume::of_program()?;
        let path = match named {
            Some(path) if path.starts_with('/') => path.to_owned(),
            Some(name) => beside_program(&volume, name)?,
            None => beside_program(&volume, DEFAULT_ENTRY)?,
        };
        // Firmware may append its own data to a boot entry, which then looks like a name.
        if let Some(name) = named.filter(|name| !is_entry_name(name))
            && volume.stat(path.as_bytes()).is_err()
        {
            self.console.warning(format_args!("no entry file {name}; taking {DEFAULT_ENTRY}"));
            let path = beside_program(&volume, DEFAULT_ENTRY)?;
            return Ok((volume, path));
        }
        Ok((volume, path))
    }

    /// Reports lines of the entry that have no effect.
    fn report_ignored(&self, entry: &BootEntry) {
        for warning in &entry.warnings {
            self.console.warning(format_args!("boot entry {warning}; ignored"));
        }
        for (line, key) in entry.ignored.iter().filter(|(_, key)| key.starts_with("devicetree")) {
            self.console.warning(format_args!(
                "boot entry line {line}: {key} is not installed; firmware's own stays"
            ));
        }
        if !entry.ignored.is_empty() {
            let keys: Vec<_> =
                entry.ignored.iter().map(|(line, key)| format!("{key} (line {line})")).collect();
            self.console.info(format_args!("boot entry: ignored {}", keys.join(", ")));
        }
    }

    /// Reads the existing initrds, the boot loader's first, and whether these are all. Unreadable ones are left out,
    /// with an error on the console, unless the entry says `stop`.
    fn existing_initrds(&self, entry: &BootEntry, volume: &Volume) -> Result<(Vec<Vec<u8>>, bool)> {
        let (mut existing, mut complete) = (Vec::new(), true);
        // Limits are for what is looked into: the kernel gets the whole file.
        let named = entry.initrds.iter().map(|path| volume.read_whole(path));
        // Without initrds or modules of the entry, the boot loader's stays where it is.
        let adds = !entry.initrds.is_empty() || entry.modules.is_some();
        let first = adds.then(initrd::of_boot_loader).and_then(Result::transpose);
        for read in first.into_iter().chain(named) {
            match read {
                Ok(bytes) => existing.push(bytes),
                Err(error) if entry.on_error == OnError::Stop => return Err(error),
                Err(error) => {
                    complete = false;
                    self.without_preload(&error);
                }
            }
        }
        Ok((existing, complete))
    }

    fn without_preload(&self, cause: &Error) {
        self.console.error(format_args!("{}; booting without preload", Chain(cause)));
    }

    /// The initrd with the modules for this machine and entry; `None` if there are no requests.
    fn module_initrd(
        &self,
        entry: &BootEntry,
        volume: &Volume,
        existing: &[Vec<u8>],
        limits: &Limits,
    ) -> Result<Option<ModuleInitrd>> {
        if let Some((first, more)) = entry.problems.split_first() {
            return Err(Error::Problem { first: first.clone(), more: more.len() });
        }
        let mut wanted = Wanted::default().blacklist(entry.blacklist());
        wanted.requests = hardware::requests(entry.hardware, limits, self.console)?;
        if entry.modules.is_some() && entry.looks_for_root() {
            wanted.requests.extend(disks::root_requests(&entry.options, limits, self.console));
        }
        wanted.requests.extend(entry.preload.iter().map(|word| Request::new(word.as_str(), ENTRY)));
        self.provoke();
        let Some(path) = &entry.modules else {
            return if entry.preload.is_empty() { Ok(None) } else { Err(Error::NoModules) };
        };
        if wanted.requests.is_empty() {
            return Ok(None);
        }
        let store = ModuleStore::open(volume, path, limits)?;
        let modules = store.modules(limits)?;
        let source = modules.source();
        let location = locate(&source, store.root().as_bytes(), entry.version.as_deref())?;
        let initrds = NamedInitrds::read(&entry.initrds, existing, limits)?;
        let existing = initrds.merge(limits)?;
        let builder = InitrdBuilder::new(&source, &location, &existing, limits);
        let built = builder.build(&wanted, &mut PureDecoder::default(), &mut { self.console })?;
        self.report(&built);
        Ok(Some(built))
    }

    fn report(&self, built: &ModuleInitrd) {
        for request in built.order.missing() {
            let line = format_args!("no module for {request}");
            if request.origin == ENTRY { self.console.warning(line) } else { self.console.info(line) }
        }
        let load = built.order.to_load().count();
        let carried = built.order.modules.len().saturating_sub(load);
        let provenance = match &built.provenance {
            Provenance::Shipped => "index files as shipped".to_string(),
            Provenance::Computed(stale) => format!("index files computed: {}", Chain(stale)),
        };
        let existing = match built.existing_modules {
            0 => String::new(),
            count => format!("; {count} modules in existing initrds"),
        };
        self.console.message(format_args!(
            "preload: {load} modules to load, {carried} carried along, {} bytes; {provenance}{existing}",
            built.archive.len()
        ));
        built.report.lines().for_each(|line| self.console.info(format_args!("{line}")));
    }

    /// Measures the load order, and adds the archive to the kernel's initrds.
    fn add(&self, built: Option<ModuleInitrd>, initrd: &mut Option<Initrd>) -> Result<()> {
        let Some(built) = built.filter(|built| !built.order.modules.is_empty()) else {
            return Ok(());
        };
        match tcg::measure(&measured_text(&built)) {
            Ok(true) => self.console.message(format_args!("logged the choice in PCR {}", tcg::PCR)),
            Ok(false) => {}
            Err(error) => self.console.warning(format_args!("{}", Chain(&error))),
        }
        match initrd {
            Some(initrd) => initrd.push(built.archive),
            None => *initrd = Some(Initrd::publish(Vec::from([built.archive]))?),
        }
        Ok(())
    }

    #[allow(clippy::panic, reason = "provoked by tests of the recovery")]
    fn provoke(&self) {
        match self.defect {
            None => {}
            Some(Defect::Panic) => panic!("provoked"),
            // All memory is taken, then a small allocation fails.
            Some(Defect::Memory) => {
                let mut all = Vec::new();
                for size in [1 << 20, 1 << 12] {
                    let mut block = Vec::<u8>::new();
                    while block.try_reserve_exact(size).is_ok() {
                        all.push(core::mem::take(&mut block));
                    }
                }
                drop(core::hint::black_box((Vec::<u8>::with_capacity(1 << 12), all)));
            }
        }
    }
}

/// Publishes the existing initrds, if there are any.
fn publish(existing: Vec<Vec<u8>>, initrd: &mut Option<Initrd>) -> Result<()> {
    if !existing.is_empty() {
        *initrd = Some(Initrd::publish(existing)?);
    }
    Ok(())
}

/// Whether a kernel failed as a unified kernel image does that wants to publish an initrd of its own.
fn is_refusal_of_second_initrd(error: &Error) -> bool {
    matches!(error, Error::Firmware { status: Status::ALREADY_STARTED, .. })
}

/// Text for the TPM's log. Apart from it the archive depends only on the modules' bytes.
fn measured_text(built: &ModuleInitrd) -> Vec<u8> {
    let names = built.order.to_load().map(|module| module.name.as_slice());
    [b"depmod.efi loads"].into_iter().map(|head| &head[..]).chain(names).collect::<Vec<_>>().join(&b' ')
}

/// A path in the program's directory.
fn beside_program(volume: &Volume, name: &str) -> Result<String> {
    if let Some(server) = volume.server() {
        return Ok(format!("{}/{name}", server.directory()));
    }
    let image = boot::open_protocol_exclusive::<LoadedImage>(boot::image_handle())
        .doing("find the program's own path")?;
    let mut path = String::new();
    for node in image.file_path().into_iter().flat_map(|path| path.node_iter()) {
        if let Ok(part) = <&uefi::proto::device_path::media::FilePath>::try_from(node)
            && let Ok(part) = part.path_name().to_cstring16()
        {
            path.push('/');
            // The firmware begins the first part with a slash.
            path.push_str(from_firmware(&part).trim_matches('/'));
        }
    }
    while path.pop().is_some_and(|last| last != '/') {}
    Ok(format!("{path}/{name}"))
}
