//! The programs in packages.

use std::path::PathBuf;

use anyhow::{Result, bail};
use depmod_tests::toolchain::{CrossCargo, Library};
use depmod_tests::{apt, command, efi, product};

/// Builds the program of this name in a description, and returns its path.
///
/// # Errors
/// When the name is unknown or the build fails.
pub(super) fn build(name: &str) -> Result<PathBuf> {
    match name {
        "depmod" => product::release(),
        "depmod-static" => musl(std::env::consts::ARCH),
        "depmod-efi" => efi::build(std::env::consts::ARCH),
        _ => bail!("no program `{name}`"),
    }
}

/// The static command.
fn musl(arch: &str) -> Result<PathBuf> {
    // musl's headers for the C codecs.
    apt::install(&["musl-tools"])?;
    let cargo = CrossCargo::find_or_install(&format!("{arch}-unknown-linux-musl"), Library::Std)?;
    command::run(cargo.command("build").args(["--quiet", "--release", "--package", "depmod"]))?;
    Ok(cargo.artifacts("release").join("depmod"))
}
