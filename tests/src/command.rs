//! Running programs, with errors that name the program and its output.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// This program, to run another part of it in a process of its own.
///
/// The link in `/proc` starts it even after a step built it again, when its path is gone or another program.
#[must_use]
pub fn this_program() -> Command {
    Command::new("/proc/self/exe")
}

/// The command as one line for messages.
pub fn line(command: &Command) -> String {
    let words = core::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs a command with inherited stdin, stdout and stderr.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs a command and returns its output; its stderr becomes part of the error.
///
/// # Errors
/// When it cannot be started or fails.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}\n{}", line(command), String::from_utf8_lossy(&stderr).trim_end());
    }
    Ok(stdout)
}

/// Like [`output`], as text without surrounding white space.
///
/// # Errors
/// As [`output`]; also when the output is not UTF-8.
pub fn text(command: &mut Command) -> Result<String> {
    let bytes = output(command)?;
    let text = String::from_utf8(bytes).with_context(|| format!("output of `{}`", line(command)))?;
    Ok(text.trim().to_owned())
}

/// Whether a program of this name is in the search path.
pub fn exists(program: impl AsRef<OsStr>) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program.as_ref()).is_file())
}
