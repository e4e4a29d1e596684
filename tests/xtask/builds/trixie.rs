//! The command in Debian trixie, as a packager builds it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use depmod_tests::command::{run, text};
use depmod_tests::debian;

use super::{copy_registry, copy_workspace};

/// What the README tells packagers to install; the compiler is from backports.
const PACKAGES: [&str; 6] =
    ["gcc", "libc6-dev", "libdeflate-dev", "liblzma-dev", "libzstd-dev", "pkg-config"];
const FEATURES: [&str; 3] = ["--no-default-features", "--features", "answers,progress-bar,system-codecs"];
const LIBRARIES: [&str; 3] = ["libdeflate.so.0", "liblzma.so.5", "libzstd.so.1"];

/// Builds with the system's codecs in a fresh root; the program uses these libraries, the tests of the decoders
/// pass with them, and without them the build says what is missing.
///
/// # Errors
/// When one of these does not hold.
pub(crate) fn main() -> Result<String> {
    depmod_tests::apt::install(&["mmdebstrap"])?;
    let place = tempfile::Builder::new().prefix("depmod-trixie-").tempdir()?;
    let root = place.path();
    let mirror = debian::mirror()?;
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=apt", &format!("--include={}", PACKAGES.join(","))])
        .arg("trixie")
        .arg(root)
        .args([format!("deb {mirror} trixie main"), format!("deb {mirror} trixie-backports main")]))?;
    let inside = |words: &str| {
        let mut command = Command::new("chroot");
        command.arg(root).args(["sh", "-e", "-c", words]).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root").env("LC_ALL", "C");
        command
    };
    run(&mut inside(
        "apt-get -qq update; apt-get -qq install --yes --no-install-recommends -t trixie-backports cargo >/dev/null",
    ))?;
    copy_workspace(&root.join("depmod"))?;
    copy_registry(&root.join("root/.cargo"))?;
    let cargo = |subcommand: &str, rest: &str| {
        inside(&format!(
            "cd /depmod; cargo {subcommand} --quiet --offline --package depmod {} {rest}",
            FEATURES.join(" ")
        ))
    };
    let compiler = text(&mut inside("rustc --version"))?;
    run(&mut cargo("build", ""))?;
    let linked = text(&mut inside("ldd /depmod/target/debug/depmod"))?;
    for library in LIBRARIES {
        ensure!(linked.contains(library), "{library} is not in the program:\n{linked}");
    }
    run(&mut cargo("test", "--lib codecs"))?;
    missing(root, &mut cargo("check", ""))?;
    Ok(format!("{compiler}: links {}, its decoders' tests pass", LIBRARIES.join(" ")))
}

/// A build without one of the libraries fails, and names it.
fn missing(root: &Path, check: &mut Command) -> Result<()> {
    let found = text(Command::new("find").arg(root.join("usr/lib")).args(["-name", "libdeflate.pc"]))?;
    ensure!(!found.is_empty(), "no libdeflate.pc");
    fs::remove_file(&found)?;
    // A build script runs again only if something of its own has changed.
    fs::remove_dir_all(root.join("depmod/target"))?;
    let failed = check.output()?;
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    ensure!(
        !failed.status.success() && said.contains("pkg-config does not find libdeflate"),
        "without libdeflate: {}, {said}",
        failed.status
    );
    Ok(())
}
