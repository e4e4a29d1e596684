//! The command under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;

use crate::toolchain::hide_build_paths;
use crate::{command, target_dir, workspace};

/// The `depmod` of the tests: the file in `DEPMOD_BIN`, or else a new build.
///
/// # Panics
/// When it cannot be built.
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

/// `depmod` without arguments, independent of the caller's locale.
pub fn depmod() -> Command {
    let mut command = Command::new(binary());
    command.env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
    command
}

/// The release build of `depmod`.
///
/// # Errors
/// When it cannot be built.
pub fn release() -> Result<PathBuf> {
    static BUILT: OnceLock<()> = OnceLock::new();
    if let Some(path) = std::env::var_os("DEPMOD_BIN") {
        return Ok(workspace().join(path));
    }
    if BUILT.get().is_none() {
        let mut build = Command::new("cargo");
        build.current_dir(workspace()).args(["build", "--quiet", "--release", "--package", "depmod"]);
        hide_build_paths(&mut build);
        command::run(&mut build)?;
        let _ = BUILT.set(());
    }
    Ok(target_dir().join("release/depmod"))
}
