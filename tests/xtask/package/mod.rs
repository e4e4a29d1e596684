//! `cargo xtask package`: what distributions install, made from `targets/packages`.

pub(crate) mod check;
pub(crate) mod deb;
pub(crate) mod debian_boot;
mod description;
#[cfg(test)]
mod efi_hooks;
pub(crate) mod new_user;
mod program;
pub(crate) mod recipes;
pub(crate) mod tarball;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask package deb [NAME…] | tarball [--arch ARCH]";

/// Makes the packages in `args` and prints their paths.
///
/// # Errors
/// When a package is unknown or cannot be made.
pub(crate) fn main(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((kind, names)) if kind == "deb" => deb::main(names),
        Some((kind, options)) if kind == "tarball" => tarball::main(options),
        _ => bail!("{USAGE}"),
    }
}
