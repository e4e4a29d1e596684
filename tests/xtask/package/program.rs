//! The programs in packages.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use depmod_tests::toolchain::{CrossCargo, Library, without_build_paths};
use depmod_tests::{apt, command, efi, target_dir};

/// Builds the program of this name in a description, and returns its path.
///
/// # Errors
/// When the name is unknown or the build fails.
pub(super) fn build(name: &str) -> Result<PathBuf> {
    match name {
        "depmod-static" => musl(std::env::consts::ARCH, None),
        "depmod-efi" => efi::build(std::env::consts::ARCH),
        _ => bail!("no program `{name}`"),
    }
}

/// A checkout and a home of cargo elsewhere. Builds there need no network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere<'a> {
    pub(super) checkout: &'a Path,
    pub(super) cargo_home: &'a Path,
}

/// The static command, of another checkout below its own target directory. Another processor's has the decoders in
/// Rust, because C needs a cross compiler.
///
/// # Errors
/// When there is no toolchain for `arch`, or the build fails.
pub(super) fn musl(arch: &str, elsewhere: Option<Elsewhere<'_>>) -> Result<PathBuf> {
    let cargo = CrossCargo::find_or_install(&format!("{arch}-unknown-linux-musl"), Library::Std)?;
    let mut build = cargo.command("build");
    build.args(["--quiet", "--release", "--locked", "--package", "depmod"]);
    let mut flags = without_build_paths();
    if arch == std::env::consts::ARCH {
        // musl's headers for the C codecs.
        apt::install(&["musl-tools"])?;
    } else {
        build.args(["--no-default-features", "--features", "answers,progress-bar"]);
        build.env(cargo.variable("LINKER"), "rust-lld");
        flags.push_str(" -C linker-flavor=ld.lld");
    }
    let mut artifacts = cargo.artifacts("release");
    if let Some(Elsewhere { checkout, cargo_home }) = elsewhere {
        for (directory, name) in [(checkout, "depmod"), (cargo_home, "cargo")] {
            flags.push_str(&format!(" --remap-path-prefix={}={name}", directory.display()));
        }
        let target = checkout.join("target");
        artifacts = target.join(artifacts.strip_prefix(target_dir())?);
        build.current_dir(checkout).arg("--offline");
        build.env("CARGO_HOME", cargo_home).env("CARGO_TARGET_DIR", target);
    }
    command::run(build.env("RUSTFLAGS", flags))?;
    Ok(artifacts.join("depmod"))
}
