//! `cargo xtask size`: are the static builds of the command small enough?
//!
//! Both use the profile `small` and musl, for glibc alone would be half of the program. The flags beside
//! cost nothing but addresses that differ from run to run and the backtrace of a crash.

use std::process::Command;

use anyhow::{Context, Result, bail};
use depmod_tests::toolchain::{CrossCargo, Library};
use depmod_tests::{apt, command, workspace};

/// Name, what cargo is told besides, most bytes.
const BUILDS: [(&str, &[&str], u64); 2] = [
    ("native codecs", &[], 3 << 19),
    // Last: what this build leaves behind is what recovery images want.
    ("pure Rust", &["--no-default-features", "--features", "cli"], 1 << 20),
];

/// Builds both for this machine's processor, stripped and linked statically, and compares their sizes.
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
        command::output(Command::new(&program).arg("--version")).context("what was built does not run")?;
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
        // Position-independent programs carry a table of every pointer in their data.
        "relocation-model=static".to_owned(),
        // Equal tails and sequences of instructions become functions.
        "llvm-args=-enable-machine-outliner=always".to_owned(),
        format!("link-arg=-Wl,-T,{}", script.display()),
        // Code, constants and headers follow one another without filling up pages.
        "link-arg=-Wl,-z,noseparate-code".to_owned(),
        // Leads to debugging information, of which there is none.
        "link-arg=-Wl,--build-id=none".to_owned(),
    ];
    flags.map(|flag| format!("-C {flag}")).join(" ")
}
