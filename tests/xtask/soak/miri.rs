//! The core's unit tests under Miri, which finds undefined behaviour in dependencies, too: the core itself has no
//! `unsafe` code.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::{command, target_dir, workspace};

/// Tests that take minutes each under Miri: whole archives, and each call of a run failing in turn.
const SKIPPED: &[&str] = &[
    "boot::directory::tests::failed_calls",
    "boot::initrd::",
    "answer::plan::",
    "decompress::",
    "references_have_28_bits",
    "large_ones_early",
];

/// Runs the tests, with one case of each property.
///
/// # Errors
/// When a test fails, or no nightly compiler with Miri is there.
pub(super) fn core() -> Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace()).args([
        "+nightly",
        "miri",
        "test",
        "--package",
        "depmod-core",
        "--lib",
        "--",
    ]);
    cargo.args(SKIPPED.iter().flat_map(|skipped| ["--skip", skipped]));
    cargo.env("CARGO_TARGET_DIR", target_dir().join("miri")).env("MIRIFLAGS", "-Zmiri-disable-isolation");
    cargo.env("PROPTEST_CASES", "1").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    let said = command::text(&mut cargo)
        .context("needs `rustup toolchain install nightly --component miri,rust-src`")?;
    let passed = said.lines().find_map(|line| line.strip_prefix("test result: ok. ")?.split_once(" passed"));
    let (passed, _) = passed.context("no result")?;
    ensure!(passed.parse::<usize>()? > 100, "only {passed} tests");
    Ok(format!("{passed} tests"))
}
