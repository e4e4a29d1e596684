//! `cargo xtask fuzz`: searches for inputs that crash a parser.
//!
//! The stable compiler adds libFuzzer's instrumentation, so neither a nightly toolchain nor cargo-fuzz is
//! needed. A crashing input is saved as a fixture, which every later test run replays.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use depmod_tests::command::{run, text};
use depmod_tests::fuzz::{seeds, target_names};
use depmod_tests::workspace;

/// The flags of `cargo fuzz`, without the address sanitizer: it is for the libraries in C (`tests/fuzz/build.rs`).
/// Our packages have no unsafe code.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// `TARGET… [SECONDS]`, or `--all [SECONDS]`, or `--check` to only build.
///
/// # Errors
/// When a target is unknown, cannot be built, or crashes.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let seconds = args.last().and_then(|arg| arg.parse::<u32>().ok()).unwrap_or(60);
    let chosen: Vec<&str> = if args.iter().any(|arg| arg == "--all" || arg == "--check") {
        target_names().collect()
    } else {
        args.iter().map(String::as_str).filter(|arg| arg.parse::<u32>().is_err()).collect()
    };
    if chosen.is_empty() {
        target_names().for_each(|name| println!("{name}"));
        return Ok(());
    }
    if let Some(unknown) = chosen.iter().find(|name| target_names().all(|target| target != **name)) {
        bail!("no fuzz target `{unknown}`; `cargo xtask fuzz` names them");
    }

    let version = text(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let fuzz = workspace().join("tests/fuzz");
    // With an explicit target, the flags do not apply to build scripts.
    let mut build = Command::new("cargo");
    build.current_dir(&fuzz).args(["build", "--release", "--target", host]).env("RUSTFLAGS", INSTRUMENTATION);
    build.env("CARGO_TARGET_DIR", fuzz.join("target"));
    // The libraries in C; only targets that use them are linked with the sanitizer.
    build.env(format!("CFLAGS_{}", host.replace('-', "_")), "-fsanitize=address");
    for name in &chosen {
        build.args(["--bin", name]);
    }
    run(&mut build)?;
    if args.iter().any(|arg| arg == "--check") {
        return Ok(());
    }

    let mut crashed = Vec::new();
    for name in chosen {
        println!("\n=== {name}, {seconds} s");
        let corpus = fuzz.join("corpus").join(name);
        let crashers = workspace().join("tests/fixtures/crashers").join(name);
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&crashers)?;
        for (number, seed) in seeds(name).into_iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed)?;
        }
        let mut fuzzer = Command::new(fuzz.join("target").join(host).join("release").join(name));
        fuzzer
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            // Leaks at exit are of no interest; usage errors are not printed.
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .args([
                "-close_fd_mask=3",
                "-timeout=10",
                "-rss_limit_mb=1024",
                "-max_len=65536",
                "-print_final_stats=1",
            ])
            .arg(format!("-artifact_prefix={}/", crashers.display()));
        if run(&mut fuzzer).is_err() {
            crashed.push(name);
        }
        // A directory without a crasher is not a fixture.
        let _ = fs::remove_dir(&crashers);
    }
    if crashed.is_empty() { Ok(()) } else { bail!("crashers were found for: {}", crashed.join(" ")) }
}
