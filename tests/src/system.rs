//! Root directories for tests, and runs of two programs on them.
//!
//! A [`System`] describes a root directory: its module directory, configuration and other files. Each run lays
//! it out again below one temporary directory, runs one program, and collects its output and files. Both
//! programs get the same paths, so outputs are compared unchanged.
//!
//! ```no_run
//! use depmod_tests::elf_builder::{Crc, Elf};
//! use depmod_tests::system::System;
//!
//! System::new()
//!     .module("kernel/a.ko", Elf::new().need("b_symbol"))
//!     .module("kernel/b.ko", Elf::new().export("b_symbol", Crc::Absolute(1)))
//!     .assert_same(&["-w"]);
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{ffi::OsStr, ffi::OsString};

use crate::command;
use crate::elf_builder::Elf;
use crate::oracle::Oracle;
use crate::outcome::{Outcome, differences};
use crate::product;

/// The version of the module directory.
pub const VERSION: &str = "6.1.0";

/// The files to lay out, relative to the root directory.
#[derive(Clone, Debug, Default)]
pub struct System {
    files: BTreeMap<Vec<u8>, Content>,
    configs: usize,
}

#[derive(Clone, Debug)]
enum Content {
    File(Vec<u8>),
    Directory,
    Link(PathBuf),
    Fifo,
}

/// The program to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The program under test.
    Ours,
    /// kmod 34.2.
    Oracle,
}

impl Program {
    /// The program as a command without arguments.
    pub fn command(self) -> Command {
        match self {
            Self::Ours => product::depmod(),
            Self::Oracle => Oracle::get().tool("depmod"),
        }
    }
}

impl System {
    /// A root directory with an empty module directory of [`VERSION`].
    pub fn new() -> Self {
        let mut system = Self::default();
        system.put(Self::below_modules("".as_ref()), Content::Directory);
        system
    }

    /// A root directory without a module directory.
    pub fn bare() -> Self {
        Self::default()
    }

    /// A module, by its path in the module directory.
    pub fn module(self, path: impl AsRef<[u8]>, elf: Elf) -> Self {
        self.file(path, elf.build())
    }

    /// A file, by its path in the module directory.
    pub fn file(mut self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.put(Self::below_modules(path.as_ref()), Content::File(content.as_ref().to_vec()));
        self
    }

    /// A file, by its path in the root directory.
    pub fn root_file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.put(path.into(), Content::File(content.as_ref().to_vec()));
        self
    }

    /// An additional `depmod.d` file, which all runs read. `{}` in it stands for the root directory.
    pub fn config(mut self, text: &str) -> Self {
        self.configs += 1;
        let path = format!("depmod.d/{}.conf", self.configs);
        self.root_file(&path, text)
    }

    /// A symbolic link in the module directory. `{}` in its target stands for the root directory.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.put(Self::below_modules(path.as_ref()), Content::Link(target.into()));
        self
    }

    /// A symbolic link, by its path in the root directory.
    pub fn root_link(mut self, path: &str, target: &str) -> Self {
        self.put(path.into(), Content::Link(target.into()));
        self
    }

    /// A directory in the module directory.
    pub fn directory(mut self, path: &str) -> Self {
        self.put(Self::below_modules(path.as_ref()), Content::Directory);
        self
    }

    /// A named pipe in the module directory.
    pub fn fifo(mut self, path: &str) -> Self {
        self.put(Self::below_modules(path.as_ref()), Content::Fifo);
        self
    }

    /// `modules.order` with these lines.
    pub fn order(self, lines: &[&str]) -> Self {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.file("modules.order", text)
    }

    /// The three files of a kernel build, so that a run has no warnings.
    pub fn complete(mut self) -> Self {
        for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            self.files.entry(Self::below_modules(name.as_ref())).or_insert(Content::File(Vec::new()));
        }
        self
    }

    /// `-b ROOT -C ROOT/depmod.d EXTRA… VERSION`: the arguments of nearly every test.
    pub fn args<'a>(&self, extra: &[&'a str]) -> Vec<&'a str> {
        [&["-b", "{}", "-C", "{}/depmod.d"], extra, &[VERSION]].concat()
    }

    /// Runs one program with [`System::args`].
    pub fn run(&self, program: Program, extra: &[&str]) -> Outcome {
        self.run_raw(program, &self.args(extra))
    }

    /// Runs one program with exactly these arguments; `{}` in them stands for the root directory.
    pub fn run_raw(&self, program: Program, args: &[&str]) -> Outcome {
        let place = Place::new();
        self.run_at(&place, |root| with_root(program, args, root))
    }

    /// Runs the command that `make` builds from the root directory.
    pub fn run_command(&self, make: impl FnOnce(&Path) -> Command) -> Outcome {
        self.run_at(&Place::new(), make)
    }

    /// Runs both programs with [`System::args`], with and without `-n`; returns our outcome without `-n`.
    ///
    /// # Panics
    /// When the outcomes differ.
    #[track_caller]
    pub fn assert_same(&self, extra: &[&str]) -> Outcome {
        if !extra.contains(&"-n") {
            self.assert_same_raw(&self.args(&[&["-n"], extra].concat()));
        }
        self.assert_same_raw(&self.args(extra))
    }

    /// Runs both programs with exactly these arguments and returns our outcome.
    ///
    /// # Panics
    /// When the outcomes differ.
    #[track_caller]
    pub fn assert_same_raw(&self, args: &[&str]) -> Outcome {
        self.assert_same_command(|program, root| with_root(program, args, root))
    }

    /// Runs the commands that `make` builds from the root directory for both programs; returns our outcome.
    ///
    /// # Panics
    /// When the outcomes differ.
    #[track_caller]
    pub fn assert_same_command(&self, make: impl Fn(Program, &Path) -> Command) -> Outcome {
        self.compare(make, "")
    }

    /// Like [`System::assert_same`] without the dry run; ignores lines of our output that contain `extra_text`.
    ///
    /// # Panics
    /// When the outcomes differ otherwise.
    #[track_caller]
    pub fn assert_same_but_for(&self, extra: &[&str], extra_text: &str) -> Outcome {
        let args = self.args(extra);
        self.compare(|program, root| with_root(program, &args, root), extra_text)
    }

    #[track_caller]
    fn compare(&self, make: impl Fn(Program, &Path) -> Command, extra_text: &str) -> Outcome {
        let [oracle, mut ours] = self.run_both(make);
        if !extra_text.is_empty() {
            let lines = ours.stderr.split_inclusive(|&b| b == b'\n');
            let is_extra = |line: &&[u8]| String::from_utf8_lossy(line).contains(extra_text);
            ours.stderr = lines.filter(|line| !is_extra(line)).collect::<Vec<_>>().concat();
        }
        let found = differences(&oracle, &ours);
        assert!(found.is_empty(), "depmod\n{}", found.join("\n"));
        ours
    }

    /// Runs the commands that `make` builds from the root directory, for kmod and for the program under test.
    pub fn run_both(&self, make: impl Fn(Program, &Path) -> Command) -> [Outcome; 2] {
        let place = Place::new();
        [Program::Oracle, Program::Ours].map(|program| self.run_at(&place, |root| make(program, root)))
    }

    fn run_at(&self, place: &Place, make: impl FnOnce(&Path) -> Command) -> Outcome {
        let root = place.root();
        self.lay_out(&root);
        let outcome = observe(&root, make(&root));
        fs::remove_dir_all(&root).expect("the layout can be removed");
        outcome
    }

    /// Writes everything below `root`, which must not exist.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn lay_out(&self, root: &Path) {
        fs::create_dir_all(root).expect("a fresh directory");
        let here = root.to_string_lossy();
        for (path, content) in &self.files {
            let path = root.join(OsStr::from_bytes(path));
            fs::create_dir_all(path.parent().unwrap_or(root)).expect("parents of a file");
            match content {
                Content::File(bytes) if path.starts_with(root.join("depmod.d")) => {
                    fs::write(&path, String::from_utf8_lossy(bytes).replace("{}", &here))
                }
                Content::File(bytes) => fs::write(&path, bytes),
                Content::Directory => fs::create_dir_all(&path),
                Content::Link(target) => symlink(target.to_string_lossy().replace("{}", &here), &path),
                Content::Fifo => {
                    command::run(Command::new("mkfifo").arg(&path)).expect("a named pipe");
                    Ok(())
                }
            }
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }

    fn put(&mut self, path: Vec<u8>, content: Content) {
        self.files.insert(path, content);
    }

    fn below_modules(path: &[u8]) -> Vec<u8> {
        [format!("lib/modules/{VERSION}/").as_bytes(), path].concat()
    }
}

/// The program with arguments in which `{}` stands for the root directory.
fn with_root(program: Program, args: &[&str], root: &Path) -> Command {
    let mut command = program.command();
    command.args(args.iter().map(|arg| arg.replace("{}", &root.to_string_lossy())));
    command
}

/// A temporary directory for one layout at a time.
#[derive(Debug)]
pub struct Place(tempfile::TempDir);

impl Place {
    /// A new directory on the file system of temporary files.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("depmod-").tempdir().expect("a temporary directory"))
    }

    /// A new directory beside `neighbour`, so that files can be linked between them.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn beside(neighbour: &Path) -> Self {
        let parent = neighbour.parent().unwrap_or(neighbour);
        Self(tempfile::Builder::new().prefix("part-").tempdir_in(parent).expect("a temporary directory"))
    }

    /// The directory of the layout.
    pub fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies a directory recursively as hard links; neither program modifies existing files in place.
///
/// # Panics
/// When the file system refuses.
pub fn link_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a fresh directory");
    for entry in fs::read_dir(from).expect("a readable directory").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            link_directory(&from, &to);
        } else {
            fs::hard_link(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        }
    }
}

/// Runs a command with a time limit of five minutes; returns its output and its changes below `root`.
///
/// # Panics
/// When it cannot be started.
pub fn observe(root: &Path, command: Command) -> Outcome {
    let before = scan(root);
    let mut bounded = Command::new("timeout");
    bounded.args(["--kill-after=5", "300"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        bounded.current_dir(dir);
    }
    let output = bounded.stdin(Stdio::null()).output().expect("timeout(1) can be started");
    let mut written = BTreeMap::new();
    let after = scan(root);
    for (path, stamp) in &after {
        if before.get(path) != Some(stamp) {
            let full = root.join(path);
            let content = if stamp.is_file { fs::read(&full).unwrap_or_default() } else { Vec::new() };
            written.insert(path.to_string_lossy().into_owned(), content);
        }
    }
    let removed = before.keys().filter(|path| !after.contains_key(*path));
    Outcome {
        root: root.to_string_lossy().into_owned(),
        status: output.status,
        stdout: output.stdout,
        stderr: output.stderr,
        written,
        removed: removed.map(|path| path.to_string_lossy().into_owned()).collect(),
    }
}

/// Distinguishes a replaced file from an unchanged one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    is_file: bool,
    identity: Option<(u64, u64, i64, i64)>,
}

fn scan(root: &Path) -> BTreeMap<OsString, Stamp> {
    let mut found = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(dir) = pending.pop() {
        let Ok(entries) = fs::read_dir(root.join(&dir)) else { continue };
        for entry in entries.flatten() {
            let path = dir.join(entry.file_name());
            let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
            let identity =
                (!meta.is_dir()).then(|| (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()));
            found.insert(path.clone().into_os_string(), Stamp { is_file: meta.is_file(), identity });
            if meta.is_dir() {
                pending.push(path);
            }
        }
    }
    found
}
