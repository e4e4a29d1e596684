//! The libraries in other programs: `cargo xtask test library` and the `bare-…` steps.
//!
//! Examples are copied into new packages outside of the workspace, which depend on the libraries by path.
//! Features and dependencies of the workspace do not affect them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::command::{output, run};
use depmod_tests::toolchain::CrossCargo;
use depmod_tests::workspace;

/// A library: its directory in the workspace, and the dependencies of programs that use it.
type Library = (&'static str, &'static [Dependency]);

/// A dependency: the package, its directory, and whether its default features are active.
type Dependency = (&'static str, &'static str, bool);

const LIBRARIES: &[Library] = &[
    ("core", &[("depmod-core", "core", true)]),
    ("host-cli", &[("depmod-core", "core", true), ("depmod", "host-cli", false)]),
];

/// Examples that are tools of this project.
const TOOLS: [&str; 2] = ["limit", "pages"];

/// The example for programs without allocator.
const WITHOUT_ALLOCATOR: &str = "core/examples/lookup_without_allocator.rs";

/// Limit for the lines of an example, without blank lines and comments.
const LINES_MAX: usize = 25;

/// Builds and runs every example of the libraries.
///
/// # Errors
/// When a library has no examples, or an example does not build, fails, prints nothing or is too long.
pub(crate) fn main() -> Result<()> {
    let mut failed = Vec::new();
    for (library, dependencies) in LIBRARIES {
        let package = Package::new(dependencies)?;
        let examples = examples(library)?;
        for (name, path) in &examples {
            package.add(path, &format!("src/bin/{name}.rs"))?;
        }
        package.add_data(&directory(library))?;
        run(package.cargo("build").args(["--quiet", "--bins"]))?;
        for (name, path) in &examples {
            match check(&package, name, path) {
                Ok(lines) => println!("{library}: {name} works and has {lines} lines"),
                Err(error) => {
                    println!("{library}: {name}: {error:#}");
                    failed.push(name.clone());
                }
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("examples: {}", failed.join(" ")) }
}

/// Compiles the example for programs without allocator, with the core without features.
///
/// # Errors
/// When it does not compile for the target.
pub(crate) fn without_allocator(cross: &CrossCargo) -> Result<()> {
    let package = Package::new(&[("depmod-core", "core", false)])?;
    // A library needs neither a linker nor a panic handler.
    package.add(&workspace().join(WITHOUT_ALLOCATOR), "src/lib.rs")?;
    run(package.set_up(&mut cross.command("build")))
}

/// The directory with the examples of a library.
fn directory(library: &str) -> PathBuf {
    workspace().join(library).join("examples")
}

/// Examples of a library by name.
fn examples(library: &str) -> Result<Vec<(String, PathBuf)>> {
    let directory = directory(library);
    let mut found = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension() == Some(OsStr::new("rs")) && !TOOLS.contains(&&*name) {
            found.push((name, path));
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "no examples in {}", directory.display());
    Ok(found)
}

/// Runs an example and returns its number of lines.
fn check(package: &Package, name: &str, path: &Path) -> Result<usize> {
    let mut example = Command::new(package.target().join("debug").join(name));
    // Temporary files of the example are removed with the package.
    let printed = output(example.current_dir(package.root()).env("TMPDIR", package.root()))?;
    ensure!(!printed.is_empty(), "it prints nothing");
    let lines = count_lines(&fs::read_to_string(path)?);
    ensure!(lines <= LINES_MAX, "{lines} lines, more than {LINES_MAX}");
    Ok(lines)
}

/// Number of code lines, without blank lines and comments.
fn count_lines(text: &str) -> usize {
    text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// A new package outside of the workspace; drop removes it.
struct Package(tempfile::TempDir);

impl Package {
    /// A package without source files. Its dependencies have the versions of the workspace's lock file.
    fn new(dependencies: &[Dependency]) -> Result<Self> {
        let package = Self(tempfile::Builder::new().prefix("depmod-library-").tempdir()?);
        let dependencies: String = dependencies
            .iter()
            .map(|(name, directory, default_features)| {
                let path = workspace().join(directory);
                format!("{name} = {{ path = {path:?}, default-features = {default_features} }}\n")
            })
            .collect();
        let manifest = format!(
            "[package]\nname = \"fresh\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\n{dependencies}"
        );
        fs::write(package.root().join("Cargo.toml"), manifest)?;
        package.add(&workspace().join("Cargo.lock"), "Cargo.lock")?;
        Ok(package)
    }

    /// Copies a file into the package.
    fn add(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.root().join(to);
        fs::create_dir_all(to.parent().unwrap_or(self.root()))?;
        fs::copy(from, to).with_context(|| from.display().to_string())?;
        Ok(())
    }

    /// Copies the directories beside the examples, which contain the files that the examples include.
    fn add_data(&self, examples: &Path) -> Result<()> {
        for entry in fs::read_dir(examples)? {
            let path = entry?.path();
            let is_tool = TOOLS.iter().any(|tool| path.file_name() == Some(OsStr::new(tool)));
            if path.is_dir() && !is_tool {
                run(Command::new("cp").arg("-rL").arg(path).arg(self.root().join("src/bin")))?;
            }
        }
        Ok(())
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn target(&self) -> PathBuf {
        self.root().join("target")
    }

    fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = Command::new("cargo");
        self.set_up(cargo.arg(subcommand));
        cargo
    }

    /// Sets up a cargo command for this package.
    fn set_up<'c>(&self, cargo: &'c mut Command) -> &'c mut Command {
        cargo.current_dir(self.root()).env("CARGO_TARGET_DIR", self.target())
    }
}

#[cfg(test)]
mod tests {
    use super::count_lines;

    #[test]
    fn blank_lines_and_comments_do_not_count() {
        assert_eq!(
            count_lines("//! About.\n\n// Why.\nfn main() {\n    /// A doc.\n    a(); // why\n}\n"),
            3
        );
    }
}
