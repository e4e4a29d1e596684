//! Eight programs run `depmod` at once, while modules are replaced and `modprobe` reads the index files.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use depmod_core::Output;
use depmod_tests::command;
use depmod_tests::oracle::Oracle;

use super::{Indexed, ours};

const PROGRAMS: usize = 8;
const ROUNDS: usize = 50;
const READERS: usize = 2;
/// Modules that are never replaced: the readers ask for them.
const STEADY: [&str; 2] = ["virtio_net", "dm_mod"];

/// All runs succeed, no reader ever fails or gets another answer, and at the end the index files are kmod's.
pub(super) fn beside_each_other(indexed: &Indexed) -> Result<String> {
    let expected = STEADY.map(|name| shown(indexed, name));
    let [Ok(first), Ok(second)] = expected else { bail!("modprobe does not know the modules asked for") };
    let expected = [first, second];
    let cache = indexed.root().join("load-cache");
    let modules = replaceable(&indexed.modules().join("kernel"))?;
    let done = AtomicBool::new(false);
    let (replaced, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let replacer = scope.spawn(|| until(&done, || replace(&modules, &replaced)));
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                scope.spawn(|| {
                    until(&done, || {
                        for (name, expected) in STEADY.iter().zip(&expected) {
                            let now = shown(indexed, name)?;
                            ensure!(now == *expected, "modprobe shows for {name}: {now}");
                            read.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(())
                    })
                })
            })
            .collect();
        let programs: Vec<_> = (0..PROGRAMS)
            .map(|number| {
                scope.spawn({
                    let cache = &cache;
                    move || runs(indexed, number, cache)
                })
            })
            .collect();
        let mut all = Vec::new();
        for program in programs {
            all.push(joined(program));
        }
        done.store(true, Ordering::Relaxed);
        all.push(joined(replacer));
        all.extend(readers.into_iter().map(joined));
        all.into_iter().collect::<Result<()>>()
    })?;
    run(indexed, &["--no-cache".as_ref()])?;
    let files =
        || Output::ALL.map(|output| fs::read(indexed.modules().join(output.file_name())).unwrap_or_default());
    let here = files();
    indexed.index(Oracle::get().tool("depmod"))?;
    ensure!(here == files(), "the index files are not kmod's");
    for entry in fs::read_dir(indexed.modules())? {
        let name = entry?.file_name();
        ensure!(!name.as_encoded_bytes().starts_with(b"."), "{} is left behind", name.display());
    }
    Ok(format!(
        "{} runs, {} answers of modprobe, {} modules replaced",
        PROGRAMS * ROUNDS,
        read.into_inner(),
        replaced.into_inner()
    ))
}

fn joined(thread: thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| bail!("a thread panicked"))
}

fn until(done: &AtomicBool, mut body: impl FnMut() -> Result<()>) -> Result<()> {
    while !done.load(Ordering::Relaxed) {
        body()?;
    }
    Ok(())
}

/// The runs of one program: full ones, ones with the cache, and `-A`.
fn runs(indexed: &Indexed, number: usize, cache: &Path) -> Result<()> {
    let cached = format!("--cache={}", cache.display());
    for round in 0..ROUNDS {
        match (number + round) % 4 {
            0 => run(indexed, &["--no-cache".as_ref()]),
            1 => run(indexed, &["-A".as_ref(), "--no-cache".as_ref()]),
            _ => run(indexed, &[cached.as_ref()]),
        }
        .with_context(|| format!("program {number}, round {round}"))?;
    }
    Ok(())
}

fn run(indexed: &Indexed, words: &[&OsStr]) -> Result<()> {
    let mut ours = ours()?;
    ours.args(words).args(["-C", "/dev/null", "-b"]).arg(indexed.root()).arg(indexed.version());
    let output = ours.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // Eight programs may wait for each other.
    let waits = |line: &str| line.contains(" for another run in ");
    ensure!(output.status.success() && said.lines().all(waits), "{}: {said}", command::line(&ours));
    Ok(())
}

fn shown(indexed: &Indexed, name: &str) -> Result<String> {
    command::text(indexed.modprobe(&[]).args(["--show-depends", name]))
}

/// Module files that no steady module needs, a few of them.
fn replaceable(directory: &Path) -> Result<Vec<PathBuf>> {
    let found =
        command::text(Command::new("find").arg(directory).args(["-name", "*.ko*", "-path", "*/fs/*"]))?;
    let modules: Vec<PathBuf> = found.lines().take(40).map(PathBuf::from).collect();
    ensure!(modules.len() == 40, "the kernel has too few modules");
    Ok(modules)
}

/// Replaces a module as a package manager does, alternately by a shorter module and by itself.
fn replace(modules: &[PathBuf], replaced: &AtomicUsize) -> Result<()> {
    let number = replaced.fetch_add(1, Ordering::Relaxed);
    let module = &modules[number % modules.len()];
    let other = &modules[(number + 1) % modules.len()];
    let kept = module.with_extension("kept");
    let new = module.with_extension("new");
    if kept.exists() {
        fs::rename(&kept, module)?;
    } else {
        fs::hard_link(module, &kept)?;
        fs::copy(other, &new)?;
        fs::rename(&new, module)?;
    }
    Ok(())
}
