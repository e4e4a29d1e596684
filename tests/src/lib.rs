//! Harness of the test binaries, the benchmarks and the developer tasks.
//!
//! * [`elf_builder`] assembles kernel modules, well-formed and malformed;
//! * [`system`] lays out root directories with modules and runs two programs on them, [`outcome`] compares;
//! * [`terminal`] runs our command on a terminal;
//! * [`compress`] makes compressed copies with foreign encoders;
//! * [`debian`] fetches real kernels and the real kmod, [`oracle`] runs kmod, [`product`] our command;
//! * [`mod@bench`] measures: module directories, runs, lower limits, instruction counts;
//! * [`toolchain`] finds a compiler for each target, [`apt`] and [`tool`] install missing programs;
//! * [`clean_root`] makes root directories of Debian for packages and hooks;
//! * [`efi`] builds the firmware program, [`qemu`] boots it from [`fat`] volumes with an [`existing_initrd`]
//!   and optionally a TPM of [`swtpm`]; [`signing`] is for Secure Boot, [`event_log`] reads measurements;
//! * [`zboot`] makes a kernel in EFI zboot form;
//! * [`samples`] are the small modules of the core's examples;
//! * [`subset`] copies a few modules of a real kernel;
//! * [`imports`] are those between the files of a package;
//! * [`fuzz`] has the bodies of the fuzz targets.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "tests run where std is")]

extern crate alloc;

pub mod apt;
pub mod bench;
pub mod clean_root;
pub mod command;
pub mod compress;
pub mod damage;
pub mod debian;
pub mod efi;
pub mod elf_builder;
pub mod event_log;
pub mod existing_initrd;
pub mod fat;
pub mod fuzz;
pub mod imports;
pub mod machines;
pub mod oracle;
pub mod outcome;
pub mod product;
pub mod qemu;
pub mod queries;
pub mod random;
pub mod samples;
pub mod signing;
pub mod subset;
pub mod swtpm;
pub mod system;
pub mod terminal;
pub mod tool;
pub mod toolchain;
pub mod zboot;

use std::path::{Path, PathBuf};

/// The root directory of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

/// Cargo's target directory.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}
