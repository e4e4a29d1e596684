//! The stage before the kernel: an entry in, a running kernel out.
//!
//! ```text
//! entry ─► kernel loaded ─► base initrds published ─► hardware ─► plan ─► initrd added ─► kernel started
//!                         ╰ from here on the machine boots: a failure skips to the last arrow
//! ```
//!
//! What the console says, one line each: `depmod: ERROR: WHY; booting without preload` on a failure, or
//! `; stopped` if the entry asks for that; `depmod: preload: …` with what was chosen; with `-v` also
//! `depmod: time: …`.

use alloc::{borrow::ToOwned, format, string::String, string::ToString, vec::Vec};

use depmod_core::decompress::PureDecoder;
use depmod_core::entry::{BootEntry, Hardware, OnError};
use depmod_core::hardware::{children, usb_children};
use depmod_core::host::{Reporter, Source};
use depmod_core::limits::Limits;
use depmod_core::plan::Request;
use depmod_core::preload::{Preload, Wishes, prepare};
use depmod_core::tree::{Provenance, locate};
use uefi::boot;
use uefi::proto::loaded_image::LoadedImage;

use crate::base::Initrds;
use crate::clock::Clock;
use crate::console::Console;
use crate::error::{Chain, Doing, Error, Result};
use crate::initrd::{self, Initrd};
use crate::kernel::Kernel;
use crate::modules::Stored;
use crate::options::{DEFAULT_ENTRY, Defect, is_entry_name};
use crate::volume::{Volume, from_firmware};
use crate::{fallback, pci, shell, tcg, usb};

/// Who asks for what the entry names.
const ENTRY: &str = "x-depmod-preload";

/// What to boot.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// The entry file, when it is not the one beside the program.
    pub entry: Option<String>,
    /// A failure to provoke, for tests.
    pub defect: Option<Defect>,
    /// Where messages go.
    pub console: Console,
}

impl Stage {
    /// Boots. Comes back only on failure; all memory is then returned and nothing stays published.
    pub fn run(&self) -> Error {
        match self.boot() {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn boot(&self) -> Result<core::convert::Infallible> {
        let clock = Clock::start();
        let limits = Limits::DEFAULT;
        let (volume, path) = self.entry_file()?;
        let bytes = volume
            // One more tells that there is more.
            .read_head(path.as_bytes(), limits.entry_size.saturating_add(1))
            .map_err(|cause| Error::File { path: path.clone().into_bytes(), cause })?;
        let entry = BootEntry::parse(&bytes, &limits).map_err(|cause| Error::Entry { path, cause })?;
        let stop = entry.on_error == OnError::Stop;
        self.remark(&entry);

        let kernel = Kernel::load(&volume.read_file(&entry.linux)?, &entry.options)?;
        let armed = fallback::arm(kernel.image(), !stop);
        let base = self.base_initrds(&entry, &volume)?;
        let whole = base.len() == entry.initrds.len();
        let mut initrd = None;
        let added = self.publish(base, &mut initrd, &entry).and_then(|()| {
            if !whole {
                return Ok(());
            }
            let base = initrd.as_ref().map_or(&[][..], Initrd::parts);
            let preload = self.preload(&entry, &volume, base, &limits)?;
            self.add(preload, &mut initrd)
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
        let error = kernel.start();
        drop(armed);
        drop(initrd);
        Err(error)
    }

    fn entry_file(&self) -> Result<(Volume, String)> {
        let named = self.entry.as_deref();
        if let Some(path) = named.filter(|_| shell::is_there()) {
            return shell::locate(path);
        }
        let volume = Volume::of_program()?;
        let path = match named {
            Some(path) if path.starts_with('/') => path.to_owned(),
            Some(name) => beside_program(name)?,
            None => beside_program(DEFAULT_ENTRY)?,
        };
        // Firmware may append data of its own to a boot entry, which read as a name.
        if let Some(name) = named.filter(|name| !is_entry_name(name))
            && volume.stat(path.as_bytes()).is_err()
        {
            self.console.warning(format_args!("no entry file {name}; taking {DEFAULT_ENTRY}"));
            return Ok((volume, beside_program(DEFAULT_ENTRY)?));
        }
        Ok((volume, path))
    }

    /// What of an entry means nothing.
    fn remark(&self, entry: &BootEntry) {
        for warning in &entry.warnings {
            self.console.warning(format_args!("boot entry {warning}; ignored"));
        }
        if !entry.ignored.is_empty() {
            let keys: Vec<_> =
                entry.ignored.iter().map(|(line, key)| format!("{key} (line {line})")).collect();
            self.console.info(format_args!("boot entry: ignored {}", keys.join(", ")));
        }
    }

    /// The base initrds that can be read, and a line for each other one; if the entry says `stop`, all.
    fn base_initrds(&self, entry: &BootEntry, volume: &Volume) -> Result<Vec<Vec<u8>>> {
        let mut base = Vec::new();
        for path in &entry.initrds {
            match volume.read_file(path) {
                Ok(bytes) => base.push(bytes),
                Err(error) if entry.on_error == OnError::Stop => return Err(error),
                Err(error) => self.without_preload(&error),
            }
        }
        Ok(base)
    }

    fn without_preload(&self, why: &Error) {
        self.console.error(format_args!("{}; booting without preload", Chain(why)));
    }

    /// Publishes the base initrds. An entry without any has nothing to publish yet.
    fn publish(&self, base: Vec<Vec<u8>>, initrd: &mut Option<Initrd>, entry: &BootEntry) -> Result<()> {
        if base.is_empty() {
            // Better known before the work than after it.
            return if entry.modules.is_some() { initrd::ensure_no_other() } else { Ok(()) };
        }
        *initrd = Some(Initrd::publish(base)?);
        Ok(())
    }

    /// The stack for this machine and entry, or nothing where nothing is asked for.
    fn preload(
        &self,
        entry: &BootEntry,
        volume: &Volume,
        base: &[Vec<u8>],
        limits: &Limits,
    ) -> Result<Option<Preload>> {
        if let Some((first, more)) = entry.problems.split_first() {
            return Err(Error::Problem { first: first.clone(), more: more.len() });
        }
        let mut wishes = Wishes { requests: Vec::new(), blacklist: entry.blacklist() };
        if entry.hardware == Hardware::Auto {
            wishes.requests = self.hardware()?;
        }
        wishes.requests.extend(entry.preload.iter().map(|word| Request::new(word.as_str(), ENTRY)));
        self.provoke();
        let Some(path) = &entry.modules else {
            return if entry.preload.is_empty() { Ok(None) } else { Err(Error::NoModules) };
        };
        if wishes.requests.is_empty() {
            return Ok(None);
        }
        let version = entry.version.as_deref();
        let stored = Stored::open(volume, path, limits)?;
        let modules = stored.modules(limits)?;
        let place = locate(&modules, stored.root().as_bytes(), version)?;
        let plain = Initrds::read(&entry.initrds, base, limits)?;
        let base = plain.unpack(limits)?;
        let mut said = Vec::new();
        let prepared =
            prepare(&modules, &place, &wishes, &base, &mut PureDecoder::default(), limits, &mut said);
        said.into_iter().for_each(|message| { self.console }.report(message));
        let preload = prepared?;
        self.tell(&preload, &wishes.requests);
        Ok(Some(preload))
    }

    fn tell(&self, preload: &Preload, requests: &[Request]) {
        for request in preload.stack.missing_requests().filter_map(|number| requests.get(number)) {
            let query = String::from_utf8_lossy(&request.query);
            let line = format_args!("no module for {query} ({})", request.origin);
            if request.origin == ENTRY { self.console.warning(line) } else { self.console.info(line) }
        }
        let load = preload.stack.load_order().count();
        let carried = preload.stack.modules.len().saturating_sub(load);
        let from = match &preload.provenance {
            Provenance::Shipped => "index files as shipped".to_string(),
            Provenance::Computed(stale) => format!("index files computed: {}", Chain(stale)),
        };
        let base = match preload.base_modules {
            0 => String::new(),
            count => format!("; {count} modules in base initrds"),
        };
        self.console.say(format_args!(
            "preload: {load} modules to load, {carried} carried along, {} bytes; {from}{base}",
            preload.archive.len()
        ));
        preload.report.lines().for_each(|line| self.console.info(format_args!("{line}")));
    }

    /// Logs what was chosen and adds it to what the kernel gets.
    fn add(&self, preload: Option<Preload>, initrd: &mut Option<Initrd>) -> Result<()> {
        let Some(preload) = preload.filter(|preload| !preload.stack.modules.is_empty()) else {
            return Ok(());
        };
        match tcg::measure(&chosen(&preload)) {
            Ok(true) => self.console.say(format_args!("logged the choice in PCR {}", tcg::PCR)),
            Ok(false) => {}
            Err(error) => self.console.warning(format_args!("{}", Chain(&error))),
        }
        match initrd {
            Some(initrd) => initrd.push(preload.archive),
            None => *initrd = Some(Initrd::publish(Vec::from([preload.archive]))?),
        }
        Ok(())
    }

    /// Requests for this machine's hardware, what stands above it included.
    fn hardware(&self) -> Result<Vec<Request>> {
        let mut requests = Vec::new();
        let mut add = |modalias: &str, origin: String| {
            if requests.iter().all(|other: &Request| other.query != modalias.as_bytes()) {
                requests.push(Request::new(modalias, origin));
            }
        };
        for (location, function) in pci::functions()? {
            let modalias = function.modalias();
            self.console.info(format_args!("pci {location} {modalias}"));
            add(&modalias, format!("PCI {location}"));
            for child in &children(&function) {
                add(&child.modalias, format!("PCI {location}: {}", child.why));
            }
        }
        for interface in usb::interfaces() {
            let modalias = interface.modalias();
            self.console.info(format_args!("usb {modalias}"));
            add(&modalias, "USB".to_owned());
            for child in &usb_children(&interface) {
                add(&child.modalias, format!("USB: {}", child.why));
            }
        }
        Ok(requests)
    }

    #[allow(clippy::panic, reason = "tests ask for it, to see where it ends")]
    fn provoke(&self) {
        match self.defect {
            None => {}
            Some(Defect::Panic) => panic!("provoked"),
            // Everything is taken, then little enough that nobody expects it to fail.
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

/// What the TPM's log holds: the archive depends on nothing else but the modules' bytes.
fn chosen(preload: &Preload) -> Vec<u8> {
    let names = preload.stack.load_order().map(|module| &*module.name);
    [b"depmod.efi loads"].into_iter().map(|head| &head[..]).chain(names).collect::<Vec<_>>().join(&b' ')
}

/// A path in the directory that the program was started from.
fn beside_program(name: &str) -> Result<String> {
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
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    Ok(format!("{dir}/{name}"))
}
