//! A module directory between an old and a new index.

use alloc::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use depmod_tests::debian::{self, Kernel};
use depmod_tests::elf_builder::Elf;
use depmod_tests::oracle::Oracle;
use depmod_tests::outcome::OUTPUTS;
use depmod_tests::subset::Subset;
use depmod_tests::{command, product};

use super::scenario::Scenario;

/// Modules of the old index: aliases, symbols, a soft dependency and a device node.
const BEFORE: &[&str] = &["virtio_net", "loop"];
/// And those that the new index has in addition.
const ADDED: &[&str] = &["nvme", "ext4", "fuse", "vfat"];

/// Which index the directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The complete old one.
    Old,
    /// The complete new one.
    New,
    /// Files of both, or others.
    Mixed,
}

type Files = BTreeMap<String, Vec<u8>>;

/// A module directory with all modules, and the two indexes that a run changes between.
#[derive(Debug)]
pub(super) struct World {
    new_modules: Subset,
    dir: tempfile::TempDir,
    version: String,
    program: PathBuf,
    archive: bool,
    old: Files,
    new: Files,
}

impl World {
    /// Builds the directory, and both indexes with the scenario's own program.
    ///
    /// # Errors
    /// When the kernel cannot be fetched, or a file of the two indexes does not differ.
    pub(super) fn new(scenario: &Scenario) -> Result<Self> {
        let kernel = debian::kernel("bookworm-cloud-amd64")?;
        let dir = tempfile::tempdir()?;
        let new_modules = Subset::of(&kernel, &[BEFORE, ADDED].concat())?;
        // The real ones have no such dependencies; without them, two files would not differ.
        let generated = Elf::new().modinfo("softdep=pre: nvme").modinfo("weakdep=ext4").build();
        fs::write(new_modules.modules().join("kernel/weak.ko"), generated)?;
        let mut world = Self {
            new_modules,
            dir,
            version: kernel.version.clone(),
            program: product::release()?,
            archive: scenario.archive,
            old: Files::new(),
            new: Files::new(),
        };
        world.old = world.made_from_old_modules(&kernel, scenario)?;
        world.restore()?;
        command::output(&mut world.command(scenario)).context("the run without a fault")?;
        world.new = world.files_in(&world.target())?;
        if let Some(missing) = world.names().iter().find(|name| !world.new.contains_key(**name)) {
            bail!("a run without faults does not write {missing}");
        }
        if let Some(same) = world.names().iter().find(|name| world.old.get(**name) == world.new.get(**name)) {
            bail!("{same} is the same in the old and the new index: the test would not see it");
        }
        Ok(world)
    }

    /// The files of a directory with fewer modules, built-in modules and configuration.
    fn made_from_old_modules(&self, kernel: &Kernel, scenario: &Scenario) -> Result<Files> {
        let modules = Subset::of(kernel, BEFORE)?;
        let builtin = fs::read_to_string(modules.modules().join("modules.builtin"))?;
        let fewer: Vec<&str> = builtin.lines().skip(20).collect();
        fs::write(modules.modules().join("modules.builtin"), fewer.join("\n") + "\n")?;
        let modinfo = fs::read(modules.modules().join("modules.builtin.modinfo"))?;
        let kept: Vec<&[u8]> = modinfo
            .split_inclusive(|&b| b == 0)
            .filter(|line| !line.windows(11).any(|w| w == b"alias=acpi*"))
            .collect();
        let kept = kept.concat();
        fs::write(modules.modules().join("modules.builtin.modinfo"), &kept[..kept.len() / 2])?;
        command::output(&mut self.command_at(scenario, modules.root())).context("the old index")?;
        let target = if self.archive { self.dir.path().to_owned() } else { modules.modules() };
        self.files_in(&target)
    }

    /// Where the files of the run are.
    fn target(&self) -> PathBuf {
        if self.archive { self.dir.path().to_owned() } else { self.new_modules.modules() }
    }

    fn names(&self) -> &'static [&'static str] {
        if self.archive { &["archive"] } else { &OUTPUTS }
    }

    /// The scenario's command without faults.
    pub(super) fn command(&self, scenario: &Scenario) -> Command {
        self.command_at(scenario, self.new_modules.root())
    }

    fn command_at(&self, scenario: &Scenario, root: &Path) -> Command {
        let mut command = self.program(scenario.ours);
        for arg in scenario.args {
            command.arg(arg.replace("CACHE", &self.dir.path().join("cache").to_string_lossy()));
        }
        command.args(["-b".as_ref(), root.as_os_str()]);
        for operand in scenario.operands {
            match *operand {
                "VERSION" => command.arg(&self.version),
                "ARCHIVE" => command.arg(self.dir.path().join("archive")),
                other => command.arg(other),
            };
        }
        command
    }

    /// Our program or kmod's, without arguments.
    pub(super) fn program(&self, ours: bool) -> Command {
        if !ours {
            return Oracle::get().depmod([""; 0]);
        }
        let mut command = Command::new(&self.program);
        command.env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
        command
    }

    /// `verify --quick` of the directory, where the run writes into it.
    pub(super) fn check(&self, scenario: &Scenario) -> Option<Command> {
        let quick = Scenario { args: &["verify", "--quick"], ..*scenario };
        (!self.archive).then(|| self.command(&quick))
    }

    /// The run after a fault: the same one without the fault, or `-A` where that has to notice a mixed set.
    pub(super) fn repair(&self, scenario: &Scenario) -> Option<Command> {
        if !scenario.ours {
            return None;
        }
        let again = if scenario.archive || scenario.repeats {
            *scenario
        } else {
            Scenario { args: &["-A", "--no-cache", "--jobs", "1"], ..*scenario }
        };
        Some(self.command(&again))
    }

    /// A file for the log of system calls.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Brings the old index back, with times before those of the modules, and removes everything else that a
    /// run left.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn restore(&self) -> Result<()> {
        let target = self.target();
        for entry in fs::read_dir(&target)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if self.names().contains(&name.as_str()) || is_temporary(&name) {
                fs::remove_file(entry.path())?;
            }
        }
        let _ = fs::remove_dir_all(self.dir.path().join("cache"));
        let past = SystemTime::now() - Duration::from_secs(1_000_000);
        for (name, bytes) in &self.old {
            let path = target.join(name);
            fs::write(&path, bytes)?;
            fs::File::options().write(true).open(&path)?.set_modified(past)?;
        }
        Ok(())
    }

    /// Which set of files there is.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn state(&self) -> Result<State> {
        self.state_in(&self.target())
    }

    /// Which set of files there is in another directory.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn state_in(&self, dir: &Path) -> Result<State> {
        let files = self.files_in(dir)?;
        Ok(if files == self.new {
            State::New
        } else if files == self.old {
            State::Old
        } else {
            State::Mixed
        })
    }

    /// The number of temporary files.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn leftovers(&self) -> Result<usize> {
        leftovers_in(&self.target())
    }

    /// Sizes of the old and of the new files in bytes.
    pub(super) fn sizes(&self) -> (Vec<u64>, Vec<u64>) {
        let sizes = |files: &Files| files.values().map(|bytes| bytes.len() as u64).collect();
        (sizes(&self.old), sizes(&self.new))
    }

    /// A new directory, and one that holds exactly the old files.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn scratch(&self, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (scratch, old) = (self.dir.path().join(name), self.dir.path().join("old"));
        fs::create_dir_all(&scratch)?;
        fs::create_dir_all(&old)?;
        self.old.iter().try_for_each(|(name, bytes)| fs::write(old.join(name), bytes))?;
        Ok((scratch, old))
    }

    /// Writes the modules to `tree` below `root`, and both indexes to `old` and `new`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        for (name, files) in [("old", &self.old), ("new", &self.new)] {
            fs::create_dir_all(root.join(name))?;
            for (file, bytes) in files {
                let path = root.join(name).join(file);
                fs::write(&path, bytes)?;
                let past = SystemTime::now() - Duration::from_secs(1_000_000);
                fs::File::options().write(true).open(&path)?.set_modified(past)?;
            }
        }
        self.restore()?;
        command::run(Command::new("cp").arg("-r").arg(self.root()).arg(root.join("tree")))
    }

    /// The value for `-b`.
    pub(super) fn root(&self) -> &Path {
        self.new_modules.root()
    }

    /// The kernel's version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    fn files_in(&self, dir: &Path) -> Result<Files> {
        let mut files = Files::new();
        for name in self.names() {
            match fs::read(dir.join(name)) {
                Ok(bytes) => drop(files.insert((*name).to_owned(), bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(files)
    }
}

/// The number of temporary files in a directory.
///
/// # Errors
/// When the file system refuses.
pub(super) fn leftovers_in(dir: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        count += usize::from(is_temporary(&entry?.file_name().to_string_lossy()));
    }
    Ok(count)
}

fn is_temporary(name: &str) -> bool {
    name.contains("depmod-new")
}
