//! Confinement of the command by Landlock, a security module of Linux 5.13 and newer.
//!
//! Modules, index files and configuration are hostile input, and some decoders are in C. A confined run can still
//! read every file that its user can read, because links lead out of a module directory to any place. It can write
//! only below the directories of its output, execute nothing, use no TCP, and reach no process outside by signals or
//! abstract sockets.
//!
//! Files that are open already, such as standard output, stay usable. What a kernel does not support is left out, and
//! a run is never refused: without Landlock it is as before.
//!
//! Nothing is confined with `LD_PRELOAD`: `fakeroot`, `fakechroot` and debuggers need other files and sockets inside
//! the process.

use std::env;
use std::fs;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};

/// The newest interface whose restrictions are known here: that of Linux 6.12.
const INTERFACE: ABI = ABI::V6;
/// Rights below `/`.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
/// Rights to replace files in a directory. A link in place of an old file is exchanged with the new file.
const REPLACE: BitFlags<AccessFs> =
    make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeSym | RemoveFile});

/// A place that a run may write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Writable<'p> {
    /// The files of a directory, which is created with its parents if it is missing.
    Directory(&'p Path),
    /// The files of a directory, which is created if only itself is missing.
    Cache(&'p Path),
    /// A file, which is replaced, or a pipe or device, which is written.
    File(&'p Path),
}

/// Confines this thread, and all threads that it will start, to reading and to these places. Returns whether the
/// kernel does that, at least in part.
///
/// If anything goes wrong, nothing is confined.
pub(crate) fn confine(places: &[Writable<'_>]) -> bool {
    if env::var_os("LD_PRELOAD").is_some() {
        return false;
    }
    let confined = try_confine(places);
    confined.is_some_and(|status| status != RulesetStatus::NotEnforced)
}

fn try_confine(places: &[Writable<'_>]) -> Option<RulesetStatus> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(INTERFACE))
        .ok()?
        .handle_access(AccessNet::from_all(INTERFACE))
        .ok()?
        .scope(Scope::from_all(INTERFACE))
        .ok()?
        .create()
        .ok()?;
    rules = allow(rules, Path::new("/"), READ)?;
    // The current directory need not be below the root: its file system may be unmounted.
    if let Ok(here) = PathFd::new(".") {
        rules = rules.add_rule(PathBeneath::new(here, READ)).ok()?;
    }
    for place in places {
        rules = place.allow(rules)?;
    }
    Some(rules.restrict_self().ok()?.ruleset)
}

fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Option<RulesetCreated> {
    rules.add_rule(PathBeneath::new(PathFd::new(path).ok()?, access)).ok()
}

/// The path of a directory; the parent of a name without slash is the empty path.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

impl Writable<'_> {
    fn allow(&self, rules: RulesetCreated) -> Option<RulesetCreated> {
        let create = REPLACE | AccessFs::MakeDir;
        match *self {
            Self::Directory(path) if path.is_dir() => allow(rules, path, REPLACE),
            Self::Directory(path) => {
                // Rules are about existing directories only.
                let above = path.ancestors().map(here).find(|path| path.is_dir())?;
                allow(rules, above, create)
            }
            Self::Cache(path) if path.is_dir() => allow(rules, path, REPLACE),
            Self::Cache(path) => match path.parent().map(here).filter(|parent| parent.is_dir()) {
                Some(parent) => allow(rules, parent, create),
                None => Some(rules),
            },
            Self::File(path) => match fs::metadata(path) {
                // Landlock does not concern itself with pipes that have no name, such as those of shells.
                Ok(old) if !old.is_file() && path.canonicalize().is_err() => Some(rules),
                Ok(old) if !old.is_file() => allow(rules, path, AccessFs::WriteFile.into()),
                _ => allow(rules, path.parent().map(here)?, REPLACE),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{self, ErrorKind, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use rustix::fs::{CWD, RenameFlags, renameat_with};

    /// Does this confined, in a thread of its own. Machines for tests have Linux 6.12, or 6.7 without the last line
    /// of the tests.
    fn confined<T: Send>(places: &[Writable<'_>], act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                assert!(confine(places), "this kernel has no Landlock, or it is turned off");
                act()
            });
            thread.join().unwrap()
        })
    }

    fn denied<T>(result: io::Result<T>) -> bool {
        result.err().is_some_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    #[test]
    fn a_confined_run_reads_everything_and_writes_only_its_directories() {
        let root = tempfile::tempdir().unwrap();
        let [ours, others] = ["ours", "others"].map(|name| root.path().join(name));
        for dir in [&ours, &others] {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("modules.dep"), "old").unwrap();
        }
        symlink(&others, ours.join("link")).unwrap();
        symlink("modules.dep", ours.join("modules.alias")).unwrap();
        confined(&[Writable::Directory(&ours)], || {
            assert_eq!(fs::read(others.join("modules.dep")).unwrap(), b"old");
            assert_eq!(fs::read(ours.join("link/modules.dep")).unwrap(), b"old");
            assert_eq!(fs::read_dir(&others).unwrap().count(), 1);
            assert!(fs::read("/proc/locks").is_ok() && fs::metadata("/proc/self/exe").is_ok());

            for dir in [&others, &ours.join("link"), root.path()] {
                assert!(denied(fs::write(dir.join("new"), "")), "{}", dir.display());
            }
            assert!(denied(fs::write(others.join("modules.dep"), "new")));
            assert!(denied(File::options().append(true).open(others.join("modules.dep"))));
            assert!(denied(fs::remove_file(others.join("modules.dep"))));
            assert!(denied(fs::rename(others.join("modules.dep"), others.join("gone"))));
            assert!(denied(fs::create_dir(others.join("new"))));
            assert!(denied(symlink("/", others.join("new"))));
            assert!(denied(fs::create_dir(ours.join("new"))));

            for name in ["modules.dep", "modules.alias"] {
                let [new, old] = ["new", name].map(|name| ours.join(name));
                fs::write(&new, "new").unwrap();
                renameat_with(CWD, &new, CWD, &old, RenameFlags::EXCHANGE).unwrap();
                fs::remove_file(&new).unwrap();
                assert_eq!(fs::read(&old).unwrap(), b"new");
            }
        });
        assert_eq!(fs::read(others.join("modules.dep")).unwrap(), b"old");
        fs::write(others.join("new"), "").expect("other threads are not confined");
    }

    #[test]
    fn a_confined_run_starts_no_program_and_no_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut peer = Command::new("sleep").arg("60").spawn().unwrap();
        confined(&[], || {
            assert!(denied(Command::new("/bin/true").status()));
            assert!(denied(TcpStream::connect(address)));
            assert!(denied(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))));
            let peer = rustix::process::Pid::from_child(&peer);
            assert_eq!(
                rustix::process::kill_process(peer, rustix::process::Signal::KILL),
                Err(rustix::io::Errno::PERM)
            );
        });
        TcpStream::connect(address).unwrap();
        peer.kill().unwrap();
        peer.wait().unwrap();
    }

    #[test]
    fn missing_directories_can_be_created() {
        let root = tempfile::tempdir().unwrap();
        let base = root.path().join("base");
        fs::create_dir(&base).unwrap();
        let (new, cache) = (base.join("lib/modules/6.1"), root.path().join("var/cache"));
        confined(&[Writable::Directory(&new), Writable::Cache(&cache)], || {
            fs::create_dir_all(&new).unwrap();
            fs::write(new.join("modules.dep"), "").unwrap();
            assert!(denied(fs::create_dir(root.path().join("var"))));
        });
    }

    #[test]
    fn outputs_may_be_files_devices_and_pipes() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("m.cpio");
        confined(&[Writable::File(&path)], || fs::write(&path, "").unwrap());
        let null = Path::new("/dev/null");
        confined(&[Writable::File(null)], || {
            fs::write(null, "x").unwrap();
            assert!(denied(fs::write(&path, "")));
            assert!(denied(File::options().write(true).open("/dev/zero")));
        });
        let (_reader, mut writer) = io::pipe().unwrap();
        let pipe = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        confined(&[Writable::File(Path::new(&pipe))], || {
            File::options().write(true).open(&pipe).unwrap().write_all(b"x").unwrap();
        });
        writer.write_all(b"x").unwrap();
    }
}
