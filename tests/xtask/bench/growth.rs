//! The table of generated modules: growth of the cost with the number of modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use depmod_tests::bench::corpus::Packing;
use depmod_tests::bench::limit::Limit;
use depmod_tests::bench::measure::{measure, median};
use depmod_tests::bench::twins::Twins;
use depmod_tests::bench::{corpus, generated};
use depmod_tests::debian::Kernel;
use depmod_tests::oracle::Oracle;

use super::rows::LARGE;
use super::table::{GROWTH_HEAD, Growth};
use super::{ROUNDS, on};

/// Numbers of generated modules.
const GROWTH: [usize; 3] = [4_200, 42_000, 100_000];
/// Limit for the growth of the cost per module with ten times as many modules.
const GROWTH_ALLOWED: f64 = 1.1;
/// kmod fails with this many modules.
const KMOD_REFUSES: usize = 65_535;

/// How often a real kernel is there.
const COPIES: [usize; 2] = [1, 24];
/// Limit for the peak of a run over many real modules, in bytes per module.
const PEAK_PER_MODULE: u64 = 3 << 10;

/// Prints the table; returns whether all runs were fast enough.
///
/// # Errors
/// When a program fails, or the outputs differ from kmod's.
pub(super) fn print(depmod: &Path) -> Result<bool> {
    println!("\n{}", GROWTH_HEAD);
    let mut met = true;
    let mut first: Option<Growth> = None;
    for count in GROWTH {
        eprintln!("generating {count} modules");
        let dir = tempfile::Builder::new().prefix("growth-").tempdir_in(corpus::directory()?)?;
        let kernel = generated::kernel(dir.path().join("root"), count, generated::SMALL)?;
        let growth = growth(depmod, count, &kernel)?;
        let first = *first.get_or_insert(growth);
        let allowed = if count == GROWTH[0] { 1.0 } else { count as f64 / GROWTH[0] as f64 * GROWTH_ALLOWED };
        met &= growth.times(&first) <= allowed;
        println!("{}", growth.markdown(&first, allowed));
    }
    Ok(met)
}

/// Prints the table of real modules, many times as hard links with other names; returns whether the time grew no
/// faster than the number of modules, in little memory.
///
/// # Errors
/// When a program fails, or the outputs differ from kmod's.
pub(super) fn print_real(depmod: &Path) -> Result<bool> {
    println!("\n{}", GROWTH_HEAD.replace("generated", "real"));
    let original = corpus::kernel(LARGE, Packing::Plain)?;
    let mut met = true;
    let mut first: Option<Growth> = None;
    for copies in COPIES {
        let dir = tempfile::Builder::new().prefix("growth-").tempdir_in(corpus::directory()?)?;
        let (kernel, count) = repeated(&original, dir.path().join("root"), copies)?;
        eprintln!("{count} links to real modules");
        let growth = growth(depmod, count, &kernel)?;
        let first = *first.get_or_insert(growth);
        met &= growth.times(&first) <= copies as f64;
        met &= copies == 1 || growth.ours.peak <= PEAK_PER_MODULE * count as u64;
        println!("{}", growth.markdown(&first, copies as f64));
    }
    Ok(met)
}

/// A module directory with each module so many times, and the number of its modules.
fn repeated(original: &Kernel, root: PathBuf, copies: usize) -> Result<(Kernel, usize)> {
    let kernel = Kernel { root, version: original.version.clone() };
    let (from, to) = (original.modules(), kernel.modules());
    let modules = corpus::modules(&from)?;
    let mut order = String::new();
    for copy in 0..copies {
        for path in &modules {
            let below = path.strip_prefix(&from)?;
            let name = below.file_stem().unwrap_or_default().to_string_lossy();
            let place = PathBuf::from(format!("kernel/copy{copy}"))
                .join(below)
                .with_file_name(format!("{name}_{copy}.ko"));
            let file = to.join(&place);
            fs::create_dir_all(file.parent().unwrap_or(&to))?;
            fs::hard_link(path, file)?;
            order += &format!("{}\n", place.display());
        }
    }
    fs::write(to.join("modules.order"), order)?;
    for name in ["modules.builtin", "modules.builtin.modinfo"] {
        fs::copy(from.join(name), to.join(name))?;
    }
    Ok((kernel, copies * modules.len()))
}

/// The costs of a module directory.
fn growth(depmod: &Path, count: usize, kernel: &Kernel) -> Result<Growth> {
    let twins = Twins::new(kernel)?;
    let scratch = twins.scratch.path();
    let mut ours = Command::new(depmod);
    ours.args(["--jobs", "2"]).args(on(&twins.ours));
    // Also warms up the caches.
    measure(&mut ours, scratch)?;
    let kmod = match count {
        0..KMOD_REFUSES => {
            let cost = measure(Oracle::get().tool("depmod").args(on(&twins.kmod)), scratch)?;
            twins.compare()?;
            Some(cost)
        }
        _ => None,
    };
    let mut limit = Limit::read(&twins.ours, 2, scratch)?;
    limit.measure(scratch)?;
    let (mut costs, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        twins.remove_outputs()?;
        costs.push(measure(&mut ours, scratch)?);
        limits.push(limit.measure(scratch)?);
    }
    Ok(Growth { count, kmod, ours: median(&costs), limit: median(&limits) })
}
