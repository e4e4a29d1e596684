//! `cargo xtask boot`: the firmware program in QEMU with real firmware and real kernels.

mod archives;
mod hardware;

use alloc::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Result, bail};
use depmod_tests::{apt, efi};

/// A case: its name, what it proves, how.
type Case = (&'static str, &'static str, fn() -> Result<()>);

const CASES: &[Case] = &[
    (
        "modaliases",
        "firmware and Linux call the same hardware by the same names, and base initrds arrive",
        hardware::modaliases_x86_64,
    ),
    ("modaliases-arm", "the same on AArch64", hardware::modaliases_aarch64),
    ("layouts", "base initrds of either layout stay whole under an archive of ours", archives::layouts),
];

/// Packages that every case needs.
const PACKAGES: [&str; 9] = [
    "cpio",
    "qemu-system-x86",
    "ovmf",
    "qemu-system-arm",
    "qemu-efi-aarch64",
    "openssl",
    "sbsigntool",
    "swtpm",
    "zstd",
];

/// Runs the cases named in `args`, or all.
///
/// # Errors
/// When a case is unknown or one failed.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for (name, about, _) in CASES {
            println!("{name:16} {about}");
        }
        return Ok(());
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
