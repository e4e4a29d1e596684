//! `cargo xtask size`: checks the sizes of static builds of the command.
//!
//! All builds use the profile `small` and musl: glibc alone would be half of the program. The additional
//! flags only cost address randomization and backtraces of crashes.

use std::process::Command;

use anyhow::{Context, Result, bail};
use depmod_tests::toolchain::{CrossCargo, Library, without_build_paths};
use depmod_tests::{apt, command, workspace};

/// Name, additional arguments of cargo, maximum size in bytes.
const BUILDS: [(&str, &[&str], u64); 3] = [
    ("native codecs", &["--no-default-features", "--features", "cli,native-codecs"], 3 << 19),
    ("pure Rust with answers", &["--no-default-features", "--features", "answers"], 3 << 19),
    // Last, because recovery images use this build and it remains in the target directory.
    ("pure Rust", &["--no-default-features", "--features", "cli"], 1 << 20),
];

/// Builds them for this machine's architecture, stripped and statically linked, and checks their sizes.
///
/// # Errors
/// When a build fails or is too large.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("usage: cargo xtask size");
    }
    // musl's headers for the C codecs.
    apt::install(&["musl-tools"])?;
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let cross = CrossCargo::find_or_install(&target, Library::Std)?;
    let program = cross.artifacts("small").join("depmod");
    let mut large = Vec::new();
    for (name, options, most) in BUILDS {
        let mut build = cross.command("build");
        build.args(["--quiet", "--package", "depmod", "--profile", "small"]).args(options);
        command::run(build.env("RUSTFLAGS", flags()))?;
        command::output(Command::new(&program).arg("--version")).context("the built program does not run")?;
        let size = program.metadata().with_context(|| program.display().to_string())?.len();
        println!("{size:8} of at most {most} bytes: static, {name}");
        large.extend((size > most).then_some(name));
    }
    println!("{}", program.display());
    if large.is_empty() { Ok(()) } else { bail!("too large: {}", large.join("; ")) }
}

fn flags() -> String {
    let script = workspace().join("tests/xtask/no-unwind-tables.ld");
    let flags = [
        "target-feature=+crt-static".to_owned(),
        // Position-independent programs have a table of all pointers in their data.
        "relocation-model=static".to_owned(),
        // Turns equal tails and sequences of instructions into functions.
        "llvm-args=-enable-machine-outliner=always".to_owned(),
        format!("link-arg=-Wl,-T,{}", script.display()),
        // Code, constants and headers are contiguous, without page alignment.
        "link-arg=-Wl,-z,noseparate-code".to_owned(),
        // musl's start code does not make this segment read-only, so it only costs a gap in the file.
        "link-arg=-Wl,-z,norelro".to_owned(),
        // The same for the gap that keeps data off the last page of the constants.
        "link-arg=-Wl,-z,common-page-size=64".to_owned(),
        // A build ID only leads to debugging information, which these builds lack.
        "link-arg=-Wl,--build-id=none".to_owned(),
    ];
    let flags = flags.map(|flag| format!("-C {flag}")).join(" ");
    // SHA-256 as a loop instead of 64 unrolled rounds: nine kilobytes.
    format!("{flags} --cfg sha2_backend_soft=\"compact\" {}", without_build_paths())
}
