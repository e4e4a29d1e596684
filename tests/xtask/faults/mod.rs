//! `cargo xtask faults`: every system call of a run fails once, in each way it can; or the run is killed there.
//!
//! A small module directory has an old index, and the run under test makes a new one; each of the eleven files
//! differs between the two. `strace` counts the system calls of a run without faults. Then it repeats the run
//! once for each call and each error, and the directory must afterwards hold the complete old or the complete
//! new index, with an exit status that tells which. The same faults hit kmod, for comparison.
//!
//! ```text
//! program  scenario        fault   runs  old  new  reported  aborted  DAMAGED  FALSE  HUNG
//! depmod   classic, 2 jobs errors  3120  2874 246  2871      3        0        0      0
//! ```
//!
//! * `old`, `new`: the complete set that the directory holds afterwards.
//! * `reported`: the run failed, and says so by exit status 1 and a message.
//! * `aborted`: a signal ended the run, the dynamic linker could not start it, or the standard library gave up.
//! * `DAMAGED`: a set of old and new files, or a file that is neither; after a kill, only where the next `-A`
//!   does not repair it. Temporary files that the next run leaves behind count here, too.
//! * `FALSE`: exit status 0 without the new set.
//! * `HUNG`: longer than 30 seconds.

mod disk;
mod injector;
mod power;
mod scenario;
mod world;
mod write_log;

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Result, bail};
use depmod_tests::apt;
use injector::{Fault, Injection};
use scenario::{SCENARIOS, Scenario};
use world::{State, World};

/// With `--sample`, as in `cargo xtask test faults`, one of this many injections runs, and kmod only if named.
const SAMPLE: usize = 40;

/// The results of all runs with one kind of fault.
#[derive(Debug, Default)]
struct Tally {
    runs: usize,
    /// Kills at calls that the run did not make.
    missed: usize,
    old: usize,
    new: usize,
    reported: usize,
    aborted: usize,
    damaged: usize,
    wrong: usize,
    hung: usize,
    /// How aborted runs ended, with their number.
    ends: BTreeMap<String, usize>,
    /// For each kind of fault that did harm: how often, and the first run in words.
    examples: BTreeMap<String, (usize, String)>,
}

impl Tally {
    fn bad(&mut self, fault: String, first: impl FnOnce() -> String) {
        self.examples.entry(fault).or_insert_with(|| (0, first())).0 += 1;
    }
}

/// Injects all faults into the scenarios named in `args`, or into all. `--sample` takes some of the faults, for our runs;
/// `--list` names the scenarios.
///
/// # Errors
/// When a run of ours damages an index, or has a false exit status, or hangs.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for scenario in SCENARIOS {
            println!("{}", scenario.name);
        }
        println!("full disk");
        power::names().for_each(|name| println!("{name}"));
        return Ok(());
    }
    let sample = if args.iter().any(|arg| arg == "--sample") { SAMPLE } else { 1 };
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let chosen = |name: &str| names.is_empty() || names.contains(&name);
    let mut known: Vec<String> = SCENARIOS.iter().map(|scenario| scenario.name.to_owned()).collect();
    known.push("full disk".to_owned());
    known.extend(power::names());
    if let Some(unknown) = names.iter().find(|name| known.iter().all(|known| known != *name)) {
        bail!("no scenario `{unknown}`; `cargo xtask faults --list` names them");
    }
    apt::install(&["strace"])?;
    let mut bad = Vec::new();
    println!(
        "{:<26}{:<8}{:>7}{:>7}{:>7}{:>10}{:>9}{:>9}{:>7}{:>6}",
        "scenario", "fault", "runs", "old", "new", "reported", "aborted", "DAMAGED", "FALSE", "HUNG"
    );
    let whole = sample == 1 || !names.is_empty();
    for scenario in SCENARIOS.iter().filter(|scenario| chosen(scenario.name) && (scenario.ours || whole)) {
        for fault in [Fault::Error, Fault::Kill] {
            let tally = inject_all(scenario, fault, sample)?;
            print(scenario.name, fault.name(), &tally);
            if scenario.ours && tally.damaged + tally.wrong + tally.hung > 0 {
                bad.push(scenario.name);
            }
        }
    }
    if chosen("full disk") {
        for (name, ours, tally) in disk::fill(sample)? {
            print(name, "space", &tally);
            if ours && tally.damaged + tally.wrong + tally.hung > 0 {
                bad.push(name);
            }
        }
    }
    // Virtual machines take minutes; a sample of the faults does without.
    if sample == 1 {
        power::cut(chosen, |name, ours, tally| {
            print(name, "power", tally);
            if ours && tally.damaged > 0 {
                bad.push("power cut");
            }
        })?;
    }
    bad.dedup();
    if bad.is_empty() { Ok(()) } else { bail!("faults do harm in: {}", bad.join(", ")) }
}

fn print(name: &str, fault: &str, tally: &Tally) {
    let Tally { runs, missed: _, old, new, reported, aborted, damaged, wrong, hung, ends, examples } = tally;
    println!(
        "{name:<26}{fault:<8}{runs:>7}{old:>7}{new:>7}{reported:>10}{aborted:>9}{damaged:>9}{wrong:>7}{hung:>6}"
    );
    for (end, count) in ends {
        println!("    {count} × {end}");
    }
    for (count, example) in examples.values() {
        println!("    {count} × like {example}");
    }
}

/// Repeats a scenario with each injection of a kind, on as many threads as there are processors.
fn inject_all(scenario: &Scenario, fault: Fault, sample: usize) -> Result<Tally> {
    let first = World::new(scenario)?;
    let injections: Vec<Injection> =
        injector::injections(&first, scenario, fault)?.into_iter().step_by(sample).collect();
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    let worker = |world: &World| -> Result<()> {
        while let Some(injection) = injections.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = attempt(world, scenario, injection)?;
            let mut tally = tally.lock().expect("no worker panics");
            if outcome.killed && outcome.status == Some(0) {
                // Threads share their calls differently in each run.
                tally.missed += 1;
            } else {
                add(&mut tally, &outcome, injection);
            }
        }
        Ok(())
    };
    let others = std::thread::available_parallelism().map_or(1, usize::from) - 1;
    let worlds = (0..others).map(|_| World::new(scenario)).collect::<Result<Vec<_>>>()?;
    std::thread::scope(|scope| {
        let helpers: Vec<_> = worlds.iter().map(|world| scope.spawn(|| worker(world))).collect();
        worker(&first)?;
        helpers.into_iter().try_for_each(|helper| helper.join().expect("no worker panics"))
    })?;
    let tally = tally.into_inner()?;
    if tally.missed > tally.runs {
        bail!("{}: {} of {} kills hit no call", scenario.name, tally.missed, injections.len());
    }
    Ok(tally)
}

/// The result of one run with a fault.
#[derive(Debug)]
struct Attempt {
    state: State,
    /// `None` for a signal.
    status: Option<i32>,
    stderr: String,
    hung: bool,
    killed: bool,
    /// Harm that only the runs afterwards show.
    harm: Option<String>,
}

fn attempt(world: &World, scenario: &Scenario, injection: &Injection) -> Result<Attempt> {
    world.restore()?;
    let output = injector::run(&world.command(scenario), injection)?;
    let state = world.state()?;
    let mut harm = None;
    let killed = injection.fault == Fault::Kill;
    if killed && state == State::Mixed && scenario.ours {
        // A kill between two renames can't be undone by the run itself: the next one has to notice.
        if let Some(check) = world.check(scenario) {
            let status = status(check)?;
            if status != Some(3) {
                harm = Some(format!("`verify --quick` exits {status:?} on a mixed set"));
            }
        }
    }
    let looked_at = killed || world.leftovers()? > 0 || scenario.repeats;
    if let Some(repair) = world.repair(scenario).filter(|_| looked_at) {
        let status = status(repair)?;
        let after = world.state()?;
        if after != State::New {
            harm = Some(format!("the next run exits {status:?} and leaves {after:?}"));
        } else if world.leftovers()? > 0 {
            harm = Some("temporary files stay after the next run".into());
        }
    }
    let code = output.status.code();
    Ok(Attempt {
        state,
        status: code,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        hung: code == Some(124),
        killed,
        harm,
    })
}

fn status(mut command: Command) -> Result<Option<i32>> {
    Ok(command.output()?.status.code())
}

fn add(tally: &mut Tally, attempt: &Attempt, injection: &Injection) {
    tally.runs += 1;
    let Attempt { state, status, stderr, hung, killed, harm } = attempt;
    match state {
        State::Old => tally.old += 1,
        State::New => tally.new += 1,
        State::Mixed => {}
    }
    match status {
        Some(124) => tally.hung += 1,
        Some(0) => {}
        Some(1..=4) => tally.reported += 1,
        _ if *killed => {}
        _ => {
            tally.aborted += 1;
            // 127: the dynamic linker's status where it cannot load the program's libraries.
            let by = if *status == Some(127) { "the dynamic linker" } else { "a signal" };
            *tally.ends.entry(format!("ended by {by} after {}", injection.what())).or_default() += 1;
        }
    }
    let damaged = harm.is_some() || (*state == State::Mixed && !killed);
    let wrong = *status == Some(0) && *state != State::New;
    tally.damaged += usize::from(damaged);
    tally.wrong += usize::from(wrong && !damaged);
    if damaged || wrong || *hung {
        let said = stderr.lines().next().unwrap_or("(no message)");
        let harm = harm.as_deref().unwrap_or("");
        tally.bad(injection.what(), || format!("{injection}: exit {status:?}, {state:?} {harm}: {said}"));
    }
}
