//! Real firmware in QEMU: disks are the input, the text of the serial console is the output.
//!
//! A run succeeds only with its end mark. A time-out, or an end of QEMU without the mark, is a failure. One
//! exception is reported: old QEMU versions sometimes break the kernel itself under emulation, so a kernel
//! that panics, or crashes the emulator, after it has loaded its initrd gets a second run. A kernel that
//! hangs does not.

use core::time::Duration;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::efi::{self, QemuSettings, SecureBoot, Target};
use crate::fat::{self, Files};
use crate::swtpm::Tpm;

/// Message of the kernel's EFI stub after it has loaded our initrd.
pub const HANDED_OVER: &str = "EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path";

/// The default device of the boot volume.
const BOOT_DEVICE: &str = "virtio-blk-pci";

/// A machine and its boot volumes, in boot order.
#[derive(Clone, Debug)]
pub struct Machine {
    target: Target,
    settings: QemuSettings,
    volumes: Vec<Volume>,
    options: Vec<String>,
    direct: Option<Direct>,
    tpm: bool,
    /// Firmware variables, if not the initial ones.
    variables: Option<Vec<u8>>,
    /// A program and its arguments before the emulator's.
    starter: Vec<String>,
    /// Guest memory in MiB.
    pub memory: u32,
    /// Time limit of each attempt.
    pub timeout: Duration,
}

/// A kernel that the emulator starts itself, instead of firmware.
#[derive(Clone, Debug)]
struct Direct {
    kernel: PathBuf,
    initrd: Vec<u8>,
    /// The kernel's command line.
    options: String,
}

/// A disk with one FAT file system.
#[derive(Clone, Debug)]
struct Volume {
    /// QEMU's name of the device, with properties.
    device: String,
    files: Files,
    /// Free bytes.
    room: usize,
    /// Bytes that it gives a second.
    speed: Option<u32>,
    /// A file in whose middle a sector cannot be read.
    unreadable: Option<String>,
}

/// Results of a finished run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The console's lines, without control sequences.
    pub lines: Vec<String>,
    /// The completion time of each line since the emulator's start.
    pub times: Vec<Duration>,
    /// The first volume after the run.
    pub files: Files,
    /// The firmware's variables after the run.
    pub variables: Vec<u8>,
    /// Wall-clock time of the run.
    pub time: Duration,
}

impl Outcome {
    /// The rest of each line that begins with `prefix`.
    pub fn after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| line.strip_prefix(prefix))
    }

    /// Whether a line begins with `start`. Elsewhere in a line, the text may be part of an echoed command.
    pub fn has_line(&self, start: &str) -> bool {
        self.lines.iter().any(|line| line.starts_with(start))
    }

    /// Completion time of the first line that begins with `start`.
    pub fn time_of(&self, start: &str) -> Option<Duration> {
        let index = self.lines.iter().position(|line| line.starts_with(start))?;
        self.times.get(index).copied()
    }

    /// Checks that a line begins with `start`.
    ///
    /// # Errors
    /// When no line does; the error shows the end of the console.
    pub fn expect(&self, start: &str) -> Result<()> {
        self.ensure(self.has_line(start), &format!("no line `{start}`"))
    }

    /// Checks a condition.
    ///
    /// # Errors
    /// When it is false; the error shows the end of the console.
    pub fn ensure(&self, so: bool, what: &str) -> Result<()> {
        ensure!(so, "{what}; the console ends:\n{}", tail(&self.lines));
        Ok(())
    }
}

impl Machine {
    /// A machine of this architecture with an empty volume.
    ///
    /// # Errors
    /// When tests do not boot the architecture, or the emulator or its firmware is missing.
    pub fn new(arch: &str) -> Result<Self> {
        let target = efi::target(arch)?;
        let settings = target.qemu.clone().with_context(|| format!("{arch} is not booted in tests"))?;
        let missing =
            |what: &Path| format!("{} is missing; install {}", what.display(), settings.packages.join(" "));
        for path in [&settings.code, &settings.variables] {
            path.exists().then_some(()).with_context(|| missing(path))?;
        }
        crate::command::exists(&settings.program)
            .then_some(())
            .with_context(|| missing(Path::new(&settings.program)))?;
        Ok(Self {
            target,
            settings,
            volumes: vec![Volume {
                device: BOOT_DEVICE.into(),
                files: Files::new(),
                room: 0,
                speed: None,
                unreadable: None,
            }],
            options: Vec::new(),
            direct: None,
            tpm: false,
            variables: None,
            starter: Vec::new(),
            memory: 1024,
            timeout: Duration::from_secs(240),
        })
    }

    /// The settings of this machine.
    pub fn settings(&self) -> &QemuSettings {
        &self.settings
    }

    /// The path of the program that firmware starts from a removable medium.
    pub fn boot_path(&self) -> String {
        format!("EFI/BOOT/{}", self.target.boot_name)
    }

    /// Gives the machine these properties, such as `acpi=off`.
    pub fn machine_properties(mut self, properties: &str) -> Self {
        if let Some(machine) = self.settings.machine.get_mut(1) {
            machine.push(',');
            machine.push_str(properties);
        }
        self
    }

    /// Switches Secure Boot on.
    ///
    /// # Errors
    /// When `targets/` has no such settings for this architecture.
    pub fn secure_boot(mut self) -> Result<Self> {
        let SecureBoot { machine, code, variables, .. } =
            self.settings.secure_boot.clone().context("no Secure Boot settings")?;
        (self.settings.machine, self.settings.code, self.settings.variables) = (machine, code, variables);
        Ok(self)
    }

    /// Adds a TPM 2.0.
    pub fn with_tpm(mut self) -> Self {
        self.tpm = true;
        self
    }

    /// Sets firmware variables from another run; the machine boots according to them.
    pub fn with_variables(mut self, variables: &[u8]) -> Self {
        self.variables = Some(variables.to_vec());
        self
    }

    /// Lets this program start the emulator, whose command line follows these words. When it ends, the emulator must end.
    pub fn started_by(mut self, words: Vec<String>) -> Self {
        self.starter = words;
        self
    }

    /// Adds a file to the newest volume.
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.newest().files.insert(path.into(), content.into());
        self
    }

    /// Removes a file from the newest volume and returns its content; empty for a missing file.
    pub fn take_file(&mut self, path: &str) -> Vec<u8> {
        self.newest().files.remove(path).unwrap_or_default()
    }

    /// Copies everything below a directory of this machine into directory `path` of the newest volume.
    ///
    /// # Errors
    /// When a file or directory cannot be read.
    pub fn directory(mut self, path: &str, from: &Path) -> Result<Self> {
        for (below, content) in fat::directory(from)? {
            let path = format!("{path}{below}");
            self.newest().files.insert(path.trim_start_matches('/').to_owned(), content);
        }
        Ok(self)
    }

    /// Leaves this many bytes free on the newest volume.
    pub fn room(mut self, bytes: usize) -> Self {
        self.newest().room = bytes;
        self
    }

    /// Makes the newest volume give so many bytes a second.
    pub fn slow(mut self, speed: u32) -> Self {
        self.newest().speed = Some(speed);
        self
    }

    /// Lets reads of a sector in the middle of this file of the newest volume fail, as on a worn disk.
    pub fn unreadable(mut self, path: &str) -> Self {
        self.newest().unreadable = Some(path.into());
        self
    }

    /// The device of the newest volume in QEMU's notation, with properties: `virtio-blk-pci,addr=9`.
    pub fn on(mut self, device: &str) -> Self {
        self.newest().device = device.into();
        self
    }

    /// Adds an empty volume.
    pub fn volume(mut self) -> Self {
        self.volumes.push(Volume {
            device: BOOT_DEVICE.into(),
            files: Files::new(),
            room: 0,
            speed: None,
            unreadable: None,
        });
        self
    }

    fn newest(&mut self) -> &mut Volume {
        self.volumes.last_mut().expect("every machine has a volume")
    }

    /// Adds QEMU options, separated by spaces: devices and their drives.
    pub fn with(mut self, options: &str) -> Self {
        self.options.extend(options.split_whitespace().map(str::to_owned));
        self
    }

    /// Starts a kernel with an initrd, without firmware and volumes.
    pub fn direct(mut self, kernel: &Path, initrd: Vec<u8>) -> Self {
        // Emulated, the kernel's own tests of its ciphers take up to minutes, and that of the timer fails on a
        // busy machine: `IO-APIC + timer doesn't work!`.
        let options =
            format!("console={} panic=-1 loglevel=4 cryptomgr.notests no_timer_check", self.settings.console);
        self.direct = Some(Direct { kernel: kernel.into(), initrd, options });
        self
    }

    /// Runs until QEMU ends by itself; a line that begins with `end` must have been printed.
    ///
    /// # Errors
    /// When the run fails; the error shows the last lines of the console.
    pub fn run(&self, end: &str) -> Result<Outcome> {
        let (mut fate, mut outcome) = self.attempt(end)?;
        if fate == Fate::Died {
            println!("the kernel died; second attempt; the last lines:\n{}", tail(&outcome.lines));
            (fate, outcome) = self.attempt(end)?;
        }
        let why = format!("no line `{end}` after {} s", outcome.time.as_secs());
        outcome.ensure(fate == Fate::Good, &why)?;
        Ok(outcome)
    }

    /// Adds the firmware, and the volumes that it boots from.
    fn boot_from_volumes(&self, qemu: &mut Command, dir: &Path) -> Result<()> {
        qemu.arg("-drive")
            .arg(join("if=pflash,format=raw,unit=0,readonly=on,file=", &self.settings.code))
            .arg("-drive")
            .arg(join("if=pflash,format=raw,unit=1,file=", &dir.join("variables.fd")));
        for (number, volume) in self.volumes.iter().enumerate() {
            let path = dir.join(format!("volume{number}.img"));
            // A boot index would change the boot order in given variables.
            let order = if self.variables.is_none() { format!(",bootindex={number}") } else { String::new() };
            let image = fat::image(&volume.files, volume.room)?;
            fs::write(&path, &image)?;
            let speed =
                volume.speed.map(|speed| format!("throttling.bps-total={speed},")).unwrap_or_default();
            let file = match &volume.unreadable {
                Some(name) => failing_sector(volume.sector_inside(name, &image)?),
                None => "file=".to_owned(),
            };
            qemu.arg("-drive")
                .arg(join(&format!("if=none,id=volume{number},format=raw,{speed}{file}"), &path))
                .arg("-device")
                .arg(format!("{},drive=volume{number}{order}", volume.device));
        }
        Ok(())
    }

    fn attempt(&self, end: &str) -> Result<(Fate, Outcome)> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| dir.path().join(name);
        match &self.variables {
            Some(variables) => fs::write(at("variables.fd"), variables)?,
            None => fs::copy(&self.settings.variables, at("variables.fd")).map(drop)?,
        }
        let mut words = self.starter.iter().chain([&self.settings.program]);
        let mut qemu = Command::new(words.next().context("no emulator")?);
        qemu.args(words)
            .args(&self.settings.machine)
            .args(["-smp", "2", "-m", &self.memory.to_string()])
            .args(["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", "stdio"])
            // First, so that volumes can use these devices.
            .args(&self.options);
        match &self.direct {
            Some(Direct { kernel, initrd, options }) => {
                fs::write(at("initrd"), initrd)?;
                qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(at("initrd")).args(["-append", options]);
            }
            None => self.boot_from_volumes(&mut qemu, dir.path())?,
        }
        // Lives as long as the run.
        let tpm = if self.tpm { Some(Tpm::start(dir.path())?) } else { None };
        qemu.args(tpm.iter().flat_map(Tpm::options));
        let start = Instant::now();
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.settings.program))?;
        let console = child.stdout.take().context("no console")?;
        let reader = thread::spawn(move || read_lines(console, start));
        let ended = wait(child, self.timeout)?;
        let time = start.elapsed();
        let (times, lines): (Vec<_>, Vec<_>) =
            reader.join().ok().context("the console's reader died")?.into_iter().unzip();
        if !ended {
            println!("no end within {} s", self.timeout.as_secs());
        }
        let fate = match Fate::of(ended, &lines, end) {
            // Without firmware, nothing runs but the kernel.
            Fate::Failed if ended && self.direct.is_some() => Fate::Died,
            fate => fate,
        };
        // A failed run may leave a damaged volume.
        let (files, variables) = if fate == Fate::Good && self.direct.is_none() {
            (fat::files(&mut fs::read(at("volume0.img"))?)?, fs::read(at("variables.fd"))?)
        } else {
            (Files::new(), Vec::new())
        };
        Ok((fate, Outcome { lines, times, files, variables, time }))
    }
}

impl Volume {
    /// The number of the first sector after the middle of a file whose content is nowhere else.
    fn sector_inside(&self, name: &str, image: &[u8]) -> Result<usize> {
        let content = self.files.get(name).with_context(|| format!("no file {name}"))?;
        let image = image.as_chunks::<SECTOR>().0;
        let sectors = content.as_chunks::<SECTOR>().0;
        sectors
            .iter()
            .skip(sectors.len() / 2)
            .find_map(|sector| {
                let mut places = image.iter().enumerate().filter(|(_, there)| *there == sector);
                let (number, _) = places.next()?;
                places.next().is_none().then_some(number)
            })
            .with_context(|| format!("no sector of {name} differs from all others"))
    }
}

/// Bytes in a sector.
const SECTOR: usize = 512;

/// Properties of a drive that cannot read one sector; the path of its image follows.
fn failing_sector(number: usize) -> String {
    let error = "file.inject-error.0";
    format!(
        "file.driver=blkdebug,{error}.event=none,{error}.iotype=read,{error}.errno=5,{error}.sector={number},\
         file.image.driver=file,file.image.filename="
    )
}

/// The kind of end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    Failed,
    /// The kernel broke, not the firmware program.
    Died,
}

/// The last message of a kernel.
const PANIC: &str = "Kernel panic - not syncing";

impl Fate {
    /// `ended`: QEMU ended by itself, as it does when the kernel reboots after a panic.
    fn of(ended: bool, lines: &[String], end: &str) -> Self {
        let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
        if ended && has(end) {
            return Self::Good;
        }
        let broke = ended || lines.iter().any(|line| line.contains(PANIC));
        if has(HANDED_OVER) && broke { Self::Died } else { Self::Failed }
    }
}

fn join(before: &str, path: &Path) -> PathBuf {
    let mut text = std::ffi::OsString::from(before);
    text.push(path);
    text.into()
}

/// Whether the emulator ended by itself; it has ended afterwards in any case.
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

/// The console's lines and when each was complete, until the emulator ends.
fn read_lines(mut console: impl Read, start: Instant) -> Vec<(Duration, String)> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = console.read(&mut buffer) {
        let now = start.elapsed();
        for &byte in &buffer[..count] {
            if byte == b'\n' {
                lines.push((now, plain(&line)));
                line.clear();
            } else {
                line.push(byte);
            }
        }
    }
    lines.push((start.elapsed(), plain(&line)));
    lines
}

fn tail(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A line of a console without escape sequences and other control characters.
fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
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
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dead_kernels_get_a_second_run() {
        let fate = |ended, lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            Fate::of(ended, &lines, "TEST: end")
        };
        let panic = "[    1.0] Kernel panic - not syncing: Fatal exception";
        assert_eq!(fate(true, &[HANDED_OVER, "TEST: end"]), Fate::Good);
        assert_eq!(fate(false, &[HANDED_OVER, "TEST: end"]), Fate::Failed, "it does not power off");
        assert_eq!(fate(false, &[HANDED_OVER, "TEST: begin"]), Fate::Failed, "a time-out");
        assert_eq!(fate(false, &[HANDED_OVER, panic]), Fate::Died);
        assert_eq!(fate(true, &[HANDED_OVER]), Fate::Died);
        assert_eq!(fate(true, &["BdsDxe: starting"]), Fate::Failed);
        assert_eq!(fate(true, &[panic]), Fate::Failed, "without our initrd");
    }

    #[test]
    fn control_sequences_are_removed() {
        let console = b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: starting\r\n\x1b[0m\x1b[35mTEST: end\r\n\x1bc";
        let lines: Vec<_> =
            read_lines(&console[..], Instant::now()).into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, ["BdsDxe: starting", "TEST: end", ""]);
    }
}
