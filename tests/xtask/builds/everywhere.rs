//! The command on other processors, emulated: the same index files, to the byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::bench::generated;
use depmod_tests::command::run;
use depmod_tests::debian::{self, Kernel};
use depmod_tests::toolchain::{CrossCargo, Library};
use depmod_tests::{apt, product};

/// A target: how Debian's cross compiler and the emulator call its processor, its C library's package, and
/// whether the command has the C codecs there.
struct Target {
    triple: &'static str,
    compiler: &'static str,
    libc: &'static str,
    emulator: &'static str,
    codecs: bool,
}

const fn gnu(
    triple: &'static str,
    compiler: &'static str,
    libc: &'static str,
    emulator: &'static str,
) -> Target {
    Target { triple, compiler, libc, emulator, codecs: true }
}

/// Statically linked; Debian has no C compiler for musl on other processors, so without the C codecs.
const fn musl(
    triple: &'static str,
    compiler: &'static str,
    libc: &'static str,
    emulator: &'static str,
) -> Target {
    Target { triple, compiler, libc, emulator, codecs: false }
}

const S390X: Target = gnu("s390x-unknown-linux-gnu", "s390x-linux-gnu", "libc6-dev-s390x-cross", "s390x");

const AARCH64: Target =
    gnu("aarch64-unknown-linux-gnu", "aarch64-linux-gnu", "libc6-dev-arm64-cross", "aarch64");

const TARGETS: [Target; 9] = [
    S390X,
    AARCH64,
    gnu("armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf", "libc6-dev-armhf-cross", "arm"),
    gnu("riscv64gc-unknown-linux-gnu", "riscv64-linux-gnu", "libc6-dev-riscv64-cross", "riscv64"),
    gnu("i686-unknown-linux-gnu", "i686-linux-gnu", "libc6-dev-i386-cross", "i386"),
    musl("aarch64-unknown-linux-musl", "aarch64-linux-gnu", "libc6-dev-arm64-cross", "aarch64"),
    musl("armv7-unknown-linux-musleabihf", "arm-linux-gnueabihf", "libc6-dev-armhf-cross", "arm"),
    musl("riscv64gc-unknown-linux-musl", "riscv64-linux-gnu", "libc6-dev-riscv64-cross", "riscv64"),
    musl("i686-unknown-linux-musl", "i686-linux-gnu", "libc6-dev-i386-cross", "i386"),
];

/// The core's tests on every target for which a standard library can be had, and a real kernel's index.
///
/// # Errors
/// When a build, a test or a comparison fails.
pub(crate) fn main() -> Result<String> {
    let kernels = [debian::kernel("bookworm-cloud-amd64")?, debian::kernel("trixie-cloud-amd64")?];
    let host = kernels.iter().map(|kernel| index(product::depmod(), kernel)).collect::<Result<Vec<_>>>()?;
    let (mut passed, mut without) = (Vec::new(), Vec::new());
    for target in &TARGETS {
        let cross = match target.toolchain() {
            Ok(cross) => cross,
            // A musl that no toolchain here brings along.
            Err(error) if !target.codecs => {
                println!("{}: no standard library: {error:#}", target.triple);
                without.push(target.triple);
                continue;
            }
            Err(error) => return Err(error),
        };
        target.core_tests(&cross)?;
        let program = target.command(&cross, if target.codecs { &[] } else { PURE })?;
        for (kernel, host) in kernels.iter().zip(&host) {
            target.same_files(&program, kernel, host)?;
        }
        println!(
            "{}: the core's tests pass, the index of {} kernels is the same",
            target.triple,
            kernels.len()
        );
        passed.push(target.triple);
    }
    let without =
        if without.is_empty() { String::new() } else { format!("; not to be had: {}", without.join(" ")) };
    Ok(format!("{} targets: {}{without}", passed.len(), passed.join(" ")))
}

/// The core's tests and the index of generated modules on a big-endian processor.
///
/// # Errors
/// As [`main`].
pub(crate) fn big_endian() -> Result<()> {
    let cross = S390X.toolchain()?;
    println!("using {}", cross.describe());
    S390X.core_tests(&cross)?;
    let dir = tempfile::Builder::new().prefix("depmod-endian-").tempdir()?;
    let kernel = generated::kernel(dir.path().join("root"), 300, generated::REAL)?;
    let program = S390X.command(&cross, &["--no-default-features", "--features", "cli"])?;
    S390X.same_files(&program, &kernel, &index(product::depmod(), &kernel)?)
}

/// The command's release build for AArch64, and the directory of that processor's libraries.
///
/// # Errors
/// When there is no toolchain, or the build fails.
pub(crate) fn aarch64_release() -> Result<(PathBuf, String)> {
    let cross = AARCH64.toolchain()?;
    run(AARCH64.cargo(&cross, "build").args(["--quiet", "--release", "--package", "depmod"]))?;
    let [.., libraries] = AARCH64.emulator();
    Ok((cross.artifacts("release").join("depmod"), libraries))
}

const PURE: &[&str] = &["--no-default-features", "--features", "answers,progress-bar"];

impl Target {
    fn toolchain(&self) -> Result<CrossCargo> {
        apt::install(&[&format!("gcc-{}", self.compiler), self.libc, "qemu-user-static"])?;
        if self.codecs {
            CrossCargo::find_or_install(self.triple, Library::Std)
        } else {
            CrossCargo::precompiled(self.triple, Library::Std)
        }
    }

    fn cargo(&self, cross: &CrossCargo, subcommand: &str) -> Command {
        let compiler = format!("{}-gcc", self.compiler);
        let mut cargo = cross.command(subcommand);
        cargo
            .env(cross.variable("LINKER"), &compiler)
            .env(cross.variable("RUNNER"), self.emulator().join(" "));
        cargo.env(format!("CC_{}", self.triple.replace('-', "_")), compiler);
        cargo
    }

    /// The emulator and where the processor's libraries are.
    fn emulator(&self) -> [String; 3] {
        [format!("qemu-{}-static", self.emulator), "-L".to_owned(), format!("/usr/{}", self.compiler)]
    }

    fn core_tests(&self, cross: &CrossCargo) -> Result<()> {
        let mut test = self.cargo(cross, "test");
        run(test.args(["--quiet", "--package", "depmod-core", "--lib", "--tests"]))
    }

    /// Builds the command.
    fn command(&self, cross: &CrossCargo, features: &[&str]) -> Result<PathBuf> {
        run(self.cargo(cross, "build").args(["--quiet", "--package", "depmod"]).args(features))?;
        Ok(cross.artifacts("debug").join("depmod"))
    }

    /// Indexes a kernel with the program, and compares the files.
    fn same_files(&self, program: &Path, kernel: &Kernel, host: &[(String, Vec<u8>)]) -> Result<()> {
        let [emulator, words @ ..] = self.emulator();
        let mut emulated = Command::new(emulator);
        emulated.args(words).arg(program);
        let files = index(emulated, kernel).with_context(|| self.triple)?;
        if let Some((name, _)) =
            files.iter().zip(host).find(|(ours, theirs)| ours != theirs).map(|(ours, _)| ours)
        {
            bail!("{}: {name} differs", self.triple);
        }
        ensure!(files.len() == host.len(), "{}: {} files, not {}", self.triple, files.len(), host.len());
        Ok(())
    }
}

/// Names and bytes of the files that a program makes of a kernel.
fn index(mut program: Command, kernel: &Kernel) -> Result<Vec<(String, Vec<u8>)>> {
    let out = tempfile::Builder::new().prefix("depmod-index-").tempdir()?;
    program.args(["-C", "/dev/null", "--no-cache", "-b"]).arg(&kernel.root).arg("-o").arg(out.path());
    run(program.arg(&kernel.version))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(out.path().join("lib/modules").join(&kernel.version))? {
        let entry = entry?;
        files.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
    }
    files.sort();
    ensure!(files.len() == 11, "{} files", files.len());
    Ok(files)
}
