//! The same bytes from other directories.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::command::{self, run};
use depmod_tests::workspace;

/// Builds the command twice, with checkout, cargo's home and target in directories of other names and lengths, and
/// compares the bytes; nothing of the directories is in them.
///
/// # Errors
/// When a build fails, or they differ.
pub(crate) fn same_bytes() -> Result<String> {
    let mut programs = Vec::new();
    for name in ["one", "a-second-directory-with-a-longer-name"] {
        let directory = tempfile::Builder::new().prefix("depmod-build-").suffix(name).tempdir()?;
        programs.push(build(directory.path())?);
    }
    let [one, two] = programs.as_slice() else { unreachable!("two builds") };
    ensure!(one == two, "{} and {} bytes: the programs differ", one.len(), two.len());
    Ok(format!("two builds of {} bytes are equal", one.len()))
}

/// A static build, as it is packaged.
fn build(directory: &Path) -> Result<Vec<u8>> {
    let (checkout, home, target) =
        (directory.join("checkout"), directory.join("home"), directory.join("target"));
    super::copy_workspace(&checkout)?;
    super::copy_registry(&home)?;
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let flags = format!(
        "--remap-path-prefix={}=depmod --remap-path-prefix={}=cargo",
        checkout.display(),
        home.display()
    );
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&checkout).args(["build", "--quiet", "--release", "--locked", "--offline"]);
    cargo.args(["--package", "depmod", "--target", &triple]);
    cargo.env("CARGO_HOME", &home).env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", flags);
    run(&mut cargo)?;
    let path = target.join(triple).join("release/depmod");
    command::output(Command::new(&path).arg("--version"))?;
    let program = fs::read(&path).with_context(|| path.display().to_string())?;
    let needle = directory.to_str().context("a path in UTF-8")?.as_bytes();
    let here = workspace().to_str().context("a path in UTF-8")?.as_bytes();
    for path in [needle, here] {
        let found = program.windows(path.len()).any(|window| window == path);
        ensure!(!found, "{} is in the program", String::from_utf8_lossy(path));
    }
    Ok(program)
}
