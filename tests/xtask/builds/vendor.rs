//! The command's source with that of all dependencies, for packagers: without what only tests, other systems and
//! exotic processors need.

use alloc::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::command::{run, text};

/// The limit of the dependencies' size.
const MAX_SIZE: u64 = 40_000_000;

/// Where cargo finds the dependencies.
const CONFIG: &str = "\
[source.crates-io]
replace-with = \"vendored\"

[source.vendored]
directory = \"vendor\"
";

/// What a dependency for Windows or tests is replaced by.
const EMPTY: &str = "// Not needed on Linux.\n";

/// Directories and files that no build on Linux reads, by crate (`*` for all) and path.
const UNUSED: &[(&str, &[&str])] = &[
    ("*", &["tests", "benches", "ci", "fuzz", "fuzzing", ".github", "bench_data", "target"]),
    (
        "liblzma-sys",
        &["xz/po", "xz/po4a", "xz/tests", "xz/doc", "xz/doxygen", "xz/windows", "xz/dos", "xz/m4"],
    ),
    (
        "libc",
        &[
            "src/unix/bsd",
            "src/unix/solarish",
            "src/unix/nto",
            "src/unix/haiku",
            "src/unix/newlib",
            "src/windows",
            "src/fuchsia",
            "src/vxworks",
            "src/wasi",
            "src/solid",
            "src/teeos",
        ],
    ),
    ("zstd-sys", &["zstd/lib/legacy", "zstd/lib/deprecated"]),
    // Processors without a standard library of Rust in any distribution.
    (
        "linux-raw-sys",
        &[
            "src/csky",
            "src/hexagon",
            "src/m68k",
            "src/mips",
            "src/mips32r6",
            "src/mips64",
            "src/mips64r6",
            "src/riscv32",
            "src/sparc",
            "src/sparc64",
            "src/x32",
        ],
    ),
];

/// Processors whose dependencies stay.
const PROCESSORS: [&str; 7] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
    "armv7-unknown-linux-gnueabihf",
    "i686-unknown-linux-gnu",
    "powerpc64le-unknown-linux-gnu",
    "riscv64gc-unknown-linux-gnu",
    "s390x-unknown-linux-gnu",
];

/// Lays the source out in a new directory.
///
/// # Errors
/// When it exists, or cargo fails.
pub(crate) fn task(args: &[String]) -> Result<()> {
    let [directory] = args else { bail!("usage: cargo xtask vendor DIR") };
    let directory = std::path::absolute(directory)?;
    ensure!(!directory.exists(), "{} is there already", directory.display());
    let size = lay_out(&directory)?;
    println!("{}: {:.1} MB of dependencies", directory.display(), size as f64 / 1e6);
    Ok(())
}

/// The source is small, and the command builds from it without cargo's home and without a network.
///
/// # Errors
/// When one of these does not hold.
pub(crate) fn main() -> Result<String> {
    let place = tempfile::Builder::new().prefix("depmod-vendor-").tempdir()?;
    let directory = place.path().join("depmod");
    let size = lay_out(&directory)?;
    ensure!(size <= MAX_SIZE, "{size} bytes of dependencies, more than {MAX_SIZE}");
    let mut build = Command::new("cargo");
    build.current_dir(&directory).args(["build", "--frozen", "--quiet", "--bin", "depmod"]);
    run(build
        .env("CARGO_HOME", place.path().join("home"))
        .env("CARGO_TARGET_DIR", place.path().join("target")))?;
    let version = text(Command::new(place.path().join("target/debug/depmod")).arg("--version"))?;
    let first = version.lines().next().unwrap_or_default();
    Ok(format!("{:.1} MB of dependencies; {first} is built from them", size as f64 / 1e6))
}

/// Copies the two packages, vendors, and removes; returns the size of the dependencies.
fn lay_out(directory: &Path) -> Result<u64> {
    super::copy_workspace(directory)?;
    for other in ["uefi", "tests", "targets", ".github", ".ci", ".cargo", "host-cli/c"] {
        let other = directory.join(other);
        if other.exists() {
            fs::remove_dir_all(other)?;
        }
    }
    let manifest = directory.join("Cargo.toml");
    let whole = fs::read_to_string(&manifest)?;
    let members = whole.lines().find(|line| line.starts_with("members = ")).context("members")?;
    fs::write(&manifest, whole.replace(members, "members = [\"core\", \"host-cli\"]"))?;
    for package in ["core", "host-cli"] {
        let path = directory.join(package).join("Cargo.toml");
        fs::write(&path, without_tests(&fs::read_to_string(&path)?))?;
    }
    let cargo = |words: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(directory).args(words);
        cargo
    };
    run(&mut cargo(&["vendor", "--quiet", "--versioned-dirs", "vendor"]))?;
    fs::create_dir(directory.join(".cargo"))?;
    fs::write(directory.join(".cargo/config.toml"), CONFIG)?;
    let mut needed = BTreeSet::new();
    for processor in PROCESSORS {
        let words = ["tree", "--all-features", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"];
        let tree = text(cargo(&words).args(["--offline", "--format", "{p}", "--target", processor]))?;
        for line in tree.lines() {
            let mut words = line.split(' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            needed.insert(format!("{name}-{}", version.trim_start_matches('v')));
        }
    }
    let mut size = 0;
    for entry in fs::read_dir(directory.join("vendor"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if needed.contains(&name) {
            strip(&path, &name)?;
        } else {
            empty(&path)?;
        }
        size += size_of(&path)?;
    }
    Ok(size)
}

/// A manifest without its section of dependencies for tests.
fn without_tests(manifest: &str) -> String {
    let mut kept = true;
    let lines = manifest.split_inclusive('\n').filter(|line| {
        if line.starts_with('[') {
            kept = line.trim() != "[dev-dependencies]";
        }
        kept
    });
    lines.collect()
}

/// Removes what no build on Linux reads.
fn strip(path: &Path, name: &str) -> Result<()> {
    for (package, unused) in UNUSED {
        if *package == "*" || name.rsplit_once('-').is_some_and(|(name, _)| name == *package) {
            for unused in *unused {
                let unused = path.join(unused);
                if unused.is_dir() {
                    fs::remove_dir_all(&unused)?;
                }
            }
        }
    }
    forget_files(path)
}

/// Leaves the manifest and an empty library, which is what cargo reads of a dependency for another system.
fn empty(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let keep = [".cargo-checksum.json", "Cargo.toml"].iter().any(|name| entry.file_name() == **name);
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if !keep {
            fs::remove_file(entry.path())?;
        }
    }
    let manifest = fs::read_to_string(path.join("Cargo.toml"))?;
    let manifest: toml::Table = manifest.parse()?;
    let at = |section: &str, key: &str| Some(manifest.get(section)?.get(key)?.as_str()?.to_owned());
    for file in
        [at("lib", "path").unwrap_or_else(|| "src/lib.rs".into())].into_iter().chain(at("package", "build"))
    {
        let file = path.join(file);
        fs::create_dir_all(file.parent().unwrap_or(path))?;
        fs::write(file, EMPTY)?;
    }
    forget_files(path)
}

/// Keeps the checksum of the package, which the lock file names, and drops those of its files.
fn forget_files(path: &Path) -> Result<()> {
    let sums = path.join(".cargo-checksum.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&sums)?)?;
    value["files"] = serde_json::Value::Object(serde_json::Map::new());
    fs::write(sums, value.to_string()).map_err(Into::into)
}

/// Bytes of all files below.
fn size_of(path: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tests_dependencies_go() {
        let manifest = "[dependencies]\na = 1\n\n[dev-dependencies]\nb = 1\n\n[lints]\nworkspace = true\n";
        assert_eq!(without_tests(manifest), "[dependencies]\na = 1\n\n[lints]\nworkspace = true\n");
    }
}
