//! `cargo xtask boot`: the firmware program in QEMU with real firmware and real kernels.

mod archives;
mod devices;
mod failures;
mod figures;
mod hardware;
mod page;
mod shell;
mod stage;
mod starters;
mod trust;

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};
use depmod_tests::{apt, efi};

/// A case: its name, what it proves, how.
type Case = (&'static str, &'static str, fn() -> Result<()>);

const CASES: &[Case] = &[
    (
        "modaliases",
        "firmware and Linux call the same hardware by the same names, and existing initrds arrive",
        hardware::modaliases_x86_64,
    ),
    ("modaliases-arm", "the same on AArch64", hardware::modaliases_aarch64),
    ("shell", "the index files that firmware writes are those that Linux writes", shell::same_files),
    (
        "devices-6.1-cloud",
        "virtio disks need the preload; Debian's 6.1 cloud kernel, whole",
        devices::cloud_6_1,
    ),
    ("devices-6.12-cloud", "the same and AHCI with the 6.12 cloud kernel", devices::cloud_6_12),
    ("devices-6.1", "NVMe, AHCI, e1000e, USB, SD and virtio need the preload; Linux 6.1", devices::full_6_1),
    ("devices-6.12", "the same with Linux 6.12", devices::full_6_12),
    ("devices-arm", "virtio disks need the preload on AArch64, Linux 6.12", devices::aarch64),
    ("failures", "whatever goes wrong, the machine boots and says why", failures::boot_anyway),
    ("failures-initrd", "without any initrd the kernel is started all the same", failures::no_initrd),
    (
        "failures-next",
        "without a kernel or an entry the firmware takes its next boot option",
        failures::next_option,
    ),
    (
        "failures-shell",
        "so it does with another initrd provider, panics and no memory",
        failures::from_the_shell,
    ),
    (
        "failures-stop",
        "with x-depmod-on-error stop it does not, and memory is returned",
        failures::stop_if_asked,
    ),
    (
        "failures-entry",
        "harmless flaws of an entry leave the preload, others are told",
        failures::odd_entries,
    ),
    (
        "failures-memory",
        "an archive that is too large for the machine leaves the kernel its memory",
        failures::out_of_memory,
    ),
    (
        "failures-exit",
        "after a panic with x-depmod-on-error stop nothing of the program is left",
        failures::nothing_left,
    ),
    (
        "same-order",
        "index files as shipped or computed, an archive or a directory: one load order",
        failures::same_load_order,
    ),
    ("trust", "Secure Boot refuses what is not signed; the TPM's log tells what was chosen", trust::trust),
    ("page", "the commands of uefi/README.md: installed, signed, started by systemd-boot", page::installed),
    ("page-stick", "the commands of uefi/README.md: a recovery stick", page::stick),
    ("boot-entry", "the firmware starts the program by a boot entry with load options", starters::boot_entry),
    ("refind", "rEFInd starts it, configured by uefi/README.md", starters::refind),
    ("layouts", "existing initrds of either layout stay whole under an archive of ours", archives::layouts),
    ("compressions", "so they do in every compression that Linux knows", archives::compressions),
    (
        "own-modules",
        "modules of an existing initrd are found beside ours, and its lists and modes stay",
        archives::own_modules,
    ),
];

/// Named to be run, as it measures and proves nothing.
const FIGURES: &str = "figures";

/// Packages that every case needs.
const PACKAGES: [&str; 12] = [
    "bzip2",
    "cpio",
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

/// Runs the cases named in `args`, or all.
///
/// # Errors
/// When a case is unknown or one failed.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for (name, about, _) in CASES {
            println!("{name:18} {about}");
        }
        println!("{FIGURES:18} sizes and times, as README.md has them");
        return Ok(());
    }
    if args == [FIGURES] {
        apt::install(&PACKAGES)?;
        return figures::print();
    }
    if let Some(unknown) = args.iter().find(|arg| CASES.iter().all(|(name, _, _)| name != arg)) {
        bail!("no case `{unknown}`; `cargo xtask boot --list` names them");
    }
    apt::install(&PACKAGES)?;
    let mut failed = Vec::new();
    for (name, about, case) in
        CASES.iter().filter(|(name, _, _)| args.is_empty() || args.iter().any(|a| a == name))
    {
        println!("\n=== {name}: {about}");
        let start = Instant::now();
        match case() {
            Ok(()) => println!("=== {name}: passed in {:.1} s", start.elapsed().as_secs_f64()),
            Err(error) => {
                failed.push(*name);
                println!("=== {name}: FAILED: {error:#}");
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(" ")) }
}

/// The program of an architecture, built once.
fn program(arch: &str) -> Result<Vec<u8>> {
    static BUILT: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(program) = built.get(arch) {
        return Ok(program.clone());
    }
    let program = fs::read(efi::build(arch)?)?;
    built.insert(arch.to_owned(), program.clone());
    Ok(program)
}

/// Runs `body` on each item, two at a time: the machines are emulated, and each keeps about one processor
/// busy. The first error counts, after all have run.
fn two_at_a_time<T: Sync>(items: &[T], body: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut result = Ok(());
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            result = result.and(body(item));
        }
        result
    };
    thread::scope(|scope| {
        let other = scope.spawn(work);
        let mine = work();
        mine.and(other.join().unwrap_or_else(|_| bail!("a case panicked")))
    })
}
