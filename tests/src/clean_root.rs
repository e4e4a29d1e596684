//! Root directories of a distribution, as new, made by its own tool: mmdebstrap.
//!
//! They need root's rights (or `sudo`), because their files belong to root and programs run in them by `chroot`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};

use crate::{apt, command, debian, target_dir};

/// A root directory that is made once and then copied.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    /// Its name in the cache.
    pub name: &'static str,
    /// Debian's suite.
    pub suite: &'static str,
    /// What is installed besides the essential packages and apt.
    pub packages: &'static [&'static str],
}

/// A copy of a [`Base`], removed at the end.
#[derive(Debug)]
pub struct CleanRoot {
    /// Holds `root`.
    work: PathBuf,
}

impl Base {
    /// A new copy.
    ///
    /// # Errors
    /// When the root cannot be made or copied.
    pub fn root(&self) -> Result<CleanRoot> {
        let base = self.made()?;
        let parent = target_dir().join("clean-roots");
        fs::create_dir_all(&parent)?;
        let work = tempfile::Builder::new().prefix(self.name).tempdir_in(parent)?.keep();
        let root = CleanRoot { work };
        command::run(as_root("cp").args(["-a", "--reflink=auto"]).arg(&base).arg(root.path()))?;
        Ok(root)
    }

    fn made(&self) -> Result<PathBuf> {
        apt::install(&["mmdebstrap"])?;
        let entry = debian::cached(self.name, |dir| {
            let mut mmdebstrap = as_root("mmdebstrap");
            mmdebstrap.args(["--mode=root", "--variant=apt", "--quiet"]);
            // Nothing of a test root must survive a crash of the machine.
            mmdebstrap.arg("--dpkgopt=force-unsafe-io");
            mmdebstrap.args(settings_of_time()?);
            mmdebstrap.arg(format!("--include={}", self.packages.join(",")));
            mmdebstrap.arg(self.suite).arg(dir.join("root")).arg(debian::mirror()?);
            command::run(&mut mmdebstrap)
        })?;
        Ok(entry.join("root"))
    }
}

impl CleanRoot {
    /// The directory.
    pub fn path(&self) -> PathBuf {
        self.work.join("root")
    }

    /// Copies a file of this machine to this absolute path in the root.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn put(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.path().join(to.trim_start_matches('/'));
        command::run(as_root("install").args(["-D", "-m"]).arg(mode(from)?).arg(from).arg(to))
    }

    /// Writes a file of root's with this mode.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: &[u8], mode: &str) -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(&file, content)?;
        let to = self.path().join(path.trim_start_matches('/'));
        command::run(as_root("install").args(["-D", "-m", mode]).arg(file.path()).arg(to))
    }

    /// Commands of a shell inside, with /proc and /sys mounted for them alone, without the caller's environment.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn shell(&self, commands: &str) -> Result<Output> {
        let mount =
            "mount -t proc proc \"$0/proc\" && mount -t sysfs sysfs \"$0/sys\" && exec chroot \"$0\" \"$@\"";
        let mut inside = as_root("unshare");
        inside.args(["--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-c", mount]).arg(self.path());
        inside.args([
            "/usr/bin/env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
        ]);
        inside.args(["DEBIAN_FRONTEND=noninteractive", "TERM=dumb", "SOURCE_DATE_EPOCH=1700000000"]);
        inside.args(["sh", "-c", commands]).stdin(Stdio::null());
        inside.output().with_context(|| format!("`{commands}` in a clean root"))
    }

    /// Like [`CleanRoot::shell`] for commands that must not fail; returns their standard output.
    ///
    /// # Errors
    /// When they cannot be started or fail.
    pub fn run(&self, commands: &str) -> Result<String> {
        let output = self.shell(commands)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        anyhow::ensure!(
            output.status.success(),
            "`{commands}` in a clean root: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }
}

impl Drop for CleanRoot {
    fn drop(&mut self) {
        let _ = as_root("rm").arg("-rf").arg(&self.work).status();
    }
}

/// What the machine's apt says about times of package lists: a mirror may be a copy of an older day.
fn settings_of_time() -> Result<Vec<String>> {
    let settings = command::text(Command::new("apt-config").arg("dump"))?;
    let of_time = |line: &&str| {
        ["Acquire::Check-Valid-Until ", "Acquire::Check-Date "].iter().any(|n| line.starts_with(n))
    };
    Ok(settings
        .lines()
        .filter(of_time)
        .map(|line| format!("--aptopt={}", line.trim_end_matches(';')))
        .collect())
}

/// A program that is run by root.
pub fn as_root(program: &str) -> Command {
    let uid = command::text(Command::new("id").arg("-u")).unwrap_or_default();
    let mut command = if uid == "0" { Command::new(program) } else { Command::new("sudo") };
    if uid != "0" {
        command.arg(program);
    }
    command.env_remove("LD_LIBRARY_PATH");
    command
}

fn mode(file: &Path) -> Result<&'static str> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(file).with_context(|| file.display().to_string())?.permissions().mode();
    Ok(if mode & 0o100 == 0 { "644" } else { "755" })
}
