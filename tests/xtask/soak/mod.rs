//! `cargo xtask soak`: checks that take too long for every run of the tests. Whole kernels, all of their modules, all
//! labels; with figures.

mod device_trees;
mod layers;
mod load;
mod lookup;
mod miri;
mod plan;
mod strict;
mod verify;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use depmod_tests::debian::{self, Kernel};
use depmod_tests::oracle::Oracle;
use depmod_tests::subset::Subset;
use depmod_tests::{apt, command, product};

use crate::builds;

/// A check: its name, its property, its body; the body returns its counts.
type Check = (&'static str, &'static str, fn() -> Result<String>);

/// The kernel with the most modules.
const LARGE: &str = "trixie-amd64";

const CHECKS: &[Check] = &[
    (
        "plan",
        "each module's plan is modprobe's load order; no module shares a wave with one it needs",
        || plan::every_module(&Indexed::new(LARGE)?),
    ),
    ("plan-sources", "plans from index files and from modules are equal to the byte", || {
        plan::both_sources(&Indexed::new(LARGE)?)
    }),
    ("plan-machines", "plans for thirty machines are the union of what modprobe loads and resolves", || {
        plan::machines(&Indexed::new(LARGE)?)
    }),
    ("plan-firmware", "firmware of i915 and amdgpu is what modinfo says", || {
        plan::firmware(&Indexed::new(LARGE)?)
    }),
    (
        "plan-boot",
        "the modules of thirty machines load in the plan's order without an unknown symbol",
        || crate::boot::plan::load_order_of(1),
    ),
    (
        "load",
        "eight programs at once, beside replaced modules and readers: no error, and kmod's files",
        || load::beside_each_other(&Indexed::new("bookworm-cloud-amd64")?),
    ),
    (
        "layers",
        "systemd-sysext merges two extensions with modules, and modprobe finds those of both",
        layers::extensions,
    ),
    ("lookup", "answers from operands, lines and NULs, as text and JSON, are modprobe's", || {
        lookup::as_modprobe(&Indexed::new(LARGE)?, 40_000)
    }),
    (
        "verify-clean",
        "index files of kmod 30, kmod 34.2 and our own are right, on every kernel",
        verify::clean,
    ),
    ("verify-damage", "eleven files spoilt in seven ways: found, and mended to the byte", verify::damage),
    ("strict-clean", "nothing is found in any kernel as it is", strict::clean),
    (
        "strict-damage",
        "each damage is found once among all modules, with and without the image",
        strict::damage,
    ),
    ("install", "another module directory, the firmware program, and cargo install from the package", || {
        crate::install::module_directory().map(|()| "all installed and run".to_owned())
    }),
    ("everywhere", "on other processors the core's tests pass and the index is the same to the byte", || {
        builds::everywhere::main()
    }),
    ("bare-64", "the core and a lookup without allocator build for 64-bit bare metal", || {
        crate::test::bare_metal("x86_64-unknown-none").map(|()| "built".to_owned())
    }),
    (
        "trixie",
        "on Debian trixie the compiler from backports builds the command with the system's codecs",
        builds::trixie::main,
    ),
    (
        "recipes",
        "by the recipes for Arch, Alpine and RPM, packages have program, manual and completions",
        crate::package::recipes::run,
    ),
    (
        "new-user",
        "on Debian trixie the README's words lead from nothing to an installed package, and back to kmod",
        crate::package::new_user::check,
    ),
    ("vendor", "the command builds from at most 40 MB of vendored sources", builds::vendor::main),
    ("kernels", "our output equals kmod's on all real kernels, and kmod's programs read it", || {
        crate::conformance::main(&[]).map(|()| "all kernels".to_owned())
    }),
    (
        "device-trees",
        "the modaliases of all boards in Linux' sources are those that Linux makes of them",
        device_trees::boards,
    ),
    ("boot", "firmware starts real kernels with initrds from the program: all cases", || {
        crate::boot::main(&[]).map(|()| "all cases".to_owned())
    }),
    ("differential", "random module directories give kmod's files, messages and status", || {
        crate::differential::main(&[]).map(|()| "no other difference than documented ones".to_owned())
    }),
    (
        "packages",
        "packages for Debian install, work and leave nothing in clean roots",
        crate::package::check::all,
    ),
    (
        "debian-boot",
        "Debian boots through depmod.efi after its package's hooks, and without it after purge",
        crate::package::debian_boot::check,
    ),
    (
        "tarball",
        "static archives are equal from two directories, and their program needs no other file",
        || crate::package::tarball::same_bytes("x86_64"),
    ),
    ("tarball-aarch64", "those for AArch64 are equal, too", || {
        crate::package::tarball::same_bytes("aarch64")
    }),
    ("hooks", "a Debian system's hooks do with our depmod what they do with kmod's", crate::hooks::soak),
    (
        "instructions-aarch64",
        "the command executes as many instructions as recorded on AArch64, ±1 %",
        || crate::instructions::main(&["aarch64".into()]).map(|()| "as recorded".to_owned()),
    ),
    ("miri", "the core's unit tests have no undefined behaviour", miri::core),
    ("shapes", "kmod is neither faster nor smaller on module directories of unusual shapes", || {
        crate::shapes::main(&[]).map(|()| "no shape on which kmod is better".to_owned())
    }),
];

/// Runs the checks named in `args`, or all.
///
/// # Errors
/// When a check is unknown or fails.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for (name, about, _) in CHECKS {
            println!("{name:20} {about}");
        }
        return Ok(());
    }
    if let Some(unknown) = args.iter().find(|arg| CHECKS.iter().all(|(name, _, _)| name != arg)) {
        bail!("no check `{unknown}`; `cargo xtask soak --list` names them");
    }
    apt::install(&["cpio", "gzip", "qemu-system-x86", "ovmf", "xz-utils", "zstd"])?;
    println!("building the command");
    product::release()?;
    let chosen = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    let mut failed = Vec::new();
    for (name, about, check) in CHECKS.iter().filter(|(name, _, _)| chosen(name)) {
        println!("\n=== {name}: {about}");
        let start = Instant::now();
        match check() {
            Ok(figures) => {
                println!("=== {name}: {figures}; passed in {:.1} s", start.elapsed().as_secs_f64());
            }
            Err(error) => {
                failed.push(*name);
                println!("=== {name}: FAILED: {error:#}");
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(" ")) }
}

/// The release build.
fn ours() -> Result<Command> {
    let mut command = Command::new(product::release()?);
    command.env("LC_ALL", "C");
    Ok(command)
}

/// All modules of a kernel, with index files of kmod 34.2.
pub(crate) struct Indexed {
    subset: Subset,
    kernel: Kernel,
}

impl Indexed {
    /// A copy of the kernel of this label.
    ///
    /// # Errors
    /// When it cannot be fetched or indexed.
    pub(crate) fn new(label: &str) -> Result<Self> {
        let kernel = debian::kernel(label)?;
        let indexed = Self { subset: Subset::whole(&kernel)?, kernel };
        indexed.index(Oracle::get().tool("depmod"))?;
        Ok(indexed)
    }

    fn index(&self, mut program: Command) -> Result<()> {
        command::run(program.args(["-C", "/dev/null", "-b"]).arg(self.root()).arg(self.version()))
    }

    fn root(&self) -> &Path {
        self.subset.root()
    }

    fn version(&self) -> &str {
        &self.kernel.version
    }

    fn modules(&self) -> PathBuf {
        self.subset.modules()
    }

    /// `depmod COMMAND` on this kernel, without the machine's configuration.
    fn ask(&self, command: &str, words: &[&str]) -> Result<Command> {
        let mut ours = ours()?;
        ours.args([command, "-C", "/dev/null", "-k", self.version(), "-b"]).arg(self.root()).args(words);
        Ok(ours)
    }

    /// `modprobe` on this kernel, without the machine's configuration.
    fn modprobe(&self, words: &[&str]) -> Command {
        let mut modprobe = Oracle::get().tool("modprobe");
        modprobe.args(["-S", self.version(), "-C", "/dev/null", "-d"]).arg(self.root()).args(words);
        modprobe
    }
}

/// Maps items on all processors, in order.
fn in_parallel<T: Sync, R: Send>(items: &[T], body: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism()?.get();
    let share = items.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = items
            .chunks(share)
            .map(|some| scope.spawn(|| some.iter().map(&body).collect::<Result<Vec<R>>>()))
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().unwrap_or_else(|_| bail!("a check panicked"))?);
        }
        Ok(all)
    })
}
