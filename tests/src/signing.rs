//! Signing programs for Secure Boot.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::efi::SecureBoot;

/// The program, signed with a key that the test firmware trusts.
///
/// # Errors
/// When openssl or sbsign is missing or fails.
pub fn sign(program: &[u8], secure: &SecureBoot) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    decrypt_key(secure, &at("key"))?;
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

/// Writes that key without its pass phrase; sbsign would ask for it on the terminal.
///
/// # Errors
/// When openssl is missing or fails.
pub fn decrypt_key(secure: &SecureBoot, to: &Path) -> Result<()> {
    let pass = format!("pass:{}", secure.pass_phrase);
    let mut openssl = Command::new("openssl");
    openssl.args(["rsa", "-passin", &pass, "-in"]).arg(&secure.key).arg("-out").arg(to);
    command::output(&mut openssl).map(drop)
}
