//! Finding a compiler for a target other than this machine.
//!
//! The standard library of a target has three possible sources, in this order:
//!
//! 1. the toolchain in use, after `rustup target add` (a precompiled library);
//! 2. its `rust-src` component, from which cargo builds the library (`-Zbuild-std`);
//! 3. Debian's `rustc-web`, `cargo-web` and `rust-web-src`, which have the same version and so always match.
//!    They need their own target directory; otherwise the two compilers invalidate each other's builds.
//!
//! ```no_run
//! use depmod_tests::toolchain::{CrossCargo, Library};
//!
//! let cargo = CrossCargo::find("x86_64-unknown-uefi", Library::Alloc)?;
//! depmod_tests::command::run(cargo.command("build").args(["--release", "--package", "depmod-uefi"]))?;
//! let program = cargo.artifacts("release").join("depmod-efi.efi");
//! # anyhow::Ok(())
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::{apt, command, target_dir, workspace};

/// The part of the standard library that a build needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `core` and `alloc`: bare metal and firmware.
    Alloc,
    /// All of `std`: a test run under emulation.
    Std,
}

/// A toolchain for one target.
#[derive(Clone, Debug)]
pub struct CrossCargo {
    target: String,
    library: Library,
    source: Source,
}

/// Source of the target's standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Precompiled,
    RustSrc,
    Debian,
}

const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

impl CrossCargo {
    /// Finds a toolchain for `target`.
    ///
    /// # Errors
    /// When there is none; the message names the package to install.
    pub fn find(target: &str, library: Library) -> Result<Self> {
        let source = if precompiled(target) {
            Source::Precompiled
        } else if sysroot().is_some_and(|root| has_source(&root)) {
            Source::RustSrc
        } else if Path::new("/usr/bin/cargo").exists() && has_source(Path::new("/usr")) {
            Source::Debian
        } else {
            bail!(
                "nothing here builds for {target}: `rustup target add {target}`, or install Debian's {}",
                DEBIAN_PACKAGES.join(" ")
            );
        };
        Ok(Self { target: target.to_owned(), library, source })
    }

    /// A toolchain with its own library for `target`, which rustup installs if it is missing.
    ///
    /// # Errors
    /// When there is none.
    pub fn precompiled(target: &str, library: Library) -> Result<Self> {
        if !precompiled(target) {
            command::output(Command::new("timeout").args(["120", "rustup", "target", "add", target]))?;
            ensure!(precompiled(target), "rustup added {target}, but it is not there");
        }
        Self::find(target, library)
    }

    /// Like [`CrossCargo::find`], but installs a missing toolchain: rustup's target if rustup can get it,
    /// else Debian's packages.
    ///
    /// # Errors
    /// When neither can be installed.
    pub fn find_or_install(target: &str, library: Library) -> Result<Self> {
        if let Ok(found) = Self::precompiled(target, library).or_else(|_| Self::find(target, library)) {
            return Ok(found);
        }
        apt::install(&DEBIAN_PACKAGES)?;
        Self::find(target, library)
    }

    /// `cargo SUBCOMMAND --target …` with the settings of this target; the caller adds packages, profile and
    /// features.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut cargo = match self.source {
            // The proxy's name, which keeps the toolchain in use.
            Source::Precompiled | Source::RustSrc => Command::new("cargo"),
            Source::Debian => {
                // All of Debian's tools must come first: a mixture of two toolchains breaks doctests (rustdoc
                // of one, libraries of the other).
                let mut cargo = Command::new("/usr/bin/cargo");
                let path = std::env::var_os("PATH").unwrap_or_default();
                let paths = core::iter::once(PathBuf::from("/usr/bin")).chain(std::env::split_paths(&path));
                cargo.env("PATH", std::env::join_paths(paths).unwrap_or(path.clone()));
                for foreign in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
                    cargo.env_remove(foreign);
                }
                cargo.env("CARGO_TARGET_DIR", self.target_dir());
                cargo
            }
        };
        cargo.current_dir(workspace()).arg(subcommand).args(["--target", &self.target]);
        if self.source != Source::Precompiled {
            cargo.env("RUSTC_BOOTSTRAP", "1");
            match self.library {
                Library::Alloc => cargo.args([
                    "-Zbuild-std=core,alloc,compiler_builtins",
                    "-Zbuild-std-features=compiler-builtins-mem",
                ]),
                Library::Std => cargo.arg("-Zbuild-std"),
            };
        }
        if self.target.ends_with("-uefi") && self.source == Source::Debian {
            cargo.env(self.variable("LINKER"), coff_linker());
        }
        cargo
    }

    /// Name of the environment variable `CARGO_TARGET_<TRIPLE>_<WHAT>`.
    pub fn variable(&self, what: &str) -> String {
        format!("CARGO_TARGET_{}_{what}", self.target.to_uppercase().replace('-', "_"))
    }

    /// The directory with the results of a build with `profile` (`release`, `debug`, …).
    pub fn artifacts(&self, profile: &str) -> PathBuf {
        self.target_dir().join(&self.target).join(profile)
    }

    /// The toolchain, for messages.
    pub fn describe(&self) -> &'static str {
        match self.source {
            Source::Precompiled => "the toolchain's own library for the target",
            Source::RustSrc => "the toolchain's rust-src",
            Source::Debian => "Debian's rustc-web with rust-web-src",
        }
    }

    fn target_dir(&self) -> PathBuf {
        match self.source {
            Source::Debian => target_dir().join("debian"),
            Source::Precompiled | Source::RustSrc => target_dir(),
        }
    }
}

/// Flags of rustc that take this machine's directories out of a program: messages of panics have the paths of
/// their sources. Two machines with one toolchain then build the same bytes.
pub fn without_build_paths() -> String {
    remapped_paths().join(" ")
}

/// Lets a build of cargo leave these paths out of programs, too, and keeps the flags of the environment.
pub fn hide_build_paths(build: &mut Command) {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = flags.split_whitespace().map(str::to_owned).chain(remapped_paths());
    // Paths can contain spaces.
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.collect::<Vec<_>>().join("\u{1f}"));
}

fn remapped_paths() -> Vec<String> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let mut flags = vec![format!("--remap-path-prefix={}=depmod", workspace().display())];
    flags.extend(
        cargo_home.or(home).map(|directory| format!("--remap-path-prefix={}=cargo", directory.display())),
    );
    flags
}

/// Whether the toolchain in use has a compiled library for `target`. rustc prints a directory even for
/// targets that are not installed, so this looks for the library itself.
fn precompiled(target: &str) -> bool {
    let Ok(dir) = command::text(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))
    else {
        return false;
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

fn sysroot() -> Option<PathBuf> {
    command::text(Command::new("rustc").args(["--print", "sysroot"])).ok().map(PathBuf::from)
}

fn has_source(root: &Path) -> bool {
    root.join("lib/rustlib/src/rust/library/core").is_dir()
}

/// Debian's rustc has no `rust-lld`; its lld packages have the same linker under versioned names.
fn coff_linker() -> PathBuf {
    let named = ["lld-link-22", "lld-link-21", "lld-link-20", "lld-link-19", "lld-link"];
    if let Some(found) = named.into_iter().find(|name| command::exists(name)) {
        return found.into();
    }
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    sysroot().unwrap_or_default().join("lib/rustlib").join(host).join("bin/rust-lld")
}
