//! `cargo xtask test`: all tests of the project, step by step.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use depmod_tests::command::run;
use depmod_tests::toolchain::{CrossCargo, Library};
use depmod_tests::{apt, target_dir, workspace};

/// A step: its name, its property, its body.
type Step = (&'static str, &'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("fmt", "the source is formatted", || run(cargo("fmt").args(["--all", "--check"]))),
    ("clippy", "clippy has no warnings", || {
        run(cargo("clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    (
        "features",
        "clippy has no warnings about libraries without features, or with any single feature",
        features,
    ),
    ("doc", "the documentation builds without warnings", || {
        run(cargo("doc").args(["--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("unit", "unit, property and conformance tests of all packages on this machine", || {
        run(cargo("test").arg("--workspace"))
    }),
    (
        "install",
        "an installation is complete: manual pages without warnings, their examples, completions in three shells",
        crate::install::test,
    ),
    ("no-alloc", "the tests of the core pass without an allocator", || {
        run(cargo("test").args(["--package", "depmod-core", "--no-default-features"]))
    }),
    ("bare-32", "the core and a lookup without allocator build for 32-bit bare metal", || {
        bare_metal("thumbv7em-none-eabihf")
    }),
    ("library", "the libraries' examples are short and work outside of the workspace", crate::library::main),
    ("c-library", "libdepmod's header is that of its source, and programs in C and Python use it", || {
        crate::c_library::test()
    }),
    ("publish", "the packages build from their published files", crate::builds::published::main),
    ("deny", "licences, versions and sources of all dependencies are as deny.toml says", crate::deny::main),
    (
        "big-endian",
        "on a big-endian processor (s390x, emulated) the core's tests pass and the command writes the same index",
        crate::builds::everywhere::big_endian,
    ),
    ("oldest", "the packages build with the oldest compiler that they promise", crate::builds::oldest::main),
    ("pure", "the command without native codecs: its own tests, and kmod's compressed modules", pure),
    ("fuzz", "all fuzz targets run for two seconds without a crash", || {
        crate::fuzz::main(&["--all".into(), "2".into()])
    }),
    ("faults", "a sample of failed system calls, kills and full disks damages no index", || {
        crate::faults::main(&["--sample".into()])
    }),
    ("differential", "150 random module directories give kmod's files, messages and status", || {
        crate::differential::main(&["150".into()])
    }),
    ("kernels", "our output equals kmod's on real kernels, and kmod's programs read it", || {
        crate::conformance::main(&KERNELS.map(str::to_owned))
    }),
    ("hooks", "the package for Debian, and kernel packages, initrds and DKMS with it: as with kmod", || {
        crate::package::check::short()?;
        crate::hooks::main(&[])
    }),
    ("instructions", "the command executes as many instructions as recorded, ±1 %", || {
        crate::instructions::main(&[])
    }),
    ("size", "static builds of the command are small", || crate::size::main(&[])),
    ("efi", "the firmware program builds for each architecture and is small", || {
        depmod_tests::efi::architectures()?
            .into_iter()
            .try_for_each(|arch| crate::efi::main(&["--arch".into(), arch]))
    }),
    ("boot", "firmware starts real kernels with initrds from the program", || {
        crate::boot::main(&[crate::boot::SHORT.into()])
    }),
];

/// Kernels of the tests; `cargo xtask soak kernels` takes all.
const KERNELS: [&str; 3] = ["bookworm-amd64", "trixie-cloud-amd64", "sid-amd64"];

/// Directories of the libraries.
const LIBRARIES: [&str; 2] = ["core", "host-cli"];

/// Runs the steps named in `args`, or all. After a failed step, the other steps still run.
///
/// # Errors
/// When a step is unknown or fails.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--list") {
        for (name, about, _) in STEPS {
            println!("{name:12} {about}");
        }
        return Ok(());
    }
    if let Some(unknown) = args.iter().find(|arg| STEPS.iter().all(|(name, _, _)| name != arg)) {
        bail!("no step `{unknown}`; `cargo xtask test --list` names them");
    }
    // Programs that the tests call besides the base system.
    apt::install(&[
        "cpio",
        "fakechroot",
        "g++",
        "gzip",
        "jq",
        "lz4",
        "python3",
        "python3-jsonschema",
        "xz-utils",
        "zstd",
    ])?;
    let chosen = |name: &str| args.is_empty() || args.iter().any(|arg| arg == name);
    let mut failed: Vec<(&str, String)> = Vec::new();
    let mut passed = 0;
    for (name, about, step) in STEPS.iter().filter(|(name, _, _)| chosen(name)) {
        println!("\n=== {name}: {about}");
        let start = Instant::now();
        match step() {
            Ok(()) => {
                passed += 1;
                println!("=== {name}: passed in {:.1} s", start.elapsed().as_secs_f64());
            }
            Err(error) => {
                let why = format!("=== {name}: FAILED: {error:#}");
                println!("{why}");
                failed.push((*name, why));
            }
        }
    }
    println!("\nsteps: {passed} passed, {} failed", failed.len());
    if failed.is_empty() {
        return Ok(());
    }
    // Again at the end, as what stands before may be megabytes away.
    let (names, reasons): (Vec<_>, Vec<_>) = failed.into_iter().unzip();
    bail!("failed: {}\n{}", names.join(" "), reasons.join("\n"))
}

fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace()).arg(subcommand);
    cargo
}

/// Lints each library without features, then with each feature alone.
fn features() -> Result<()> {
    let mut failed = Vec::new();
    for library in LIBRARIES {
        let manifest = fs::read_to_string(workspace().join(library).join("Cargo.toml"))?;
        let manifest: toml::Table = manifest.parse()?;
        let package = manifest["package"]["name"].as_str().context("a package has a name")?;
        let features = manifest["features"].as_table().context("a library has features")?;
        // The system's libraries may be too old here; their code is that of the others, and `soak trixie` links them.
        let alone = features
            .keys()
            .map(String::as_str)
            .filter(|feature| !["default", "system-codecs"].contains(feature));
        for feature in core::iter::once("").chain(alone) {
            let what = format!("{package} {}", if feature.is_empty() { "alone" } else { feature });
            println!("{what}");
            let features = ["--package", package, "--no-default-features", "--features", feature];
            let mut clippy = cargo("clippy");
            if run(clippy.arg("--quiet").args(features).args(["--", "-D", "warnings"])).is_err() {
                failed.push(what);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("lints fire: {}", failed.join(", ")) }
}

/// Builds the core with an allocator and all codecs, the core without, and an example without allocator.
///
/// # Errors
/// When there is no toolchain, or a build fails.
pub(crate) fn bare_metal(target: &str) -> Result<()> {
    let cross = CrossCargo::find_or_install(target, Library::Alloc)?;
    println!("using {}", cross.describe());
    run(cross.command("build").args(["--package", "depmod-core"]))?;
    run(cross.command("build").args(["--package", "depmod-core", "--no-default-features"]))?;
    crate::library::without_allocator(&cross)
}

fn pure() -> Result<()> {
    let features = ["--package", "depmod", "--no-default-features", "--features", "cli"];
    run(cargo("test").args(features))?;
    // A separate directory, so that neither build replaces the other.
    let dir = target_dir().join("pure");
    run(cargo("build").args(features).arg("--target-dir").arg(&dir))?;
    run(cargo("test")
        .args(["--package", "depmod-tests", "--test", "conformance", "codecs"])
        .env("DEPMOD_BIN", dir.join("debug/depmod")))
}
