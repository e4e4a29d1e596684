//! Packages in clean roots: installed, used, removed, purged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::clean_root::{Base, CleanRoot};
use depmod_tests::{apt, command, workspace};

use super::{deb, recipes};
use crate::builds::cargo_home;
use crate::hooks::TRIXIE;

const SID: Base = Base { name: "root-sid", suite: "sid", packages: &["kmod"] };

/// The package of the command on Debian 13, whose root the hooks' test shares.
///
/// # Errors
/// When anything is not as it should be.
pub(crate) fn short() -> Result<()> {
    diverts(&TRIXIE)
}

/// All packages on Debian 13 and unstable.
///
/// # Errors
/// When anything is not as it should be.
pub(crate) fn all() -> Result<String> {
    lint()?;
    recipes::check()?;
    for base in [TRIXIE, SID] {
        println!("{}", base.name);
        diverts(&base)?;
        static_command(&base)?;
    }
    Ok("installed, used, verified, removed and purged on Debian 13 and unstable".to_owned())
}

/// What lintian calls errors, but for what no file of a source package can be.
fn lint() -> Result<()> {
    apt::install(&["lintian"])?;
    for package in ["depmod", "depmod-static", "depmod-efi"] {
        let mut lintian = Command::new("lintian");
        lintian.args(["--allow-root", "--fail-on", "error", "--suppress-tags", "diversion-for-unknown-file"]);
        println!("{}", command::text(lintian.arg(deb::build(package)?))?);
    }
    Ok(())
}

/// kmod's depmod makes room and comes back; nothing else stays.
fn diverts(base: &Base) -> Result<()> {
    let root = base.root()?;
    let before = paths(&root)?;
    root.put(&deb::build("depmod")?, "/root/depmod.deb")?;
    // Twice, because installing over itself is an upgrade.
    for _ in 0..2 {
        root.run("dpkg --install /root/depmod.deb")?;
        verify(&root, "depmod kmod")?;
    }
    root.run("rm /root/depmod.deb")?;
    ensure!(root.run("depmod --version")?.contains("independent implementation"), "depmod is not ours");
    has_no_path_of_this_machine(&fs::read(root.path().join("usr/sbin/depmod"))?)?;
    root.run("test $(readlink /usr/sbin/depmod.kmod) = ../bin/kmod")?;
    root.run(
        "mkdir -p /lib/modules/6.1/kernel && touch /lib/modules/6.1/modules.{order,builtin} && depmod 6.1",
    )?;
    ensure!(root.path().join("usr/lib/modules/6.1/modules.dep.bin").exists(), "no index");
    root.run("rm -r /lib/modules/6.1 && rmdir --ignore-fail-on-non-empty /lib/modules")?;
    root.run("dpkg --remove depmod")?;
    ensure!(root.run("depmod --version")?.starts_with("kmod "), "removal does not restore kmod's");
    root.run("dpkg --purge depmod")?;
    verify(&root, "kmod")?;
    let left: Vec<String> = paths(&root)?.into_iter().filter(|path| !before.contains(path)).collect();
    ensure!(left.is_empty(), "purging leaves {}", left.join(" "));
    Ok(())
}

fn has_no_path_of_this_machine(program: &[u8]) -> Result<()> {
    let sources = [workspace().join("host-cli"), workspace().join("core"), cargo_home().join("registry")];
    has_no_path_of(program, &sources)
}

/// Nothing in a program tells where it was built.
///
/// # Errors
/// When the path of one of these directories is in it.
pub(super) fn has_no_path_of(program: &[u8], directories: &[impl AsRef<Path>]) -> Result<()> {
    for directory in directories {
        let directory = directory.as_ref();
        let path = directory.to_str().context("a path in UTF-8")?.as_bytes();
        let found = program.windows(path.len()).any(|window| window == path);
        ensure!(!found, "the program contains {}", directory.display());
    }
    Ok(())
}

/// The static command beside kmod's, and in a root without any other file.
fn static_command(base: &Base) -> Result<()> {
    let root = base.root()?;
    root.put(&deb::build("depmod-static")?, "/root/depmod.deb")?;
    root.run("dpkg --install /root/depmod.deb")?;
    has_no_path_of_this_machine(&fs::read(root.path().join("usr/sbin/depmod.static"))?)?;
    verify(&root, "depmod-static")?;
    ensure!(root.run("depmod --version")?.starts_with("kmod "), "kmod's depmod is gone");
    root.run("mkdir -p /empty/lib/modules/6.1 && cp /usr/sbin/depmod.static /empty && chroot /empty /depmod.static 6.1")?;
    let index = root.path().join("empty/lib/modules/6.1/modules.dep.bin");
    ensure!(index.exists(), "no index from the static command");
    root.run("dpkg --purge depmod-static")?;
    Ok(())
}

/// dpkg says what differs from the packages, but its exit status does not.
fn verify(root: &CleanRoot, packages: &str) -> Result<()> {
    let told = root.run(&format!("dpkg --verify {packages}"))?;
    ensure!(told.is_empty(), "files differ from the packages':\n{told}");
    Ok(())
}

/// All paths of a root, but for what dpkg keeps about itself.
fn paths(root: &CleanRoot) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(dir) = pending.pop() {
        let path = root.path().join(&dir);
        for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            let below = dir.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                pending.push(below.clone());
            }
            found.push(below.display().to_string());
        }
    }
    found.retain(|path| !path.starts_with("var/lib/dpkg/") && !path.starts_with("var/log/"));
    Ok(found)
}
