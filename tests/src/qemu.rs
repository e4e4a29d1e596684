//! Real firmware in QEMU: a disk goes in, the text of its serial console comes out.
//!
//! Only a positive end mark makes a run good. A time-out, or QEMU ending without the mark, is a
//! failure; with one exception that is reported: old QEMU versions sometimes break the kernel itself
//! under emulation, so a kernel that dies after it has loaded its initrd gets a second run.

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::efi::{self, QemuSettings};
use crate::fat::{self, Files};

/// What the kernel's EFI stub says once it has our initrd.
pub const HANDED_OVER: &str = "EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path";

/// A machine with the volume that it boots from.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: QemuSettings,
    /// The boot volume's files.
    pub files: Files,
    /// Free bytes on it.
    pub room: usize,
    /// More QEMU options: devices and their drives.
    pub options: Vec<String>,
    /// Of guest memory, in MiB.
    pub memory: u32,
    /// Given to each attempt.
    pub timeout: Duration,
}

/// What a finished run left.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The console's lines, without control sequences.
    pub lines: Vec<String>,
    /// The volume after the run.
    pub files: Files,
    /// Wall-clock time of the run.
    pub time: Duration,
}

impl Outcome {
    /// What follows `prefix` on each line that begins with it.
    pub fn after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| line.strip_prefix(prefix))
    }

    /// Whether a line begins so. The words alone may also stand in an echoed command.
    pub fn has_line(&self, start: &str) -> bool {
        self.lines.iter().any(|line| line.starts_with(start))
    }
}

impl Machine {
    /// A machine of this architecture with an empty volume.
    ///
    /// # Errors
    /// When tests do not boot it, or the emulator or its firmware are missing.
    pub fn new(arch: &str) -> Result<Self> {
        let settings = efi::target(arch)?.qemu.with_context(|| format!("{arch} is not booted in tests"))?;
        let missing =
            |what: &Path| format!("{} is missing; install {}", what.display(), settings.packages.join(" "));
        for path in [&settings.code, &settings.variables] {
            path.exists().then_some(()).with_context(|| missing(path))?;
        }
        crate::command::exists(&settings.program)
            .then_some(())
            .with_context(|| missing(Path::new(&settings.program)))?;
        Ok(Self {
            settings,
            files: Files::new(),
            room: 0,
            options: Vec::new(),
            memory: 1024,
            timeout: Duration::from_secs(240),
        })
    }

    /// How this machine is set up.
    pub fn settings(&self) -> &QemuSettings {
        &self.settings
    }

    /// Switches Secure Boot on.
    ///
    /// # Errors
    /// When `targets/` has nothing about it for this architecture.
    pub fn secure_boot(mut self) -> Result<Self> {
        let secure = self.settings.secure_boot.clone().context("no Secure Boot settings")?;
        self.settings.machine = secure.machine;
        self.settings.code = secure.code;
        self.settings.variables = secure.variables;
        Ok(self)
    }

    /// Puts a file on the volume.
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    /// Adds QEMU options, separated by spaces.
    pub fn with(mut self, options: &str) -> Self {
        self.options.extend(options.split_whitespace().map(str::to_owned));
        self
    }

    /// Runs until QEMU ends by itself, which must have printed a line that begins with `end`.
    ///
    /// # Errors
    /// When it has not, with the last lines of the console.
    pub fn run(&self, end: &str) -> Result<Outcome> {
        let outcome = match self.attempt(end)? {
            Ok(outcome) => outcome,
            Err(lines) if lines.iter().any(|line| line.starts_with(HANDED_OVER)) => {
                eprintln!(
                    "the kernel died after the hand-over, once more; its last lines:\n{}",
                    tail(&lines)
                );
                self.attempt(end)?.map_err(|lines| failure(end, &lines))?
            }
            Err(lines) => return Err(failure(end, &lines)),
        };
        Ok(outcome)
    }

    fn attempt(&self, end: &str) -> Result<Result<Outcome, Vec<String>>> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| dir.path().join(name);
        fs::copy(&self.settings.variables, at("variables.fd"))?;
        fs::write(at("volume.img"), fat::image(&self.files, self.room)?)?;
        let start = Instant::now();
        let child = Command::new(&self.settings.program)
            .args(&self.settings.machine)
            .args(["-smp", "2", "-m", &self.memory.to_string()])
            .args(["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"])
            .arg("-serial")
            .arg(join("file:", &at("serial.log"), ""))
            .arg("-drive")
            .arg(join("if=pflash,format=raw,unit=0,readonly=on,file=", &self.settings.code, ""))
            .arg("-drive")
            .arg(join("if=pflash,format=raw,unit=1,file=", &at("variables.fd"), ""))
            .arg("-drive")
            .arg(join("if=none,id=volume,format=raw,file=", &at("volume.img"), ""))
            .args(["-device", "virtio-blk-pci,drive=volume,bootindex=0"])
            .args(&self.options)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", self.settings.program))?;
        let ended = wait(child, self.timeout)?;
        let time = start.elapsed();
        let lines = lines(&fs::read(at("serial.log")).unwrap_or_default());
        if ended && lines.iter().any(|line| line.starts_with(end)) {
            let files = fat::files(&mut fs::read(at("volume.img"))?)?;
            return Ok(Ok(Outcome { lines, files, time }));
        }
        if !ended {
            eprintln!("no end within {} s", self.timeout.as_secs());
        }
        Ok(Err(lines))
    }
}

fn join(before: &str, path: &Path, after: &str) -> PathBuf {
    let mut text = std::ffi::OsString::from(before);
    text.push(path);
    text.push(after);
    text.into()
}

/// Whether the emulator ended by itself; afterwards it is gone in any case.
fn wait(mut child: Child, timeout: Duration) -> Result<bool> {
    let start = Instant::now();
    while start.elapsed() < timeout {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

fn failure(end: &str, lines: &[String]) -> anyhow::Error {
    anyhow::anyhow!("no line `{end}` on the console, which ends:\n{}", tail(lines))
}

fn tail(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Lines of a console without escape sequences and other control characters.
fn lines(console: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(console);
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                // ECMA-48 §5.4: parameters, then one final byte.
                while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {}
            }
            '\u{1b}' => {
                chars.next();
            }
            '\n' => plain.push(c),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Checks that something is so, with the console's end if it is not.
///
/// # Errors
/// When it is not so.
pub fn ensure(outcome: &Outcome, so: bool, what: &str) -> Result<()> {
    if !so {
        bail!("{what}\n{}", tail(&outcome.lines));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn control_sequences_go() {
        let console = b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: starting\r\n\x1b[0m\x1b[35mTEST: end\r\n\x1bc";
        assert_eq!(lines(console), ["BdsDxe: starting", "TEST: end"]);
    }
}
