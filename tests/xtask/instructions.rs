//! `cargo xtask instructions`: detects slowdowns of the command by counting instructions, which the load of
//! the machine does not affect.
//!
//! The count is that of the release build on one thread over a constant generated module directory: on this machine,
//! or with `aarch64`, in QEMU's user emulation. `tests/instructions.toml` records both with the compiler version.

use alloc::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use depmod_tests::bench::{callgrind, corpus, generated};
use depmod_tests::{apt, command, product, workspace};
use serde::Deserialize;

use crate::builds::everywhere;

/// Number of modules in the directory.
const MODULES: usize = 1500;
/// Allowed change, in per cent. Seeds of hash tables and the order of directory entries change less than 0.01 %.
const ALLOWED: f64 = 1.0;
/// Allowed growth with another compiler than that of the record, in per cent.
const ALLOWED_FOR_COMPILERS: f64 = 5.0;

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Recorded {
    rustc: String,
    instructions: u64,
}

/// Compares with the recorded count, or records it (`--record`).
///
/// # Errors
/// When the count changed by more than 1 %, or no count is recorded for this target.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let (emulated, args) = match args {
        [arch, args @ ..] if arch == "aarch64" => (true, args),
        args => (false, args),
    };
    let record = match args {
        [] => false,
        [option] if option == "--record" => true,
        _ => bail!("usage: cargo xtask instructions [aarch64] [--record]"),
    };
    let (host, rustc) = compiler()?;
    let (target, count) = match emulated {
        true => ("aarch64-unknown-linux-gnu".to_owned(), emulated_count()?),
        false => (host, count(&product::release()?, callgrind::instructions)?),
    };
    println!("{count} instructions, rustc {rustc}, {target}");
    let path = workspace().join("tests/instructions.toml");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut recorded: BTreeMap<String, Recorded> =
        toml::from_str(&text).with_context(|| path.display().to_string())?;
    if record {
        recorded.insert(target, Recorded { rustc, instructions: count });
        return fs::write(&path, render(&recorded)).with_context(|| path.display().to_string());
    }
    let before = recorded
        .get(&target)
        .with_context(|| format!("no count is recorded for {target}: `cargo xtask instructions --record`"))?;
    judge(before, &rustc, count)
}

/// Compares the counts; fails if the count grew too much, or fell so much that later growth would be hidden.
fn judge(before: &Recorded, rustc: &str, count: u64) -> Result<()> {
    let growth = (count as f64 / before.instructions as f64 - 1.0) * 100.0;
    println!("{growth:+.2} % of the recorded {}, taken with rustc {}", before.instructions, before.rustc);
    let same_compiler = before.rustc == rustc;
    if growth > if same_compiler { ALLOWED } else { ALLOWED_FOR_COMPILERS } {
        let hint = if same_compiler { "" } else { " (the compilers differ)" };
        bail!("{growth:.1} % more instructions than recorded{hint}; if that is intended, --record");
    }
    // Without a new record, later growth up to the old count would be hidden.
    if same_compiler && growth < -ALLOWED {
        bail!("{:.1} % fewer instructions than recorded: --record", -growth);
    }
    Ok(())
}

fn render(recorded: &BTreeMap<String, Recorded>) -> String {
    let mut text = "\
# Instructions that `depmod --jobs 1` executes on the generated modules: `cargo xtask instructions [aarch64]`
# compares, with `--record` it writes this file. Other compilers give other counts.
"
    .to_owned();
    for (target, Recorded { rustc, instructions }) in recorded {
        text.push_str(&format!("\n[{target}]\nrustc = \"{rustc}\"\ninstructions = {instructions}\n"));
    }
    text
}

/// What `instructions` counts for a program, its arguments and a scratch directory.
fn count(depmod: &Path, instructions: impl FnOnce(&Path, &[&str], &Path) -> Result<u64>) -> Result<u64> {
    let dir = tempfile::Builder::new().prefix("count-").tempdir_in(corpus::directory()?)?;
    let kernel = generated::kernel(dir.path().join("root"), MODULES, generated::REAL)?;
    let path = kernel.root.to_string_lossy();
    let args = ["--jobs", "1", "-C", "/dev/null", "-b", &path, &kernel.version];
    instructions(depmod, &args, dir.path())
}

fn emulated_count() -> Result<u64> {
    // Static builds of QEMU load no plug-ins.
    apt::install(&["gcc", "qemu-user"])?;
    let (depmod, libraries) = everywhere::aarch64_release()?;
    count(&depmod, |depmod, args, scratch| {
        let (plugin, log) = (scratch.join("libcount.so"), scratch.join("count"));
        let source = workspace().join("tests/xtask/count.c");
        let mut compile = Command::new("cc");
        command::run(compile.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&plugin).arg(source))?;
        let mut emulator = Command::new("qemu-aarch64");
        emulator.args(["-L", &libraries, "-d", "plugin", "-plugin"]).arg(plugin).arg("-D").arg(&log);
        command::run(emulator.arg(depmod).args(args))?;
        let text = fs::read_to_string(&log)?;
        text.trim().parse().with_context(|| format!("QEMU reported no count: {text}"))
    })
}

/// Target triple and version of the compiler in use.
fn compiler() -> Result<(String, String)> {
    let text = command::text(Command::new("rustc").arg("-vV"))?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map(str::to_owned).with_context(|| format!("rustc -vV does not print its {name}"))
    };
    Ok((field("host")?, field("release")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_counts_are_read_back() {
        let count = Recorded { rustc: "1.95.0".to_owned(), instructions: 123 };
        let recorded = BTreeMap::from([("x86_64-unknown-linux-gnu".to_owned(), count)]);
        let read: BTreeMap<String, Recorded> = toml::from_str(&render(&recorded)).unwrap();
        assert_eq!(read, recorded);
    }

    #[test]
    fn a_change_of_1_percent_is_allowed_and_more_growth_for_another_compiler() {
        let before = Recorded { rustc: "1.95.0".to_owned(), instructions: 1000 };
        for (rustc, count, allowed) in [
            ("1.95.0", 1009, true),
            ("1.95.0", 1011, false),
            ("1.95.0", 991, true),
            ("1.95.0", 989, false),
            ("1.96.0", 1049, true),
            ("1.96.0", 1051, false),
            ("1.96.0", 10, true),
        ] {
            assert_eq!(judge(&before, rustc, count).is_ok(), allowed, "{rustc} {count}");
        }
    }
}
