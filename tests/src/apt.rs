//! Installing Debian packages that the machine lacks.
//!
//! Only developer tasks use it. Tests fail with a message if a tool is missing.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use anyhow::{Context, Result, bail};

use crate::command;

/// Installs the missing ones of `packages`; uses `sudo` if we are not root.
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
    // Outdated package lists may suffice; a failing download below is an error.
    UPDATED.call_once(|| {
        if let Err(error) = command::run(apt_get().args(["update", "--quiet=2"])) {
            eprintln!("package lists were not refreshed: {error:#}");
        }
    });
    command::run(apt_get().args(["install", "--yes", "--quiet=2", "--no-install-recommends"]).args(&missing))
        .with_context(|| format!("these packages could not be installed: {}", missing.join(" ")))
}

/// Whether dpkg lists the package as installed and configured.
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
    // Another task may be installing.
    apt.args(["-o", "DPkg::Lock::Timeout=600"]);
    apt.env("DEBIAN_FRONTEND", "noninteractive").env_remove("LD_LIBRARY_PATH");
    apt
}
