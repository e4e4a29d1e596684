//! Harness shared by the test binaries, the benchmarks and the developer tasks.
//!
//! * [`elf_builder`] assembles kernel modules, well-formed and wild ones;
//! * [`tree`] lays out root directories with modules and runs two programs on them, [`outcome`] compares;
//! * [`compress`] makes compressed copies with foreign encoders;
//! * [`debian`] gets real kernels and the real kmod, [`oracle`] runs the latter, [`product`] ours;
//! * [`mod@bench`] measures: module directories, runs, limits, instruction counts;
//! * [`toolchain`] finds a compiler for each target, [`apt`] installs what a machine lacks;
//! * [`efi`] builds the firmware program, [`qemu`] boots it from [`fat`] volumes with a [`existing_initrd`],
//!   with a TPM of [`swtpm`] if asked; [`signing`] is for Secure Boot, [`event_log`] reads what was measured;
//! * [`samples`] are the small modules that the core's examples use;
//! * [`subset`] takes a few modules of a real kernel;
//! * [`fuzz`] holds the bodies of the fuzz targets.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tests run where std is")]

extern crate alloc;

pub mod apt;
pub mod bench;
pub mod command;
pub mod compress;
pub mod debian;
pub mod efi;
pub mod elf_builder;
pub mod event_log;
pub mod existing_initrd;
pub mod fat;
pub mod fuzz;
pub mod oracle;
pub mod outcome;
pub mod product;
pub mod qemu;
pub mod random;
pub mod samples;
pub mod signing;
pub mod subset;
pub mod swtpm;
pub mod toolchain;
pub mod tree;

use std::path::{Path, PathBuf};

/// The top of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The directory that cargo builds into.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}
