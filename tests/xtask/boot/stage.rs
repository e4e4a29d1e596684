//! A volume that boots an entry: the program, the entry, a kernel and an existing initrd.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use depmod_tests::debian::Kernel;
use depmod_tests::existing_initrd::{Layout, existing_initrd};
use depmod_tests::qemu::Machine;

use super::program;

/// The files of the volume.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    arch: String,
    /// The text of the entry file; ends with a newline.
    pub entry: String,
    /// Files in addition to program and entry.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Stage {
    /// Boots a kernel, with an existing initrd that runs `script`.
    ///
    /// # Errors
    /// When a file or program is missing.
    pub(super) fn new(arch: &str, kernel: &Kernel, script: &str) -> Result<Self> {
        let machine = Machine::new(arch)?;
        let settings = machine.settings();
        let entry = format!(
            "title a test\nversion {}\nlinux /vmlinuz\ninitrd /existing.img\n\
             options console={} panic=-1 loglevel=4\n",
            kernel.version, settings.console
        );
        let initrd = existing_initrd(&settings.debian, Layout::UsrMerged, script)?;
        let files = vec![("vmlinuz".into(), fs::read(kernel.image())?), ("existing.img".into(), initrd)];
        Ok(Self { arch: arch.into(), entry, files })
    }

    /// Adds lines to the entry.
    pub(super) fn keys(mut self, keys: &str) -> Self {
        for key in keys.lines() {
            self.entry.push_str(key.trim());
            self.entry.push('\n');
        }
        self
    }

    /// Adds a file.
    pub(super) fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.files.push((path.into(), content.to_vec()));
        self
    }

    /// Replaces the existing initrd.
    pub(super) fn existing_initrd(mut self, initrd: &[u8]) -> Self {
        self.files.retain(|(name, _)| name != "existing.img");
        self.file("existing.img", initrd)
    }

    /// Adds modules.
    pub(super) fn modules(self, archive: &[u8]) -> Self {
        self.file("modules.cpio", archive).keys("x-depmod-modules /modules.cpio")
    }

    /// Puts all files on the newest volume, so that firmware starts the program.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub(super) fn put_on(&self, machine: Machine) -> Result<Machine> {
        let path = machine.boot_path();
        let mut machine =
            machine.file(&path, program(&self.arch)?).file("EFI/BOOT/depmod.conf", self.entry.as_bytes());
        for (path, content) in &self.files {
            machine = machine.file(path, content.as_slice());
        }
        Ok(machine)
    }

    /// Writes all files below a directory, the program as `program_path`, and the entry beside it.
    ///
    /// # Errors
    /// When the program cannot be built, or a file cannot be written.
    pub(super) fn write_to(&self, directory: &Path, program_path: &str) -> Result<()> {
        let entry = Path::new(program_path).with_file_name("depmod.conf");
        let program = program(&self.arch)?;
        let own = [(Path::new(program_path), &*program), (&entry, self.entry.as_bytes())];
        let files = self.files.iter().map(|(path, content)| (Path::new(path), content.as_slice()));
        for (path, content) in own.into_iter().chain(files) {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().context("a file is in a directory")?)?;
            fs::write(path, content)?;
        }
        Ok(())
    }

    /// A machine where `startup.nsh` in the shell starts the program, instead of the firmware.
    ///
    /// # Errors
    /// When the program cannot be built.
    pub(super) fn in_shell(&self, script: &str) -> Result<Machine> {
        let mut machine = self.put_on(Machine::new(&self.arch)?)?;
        let program = machine.take_file(&machine.boot_path());
        Ok(machine.file("EFI/BOOT/depmod.efi", program).file("startup.nsh", script))
    }
}
