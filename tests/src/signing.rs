//! Signing programs for Secure Boot.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::efi::SecureBoot;

/// The program with a signature by the key that the test firmware trusts.
///
/// # Errors
/// When openssl or sbsign are missing or fail.
pub fn sign(program: &[u8], secure: &SecureBoot) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    // sbsign asks for a pass phrase on the terminal only.
    command::output(
        Command::new("openssl")
            .args(["rsa", "-passin", &format!("pass:{}", secure.pass_phrase), "-in"])
            .arg(&secure.key)
            .arg("-out")
            .arg(at("key")),
    )?;
    fs::write(at("program"), program)?;
    command::output(
        Command::new("sbsign")
            .arg("--key")
            .arg(at("key"))
            .arg("--cert")
            .arg(&secure.certificate)
            .arg("--output")
            .arg(at("signed"))
            .arg(at("program")),
    )?;
    Ok(fs::read(at("signed"))?)
}
