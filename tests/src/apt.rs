//! Installing what a Debian machine lacks.
//!
//! Only developer tasks call this, never a test: a test that finds a tool missing says so and fails.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use anyhow::{Context, Result, bail};

use crate::command;

/// Installs those of `packages` that are not there yet; with `sudo` when we are not root.
///
/// # Errors
/// When the machine has no apt, or apt fails (no network, unknown package, no permission).
pub fn install(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("these Debian packages (or their like) are needed: {}", missing.join(" "));
    }
    println!("installing: {}", missing.join(" "));
    static UPDATED: Once = Once::new();
    // A list that cannot be refreshed is not fatal by itself; a failing download below is.
    UPDATED.call_once(|| {
        if let Err(error) = command::run(apt_get().args(["update", "--quiet=2"])) {
            eprintln!("package lists were not refreshed: {error:#}");
        }
    });
    command::run(apt_get().args(["install", "--yes", "--quiet=2", "--no-install-recommends"]).args(&missing))
        .with_context(|| format!("these packages could not be installed: {}", missing.join(" ")))
}

/// Whether dpkg has the package, configured.
pub fn installed(package: &str) -> bool {
    let query =
        Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]).output();
    query.is_ok_and(|output| output.stdout == b"installed")
}

fn apt_get() -> Command {
    let uid = command::text(Command::new("id").arg("-u")).unwrap_or_default();
    let mut apt = if uid == "0" {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    };
    apt.env("DEBIAN_FRONTEND", "noninteractive").env_remove("LD_LIBRARY_PATH");
    apt
}
