//! The static command with its manual as an archive for any Linux, the same bytes wherever it is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::clean_root::as_root;
use depmod_tests::{command, target_dir, workspace};

use super::description::version;
use super::program::{self, Elsewhere};
use super::{check, deb};
use crate::builds::{copy_registry, copy_workspace};

/// Makes the archive for `--arch ARCH`, or this machine's, and prints its path.
///
/// # Errors
/// When the build fails.
pub(super) fn main(args: &[String]) -> Result<()> {
    let arch = match args {
        [] => std::env::consts::ARCH,
        [option, arch] if option == "--arch" => arch,
        _ => bail!("usage: cargo xtask package tarball [--arch x86_64|aarch64]"),
    };
    println!("{}", make(arch, None)?.display());
    Ok(())
}

/// Makes the archive, from another checkout below its target directory.
fn make(arch: &str, elsewhere: Option<Elsewhere<'_>>) -> Result<PathBuf> {
    let program = program::musl(arch, elsewhere)?;
    let (sources, target) = match elsewhere {
        Some(elsewhere) => (elsewhere.checkout, elsewhere.checkout.join("target")),
        None => (workspace(), target_dir()),
    };
    let name = format!("depmod-{}-{arch}-linux", version()?);
    let work = tempfile::tempdir()?;
    let tree = work.path().join(&name);
    for (part, below) in [("man", "man"), ("completions", "completions")] {
        let to = tree.join(below);
        fs::create_dir_all(&to)?;
        let to = to.to_str().context("a path in UTF-8")?.to_owned();
        match part {
            "man" => crate::install::man(&[to])?,
            _ => crate::install::completions(&[to])?,
        }
    }
    fs::copy(program, tree.join("depmod"))?;
    for text in ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"] {
        fs::copy(sources.join(text), tree.join(text))?;
    }
    let to = target.join("packages");
    fs::create_dir_all(&to)?;
    let to = to.join(format!("{name}.tar.xz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    tar.args(["--mode=u+rwX,go+rX,go-w", &format!("--mtime=@{}", deb::changed()?)]);
    tar.args(["--use-compress-program=xz -9 --threads=1", "--file"]).arg(&to);
    command::run(tar.arg("--directory").arg(work.path()).arg(&name))?;
    Ok(to)
}

/// With checkout, cargo's home and target in directories of other names and lengths the same bytes, and nothing of these
/// directories in them; this processor's program runs in a root directory without any other file.
///
/// # Errors
/// When a build fails, archives differ, or the program does not run.
pub(crate) fn same_bytes(arch: &str) -> Result<String> {
    let mut archives = Vec::new();
    for name in ["one", "a-second-directory-with-a-longer-name"] {
        let directory = tempfile::Builder::new().prefix("depmod-").suffix(name).tempdir()?;
        let (checkout, home) = (directory.path().join("checkout"), directory.path().join("home"));
        copy_workspace(&checkout)?;
        copy_registry(&home)?;
        let archive = make(arch, Some(Elsewhere { checkout: &checkout, cargo_home: &home }))?;
        let unpacked = tempfile::tempdir()?;
        let mut tar = Command::new("tar");
        tar.args(["--strip-components=1", "-C"]).arg(unpacked.path()).arg("-xf").arg(&archive);
        command::run(&mut tar)?;
        check::has_no_path_of(&fs::read(unpacked.path().join("depmod"))?, &[directory.path()])?;
        if arch == std::env::consts::ARCH {
            in_an_empty_root(unpacked.path())?;
        }
        archives.push(fs::read(archive)?);
    }
    ensure!(archives[0] == archives[1], "the archives for {arch} differ");
    Ok(format!("two archives for {arch} of {} bytes are equal", archives[0].len()))
}

/// The static program indexes a module directory of this root.
fn in_an_empty_root(root: &Path) -> Result<()> {
    let modules = root.join("lib/modules/6.1");
    fs::create_dir_all(&modules)?;
    command::output(as_root("chroot").arg(root).args(["/depmod", "6.1"]))?;
    ensure!(modules.join("modules.dep.bin").exists(), "no index");
    Ok(())
}
