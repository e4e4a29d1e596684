//! The packages build from the files that would be published, each with the others as published.

use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context, Result};
use depmod_tests::{command, target_dir, workspace};

use super::cargo_home;

/// Cargo publishes dependent packages together.
const PACKAGES: [&str; 6] = ["--package", "depmod-core", "--package", "depmod", "--package", "depmod-uefi"];

/// Packs and builds the packages without uploading them.
///
/// In a directory that is new in each run: cargo makes a registry of our packages there, and takes what it unpacked and
/// built of the same registry and version before for the new package.
///
/// # Errors
/// When a package lacks a file or does not build.
pub(crate) fn main() -> Result<()> {
    let target = tempfile::Builder::new().prefix("published-").tempdir_in(target_dir())?;
    let mut publish = Command::new("cargo");
    publish.current_dir(workspace()).args(["publish", "--dry-run", "--allow-dirty"]).args(PACKAGES);
    let published = command::output(publish.arg("--target-dir").arg(target.path())).map(drop);
    published.and(remove_unpacked_packages())
}

/// Removes what cargo has unpacked of our packages in its home.
fn remove_unpacked_packages() -> Result<()> {
    let sources = cargo_home().join("registry/src");
    let registries = match fs::read_dir(&sources) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        registries => registries.with_context(|| sources.display().to_string())?,
    };
    for registry in registries {
        let registry = registry?;
        // Those in a directory have no host in front of the `-`.
        if !registry.file_name().as_encoded_bytes().starts_with(b"-") {
            continue;
        }
        for package in fs::read_dir(registry.path())? {
            let package = package?;
            if package.file_name().as_encoded_bytes().starts_with(b"depmod") {
                fs::remove_dir_all(package.path())?;
            }
        }
    }
    Ok(())
}
