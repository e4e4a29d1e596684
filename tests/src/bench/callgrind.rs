//! Counting instructions; the load of the machine does not affect the count.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{apt, command};

/// The number of instructions that a command executes in user mode, on all threads; its environment has only
/// `PATH`.
///
/// # Errors
/// When valgrind is missing or the command fails.
pub fn instructions(program: &Path, args: &[&str], scratch: &Path) -> Result<u64> {
    if !command::exists("valgrind") {
        apt::install(&["valgrind"])?;
    }
    let log = scratch.join("callgrind.log");
    command::output(
        Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(format!("--log-file={}", log.display()))
            .arg(program)
            .args(args)
            .env_remove("LD_LIBRARY_PATH"),
    )?;
    let log = fs::read_to_string(log)?;
    collected(&log).with_context(|| format!("valgrind reported no count:\n{log}"))
}

/// `==123== Collected : 4567`.
fn collected(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_found_in_the_log() {
        let log = "==1== Events    : Ir\n==1== Collected : 1234567\n==1== \n";
        assert_eq!(collected(log), Some(1_234_567));
        assert_eq!(collected("==1== Events"), None);
    }
}
