//! How the command builds elsewhere: as published, with the oldest compiler, in other directories, for other
//! processors, in a distribution with its own libraries, from vendored sources. Most of it is for `cargo xtask soak`.

pub(crate) mod everywhere;
pub(crate) mod oldest;
pub(crate) mod published;
pub(crate) mod trixie;
pub(crate) mod vendor;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use depmod_tests::{command, workspace};

/// Copies the files of the workspace that git knows or would add, without its history.
pub(crate) fn copy_workspace(to: &Path) -> Result<()> {
    let mut list = Command::new("git");
    list.current_dir(workspace()).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = command::output(&mut list)?;
    fs::create_dir_all(to)?;
    let mut copy = Command::new("cp");
    copy.current_dir(workspace()).args(["--archive", "--parents", "--target-directory"]).arg(to);
    for name in list.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let name = core::str::from_utf8(name)?;
        // Deleted files are known to git until they are committed.
        if workspace().join(name).symlink_metadata().is_ok() {
            copy.arg(name);
        }
    }
    command::run(&mut copy)
}

/// Copies what cargo has fetched into another directory for it; builds there need no network.
pub(crate) fn copy_registry(to: &Path) -> Result<()> {
    command::run(Command::new("cargo").current_dir(workspace()).args(["fetch", "--locked", "--quiet"]))?;
    for part in ["cache", "index"] {
        let to = to.join("registry");
        fs::create_dir_all(&to)?;
        command::run(Command::new("cp").arg("-a").arg(cargo_home().join("registry").join(part)).arg(to))?;
    }
    Ok(())
}

pub(crate) fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}
