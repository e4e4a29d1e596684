//! One run of a program: its wall time, processor time and peak memory.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

use crate::command;

/// The cost of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From before the process starts until it has been waited for.
    pub wall: Duration,
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Largest resident set in bytes. At least our own at that time, since a child begins as a copy of its
    /// parent; see [`memory_floor`].
    pub peak: u64,
}

/// Runs a program and waits; its stderr becomes part of the error of a failing program.
///
/// # Errors
/// When it cannot be started or fails.
pub fn measure(command: &mut Command, scratch: &Path) -> Result<Cost> {
    run(command.stdin(Stdio::null()), scratch)
}

/// The same with a file as standard input.
///
/// # Errors
/// As [`measure`], and when there is no such file.
pub fn measure_with(command: &mut Command, input: &Path, scratch: &Path) -> Result<Cost> {
    run(command.stdin(File::open(input)?), scratch)
}

fn run(command: &mut Command, scratch: &Path) -> Result<Cost> {
    let said = scratch.join("stderr");
    command.stdout(Stdio::null()).stderr(File::create(&said)?);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", command::line(command)))?;
    let end = child.wait4()?;
    let wall = start.elapsed();
    if !end.status.success() {
        let said = fs::read(&said)?;
        let said = String::from_utf8_lossy(&said);
        let said = said.lines().take(3).collect::<Vec<_>>().join(" | ");
        bail!("`{}` failed: {}: {said}", command::line(command), end.status);
    }
    Ok(Cost { wall, cpu: end.rusage.utime + end.rusage.stime, peak: end.rusage.maxrss })
}

/// The current minimum of the peak in [`measure`], in bytes.
///
/// # Errors
/// When `true` cannot be run.
pub fn memory_floor(scratch: &Path) -> Result<u64> {
    Ok(measure(&mut Command::new("true"), scratch)?.peak)
}

/// Medians of several runs, separately for each figure.
///
/// # Panics
/// When there was no run.
pub fn median(costs: &[Cost]) -> Cost {
    fn middle<T: Ord + Copy>(costs: &[Cost], figure: impl Fn(&Cost) -> T) -> T {
        let mut figures: Vec<T> = costs.iter().map(figure).collect();
        figures.sort_unstable();
        figures[figures.len() / 2]
    }
    Cost {
        wall: middle(costs, |cost| cost.wall),
        cpu: middle(costs, |cost| cost.cpu),
        peak: middle(costs, |cost| cost.peak),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_costs_only_wall_time() {
        let scratch = tempfile::tempdir().unwrap();
        let cost = measure(Command::new("sleep").arg("0.2"), scratch.path()).unwrap();
        assert!(cost.wall >= Duration::from_millis(200), "{cost:?}");
        assert!(cost.cpu < Duration::from_millis(100), "{cost:?}");
        assert!(cost.peak > 100 << 10, "{cost:?}");
    }

    #[test]
    fn failing_programs_are_errors_with_their_stderr() {
        let scratch = tempfile::tempdir().unwrap();
        let error = measure(Command::new("cat").arg("/nowhere"), scratch.path()).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }

    #[test]
    fn medians_are_separate_per_figure() {
        let cost = |wall, peak| Cost { wall: Duration::from_millis(wall), peak, ..Cost::default() };
        let median = median(&[cost(9, 1), cost(1, 3), cost(2, 2)]);
        assert_eq!((median.wall.as_millis(), median.peak), (2, 2));
    }
}
