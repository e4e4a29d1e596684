//! `cargo xtask instructions`: detects slowdowns of the command by counting instructions, which the load of
//! the machine does not affect.
//!
//! The count is that of the release build on one thread over a constant generated module directory.
//! `tests/instructions.toml` records it with the compiler version.

use alloc::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use depmod_tests::bench::{callgrind, corpus, generated};
use depmod_tests::{command, product, workspace};
use serde::Deserialize;

/// Number of modules in the directory.
const MODULES: usize = 1500;
/// Growth that is an error. Seeds of hash tables and the order of directory entries change less than 0.1 %.
const ALLOWED: f64 = 1.05;
/// Decrease, in per cent, that must be recorded.
const ALLOWED_FALL: f64 = 3.0;

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Recorded {
    rustc: String,
    instructions: u64,
}

/// Compares with the recorded count, or records it (`--record`).
///
/// # Errors
/// When the count grew by more than 5 % or fell by more than 3 %, or no count is recorded for this target.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let record = match args {
        [] => false,
        [option] if option == "--record" => true,
        _ => bail!("usage: cargo xtask instructions [--record]"),
    };
    let (target, rustc) = compiler()?;
    let count = count()?;
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
    let factor = count as f64 / before.instructions as f64;
    let growth = (factor - 1.0) * 100.0;
    println!("{growth:+.2} % of the recorded {}, taken with rustc {}", before.instructions, before.rustc);
    if factor > ALLOWED {
        let hint = if before.rustc == rustc { "" } else { " (the compilers differ)" };
        bail!("{growth:.1} % more instructions than recorded{hint}; if that is intended, --record");
    }
    // Without a new record, later growth up to the old count would be hidden.
    if rustc == before.rustc && growth < -ALLOWED_FALL {
        bail!("{:.1} % fewer instructions than recorded: --record", -growth);
    }
    Ok(())
}

fn render(recorded: &BTreeMap<String, Recorded>) -> String {
    let mut text = "\
# Instructions that `depmod --jobs 1` executes on the generated modules: `cargo xtask instructions` compares,
# `cargo xtask instructions --record` writes this file. Other compilers give other counts.
"
    .to_owned();
    for (target, Recorded { rustc, instructions }) in recorded {
        text.push_str(&format!("\n[{target}]\nrustc = \"{rustc}\"\ninstructions = {instructions}\n"));
    }
    text
}

fn count() -> Result<u64> {
    let depmod = product::release()?;
    let dir = tempfile::Builder::new().prefix("count-").tempdir_in(corpus::directory()?)?;
    let kernel = generated::kernel(dir.path().join("root"), MODULES, generated::REAL)?;
    let path = kernel.root.to_string_lossy();
    let args = ["--jobs", "1", "-C", "/dev/null", "-b", &path, &kernel.version];
    callgrind::instructions(&depmod, &args, dir.path())
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
    fn growth_of_5_and_decrease_of_3_percent_are_allowed() {
        let before = Recorded { rustc: "1.95.0".to_owned(), instructions: 1000 };
        assert!(judge(&before, "1.95.0", 1050).is_ok());
        assert!(judge(&before, "1.95.0", 1051).is_err());
        assert!(judge(&before, "1.95.0", 971).is_ok());
        assert!(judge(&before, "1.95.0", 969).is_err());
        assert!(judge(&before, "1.96.0", 10).is_ok());
    }
}
