//! The table of answers: each command against kmod's program, against a classic run, or against a fixed time.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use depmod_tests::bench::corpus::{self, Packing};
use depmod_tests::bench::measure::{Cost, measure, measure_with, median};
use depmod_tests::bench::twins::Twins;
use depmod_tests::debian::{self, Kernel};
use depmod_tests::oracle::Oracle;
use depmod_tests::{command, machines, queries};
use serde_json::Value;

use super::rows::LARGE;
use super::{ROUNDS, on};

/// Head of the table.
pub(super) const HEAD: &str = "\
| answer | compared with | its s | ours s | figure | CPU s | peak MiB |
|---|---|--:|--:|--:|--:|--:|";

/// Names in one call of `lookup` and `modprobe -aR`.
const NAMES: usize = 4000;

/// Queries on standard input of one call.
const BATCH: usize = 200_000;

/// What a figure must be.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// At least this many times as fast as the other.
    Faster(f64),
    /// At most this many times the time of the other.
    Times(f64),
    /// At most so many milliseconds.
    Milliseconds(u64),
    /// At least so many of [`BATCH`] queries a second.
    Rate(f64),
    /// Anything: the time is that of decoding modules.
    None,
}

/// An answer: its row, the program beside it, its target.
pub(super) type Row = (&'static str, &'static str, Target);

/// The rows.
pub(super) const ROWS: &[Row] = &[
    ("lookup", "modprobe -aR", Target::Faster(2.0)),
    ("lookup-batch", "", Target::Rate(100_000.0)),
    ("lookup-machines", "", Target::Rate(100_000.0)),
    ("plan", "", Target::Milliseconds(5)),
    ("explain", "", Target::Milliseconds(30)),
    ("explain-read", "", Target::None),
    ("verify-quick", "", Target::Milliseconds(50)),
    ("verify", "classic run", Target::Times(1.3)),
    ("strict", "classic run", Target::Times(1.5)),
];

/// Prints a row; returns whether the target is met.
///
/// # Errors
/// When a program fails.
pub(super) fn print(depmod: &Path, &(name, with, target): &Row) -> Result<bool> {
    // As packaged, in xz, with the image beside it.
    let kernel = debian::kernel(LARGE)?;
    let twins = Twins::new(&corpus::kernel(LARGE, Packing::AsIs)?)?;
    let scratch = twins.scratch.path();
    let boot = twins.ours.root.join("boot");
    fs::create_dir_all(&boot)?;
    fs::copy(kernel.image(), boot.join(format!("vmlinuz-{}", kernel.version)))?;
    let mut classic = Command::new(depmod);
    classic.args(["--jobs", "2"]).args(on(&twins.ours));
    measure(&mut classic, scratch)?;
    let (mut other, mut ours) = commands(name, depmod, &twins.ours, classic)?;
    let input = scratch.join("queries");
    fs::write(&input, batch(name, &twins.ours)?)?;
    let (mut theirs, mut costs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let other = other.as_mut().map(|other| measure(other, scratch)).transpose()?;
        let cost = measure_with(&mut ours, &input, scratch)?;
        if round > 0 {
            theirs.extend(other);
            costs.push(cost);
        }
    }
    let other = (!theirs.is_empty()).then(|| median(&theirs).wall);
    let cost = median(&costs);
    let (figure, met) = judge(target, other, &cost);
    let other = other.map_or("–".to_owned(), |other| format!("{:.3}", other.as_secs_f64()));
    println!(
        "| {name} | {with} | {other} | {:.4} | {figure} | {:.3} | {:.1} |",
        cost.wall.as_secs_f64(),
        cost.cpu.as_secs_f64(),
        super::table::mib(cost.peak)
    );
    Ok(met)
}

/// The figure with its target, and whether it is met.
fn judge(target: Target, other: Option<Duration>, ours: &Cost) -> (String, bool) {
    let ours = ours.wall.as_secs_f64();
    let other = other.map_or(f64::NAN, |other| other.as_secs_f64());
    let (figure, wanted, met) = match target {
        Target::Faster(wanted) => {
            (format!("{:.1}", other / ours), format!("≥ {wanted}"), other / ours >= wanted)
        }
        Target::Times(wanted) => {
            (format!("{:.2}", ours / other), format!("≤ {wanted}"), ours / other <= wanted)
        }
        Target::None => return (format!("{:.1} ms", ours * 1e3), true),
        Target::Rate(wanted) => {
            let rate = BATCH as f64 / ours;
            (format!("{rate:.0} / s"), format!("≥ {wanted} / s"), rate >= wanted)
        }
        Target::Milliseconds(wanted) => {
            (format!("{:.1} ms", ours * 1e3), format!("≤ {wanted} ms"), ours * 1e3 <= wanted as f64)
        }
    };
    (if met { format!("{figure} ({wanted})") } else { format!("**{figure}** ({wanted})") }, met)
}

/// Standard input of a row, one query a line: what patterns fit and names; or all devices of real machines, again
/// and again.
fn batch(name: &str, kernel: &Kernel) -> Result<String> {
    let queries = match name {
        "lookup-batch" => queries::queries(&kernel.modules(), BATCH)?,
        "lookup-machines" => {
            let devices: Vec<_> =
                machines::MACHINES.iter().flat_map(|(_, parts)| machines::modaliases(parts)).collect();
            devices.into_iter().cycle().take(BATCH).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    Ok(queries.join("\n"))
}

/// What a row compares with, if anything, and our command.
fn commands(
    name: &str,
    depmod: &Path,
    kernel: &Kernel,
    classic: Command,
) -> Result<(Option<Command>, Command)> {
    let ask = |command: &str, words: &[&str]| {
        let mut ours = Command::new(depmod);
        ours.args([command, "-C", "/dev/null", "-b"]).arg(&kernel.root).args(words);
        ours
    };
    let of_kernel = ["-k", &*kernel.version];
    Ok(match name {
        "lookup" => {
            let names = answered(ask("lookup", &of_kernel), &queries::queries(&kernel.modules(), NAMES)?)?;
            let mut modprobe = Oracle::get().tool("modprobe");
            modprobe.args(["-C", "/dev/null", "-S", &kernel.version, "-d"]).arg(&kernel.root);
            modprobe.arg("-aR").args(&names);
            let mut ours = ask("lookup", &of_kernel);
            ours.args(&names);
            (Some(modprobe), ours)
        }
        "lookup-batch" | "lookup-machines" => (None, ask("lookup", &of_kernel)),
        // Firmware is not in the index files: modules must be read for it.
        "plan" => {
            let words = ["nvme", "fs-ext4", "i915", "--from-index", "--no-firmware"];
            (None, ask("plan", &[&of_kernel[..], &words].concat()))
        }
        // Index files alone; and with the symbols and firmware of a large module.
        "explain" => (None, ask("explain", &[&of_kernel[..], &["ext4", "--from-index"]].concat())),
        "explain-read" => (None, ask("explain", &[&of_kernel[..], &["ext4"]].concat())),
        "verify-quick" => (None, ask("verify", &["--quick", &kernel.version])),
        "verify" => (Some(classic), ask("verify", &[&*kernel.version])),
        _ => {
            let mut strict = Command::new(depmod);
            strict.args(["--strict", "--jobs", "2"]).args(on(kernel));
            (Some(classic), strict)
        }
    })
}

/// The names that something answers to: modprobe fails if there is none.
fn answered(mut lookup: Command, names: &[String]) -> Result<Vec<String>> {
    let json = command::text(lookup.args(["--format", "json"]).args(names))?;
    let mut known = Vec::new();
    for (line, name) in json.lines().zip(names) {
        let answer: Value = serde_json::from_str(line)?;
        if !answer["modules"].as_array().context("an answer has modules")?.is_empty() {
            known.push(name.clone());
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_beyond_their_target_are_bold() {
        let cost = Cost { wall: Duration::from_millis(20), ..Cost::default() };
        let other = Some(Duration::from_millis(30));
        assert_eq!(judge(Target::Faster(2.0), other, &cost), ("**1.5** (≥ 2)".into(), false));
        assert_eq!(judge(Target::Times(1.3), other, &cost), ("0.67 (≤ 1.3)".into(), true));
        let rate = judge(Target::Rate(2e7), None, &cost);
        assert_eq!(rate, ("**10000000 / s** (≥ 20000000 / s)".into(), false));
        assert_eq!(judge(Target::None, None, &cost), ("20.0 ms".into(), true));
        assert_eq!(judge(Target::Milliseconds(10), None, &cost), ("**20.0 ms** (≤ 10 ms)".into(), false));
    }
}
