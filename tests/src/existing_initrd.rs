//! Existing initrds for boot tests: busybox as the shell, and the real kmod as modprobe, because it reads the
//! binary indexes (busybox's modprobe reads the text files).

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{command, debian};

/// Location of `/lib` and `/sbin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `/lib -> usr/lib` and so on, as in current distributions.
    UsrMerged,
    /// Separate directories.
    Split,
}

/// Prefix of every line of the test's script; other lines come from kernel or firmware.
pub const MARK: &str = "TEST: ";

/// The line that `say end` prints last; a run without it has failed.
pub const END: &str = "TEST: end";

const INIT: &str = r#"#!/bin/sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin
busybox mkdir -p /proc /sys /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
# The shell would take its own applets of these names, which do not read the binary indexes.
for tool in modprobe lsmod insmod; do eval "$tool() { /sbin/$tool \"\$@\"; }"; done
say() { echo "TEST: $*"; }
. /test.sh
say end
busybox poweroff -f
"#;

/// An archive whose `/init` runs `script`: a shell script with busybox's applets and kmod in its path; `say`
/// prints a line with [`MARK`].
///
/// # Errors
/// When busybox or kmod cannot be fetched, or the archive cannot be made.
pub fn existing_initrd(architecture: &str, layout: Layout, script: &str) -> Result<Vec<u8>> {
    existing_initrd_with(architecture, layout, script, |_| Ok(()))
}

/// The same archive with files that `add` puts into its root directory.
///
/// # Errors
/// As for [`existing_initrd`], or when `add` fails.
pub fn existing_initrd_with(
    architecture: &str,
    layout: Layout,
    script: &str,
    add: impl FnOnce(&Path) -> Result<()>,
) -> Result<Vec<u8>> {
    let packages = debian::userland(architecture)?;
    let dir = tempfile::tempdir()?;
    let root = dir.path();
    for sub in ["usr/bin", "usr/sbin", "usr/lib"] {
        fs::create_dir_all(root.join(sub))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        match layout {
            Layout::UsrMerged => symlink(format!("usr/{name}"), root.join(name))?,
            Layout::Split => fs::create_dir(root.join(name))?,
        }
    }
    if layout == Layout::UsrMerged {
        fs::create_dir_all(root.join("usr/lib64"))?;
    }
    let busybox = ["bin/busybox", "usr/bin/busybox"].map(|path| packages.join(path));
    let busybox = busybox.iter().find(|path| path.exists()).context("no busybox in its package")?;
    install(busybox, &root.join("bin/busybox"))?;
    for applet in
        ["sh", "cat", "ls", "sed", "sleep", "sort", "mount", "mkdir", "dd", "dmesg", "grep", "readlink"]
    {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    install(&packages.join("usr/bin/kmod"), &root.join("bin/kmod"))?;
    for tool in ["modprobe", "lsmod", "insmod"] {
        symlink("../bin/kmod", root.join("sbin").join(tool))?;
    }
    libraries(&packages, root)?;
    fs::write(root.join("init"), INIT)?;
    fs::set_permissions(root.join("init"), Permissions::from_mode(0o755))?;
    fs::write(root.join("test.sh"), script)?;
    add(root)?;
    pack(root)
}

/// The run-time dependencies of kmod: the loader at kmod's path, the libraries in the loader's path.
fn libraries(packages: &Path, root: &Path) -> Result<()> {
    let lib = packages.join("usr/lib");
    let mut found = 0;
    for entry in fs::read_dir(&lib)? {
        let dir = entry?.path();
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with("-linux-gnu") || !dir.is_dir() {
            continue;
        }
        for wanted in [
            "libc.so",
            "libm.so",
            "libkmod.so",
            "libzstd.so",
            "liblzma.so",
            "libcrypto.so",
            "libz.so",
            "libgcc_s.so",
            "ld-linux",
        ] {
            for entry in fs::read_dir(&dir)? {
                let path = entry?.path();
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !file.starts_with(wanted) || file.ends_with(".a") {
                    continue;
                }
                found += 1;
                install(&fs::canonicalize(&path)?, &root.join("lib").join(&file))?;
                if wanted == "ld-linux" {
                    let place = if name.starts_with("x86_64") { "lib64" } else { "lib" };
                    install(&fs::canonicalize(&path)?, &root.join(place).join(&file))?;
                }
            }
        }
    }
    if found < 5 {
        bail!("only {found} of kmod's libraries in {}", lib.display());
    }
    Ok(())
}

fn install(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    Ok(())
}

/// Everything below `root` as a newc archive. GNU cpio makes it, because archives of any tool must work.
///
/// # Errors
/// When cpio is missing or fails.
pub fn pack(root: &Path) -> Result<Vec<u8>> {
    let list = tempfile::NamedTempFile::new()?;
    let names = command::output(Command::new("find").current_dir(root).args([".", "-mindepth", "1"]))?;
    let mut names: Vec<&[u8]> = names.split_inclusive(|&b| b == b'\n').collect();
    names.sort();
    fs::write(list.path(), names.concat())?;
    let output = Command::new("cpio")
        .current_dir(root)
        .args(["--create", "--format=newc", "--owner=0:0", "--quiet", "--reproducible"])
        .stdin(File::open(list.path())?)
        .stderr(Stdio::inherit())
        .output()
        .context("cpio is needed to make initrds")?;
    if !output.status.success() {
        bail!("cpio: {}", output.status);
    }
    Ok(output.stdout)
}
