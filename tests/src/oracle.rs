//! The real kmod: 34.2, the reference for all outputs, and 30, whose index files are still found on disks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::debian;

/// kmod's programs, run with the dynamic loader and libraries of their suite, independent of the machine's C
/// library.
#[derive(Clone, Debug)]
pub struct Oracle {
    loader: PathBuf,
    libraries: String,
    program: PathBuf,
}

impl Oracle {
    /// kmod 34.2; fetched at the first use on a machine.
    ///
    /// # Panics
    /// When it cannot be fetched: a test without a reference must not pass.
    pub fn get() -> &'static Self {
        static ORACLE: OnceLock<Oracle> = OnceLock::new();
        ORACLE.get_or_init(|| match debian::kmod().and_then(|root| Self::at(&root)) {
            Ok(oracle) => oracle,
            Err(error) => panic!("{error:#}"),
        })
    }

    /// kmod 30; fetched at the first use on a machine.
    ///
    /// # Errors
    /// When it cannot be fetched.
    pub fn kmod_30() -> Result<Self> {
        Self::at(&debian::kmod_30()?)
    }

    fn at(root: &Path) -> Result<Self> {
        let mut directories = Vec::new();
        let mut loader = None;
        let mut pending: Vec<PathBuf> =
            ["usr", "lib"].map(|top| root.join(top)).into_iter().filter(|top| top.is_dir()).collect();
        while let Some(dir) = pending.pop() {
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type()?.is_dir() {
                    pending.push(entry.path());
                } else if name.starts_with("ld-linux") && name.contains(".so") {
                    loader.get_or_insert_with(|| entry.path());
                } else if name.contains(".so") && directories.last() != Some(&dir) {
                    directories.push(dir.clone());
                }
            }
        }
        let program = ["usr/bin/kmod", "bin/kmod"].map(|path| root.join(path));
        let program = program.into_iter().find(|path| path.exists()).context("no kmod in its package")?;
        let libraries: Vec<_> = directories.iter().map(|dir| dir.to_string_lossy()).collect();
        Ok(Self {
            loader: loader.context("no dynamic loader in libc6")?,
            libraries: libraries.join(":"),
            program,
        })
    }

    /// One of kmod's programs: `depmod`, `modprobe`, `modinfo`, `lsmod`, `kmod`.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(&self.loader);
        command.arg("--library-path").arg(&self.libraries).args(["--argv0", name]).arg(&self.program);
        command.env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
        command
    }

    /// `depmod ARGS…`.
    pub fn depmod<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.tool("depmod");
        command.args(args);
        command
    }
}
