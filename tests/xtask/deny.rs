//! `cargo xtask test deny`: licences, versions, sources and known defects of all dependencies, by `deny.toml`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use depmod_tests::command::{self, run};
use depmod_tests::{target_dir, workspace};

/// Its rules change between versions.
const VERSION: &str = "0.20.2";

/// Checks all dependencies. Without network, known defects are not checked.
///
/// # Errors
/// When cargo-deny is missing and cannot be built, or a dependency breaks a rule.
pub(crate) fn main() -> Result<()> {
    let program = find_or_install()?;
    let deny = |words: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(workspace()).args(words);
        command
    };
    run(&mut deny(&["--all-features", "--locked", "check", "licenses", "bans", "sources"]))?;
    match command::output(&mut deny(&["fetch", "db"])) {
        Ok(_) => run(&mut deny(&["--all-features", "--locked", "check", "--disable-fetch", "advisories"])),
        Err(_) => {
            println!("known defects are not checked: their list, RustSec's, is out of reach");
            Ok(())
        }
    }
}

/// The machine's cargo-deny, or one in the target directory. Its optimised build would take three times as long
/// as this one, and a check takes two seconds.
fn find_or_install() -> Result<PathBuf> {
    if command::exists("cargo-deny") {
        return Ok("cargo-deny".into());
    }
    let tools = target_dir().join("tools");
    let program = tools.join("bin/cargo-deny");
    if !program.exists() {
        let mut install = Command::new("cargo");
        install.args([
            "install",
            "--quiet",
            "--locked",
            "--debug",
            "--version",
            VERSION,
            "cargo-deny",
            "--root",
        ]);
        run(install.arg(&tools).env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    }
    Ok(program)
}
