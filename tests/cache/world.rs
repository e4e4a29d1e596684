//! A persistent module directory with a cache.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::outcome::OUTPUTS;
use depmod_tests::system::{System, VERSION};
use depmod_tests::{product, target_dir};

/// Minimum age of a file's last change before the file is cached.
pub(crate) const SETTLED: Duration = Duration::from_millis(130);

/// Type, mode and bytes of a file.
type Content = (u32, Vec<u8>);

/// The visible results of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) files: Vec<(&'static str, Option<Content>)>,
}

pub(crate) struct World {
    _place: tempfile::TempDir,
    root: PathBuf,
}

impl World {
    /// A few modules with dependencies.
    pub(crate) fn new() -> Self {
        Self::below(supported_directory())
    }

    fn below(parent: &Path) -> Self {
        let place = tempfile::Builder::new().prefix("depmod-").tempdir_in(parent);
        let place = place.expect("a temporary directory");
        let root = place.path().join("root");
        let mut system = System::new()
            .complete()
            .config("search updates built-in\n")
            .root_file("map", "0000000000000000 T __ksymtab__printk\n")
            .order(&["kernel/m1.ko", "kernel/m0.ko"]);
        for number in 0..4 {
            system = system.file(format!("kernel/m{number}.ko"), module(number, 'a'));
        }
        system.lay_out(&root);
        Self { _place: place, root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The module directory.
    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(VERSION)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The cache file of this directory, if it exists.
    pub(crate) fn cache_file(&self) -> Option<PathBuf> {
        fs::read_dir(self.cache()).ok()?.flatten().next().map(|entry| entry.path())
    }

    pub(crate) fn command(&self, cache: &str, options: &[&str]) -> Command {
        let mut command = product::depmod();
        command.arg("-b").arg(&self.root).arg("-C").arg(self.root.join("depmod.d")).arg(cache);
        let here = self.root.to_string_lossy();
        command.args(options.iter().map(|option| option.replace("{}", &here))).arg(VERSION);
        command
    }

    pub(crate) fn with_cache(&self, options: &[&str]) -> Seen {
        self.run(&format!("--cache={}", self.cache().display()), options)
    }

    pub(crate) fn without_cache(&self, options: &[&str]) -> Seen {
        self.run("--no-cache", options)
    }

    pub(crate) fn run(&self, cache: &str, options: &[&str]) -> Seen {
        // File times come from a clock with a coarse resolution.
        let begin = SystemTime::now() - Duration::from_millis(20);
        let output = self.command(cache, options).output().expect("depmod starts");
        let files = OUTPUTS.map(|name| {
            let path = self.modules().join(name);
            let meta = fs::symlink_metadata(&path).ok();
            if let Some(meta) = meta.as_ref().filter(|_| output.status.success() && !options.contains(&"-n"))
            {
                assert!(meta.modified().unwrap() >= begin, "{name} does not have the time of this run");
            }
            (name, meta.map(|meta| (meta.permissions().mode(), fs::read(&path).unwrap_or_default())))
        });
        Seen {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            files: files.into(),
        }
    }
}

/// A directory on a file system that the program accepts for a cache.
fn supported_directory() -> &'static Path {
    static GROUND: OnceLock<PathBuf> = OnceLock::new();
    GROUND.get_or_init(|| {
        let mut candidates = vec![std::env::temp_dir(), target_dir(), "/var/tmp".into()];
        candidates.retain(|path| {
            let world = World::below(path);
            world.with_cache(&[]);
            world.cache_file().is_some()
        });
        candidates.into_iter().next().expect("TMPDIR has to be on ext4, XFS, Btrfs or F2FS")
    })
}

/// A module that exports `f{number}` and needs the previous one; its size is the same for each letter.
pub(crate) fn module(number: usize, letter: char) -> Vec<u8> {
    let need = if letter == 'z' { "f_nowhere".into() } else { format!("f{}", number.saturating_sub(1)) };
    let elf = Elf::new()
        .export(format!("f{number}"), Crc::Absolute(u64::from(letter)))
        .modinfo(format!("alias=pci:v{letter}{number}"))
        .modinfo(format!("softdep=pre: x{letter}"));
    if number == 0 { elf.build() } else { elf.need(need).build() }
}
