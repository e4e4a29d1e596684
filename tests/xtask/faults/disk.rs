//! Runs on file systems that become full: in blocks, and in inodes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Tally;
use super::scenario::{CLASSIC, KMOD};
use super::world::{State, World, leftovers_in};

/// Size of a block of tmpfs.
const BLOCK: u64 = 4096;
/// Inodes of the mounted directory: the root, `lib`, `modules`, the version.
const DIRECTORIES: usize = 4;

/// Runs both programs on file systems of every size from the smallest that holds the old index to the first
/// that has room to spare. Returns the name of each table row, whether it is ours, and its results.
///
/// # Errors
/// When no file system can be mounted.
pub(super) fn fill(sample: usize) -> Result<Vec<(&'static str, bool, Tally)>> {
    let mut rows = Vec::new();
    for (name, scenario) in [("full disk", CLASSIC), ("full disk, kmod 34.2", KMOD)] {
        let world = World::new(&scenario)?;
        let (old, new) = world.sizes();
        let blocks = |files: &[u64]| files.iter().map(|size| size.div_ceil(BLOCK)).sum::<u64>();
        // One block for each directory entry list, and a spare one.
        let (least, most) = (blocks(&old) + 2, blocks(&old) + blocks(&new) + 16);
        let by_size = (least..=most).map(|blocks| format!("size={}", blocks * BLOCK));
        let by_inodes = (old.len() + DIRECTORIES..=old.len() + DIRECTORIES + 16)
            .map(|inodes| format!("nr_inodes={inodes}"));
        let mut tally = Tally::default();
        for option in by_size.step_by(sample.min(8)).chain(by_inodes) {
            attempt(&world, &scenario.args.join(" "), &option, scenario.ours, &mut tally)
                .with_context(|| option.clone())?;
        }
        if tally.new == 0 || tally.old == 0 {
            bail!("{name}: the sizes don't include a full and a large enough file system");
        }
        rows.push((name, scenario.ours, tally));
    }
    Ok(rows)
}

/// One run in a mount namespace of its own.
fn attempt(world: &World, args: &str, option: &str, ours: bool, tally: &mut Tally) -> Result<()> {
    let (out, old) = world.scratch("full")?;
    // Copies the old index to the small file system, runs, and copies the result back.
    let script = r#"
        option=$1 out=$2 from=$3 modules=$4; shift 4
        mount -t tmpfs -o "$option" none "$out" || exit 77
        mkdir -p "$out/$modules" && cp -p "$from"/* "$out/$modules" || exit 77
        "$@"
        status=$?
        mkdir "$out.result" && cp -a "$out/$modules/." "$out.result" || exit 77
        exit $status"#;
    let result = out.with_extension("result");
    let _ = fs::remove_dir_all(&result);
    let program = world.program(ours);
    let mut run = Command::new("unshare");
    run.args(["--mount", "sh", "-c", script, "sh", option]).arg(&out).arg(old);
    run.arg(Path::new("lib/modules").join(world.version()));
    run.arg(program.get_program()).args(program.get_args()).args(args.split_whitespace());
    run.arg("-b").arg(world.root()).arg("-o").arg(&out).arg(world.version());
    let output = run.env("LC_ALL", "C").output().context("unshare")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        bail!("cannot mount a small file system: {stderr}");
    }
    let state = world.state_in(&result)?;
    let left = leftovers_in(&result)?;
    tally.runs += 1;
    tally.old += usize::from(state == State::Old);
    tally.new += usize::from(state == State::New);
    tally.reported += usize::from(output.status.code() == Some(1));
    tally.aborted += usize::from(!matches!(output.status.code(), Some(0 | 1)));
    let damaged = state == State::Mixed || (ours && left > 0);
    let wrong = output.status.success() && state != State::New;
    tally.damaged += usize::from(damaged);
    tally.wrong += usize::from(wrong && !damaged);
    if damaged || wrong {
        let said = stderr.lines().next().unwrap_or("(no message)");
        let what = option.split('=').next().unwrap_or(option);
        tally.bad(what.to_owned(), || {
            format!("{option}: {}, {state:?}, {left} temporary files: {said}", output.status)
        });
    }
    Ok(())
}
