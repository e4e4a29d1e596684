//! `cargo xtask efi`: the firmware program.

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::efi;

/// What an ESP should spare for it, in bytes.
const SIZE_MAX: u64 = 500 << 10;

/// Builds the program for `--arch ARCH` (x86_64 unless told otherwise); its path is the last line.
///
/// # Errors
/// When nothing builds for the architecture, or the build fails.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let arch = match args {
        [] => "x86_64",
        [option, arch] if option == "--arch" => arch,
        _ => bail!("usage: cargo xtask efi [--arch {}]", efi::architectures()?.join("|")),
    };
    let program = efi::build(arch)?;
    let size = program.metadata().context("the program is not where it was built")?.len();
    println!("{size} bytes");
    ensure!(size <= SIZE_MAX, "the program may have {SIZE_MAX} bytes");
    println!("{}", program.display());
    Ok(())
}
