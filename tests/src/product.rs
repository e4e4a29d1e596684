//! The command under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;

use crate::{command, target_dir, workspace};

/// The `depmod` that tests run: what `DEPMOD_BIN` names, else one that is built now.
///
/// # Panics
/// When it can't be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("DEPMOD_BIN") {
            return workspace().join(path);
        }
        let mut build = Command::new("cargo");
        build.current_dir(workspace()).args(["build", "--quiet", "--package", "depmod"]);
        if let Err(error) = command::run(&mut build) {
            panic!("{error:#}");
        }
        target_dir().join("debug/depmod")
    })
}

/// `depmod`, without arguments yet and independent of the caller's language.
pub fn depmod() -> Command {
    let mut command = Command::new(binary());
    command.env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
    command
}

/// The `depmod` as it is shipped, built now if need be.
///
/// # Errors
/// When it can't be built.
pub fn release() -> Result<PathBuf> {
    static BUILT: OnceLock<()> = OnceLock::new();
    if let Some(path) = std::env::var_os("DEPMOD_BIN") {
        return Ok(workspace().join(path));
    }
    if BUILT.get().is_none() {
        let mut build = Command::new("cargo");
        build.current_dir(workspace()).args(["build", "--quiet", "--release", "--package", "depmod"]);
        command::run(&mut build)?;
        let _ = BUILT.set(());
    }
    Ok(target_dir().join("release/depmod"))
}
