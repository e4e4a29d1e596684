//! A software TPM 2.0 for a QEMU machine.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

/// A running `swtpm` with initial state; drop stops it.
#[derive(Debug)]
pub struct Tpm {
    process: Child,
    socket: PathBuf,
}

impl Tpm {
    /// Starts a TPM with state and socket below `dir`.
    ///
    /// # Errors
    /// When swtpm is missing or does not start.
    pub fn start(dir: &Path) -> Result<Self> {
        let state = dir.join("tpm");
        std::fs::create_dir(&state)?;
        let socket = dir.join("tpm.socket");
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--terminate", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", socket.display()))
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start swtpm; install the package swtpm")?;
        let tpm = Self { process, socket };
        for _ in 0..100 {
            if tpm.socket.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        ensure!(tpm.socket.exists(), "swtpm does not come up");
        Ok(tpm)
    }

    /// QEMU options that connect a PC to it.
    pub fn options(&self) -> Vec<String> {
        let socket = format!("socket,id=tpm-socket,path={}", self.socket.display());
        let rest = ["-tpmdev", "emulator,id=tpm,chardev=tpm-socket", "-device", "tpm-tis,tpmdev=tpm"];
        ["-chardev", &socket].into_iter().chain(rest).map(str::to_owned).collect()
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        // It usually has ended with the connection already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
