//! Faults in system calls, injected by `strace`.

use alloc::collections::BTreeMap;
use core::fmt;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use depmod_tests::command::line;

use super::scenario::Scenario;
use super::world::World;

/// Which kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call is not made and returns an error.
    Error,
    /// The process is killed instead of the call.
    Kill,
}

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "errors",
            Self::Kill => "kill",
        }
    }
}

/// One fault: the n-th call of a name.
#[derive(Clone, Debug)]
pub(super) struct Injection {
    pub(super) fault: Fault,
    call: String,
    /// `None` for a kill.
    error: Option<&'static str>,
    /// From 1, in each thread.
    occurrence: usize,
}

impl Injection {
    /// The call and its error, without its number.
    pub(super) fn what(&self) -> String {
        format!("{} {}", self.call, self.error.unwrap_or("SIGKILL"))
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, error, occurrence, .. } = self;
        write!(f, "{call} {occurrence}, {}", error.unwrap_or("SIGKILL"))
    }
}

/// The errors of a machine, a full or damaged file system, or exhausted resources that a call can return.
///
/// A refusal that concerns one file (`EACCES`, `ENOENT`) is not among them: with it, a run goes on without the
/// file, as kmod's does. Calls that can't fail, or whose failure only breaks the test (`execve`, `futex`), have
/// none.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "open" | "openat" => &["EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE", "ETIMEDOUT", "EINTR"],
        "read" | "pread64" | "readv" | "preadv" => &["EIO", "ENOMEM", "ESTALE", "ETIMEDOUT", "EINTR"],
        "getdents64" | "newfstatat" | "fstat" | "stat" | "lstat" | "statx" | "readlink" | "readlinkat"
        | "access" | "faccessat" | "faccessat2" | "fstatfs" | "statfs" => &["EIO", "ENOMEM", "ESTALE"],
        "write" | "pwrite64" | "writev" => &["EIO", "ENOSPC", "EDQUOT", "EFBIG", "EINTR"],
        "fsync" | "fdatasync" | "syncfs" => &["EIO", "ENOSPC", "EDQUOT"],
        "rename" | "renameat" | "renameat2" | "link" | "linkat" | "symlink" | "unlink" | "unlinkat"
        | "mkdir" | "mkdirat" | "rmdir" => &["EIO", "ENOSPC", "EDQUOT", "EROFS", "ENOMEM"],
        "fchmod" | "fchmodat" | "chmod" | "fchown" | "utimensat" | "ftruncate" | "fallocate"
        | "fadvise64" | "fsetxattr" | "fgetxattr" => &["EIO", "EPERM", "EROFS", "EOPNOTSUPP"],
        "lseek" | "fcntl" | "ioctl" | "dup" | "dup2" | "dup3" | "pipe2" | "close" | "chdir" | "getcwd"
        | "sendfile" | "copy_file_range" => &["EIO", "ENOMEM"],
        "flock" => &["EIO", "ENOLCK", "EINTR", "EWOULDBLOCK"],
        "mmap" | "brk" | "mremap" | "mprotect" | "madvise" | "munmap" => &["ENOMEM"],
        "clone" | "clone3" => &["EAGAIN", "ENOMEM"],
        "poll" | "ppoll" => &["ENOMEM", "EINTR"],
        "getrandom" => &["EAGAIN", "ENOSYS"],
        "sched_getaffinity" | "prlimit64" | "sysinfo" | "uname" | "prctl" | "sigaltstack"
        | "rt_sigaction" | "rt_sigprocmask" => &["EINVAL", "ENOMEM"],
        "landlock_create_ruleset" | "landlock_add_rule" | "landlock_restrict_self" => {
            &["ENOSYS", "EOPNOTSUPP", "ENOMEM", "E2BIG"]
        }
        _ => &[],
    }
}

/// Every call of a run without faults, times every error that it can return.
///
/// # Errors
/// When strace or the run fails.
pub(super) fn injections(world: &World, scenario: &Scenario, fault: Fault) -> Result<Vec<Injection>> {
    world.restore()?;
    let log = world.log();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(&log);
    let run = world.command(scenario);
    let output = with_program(&mut strace, &run).output().context("strace")?;
    if !output.status.success() {
        bail!("`{}` failed: {}", line(&run), String::from_utf8_lossy(&output.stderr));
    }
    let log = std::fs::read_to_string(log)?;
    let mut injections = Vec::new();
    for (call, most) in occurrences(&log) {
        let errors: Vec<Option<&str>> = match fault {
            Fault::Kill if call == "execve" || call == "exit_group" => Vec::new(),
            Fault::Kill => vec![None],
            Fault::Error => errors(&call).iter().copied().map(Some).collect(),
        };
        for occurrence in 1..=most {
            let each = |&error| Injection { fault, call: call.clone(), error, occurrence };
            injections.extend(errors.iter().map(each));
        }
    }
    Ok(injections)
}

/// How often the busiest thread makes each call.
fn occurrences(log: &str) -> BTreeMap<String, usize> {
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in log.lines() {
        // `1234 openat(AT_FDCWD, …`; signals and resumed calls have no name before a parenthesis.
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if !call.is_empty() && call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            *by_thread.entry((call, thread)).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in by_thread {
        let seen = most.entry(call.to_owned()).or_default();
        *seen = count.max(*seen);
    }
    most
}

/// Runs a program with a fault, for at most thirty seconds.
///
/// # Errors
/// When strace cannot be started.
pub(super) fn run(program: &Command, injection: &Injection) -> Result<Output> {
    let Injection { call, error, occurrence, .. } = injection;
    let fault = error.map_or("signal=KILL".to_owned(), |error| format!("error={error}"));
    let mut strace = Command::new("timeout");
    strace.args(["--kill-after=1", "30", "strace", "-f", "-qq", "-o", "/dev/null"]);
    if injection.fault == Fault::Error {
        // Faster, since other calls don't stop. Signals are not delivered with it (strace 6.1).
        strace.arg("--seccomp-bpf");
    }
    strace.arg("-e").arg(format!("trace={call}"));
    strace.arg("-e").arg(format!("inject={call}:{fault}:when={occurrence}"));
    with_program(&mut strace, program).output().context("strace")
}

fn with_program<'a>(outer: &'a mut Command, program: &Command) -> &'a mut Command {
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.arg("--").arg(program.get_program()).args(program.get_args())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_thread_counts() {
        let log = "1 openat(AT_FDCWD, \"/a\", O_RDONLY) = 3\n1 read(3,  <unfinished ...>\n2 read(4, \"\", 9) = 0\n\
                   1 <... read resumed>\"x\", 1) = 1\n2 read(4, \"\", 9) = 0\n2 +++ exited with 0 +++\n";
        let expected = [("openat".to_owned(), 1), ("read".to_owned(), 2)];
        assert_eq!(occurrences(log).into_iter().collect::<Vec<_>>(), expected);
    }
}
