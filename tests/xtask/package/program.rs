//! The programs in packages.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use depmod_tests::toolchain::{CrossCargo, Library, without_build_paths};
use depmod_tests::{apt, command, efi, target_dir, workspace};

/// Builds the program of this name in a description, and returns its path.
///
/// # Errors
/// When the name is unknown or the build fails.
pub(super) fn build(name: &str) -> Result<PathBuf> {
    match name {
        "depmod-static" => musl(std::env::consts::ARCH, workspace()),
        "depmod-efi" => efi::build(std::env::consts::ARCH),
        _ => bail!("no program `{name}`"),
    }
}

/// The static command of the sources in `workspace`, built below its own target directory if it is another one.
/// Another processor's has the decoders in Rust, because C needs a cross compiler.
///
/// # Errors
/// When there is no toolchain for `arch`, or the build fails.
pub(super) fn musl(arch: &str, sources: &Path) -> Result<PathBuf> {
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
    if sources != workspace() {
        flags.push_str(&format!(" --remap-path-prefix={}=depmod", sources.display()));
        build.current_dir(sources).env("CARGO_TARGET_DIR", sources.join("target"));
        artifacts = sources.join("target").join(artifacts.strip_prefix(target_dir())?);
    }
    command::run(build.env("RUSTFLAGS", flags))?;
    Ok(artifacts.join("depmod"))
}
