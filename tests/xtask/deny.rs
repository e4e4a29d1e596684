//! `cargo xtask test deny`: licences, versions, sources and known defects of all dependencies, by `deny.toml`.

use std::process::Command;

use anyhow::Result;
use depmod_tests::command::{self, run};
use depmod_tests::tool::find_or_install;
use depmod_tests::workspace;

/// Its rules change between versions.
const VERSION: &str = "0.20.2";

/// Checks all dependencies. Without network, known defects are not checked.
///
/// # Errors
/// When cargo-deny is missing and cannot be built, or a dependency breaks a rule.
pub(crate) fn main() -> Result<()> {
    let program = find_or_install("cargo-deny", VERSION)?;
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
