//! Programs of Rust's registry that the tasks call.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{command, target_dir};

/// The machine's program of this name, or one of this version that `cargo install` builds into the target
/// directory. An optimised build would take three times as long, and they run for seconds.
///
/// # Errors
/// When it is missing and cannot be built.
pub fn find_or_install(name: &str, version: &str) -> Result<PathBuf> {
    if command::exists(name) {
        return Ok(name.into());
    }
    let tools = target_dir().join("tools");
    let program = tools.join("bin").join(name);
    if !program.exists() {
        let mut install = Command::new("cargo");
        install.args(["install", "--quiet", "--locked", "--debug", "--version", version, name, "--root"]);
        command::run(install.arg(&tools).env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    }
    Ok(program)
}
