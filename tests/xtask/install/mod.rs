//! `cargo xtask install`, `man` and `completions`: the command and what comes beside it, and their tests.

mod examples;
mod pages;
mod shells;
mod tests;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::toolchain::hide_build_paths;
use depmod_tests::{command, efi, target_dir, workspace};

pub(crate) use tests::{module_directory, test};

const USAGE: &str =
    "usage: cargo xtask install [--destdir DIR] [--prefix DIR] [--moduledir DIR] [--efi] [--debug]";

/// What is installed, and where.
#[derive(Debug)]
struct Options {
    /// Stands in front of every path, for packages.
    destdir: PathBuf,
    prefix: PathBuf,
    /// The module directory without `-m`, if it is another one.
    moduledir: Option<String>,
    efi: bool,
    /// Without optimisation.
    debug: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self {
            destdir: PathBuf::from("/"),
            prefix: PathBuf::from("/usr/local"),
            moduledir: None,
            efi: false,
            debug: false,
        };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let (name, mut value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let mut value = || value.take().or_else(|| words.next().cloned()).context(USAGE);
            match name {
                "--destdir" => options.destdir = std::path::absolute(value()?)?,
                "--prefix" => options.prefix = value()?.into(),
                "--moduledir" => options.moduledir = Some(value()?),
                "--efi" => options.efi = true,
                "--debug" => options.debug = true,
                _ => bail!(USAGE),
            }
        }
        let absolute = |path: &Path| path.is_absolute();
        ensure!(absolute(&options.prefix), "--prefix is an absolute path\n{USAGE}");
        ensure!(
            options.moduledir.as_deref().is_none_or(|dir| dir.len() > 1 && absolute(Path::new(dir))),
            "--moduledir is an absolute path\n{USAGE}"
        );
        Ok(options)
    }

    /// Puts a file into a directory below the prefix.
    fn put(&self, from: &Path, below: &str, mode: u32) -> Result<()> {
        let name = from.file_name().context("a file has a name")?;
        self.put_as(from, &Path::new(below).join(name), mode)
    }

    /// Puts a file at a path below the prefix, and prints the whole path.
    fn put_as(&self, from: &Path, path: &Path, mode: u32) -> Result<()> {
        let prefix = self.prefix.strip_prefix("/").unwrap_or(&self.prefix);
        let to = self.destdir.join(prefix).join(path);
        fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
        // A program that runs cannot be written, but replaced.
        if to.symlink_metadata().is_ok() {
            fs::remove_file(&to).with_context(|| to.display().to_string())?;
        }
        fs::copy(from, &to).with_context(|| to.display().to_string())?;
        fs::set_permissions(&to, fs::Permissions::from_mode(mode))?;
        println!("{}", to.display());
        Ok(())
    }
}

/// Builds and installs.
///
/// # Errors
/// When an option is unknown, the build fails, or a file cannot be written.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let profile = if options.debug { "debug" } else { "release" };
    let mut build = cargo("build", &options.moduledir);
    build.args(["--package", "depmod", "--bin", "depmod"]);
    if !options.debug {
        build.arg("--release");
        hide_build_paths(&mut build);
    }
    command::run(&mut build)?;
    options.put(&target_dir().join(profile).join("depmod"), "sbin", 0o755)?;
    let made = tempfile::tempdir()?;
    make("share", made.path(), &options.moduledir)?;
    for file in files_below(made.path())? {
        options.put_as(&file, &Path::new("share").join(file.strip_prefix(made.path())?), 0o644)?;
    }
    if options.efi {
        options.put_as(
            &efi::build(std::env::consts::ARCH)?,
            Path::new("lib/depmod-efi/depmod.efi"),
            0o644,
        )?;
    }
    Ok(())
}

/// `cargo xtask man DIR`: the manual pages.
///
/// # Errors
/// When they cannot be made.
pub(crate) fn man(args: &[String]) -> Result<()> {
    show("man", args)
}

/// `cargo xtask completions DIR`: the completions for bash, zsh and fish.
///
/// # Errors
/// When they cannot be made.
pub(crate) fn completions(args: &[String]) -> Result<()> {
    show("completions", args)
}

fn show(what: &str, args: &[String]) -> Result<()> {
    let [directory] = args else { bail!("usage: cargo xtask {what} DIR") };
    let directory = std::path::absolute(directory)?;
    make(what, &directory, &std::env::var("DEPMOD_MODULE_DIRECTORY").ok())?;
    files(&directory)?.iter().for_each(|file| println!("{}", file.display()));
    Ok(())
}

/// Makes pages or completions with the package's own example, which sees the definition of the command line.
fn make(what: &str, directory: &Path, moduledir: &Option<String>) -> Result<()> {
    let mut pages = cargo("run", moduledir);
    pages.args(["--quiet", "--package", "depmod", "--example", "pages", "--", what]).arg(directory);
    command::output(&mut pages).map(drop)
}

fn cargo(subcommand: &str, moduledir: &Option<String>) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace()).arg(subcommand);
    if let Some(directory) = moduledir {
        cargo.env("DEPMOD_MODULE_DIRECTORY", directory);
    }
    cargo
}

/// The files of a directory, sorted.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// All files below a directory, sorted.
fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { Ok(vec![path]) };
    Ok(files(directory)?.into_iter().map(below).collect::<Result<Vec<_>>>()?.concat())
}
