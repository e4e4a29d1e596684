//! Our command on a terminal, by `script`.

use std::process::{Command, Stdio};

use crate::product;

/// What a run shows on a terminal.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The exit status.
    pub status: Option<i32>,
    /// Standard output and standard error, as they appear, without colours.
    pub text: String,
}

/// Runs our command with these arguments on a terminal.
///
/// # Panics
/// When `script` cannot be started.
pub fn depmod<S: AsRef<str>>(words: &[S]) -> Shown {
    depmod_with(&[], words)
}

/// The same, with variables of the environment.
///
/// # Panics
/// When `script` is not installed.
pub fn depmod_with<S: AsRef<str>>(variables: &[(&str, &str)], words: &[S]) -> Shown {
    let quoted: Vec<String> =
        words.iter().map(|word| format!("'{}'", word.as_ref().replace('\'', "'\\''"))).collect();
    let line = format!("stty -onlcr; exec '{}' {}", product::binary().display(), quoted.join(" "));
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).env("NO_COLOR", "1").env("LC_ALL", "C");
    script.envs(variables.iter().copied());
    let output = script.stdin(Stdio::null()).output().expect("script runs");
    Shown { status: output.status.code(), text: String::from_utf8_lossy(&output.stdout).into_owned() }
}
