//! The rows of the main table: modules, runs and required figures.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail};
use depmod_tests::bench::corpus::{self, Packing};
use depmod_tests::bench::limit::Limit;
use depmod_tests::bench::measure::{measure, median};
use depmod_tests::bench::twins::Twins;
use depmod_tests::debian::Kernel;
use depmod_tests::oracle::Oracle;

use super::table::{Line, Wanted};
use super::{ROUNDS, on};

/// The kernel of most rows, with 4,200 modules, as packaged or recompressed.
pub(super) const LARGE: &str = "trixie-amd64";
/// The kernel of the row for low memory, with 1,100 modules in xz.
const CLOUD: &str = "trixie-cloud-amd64";

/// kmod's time for [`Packing::Gz`], which Debian's kmod, built without zlib, does not support: measured once
/// with a kmod with zlib, for 4,229 modules on a machine with two processors.
const KMOD_GZ_SECONDS: f64 = 1.9;

/// One row of the main table.
pub(super) struct Row {
    pub(super) name: &'static str,
    label: &'static str,
    packing: Packing,
    jobs: usize,
    run: Run,
    /// Address space of our program in KiB.
    address_space: Option<u32>,
    pub(super) wanted: Wanted,
}

/// The kind of run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// A complete run without existing outputs.
    Full,
    /// A complete run after a change; our program uses its cache.
    Cached(Change),
    /// `-A` without a change.
    Quick,
    /// A complete run, after the kernel has dropped all modules from its page cache.
    Cold,
}

/// The change to the module directory since the last index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Added,
    Removed,
    Replaced,
}

const fn row(name: &'static str, packing: Packing, jobs: usize, run: Run, wanted: Wanted) -> Row {
    Row { name, label: LARGE, packing, jobs, run, address_space: None, wanted }
}

const CACHED: Wanted = Wanted { ratio: 40.0, ..Wanted::COMPRESSED };

#[rustfmt::skip]
pub(super) const ROWS: [Row; 14] = [
    row("plain", Packing::Plain, 2, Run::Full,
        Wanted { ratio: 7.5, limit: 1.9, peak_of_kmod: 0.5, peak_mib: f64::INFINITY }),
    Row {
        name: "plain-cold", label: CLOUD, packing: Packing::Plain, jobs: 2, run: Run::Cold, address_space: None,
        wanted: Wanted { ratio: 4.0, ..Wanted::NOTHING },
    },
    row("plain-jobs1", Packing::Plain, 1, Run::Full,
        Wanted { ratio: 3.5, peak_of_kmod: 0.5, ..Wanted::NOTHING }),
    // Decoding alone, on both processors, is 3.2 times as fast as kmod.
    row("zst3", Packing::Zst3, 2, Run::Full, Wanted { ratio: 2.85, limit: 1.12, ..Wanted::COMPRESSED }),
    row("zst19", Packing::Zst19, 2, Run::Full, Wanted { ratio: 2.85, limit: 1.12, ..Wanted::COMPRESSED }),
    row("gz", Packing::Gz, 2, Run::Full, Wanted { ratio: 5.0, limit: 1.25, ..Wanted::COMPRESSED }),
    row("xz", Packing::Xz, 2, Run::Full, Wanted { ratio: 2.0, limit: 1.1, ..Wanted::COMPRESSED }),
    row("xz-added", Packing::Xz, 2, Run::Cached(Change::Added), CACHED),
    row("xz-removed", Packing::Xz, 2, Run::Cached(Change::Removed), CACHED),
    row("xz-replaced", Packing::Xz, 2, Run::Cached(Change::Replaced), CACHED),
    row("xz-unchanged", Packing::Xz, 2, Run::Cached(Change::Nothing), Wanted { ratio: 100.0, ..CACHED }),
    row("quick", Packing::Plain, 2, Run::Quick, Wanted { ratio: 1.0, ..Wanted::NOTHING }),
    Row {
        name: "low-memory", label: CLOUD, packing: Packing::AsIs, jobs: 1, run: Run::Full, address_space: None,
        wanted: Wanted { peak_mib: 20.0, ..Wanted::NOTHING },
    },
    Row {
        name: "64-mib", label: LARGE, packing: Packing::AsIs, jobs: 1, run: Run::Full,
        address_space: Some(64 << 10), wanted: Wanted { peak_mib: 24.0, ..Wanted::NOTHING },
    },
];

impl Row {
    /// Interleaves the runs.
    ///
    /// # Errors
    /// When a program fails, or the outputs differ.
    pub(super) fn measure(&self, depmod: &Path) -> Result<Line> {
        let kernel = corpus::kernel(self.label, self.packing)?;
        let twins = match self.packing {
            Packing::Gz => Twins::with_stand_in(&corpus::kernel(self.label, Packing::NamedXz)?, &kernel)?,
            _ => Twins::new(&kernel)?,
        };
        let scratch = twins.scratch.path();
        let [mut kmod, mut ours] = self.programs(depmod, &twins);
        if self.run == Run::Quick {
            // Creates the index files that are up to date.
            measure(Oracle::get().tool("depmod").args(on(&twins.kmod)), scratch)?;
            measure(Command::new(depmod).args(on(&twins.ours)), scratch)?;
        }
        let mut limit = None;
        let (mut kmod_costs, mut our_costs, mut limit_costs) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            match self.run {
                Run::Full | Run::Cold => twins.remove_outputs()?,
                Run::Quick => {}
                Run::Cached(change) => {
                    let changed = Changed::new(change, &twins, &kernel)?;
                    changed.before()?;
                    // A recently changed file is not kept in the cache.
                    thread::sleep(SETTLED);
                    measure(&mut ours, scratch).context("filling the cache")?;
                    if !scratch.join("cache").exists() {
                        bail!("there is no cache on the file system of {}", scratch.display());
                    }
                    changed.make()?;
                }
            }
            let cool = |twin: &Kernel| match self.run {
                Run::Cold => corpus::drop_from_cache(&twin.modules()),
                _ => Ok(()),
            };
            cool(&twins.kmod)?;
            let kmod_cost = measure(&mut kmod, scratch)?;
            cool(&twins.ours)?;
            let our_cost = measure(&mut ours, scratch)?;
            twins.compare()?;
            if matches!(self.run, Run::Full | Run::Cold) && limit.is_none() {
                limit = Some(match (self.label, self.packing) {
                    (_, Packing::Plain) => Limit::read(&twins.ours, self.jobs, scratch)?,
                    _ => Limit::decode(&twins.ours, self.jobs, scratch)?,
                });
            }
            cool(&twins.ours)?;
            let limit_cost = limit.as_mut().map(|limit| limit.measure(scratch)).transpose()?;
            if round > 0 {
                kmod_costs.push(kmod_cost);
                our_costs.push(our_cost);
                limit_costs.extend(limit_cost);
            }
        }
        // The stand-in is for the comparison of outputs; its time is that of other modules.
        let kmod = (self.packing != Packing::Gz).then(|| median(&kmod_costs));
        Ok(Line {
            name: self.name,
            kmod,
            kmod_seconds: kmod.map_or(KMOD_GZ_SECONDS, |kmod| kmod.wall.as_secs_f64()),
            ours: median(&our_costs),
            limit: (!limit_costs.is_empty()).then(|| median(&limit_costs)),
        })
    }

    /// kmod's command and ours.
    fn programs(&self, depmod: &Path, twins: &Twins) -> [Command; 2] {
        let mut kmod = Oracle::get().tool("depmod");
        let mut ours = match self.address_space {
            None => Command::new(depmod),
            Some(kib) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -v {kib} && exec \"$0\" \"$@\"")]).arg(depmod);
                shell
            }
        };
        ours.args(["--jobs", &self.jobs.to_string()]);
        match self.run {
            Run::Full | Run::Cold => {}
            Run::Cached(_) => {
                ours.arg(format!("--cache={}", twins.scratch.path().join("cache").display()));
            }
            Run::Quick => {
                kmod.arg("-A");
                ours.arg("-A");
            }
        }
        kmod.args(on(&twins.kmod));
        ours.args(on(&twins.ours));
        [kmod, ours]
    }
}

/// Minimum age of a change before the cache keeps a file.
const SETTLED: Duration = Duration::from_millis(250);

/// A change to one module of both copies; `original` is its unchanged file.
struct Changed {
    change: Change,
    places: [PathBuf; 2],
    original: PathBuf,
    other: PathBuf,
}

impl Changed {
    fn new(change: Change, twins: &Twins, kernel: &Kernel) -> Result<Self> {
        let modules = corpus::modules(&kernel.modules())?;
        let find = |name: &str| {
            let mut named = modules.iter().filter(|path| path.to_string_lossy().contains(name));
            named.next().cloned().with_context(|| format!("the kernel has no {name}"))
        };
        // Other modules need it, so the change affects several outputs.
        let (original, other) = (find("/libcrc32c.ko")?, find("/crc8.ko")?);
        let below = original.strip_prefix(kernel.modules())?;
        let places = [&twins.kmod, &twins.ours].map(|twin| twin.modules().join(below));
        Ok(Self { change, places, original, other })
    }

    /// The state at the first index.
    fn before(&self) -> Result<()> {
        match self.change {
            Change::Added => self.remove(),
            Change::Nothing | Change::Removed | Change::Replaced => self.put(&self.original),
        }
    }

    /// The change before the measured runs.
    fn make(&self) -> Result<()> {
        match self.change {
            Change::Nothing => Ok(()),
            Change::Added => self.put(&self.original),
            Change::Removed => self.remove(),
            Change::Replaced => self.put(&self.other),
        }
    }

    fn remove(&self) -> Result<()> {
        Ok(self.places.iter().filter(|place| place.exists()).try_for_each(fs::remove_file)?)
    }

    /// Copies the file: the files of both copies are links to the original.
    fn put(&self, from: &Path) -> Result<()> {
        self.remove()?;
        Ok(self.places.iter().try_for_each(|place| fs::copy(from, place).map(drop))?)
    }
}
