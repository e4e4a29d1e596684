//! The table of generated modules: growth of the cost with the number of modules.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use depmod_tests::bench::limit::Limit;
use depmod_tests::bench::measure::{measure, median};
use depmod_tests::bench::twins::Twins;
use depmod_tests::bench::{corpus, generated};
use depmod_tests::oracle::Oracle;

use super::table::{GROWTH_HEAD, Growth};
use super::{ROUNDS, on};

/// Numbers of generated modules.
const GROWTH: [usize; 3] = [4_200, 42_000, 100_000];
/// Limit for the growth of the cost per module with ten times as many modules.
const GROWTH_ALLOWED: f64 = 1.1;
/// kmod fails with this many modules.
const KMOD_REFUSES: usize = 65_535;

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
        let twins = Twins::new(&kernel)?;
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
        let growth = Growth { count, kmod, ours: median(&costs), limit: median(&limits) };
        let first = *first.get_or_insert(growth);
        let allowed = if count == GROWTH[0] { 1.0 } else { count as f64 / GROWTH[0] as f64 * GROWTH_ALLOWED };
        met &= growth.times(&first) <= allowed;
        println!("{}", growth.markdown(&first, allowed));
    }
    Ok(met)
}
