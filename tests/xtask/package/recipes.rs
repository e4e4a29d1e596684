//! The recipes of other distributions, as far as a Debian machine can check them.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use depmod_tests::{apt, command};

use super::description::directory;

/// Each recipe's check: a program with arguments, run in `targets/packages`.
const CHECKS: &[&[&str]] = &[
    &["bash", "-n", "arch/PKGBUILD"],
    &["sh", "-n", "arch/depmod-rs.install"],
    &["sh", "-n", "alpine/APKBUILD"],
    &["rpmspec", "-P", "rpm/depmod.spec"],
    &["rpmlint", "rpm/depmod.spec"],
    &["nix-instantiate", "--parse", "nix/default.nix"],
    // Buildroot's own functions are not there; what remains is make's syntax.
    &["make", "--dry-run", "--file", "buildroot/depmod-rs/depmod-rs.mk", "--eval", "all:"],
];

/// Runs them all.
///
/// # Errors
/// When a recipe has a fault.
pub(super) fn check() -> Result<()> {
    apt::install(&["make", "nix-bin", "rpm", "rpmlint", "shellcheck"])?;
    for check in CHECKS {
        let [program, args @ ..] = check else { continue };
        command::output(Command::new(program).current_dir(directory()).args(args))?;
    }
    let mut scripts = Vec::new();
    for folder in ["debian", "depmod-efi"] {
        for entry in fs::read_dir(directory().join(folder))? {
            let path = entry?.path();
            if fs::read(&path)?.starts_with(b"#!/bin/sh") {
                scripts.push(path);
            }
        }
    }
    ensure!(scripts.len() > 5, "the packages' scripts are gone");
    let mut shellcheck = Command::new("shellcheck");
    command::output(shellcheck.args(["--severity=warning", "--shell=dash"]).args(&scripts))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::description::{directory, version};

    /// Each recipe names the version of the sources that it stands in.
    #[test]
    fn recipes_have_the_product_s_version() {
        let version = version().unwrap();
        for (recipe, line) in [
            ("arch/PKGBUILD", "pkgver="),
            ("alpine/APKBUILD", "pkgver="),
            ("rpm/depmod.spec", "Version:        "),
            ("nix/default.nix", "    version = \""),
            ("buildroot/depmod-rs/depmod-rs.mk", "DEPMOD_RS_VERSION = "),
        ] {
            let text = fs::read_to_string(directory().join(recipe)).unwrap();
            assert!(text.contains(&format!("\n{line}{version}")), "{recipe}");
        }
        assert!(directory().join(format!("yocto/depmod-rs_{version}.bb")).exists());
    }

    /// Where kmod looks for modules, which is not the same everywhere.
    #[test]
    fn recipes_have_the_distribution_s_module_directory() {
        for recipe in ["arch/PKGBUILD", "rpm/depmod.spec"] {
            let text = fs::read_to_string(directory().join(recipe)).unwrap();
            let build = text.find("\ncargo build").or_else(|| text.find(" cargo build")).unwrap();
            let directory = text.find("export DEPMOD_MODULE_DIRECTORY=/usr/lib/modules\n");
            assert!(directory.is_some_and(|at| at < build), "{recipe}");
        }
    }
}
