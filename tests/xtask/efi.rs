//! `cargo xtask efi`: the firmware program.

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::efi;

/// Builds the program for `--arch ARCH` (default x86_64); prints its path as the last line.
///
/// # Errors
/// When no toolchain is available for the architecture, or the build fails.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let arch = match args {
        [] => "x86_64",
        [option, arch] if option == "--arch" => arch,
        _ => bail!("usage: cargo xtask efi [--arch {}]", efi::architectures()?.join("|")),
    };
    let program = efi::build(arch)?;
    let size = program.metadata().context("the built program is missing")?.len();
    println!("{size} bytes");
    ensure!(size <= efi::MAX_SIZE, "the program is larger than {} bytes", efi::MAX_SIZE);
    println!("{}", program.display());
    Ok(())
}
