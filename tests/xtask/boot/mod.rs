//! `cargo xtask boot`: the firmware program in QEMU with real firmware and real kernels.

mod archives;
mod coldplug;
mod devices;
mod failures;
mod figures;
mod formats;
mod hardware;
mod moods;
pub(crate) mod page;
pub(crate) mod plan;
mod root;
mod servers;
mod shell;
mod stage;
mod starters;
mod trust;

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{env, fs, thread};

use anyhow::{Context, Result, bail};
use depmod_tests::command::this_program;
use depmod_tests::{apt, efi};

/// A case: its name, its property, its body.
type Case = (&'static str, &'static str, fn() -> Result<()>);

const CASES: &[Case] = &[
    // It takes the longest.
    ("page", "the commands of uefi/README.md: installed, signed, started by systemd-boot", page::installed),
    (
        "modaliases",
        "firmware and Linux give hardware the same modaliases; existing initrds are loaded",
        hardware::modaliases_x86_64,
    ),
    ("modaliases-arm", "as modaliases, on AArch64", hardware::modaliases_aarch64),
    (
        "coldplug",
        "the initrd has what Linux's coldplug loads on eight machines, or a reason is listed",
        coldplug::coldplug,
    ),
    ("shell", "firmware and Linux write the same index files", shell::same_files),
    (
        "devices-6.1-cloud",
        "virtio disks need the preload; Debian's 6.1 cloud kernel, whole",
        devices::cloud_6_1,
    ),
    ("devices-6.12-cloud", "virtio disks and AHCI need the preload; 6.12 cloud kernel", devices::cloud_6_12),
    ("devices-6.1", "NVMe, AHCI, e1000e, USB, SD and virtio need the preload; Linux 6.1", devices::full_6_1),
    ("devices-6.12", "as devices-6.1, with Linux 6.12", devices::full_6_12),
    ("devices-arm", "virtio disks need the preload on AArch64, Linux 6.12", devices::aarch64),
    (
        "mmio-arm",
        "a disk over virtio-mmio, named by ACPI or a device tree, needs the preload",
        moods::without_pci,
    ),
    (
        "network",
        "firmware's PXE starts the program, which takes its files from the same server",
        moods::network,
    ),
    (
        "network-http",
        "started over HTTP or IPv6, the program says that it has no volume, and returns",
        servers::refused,
    ),
    (
        "watchdog",
        "the machine boots from a volume that takes longer than firmware's five minutes",
        moods::watchdog,
    ),
    ("large-initrd", "an initrd of 1.2 GiB reaches the kernel, with a line", moods::large_initrd),
    ("slow", "on a slow volume the console shows progress, and the machine boots", moods::slow_volume),
    (
        "kernel-forms",
        "kernels in gzip boot on AArch64, other files are called no kernel",
        moods::kernel_forms,
    ),
    ("zboot", "a kernel for AArch64 in EFI zboot form gets our initrd", moods::zboot),
    (
        "mixed",
        "32-bit firmware starts kernels for x86-64, with the preload and after a panic",
        moods::mixed_mode,
    ),
    (
        "unified",
        "a unified kernel image with an initrd boots without ours, with a line",
        moods::unified_kernel,
    ),
    ("failures", "after each failure, the machine boots and prints the reason", failures::each_failure_boots),
    ("failures-initrd", "the kernel starts without any initrd", failures::no_initrd),
    (
        "failures-disk",
        "after sectors of the archive or the kernel that cannot be read, the machine boots",
        failures::bad_sectors,
    ),
    (
        "failures-next",
        "without a kernel or an entry, the firmware uses its next boot option",
        failures::next_option,
    ),
    (
        "failures-shell",
        "the machine boots with a boot loader's initrd, and after panics and failed allocations",
        failures::from_the_shell,
    ),
    (
        "failures-stop",
        "with x-depmod-on-error stop, failures return to the shell and free their memory",
        failures::stop_if_asked,
    ),
    (
        "failures-entry",
        "harmless flaws of an entry keep the preload, others are reported",
        failures::harmless_flaws,
    ),
    (
        "failures-memory",
        "an archive too large for the machine leaves the kernel enough memory",
        failures::out_of_memory,
    ),
    (
        "failures-exit",
        "after a panic with x-depmod-on-error stop, the program leaves nothing in the firmware",
        failures::nothing_left,
    ),
    (
        "same-order",
        "shipped and computed index files, archives and directories give one load order",
        failures::same_load_order,
    ),
    ("trust", "Secure Boot refuses unsigned images; the TPM's log records the loaded modules", trust::trust),
    (
        "root-encrypted",
        "an initrd without modules boots to ext4, XFS and btrfs in LVM in LUKS 2; without x-depmod-root it cannot",
        root::encrypted,
    ),
    (
        "root-unconnected",
        "a root file system is found on a disk that firmware has not connected",
        root::unconnected,
    ),
    (
        "root-formats",
        "superblocks that LVM, mdadm and cryptsetup write are found, and what lies in them",
        formats::of_real_tools,
    ),
    ("page-stick", "the commands of uefi/README.md: a recovery stick", page::stick),
    (
        "boot-entry",
        "the firmware starts the program through a boot entry with load options",
        starters::boot_entry,
    ),
    ("refind", "rEFInd starts the program, as configured in uefi/README.md", starters::refind),
    (
        "systemd-boot-initrd",
        "an initrd that systemd-boot provides and ours reach the kernel together",
        starters::initrd_of_systemd_boot,
    ),
    ("layouts", "existing initrds of both layouts stay intact under our archive", archives::layouts),
    (
        "compressions",
        "existing initrds of every compression of Linux stay intact under our archive",
        archives::compressions,
    ),
    (
        "own-modules",
        "modules of an existing initrd and ours are found; its lists and modes are kept",
        archives::own_modules,
    ),
    (
        "plan-root",
        "initrds from depmod plan mount a root disk over NVMe, virtio, AHCI and USB",
        plan::root_disks,
    ),
    (
        "plan-order",
        "the modules of ten machines load in the plan's order without an unknown symbol",
        plan::load_order,
    ),
];

/// Leaves the long cases out.
pub(crate) const SHORT: &str = "--short";

/// Cases of which another one shows the like: `--short` leaves them to `cargo xtask soak boot`.
const LONG: [&str; 27] = [
    "large-initrd",
    "watchdog",
    "root-unconnected",
    "coldplug",
    "mixed",
    "systemd-boot-initrd",
    "modaliases-arm",
    "devices-6.1-cloud",
    "devices-6.12-cloud",
    "devices-6.1",
    "kernel-forms",
    "zboot",
    "root-encrypted",
    "network",
    "network-http",
    "root-formats",
    "page-stick",
    "same-order",
    "compressions",
    "plan-order",
    "slow",
    "layouts",
    "refind",
    "failures-disk",
    "failures-exit",
    "failures-memory",
    "devices-arm",
];

/// Runs only by name: it measures and checks nothing.
const FIGURES: &str = "figures";

/// Packages for all cases.
const PACKAGES: [&str; 13] = [
    "bzip2",
    "cpio",
    "e2fsprogs",
    "lz4",
    "qemu-system-x86",
    "ovmf",
    "qemu-system-arm",
    "qemu-efi-aarch64",
    "openssl",
    "sbsigntool",
    "swtpm",
    "xz-utils",
    "zstd",
];

/// Runs the cases named in `args`, or all; with `--short`, all but the long ones.
///
/// # Errors
/// When a case is unknown or fails.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for (name, about, _) in CASES {
            println!("{name:18} {about}");
        }
        println!("{FIGURES:18} sizes and times for uefi/README.md");
        return Ok(());
    }
    if args == [FIGURES] {
        apt::install(&PACKAGES)?;
        return figures::print();
    }
    let short = args == [SHORT];
    if let Some(unknown) = args.iter().find(|arg| !short && CASES.iter().all(|(name, _, _)| name != arg)) {
        bail!("no case `{unknown}`; `cargo xtask boot --list` names them");
    }
    apt::install(&PACKAGES)?;
    let chosen = |name: &str| match short {
        true => !LONG.contains(&name),
        false => args.is_empty() || args.iter().any(|arg| arg == name),
    };
    let chosen: Vec<&Case> = CASES.iter().filter(|(name, _, _)| chosen(name)).collect();
    if let [(name, about, case)] = chosen[..] {
        println!("\n=== {name}: {about}");
        let start = Instant::now();
        case().inspect_err(|error| println!("=== {name}: FAILED: {error:#}"))?;
        println!("=== {name}: passed in {:.1} s", start.elapsed().as_secs_f64());
        return Ok(());
    }
    for arch in ["x86_64", "aarch64"] {
        efi::build(arch)?;
    }
    let failed = Mutex::new(Vec::new());
    two_at_a_time(&chosen, |(name, _, _)| {
        let passed = in_a_process(name)?;
        if !passed {
            failed.lock().unwrap_or_else(PoisonError::into_inner).push(*name);
        }
        Ok(())
    })?;
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(" ")) }
}

/// Set in the process of one case of several: it starts one machine at a time.
const ONE_MACHINE: &str = "DEPMOD_BOOT_ONE_MACHINE";

/// Runs one case in a process of its own, so that the output of two cases stays apart. Prints it at the end.
fn in_a_process(name: &str) -> Result<bool> {
    let mut case = this_program();
    case.args(["boot", name]).env(ONE_MACHINE, "1").stdin(Stdio::null()).stderr(Stdio::piped());
    let output = case.output().with_context(|| format!("cannot start the case {name}"))?;
    let text = [output.stdout, output.stderr].concat();
    println!("{}", String::from_utf8_lossy(&text));
    Ok(output.status.success())
}

/// The program of an architecture, built once.
fn program(arch: &str) -> Result<Vec<u8>> {
    static BUILT: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = built.get(arch) {
        return Ok(program.clone());
    }
    let program = fs::read(efi::build(arch)?)?;
    built.insert(arch.to_owned(), program.clone());
    Ok(program)
}

/// Runs `body` on each item, two at a time: each emulated machine uses about one processor. Returns the first
/// error after all items.
fn two_at_a_time<T: Sync>(items: &[T], body: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut result = Ok(());
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            result = result.and(body(item));
        }
        result
    };
    if env::var_os(ONE_MACHINE).is_some() {
        return work();
    }
    thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        mine.and(other.join().unwrap_or_else(|_| bail!("a case panicked")))
    })
}
