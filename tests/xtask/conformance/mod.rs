//! `cargo xtask conformance`: compares our `depmod` with kmod 34.2 on real kernels.
//!
//! * every kernel with the options that affect input or messages: the same files, stdout, stderr and exit
//!   status;
//! * one kernel recompressed in every format;
//! * kmod's `modprobe` and `modinfo` on our index files.

mod formats;
mod readers;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use depmod_tests::debian::{self, Kernel, LABELS};
use depmod_tests::oracle::Oracle;
use depmod_tests::outcome::{OUTPUTS, Outcome, differences};
use depmod_tests::system::{Place, link_directory, observe};
use depmod_tests::{apt, product};

/// The kernel for recompression and for kmod's programs: small, and compressed like most kernels.
const SMALL: &str = "trixie-cloud-amd64";

/// Compares on the kernels of these labels, or on all kernels.
///
/// # Errors
/// When a kernel cannot be fetched, or any result differs.
pub(crate) fn main(args: &[String]) -> Result<()> {
    apt::install(&["gzip", "xz-utils", "zstd"])?;
    let labels: Vec<&str> = if args.is_empty() {
        LABELS.iter().map(|label| label.name).collect()
    } else {
        args.iter().map(String::as_str).collect()
    };
    println!("building the command");
    product::release()?;
    let mut report = Report::default();
    for label in labels {
        let kernel = debian::kernel(label)?;
        let place = Place::beside(&kernel.root);
        let root = place.root();
        link_directory(&kernel.root.join("lib"), &root.join("lib"));
        let modules = count_modules(&root);
        let (map, symvers) = (kernel.system_map(), kernel.symvers());
        let (map, symvers) = (map.to_string_lossy(), symvers.to_string_lossy());
        for options in [&[][..], &["-e", "-F", &*map], &["-e", "-E", &*symvers], &["-w"], &["-v", "-n"]] {
            let [kmod, ours] = [kmod(), ours()?].map(|program| index(&root, program, options, &kernel));
            let options: Vec<&str> = options.iter().filter(|word| word.starts_with('-')).copied().collect();
            let what = format!("{label} {} ({modules} modules) {}", kernel.version, options.join(" "));
            report.add(&what, differences(&kmod, &ours));
        }
        if label == SMALL {
            formats::compare(&kernel, &mut report)?;
            readers::compare(&kernel, &root, &mut report)?;
        }
    }
    println!("\nconformance: {} passed, {} failed", report.passed, report.failed);
    if report.failed == 0 { Ok(()) } else { bail!("our output differs from kmod's") }
}

/// The comparisons so far.
#[derive(Default)]
struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    /// Adds a comparison and its differences.
    fn add(&mut self, what: &str, differences: Vec<String>) {
        if differences.is_empty() {
            self.passed += 1;
            println!("same     {what}");
            return;
        }
        self.failed += 1;
        println!("DIFFERS  {what}");
        for difference in differences.iter().take(20) {
            println!("{difference}");
        }
        if differences.len() > 20 {
            println!("… and {} more", differences.len() - 20);
        }
    }
}

fn kmod() -> Command {
    Oracle::get().tool("depmod")
}

fn ours() -> Result<Command> {
    let mut command = Command::new(product::release()?);
    command.env("LC_ALL", "C");
    Ok(command)
}

/// Runs a `depmod` on the kernel below `root` and removes its outputs.
fn index(root: &Path, program: Command, options: &[&str], kernel: &Kernel) -> Outcome {
    let outcome = index_and_keep(root, program, options, kernel);
    for name in OUTPUTS {
        let _ = fs::remove_file(root.join("lib/modules").join(&kernel.version).join(name));
    }
    outcome
}

/// Runs a `depmod` on the kernel below `root`.
fn index_and_keep(root: &Path, mut program: Command, options: &[&str], kernel: &Kernel) -> Outcome {
    program.arg("-b").arg(root).arg("-C").arg(root.join("depmod.d")).args(options).arg(&kernel.version);
    observe(root, program)
}

fn count_modules(root: &Path) -> usize {
    module_files(root).len()
}

/// All module files below a directory, by name.
fn module_files(root: &Path) -> BTreeMap<String, std::path::PathBuf> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(entry.path());
            } else if depmod_core::parts::name::is_module_file(name.as_bytes()) {
                found.insert(entry.path().to_string_lossy().into_owned(), entry.path());
            }
        }
    }
    found
}
