//! The firmware program: the architectures of `targets/*.toml`, and the build.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::toolchain::{CrossCargo, Library, without_build_paths};
use crate::{command, workspace};

/// One file of `targets/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// rustc's name of the target.
    pub target: String,
    /// Name of the file that firmware starts from a removable medium.
    pub boot_name: String,
    /// Its emulation, for architectures that tests boot.
    pub qemu: Option<QemuSettings>,
}

/// A machine of QEMU.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct QemuSettings {
    /// The emulator.
    pub program: String,
    /// Debian packages with emulator and firmware.
    pub packages: Vec<String>,
    /// QEMU options of the machine.
    pub machine: Vec<String>,
    /// Firmware code.
    pub code: PathBuf,
    /// Initial firmware variables.
    pub variables: PathBuf,
    /// Linux's name of the serial port.
    pub console: String,
    /// Debian's name of the architecture.
    pub debian: String,
    /// The machine with Secure Boot.
    pub secure_boot: Option<SecureBoot>,
}

/// Differences with Secure Boot.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecureBoot {
    /// As in [`QemuSettings`].
    pub machine: Vec<String>,
    /// As in [`QemuSettings`].
    pub code: PathBuf,
    /// Variables that trust `certificate`.
    pub variables: PathBuf,
    /// Signing key.
    pub key: PathBuf,
    /// Its certificate.
    pub certificate: PathBuf,
    /// Pass phrase of the key.
    pub pass_phrase: String,
}

/// Names of all architectures, sorted.
///
/// # Errors
/// When `targets/` cannot be read.
pub fn architectures() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace().join("targets"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// The settings of an architecture in `targets/`.
///
/// # Errors
/// When the file is missing or invalid.
pub fn target(arch: &str) -> Result<Target> {
    let path = workspace().join("targets").join(arch).with_extension("toml");
    let text = fs::read_to_string(&path).with_context(|| format!("no architecture {arch}"))?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

/// The limit of the program's size in bytes, so that it fits any system partition.
pub const MAX_SIZE: u64 = 600 << 10;

/// Turns equal instruction sequences into functions: 3 % smaller.
const SMALLER: &str = "-C llvm-args=-enable-machine-outliner=always";

/// For the decoders of existing initrds: twice as fast for 1 % more size.
const FASTER: &str = "profile.small.package.ruzstd.opt-level=3";

/// Builds the program and returns its path.
///
/// # Errors
/// When no toolchain is available, the build fails, or the program is larger than [`MAX_SIZE`].
pub fn build(arch: &str) -> Result<PathBuf> {
    build_by(arch, "build", &[])
}

/// As [`build`]; also returns the linker's map.
///
/// # Errors
/// As [`build`].
pub fn build_with_map(arch: &str) -> Result<(PathBuf, PathBuf)> {
    let map = crate::target_dir().join(format!("depmod-{arch}.map"));
    let link = format!("link-arg=/map:{}", map.display());
    let args = ["--bin", "depmod-efi", "--", "-C", &link];
    Ok((build_by(arch, "rustc", &args)?, map))
}

fn build_by(arch: &str, subcommand: &str, more: &[&str]) -> Result<PathBuf> {
    let target = target(arch)?;
    let cargo = CrossCargo::find_or_install(&target.target, Library::Alloc)?;
    eprintln!("{}: using {}", target.target, cargo.describe());
    let args = ["--package", "depmod-uefi", "--profile", "small", "--quiet", "--config", FASTER];
    let mut build = cargo.command(subcommand);
    let flags = format!("{SMALLER} {}", without_build_paths());
    command::run(build.args(args).args(more).env(cargo.variable("RUSTFLAGS"), flags))?;
    let program = cargo.artifacts("small").join("depmod-efi.efi");
    let size = program.metadata().with_context(|| program.display().to_string())?.len();
    ensure!(size <= MAX_SIZE, "{} has {size} bytes, more than {MAX_SIZE}", program.display());
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_files_parse() {
        let names = architectures().unwrap();
        assert_eq!(names, ["aarch64", "i686", "x86_64"]);
        for name in names {
            assert_eq!(target(&name).unwrap().target, format!("{name}-unknown-uefi"));
        }
    }
}
