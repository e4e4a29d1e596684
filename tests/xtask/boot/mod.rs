//! `cargo xtask boot`: the firmware program in QEMU with real firmware and real kernels.

mod archives;
mod hardware;

use std::time::Instant;

use anyhow::{Result, bail};
use depmod_tests::apt;

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
const PACKAGES: [&str; 5] = ["cpio", "qemu-system-x86", "ovmf", "qemu-system-arm", "qemu-efi-aarch64"];

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
