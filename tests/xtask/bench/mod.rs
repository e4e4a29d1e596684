//! `cargo xtask bench`: compares the speed of kmod and `depmod`.
//!
//! Each row interleaves its runs (kmod, ours, the limit, kmod, …) with a warm cache and shows medians. After
//! every run the outputs of both copies are compared: figures count only for equal outputs. Recompressed
//! modules are in `target/bench`; Debian packages come through [`depmod_tests::debian`].

mod answers;
mod growth;
mod rows;
mod table;

use std::ffi::OsStr;

use anyhow::{Result, bail};
use depmod_tests::bench::callgrind;
use depmod_tests::bench::corpus::{self, Packing};
use depmod_tests::bench::measure::memory_floor;
use depmod_tests::bench::twins::Twins;
use depmod_tests::debian::Kernel;
use depmod_tests::{apt, product};

use rows::{LARGE, ROWS};

/// Runs of each program in a row, after one warm-up run.
const ROUNDS: usize = 7;

/// Measures the rows named in `args`, or all, and prints tables in Markdown.
///
/// # Errors
/// When a row is unknown or cannot be measured, or a figure is outside its limit.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let extra = ["growth", "growth-real", "instructions"];
    let of_answers = answers::ROWS.iter().map(|(name, ..)| *name);
    let known: Vec<&str> = ROWS.iter().map(|row| row.name).chain(of_answers).chain(extra).collect();
    if args.iter().any(|arg| ["--list", "--help"].contains(&&**arg)) {
        println!("{}", known.join("\n"));
        return Ok(());
    }
    if let Some(unknown) = args.iter().find(|arg| !known.contains(&arg.as_str())) {
        bail!("no row `{unknown}`; there are {}", known.join(" "));
    }
    let chosen = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    apt::install(&["gzip", "xz-utils", "zstd", "g++"])?;
    let depmod = product::release()?;
    let mut missed = Vec::new();
    println!("{}\n", table::machine()?);
    let mut rows = ROWS.iter().filter(|row| chosen(row.name)).peekable();
    if rows.peek().is_some() {
        println!("{}", table::HEAD);
    }
    for row in rows {
        eprintln!("measuring {}", row.name);
        let met = match row.measure(&depmod) {
            Ok(line) => {
                println!("{}", line.markdown(&row.wanted));
                line.meets(&row.wanted)
            }
            Err(error) => {
                println!("| {} | not measured: {error:#} |", row.name);
                false
            }
        };
        missed.extend((!met).then_some(row.name));
    }
    let mut rows = answers::ROWS.iter().filter(|(name, ..)| chosen(name)).peekable();
    if rows.peek().is_some() {
        println!("\n{}", answers::HEAD);
    }
    for row in rows {
        eprintln!("measuring {}", row.0);
        if !answers::print(&depmod, row)? {
            missed.push(row.0);
        }
    }
    if chosen("growth") && !growth::print(&depmod)? {
        missed.push("growth");
    }
    if chosen("growth-real") && !growth::print_real(&depmod)? {
        missed.push("growth-real");
    }
    if chosen("instructions") {
        let twins = Twins::new(&corpus::kernel(LARGE, Packing::Plain)?)?;
        let root = twins.ours.root.to_string_lossy();
        let args = ["--jobs", "1", "-b", &root, &twins.ours.version];
        let count = callgrind::instructions(&depmod, &args, twins.scratch.path())?;
        println!("\nInstructions for the plain modules, one thread: {:.1} million", count as f64 / 1e6);
    }
    let scratch = tempfile::tempdir()?;
    let floor = memory_floor(scratch.path())?;
    println!("\nMemory use below {:.1} MiB is not measurable.", table::mib(floor));
    if missed.is_empty() { Ok(()) } else { bail!("not reached: {}", missed.join(" ")) }
}

/// The arguments that select a module directory.
fn on(kernel: &Kernel) -> [&OsStr; 3] {
    ["-b".as_ref(), kernel.root.as_os_str(), kernel.version.as_ref()]
}
