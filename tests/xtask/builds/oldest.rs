//! The oldest compiler that the manifests promise.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::command::{self, run};
use depmod_tests::{target_dir, workspace};

/// The packages whose compiler is older than the workspace's.
const PACKAGES: [(&str, &str); 3] =
    [("core", "depmod-core"), ("host-cli", "depmod"), ("host-cli/c", "depmod-c")];

/// Checks the packages with the compiler of their manifests' `rust-version`, which rustup installs if need be.
///
/// # Errors
/// When the compiler cannot be had, or refuses something.
pub(crate) fn main() -> Result<()> {
    let mut version = None;
    for (directory, _) in PACKAGES {
        let manifest = fs::read_to_string(workspace().join(directory).join("Cargo.toml"))?;
        let manifest: toml::Table = manifest.parse()?;
        let own =
            manifest["package"]["rust-version"].as_str().context("a rust-version of its own")?.to_owned();
        ensure!(version.as_ref().is_none_or(|other| *other == own), "{directory} wants Rust {own}");
        version = Some(own);
    }
    let toolchain = version.context("a package")?;
    let toolchain = format!("{toolchain}.0");
    let rustc =
        |toolchain: &str| command::text(Command::new("rustc").args([&format!("+{toolchain}"), "--version"]));
    if rustc(&toolchain).is_err() {
        let words = ["toolchain", "install", &toolchain, "--profile", "minimal", "--no-self-update"];
        run(Command::new("rustup").args(words))
            .with_context(|| format!("Rust {toolchain} is out of reach"))?;
    }
    println!("{}", rustc(&toolchain)?);
    let mut check = Command::new("cargo");
    check.current_dir(workspace()).args([&format!("+{toolchain}"), "check", "--locked", "--quiet"]);
    check.args(PACKAGES.into_iter().flat_map(|(_, package)| ["--package", package]));
    // Nothing of it runs, so nothing needs to be fast.
    check.args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
    // Two compilers in one directory would build everything anew each time.
    run(check.arg("--target-dir").arg(target_dir().join("oldest")))
}
