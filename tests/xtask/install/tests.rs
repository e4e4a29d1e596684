//! The tests: an installation into a directory, its manual pages, their examples, and completions in real shells.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::{apt, command, target_dir, workspace};

use super::{examples, main, pages, shells};

/// What an installation has below its prefix, without the manual pages of commands.
const INSTALLED: [&str; 8] = [
    "sbin/depmod",
    "share/bash-completion/completions/depmod",
    "share/fish/vendor_completions.d/depmod.fish",
    "share/man/man5/depmod.d.5",
    "share/man/man5/modules.dep.5",
    "share/man/man7/depmod.efi.7",
    "share/man/man8/depmod.8",
    "share/zsh/site-functions/_depmod",
];

/// The step `install` of `cargo xtask test`.
///
/// # Errors
/// When a file is missing, a page has a warning, an example fails, or a shell completes something else.
pub(crate) fn test() -> Result<()> {
    apt::install(&[
        "bash-completion",
        "efibootmgr",
        "fish",
        "graphviz",
        "jq",
        "man-db",
        "util-linux",
        "xz-utils",
        "zsh",
        "zstd",
    ])?;
    let destdir = tempfile::tempdir()?;
    // Twice: a program that is there is replaced.
    for _ in 0..2 {
        install(destdir.path(), &["--prefix", "/usr"])?;
    }
    let prefix = destdir.path().join("usr");
    for file in INSTALLED {
        ensure!(prefix.join(file).is_file(), "{file} was not installed");
    }
    let program = prefix.join("sbin/depmod");
    ensure!(program.metadata()?.permissions().mode() & 0o777 == 0o755, "the program is not executable");
    let version = command::text(Command::new(&program).arg("-V"))?;
    ensure!(version.ends_with("\nmodule directory: /lib/modules"), "{version}");
    let manual = prefix.join("share/man");
    pages::check(&manual)?;
    let system = examples::System::new(&program)?;
    system.run(&manual)?;
    shells::check(&prefix.join("share"), system.root(), system.version())
}

fn install(destdir: &Path, more: &[&str]) -> Result<()> {
    let words = [&["--debug", "--destdir", destdir.to_str().context("a path is UTF-8")?], more].concat();
    main(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
}

/// A second build with another module directory, and an installation from the package: `cargo xtask soak install`.
///
/// # Errors
/// When the directory is not used or not shown, or the package does not install.
pub(crate) fn module_directory() -> Result<()> {
    let destdir = tempfile::tempdir()?;
    install(destdir.path(), &["--prefix", "/usr", "--moduledir", "/usr/lib/modules", "--efi"])?;
    let prefix = destdir.path().join("usr");
    ensure!(prefix.join("lib/depmod-efi/depmod.efi").is_file(), "no firmware program");
    let program = prefix.join("sbin/depmod");
    let version = command::text(Command::new(&program).arg("-V"))?;
    ensure!(version.ends_with("\nmodule directory: /usr/lib/modules"), "{version}");
    let help = command::text(Command::new(&program).arg("--help"))?;
    ensure!(help.contains("[default: /usr/lib/modules]"), "{help}");
    let page = fs::read_to_string(prefix.join("share/man/man8/depmod.8"))?;
    ensure!(page.contains("[default: /usr/lib/modules]"), "the page has another directory");
    let modules = prefix.join("lib/modules/6.1.0");
    fs::create_dir_all(modules.join("kernel"))?;
    let base = destdir.path().to_str().context("a path is UTF-8")?;
    command::output(Command::new(&program).args(["-b", base, "-C", "/dev/null", "6.1.0"]))?;
    ensure!(modules.join("modules.dep.bin").is_file(), "no index below usr/lib/modules");
    from_package()
}

/// `cargo install` from the file that is published, with the setting of the module directory.
fn from_package() -> Result<()> {
    let cargo = |words: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(workspace()).args(words);
        command::run(&mut cargo)
    };
    cargo(&["package", "--allow-dirty", "--no-verify", "--package", "depmod-core", "--package", "depmod"])?;
    let root = tempfile::tempdir()?;
    let unpacked = tempfile::tempdir()?;
    for package in ["depmod-core", "depmod"] {
        let file = format!("{package}-{}.crate", env!("CARGO_PKG_VERSION"));
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(target_dir().join("package").join(file)).arg("-C").arg(unpacked.path());
        command::run(&mut tar)?;
    }
    let package = |name: &str| unpacked.path().join(format!("{name}-{}", env!("CARGO_PKG_VERSION")));
    // Not published yet.
    let core = format!("patch.crates-io.depmod-core.path='{}'", package("depmod-core").display());
    let mut install = Command::new("cargo");
    install
        .current_dir(unpacked.path())
        .env("DEPMOD_MODULE_DIRECTORY", "/usr/lib/modules")
        .args(["install", "--debug", "--config", &core, "--root"])
        .arg(root.path());
    command::run(
        install.arg("--path").arg(package("depmod")).arg("--target-dir").arg(target_dir().join("package")),
    )?;
    let version = command::text(Command::new(root.path().join("bin/depmod")).arg("-V"))?;
    ensure!(version.starts_with("depmod ") && version.ends_with(": /usr/lib/modules"), "{version}");
    println!("cargo install: {version}");
    Ok(())
}
