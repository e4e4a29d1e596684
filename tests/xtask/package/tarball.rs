//! The static command with its manual as an archive for any Linux, the same bytes wherever it is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::clean_root::as_root;
use depmod_tests::{command, target_dir, workspace};

use super::description::version;
use super::{deb, program};

/// Architectures with a test.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// Makes the archive for `--arch ARCH`, or this machine's, and prints its path.
///
/// # Errors
/// When the build fails.
pub(super) fn main(args: &[String]) -> Result<()> {
    let arch = match args {
        [] => std::env::consts::ARCH,
        [option, arch] if option == "--arch" => arch,
        _ => bail!("usage: cargo xtask package tarball [--arch {}]", ARCHITECTURES.join("|")),
    };
    println!("{}", make(arch, workspace())?.display());
    Ok(())
}

/// Makes the archive from the sources in this directory.
fn make(arch: &str, sources: &Path) -> Result<PathBuf> {
    let program = program::musl(arch, sources)?;
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
    let to = if sources == workspace() { target_dir().join("packages") } else { sources.join("target") };
    fs::create_dir_all(&to)?;
    let to = to.join(format!("{name}.tar.xz"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]);
    tar.args(["--mode=u+rwX,go+rX,go-w", &format!("--mtime=@{}", deb::changed()?)]);
    tar.args(["--use-compress-program=xz -9 --threads=1", "--file"]).arg(&to);
    command::run(tar.arg("--directory").arg(work.path()).arg(&name))?;
    Ok(to)
}

/// From two directories of different names the same bytes, for each architecture; and the program runs in a root
/// directory without any other file.
///
/// # Errors
/// When a build fails, archives differ, or the program does not run.
pub(crate) fn same_bytes() -> Result<String> {
    let mut told = Vec::new();
    for arch in ARCHITECTURES {
        let mut archives = Vec::new();
        for name in ["one", "a-second-directory-with-a-longer-name"] {
            let directory = tempfile::Builder::new().prefix("depmod-").suffix(name).tempdir()?;
            crate::builds::copy_workspace(directory.path())?;
            archives.push(fs::read(make(arch, directory.path())?)?);
        }
        ensure!(archives[0] == archives[1], "the archives for {arch} differ");
        told.push(format!("{arch}: {} bytes", archives[0].len()));
    }
    in_an_empty_root(&make(std::env::consts::ARCH, workspace())?)?;
    Ok(format!("equal from two directories: {}", told.join(", ")))
}

fn in_an_empty_root(archive: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    command::run(
        Command::new("tar").args(["--strip-components=1", "-C"]).arg(root.path()).arg("-xf").arg(archive),
    )?;
    let modules = root.path().join("lib/modules/6.1");
    fs::create_dir_all(&modules)?;
    command::output(as_root("chroot").arg(root.path()).args(["/depmod", "6.1"]))?;
    ensure!(modules.join("modules.dep.bin").exists(), "no index");
    Ok(())
}
