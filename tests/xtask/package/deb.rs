//! Debian packages, with nothing but dpkg-deb.

use core::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::{command, target_dir, workspace};

use super::description::{Description, Package, directory, version};
use super::program;

/// Makes the packages of these names, or all, and prints their paths.
///
/// # Errors
/// When a package is unknown or cannot be made.
pub(super) fn main(names: &[String]) -> Result<()> {
    let known = Description::read()?.packages;
    let names: Vec<&str> = if names.is_empty() {
        known.keys().map(String::as_str).collect()
    } else {
        names.iter().map(String::as_str).collect()
    };
    for name in names {
        println!("{}", build(name)?.display());
    }
    Ok(())
}

/// Makes one package, and returns its path below the target directory.
///
/// # Errors
/// When the package is unknown or cannot be made.
pub(crate) fn build(name: &str) -> Result<PathBuf> {
    let description = Description::read()?;
    let package = description.packages.get(name).with_context(|| format!("no package `{name}`"))?;
    let tree = tempfile::tempdir()?;
    let root = tree.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    let mut libc = None;
    if package.install {
        install(root)?;
        libc = newest_glibc(&fs::read(root.join("usr/sbin/depmod"))?);
    }
    for (source, path) in &package.files {
        let from = match source.strip_prefix('@') {
            Some(program) => program::build(program)?,
            None => directory().join(source),
        };
        let content = fs::read(&from).with_context(|| from.display().to_string())?;
        libc = libc.max(newest_glibc(&content));
        // Firmware asks for no mode.
        let executable = from.metadata()?.permissions().mode() & 0o100 != 0 && !path.ends_with(".efi");
        put(root, path, &content, executable)?;
    }
    documents(root, name, &description.maintainer)?;
    control(root, name, package, &description.maintainer, libc)?;
    let architecture = command::text(Command::new("dpkg").arg("--print-architecture"))?;
    let to = target_dir().join("packages").join(format!("{name}_{}_{architecture}.deb", version()?));
    fs::create_dir_all(to.parent().context("a parent")?)?;
    let mut deb = Command::new("dpkg-deb");
    deb.args(["--root-owner-group", "-Zxz", "--build"]).arg(root).arg(&to);
    command::output(deb.env("SOURCE_DATE_EPOCH", changed()?))?;
    Ok(to)
}

/// What `cargo xtask install` puts in place, with Debian's differences.
fn install(root: &Path) -> Result<()> {
    let destdir = root.to_str().context("a path in UTF-8")?;
    crate::install::main(&["--destdir", destdir, "--prefix", "/usr"].map(str::to_owned))?;
    fs::rename(root.join("usr/share/zsh/site-functions"), root.join("usr/share/zsh/vendor-completions"))?;
    command::run(Command::new("gzip").args(["-9n", "--recursive"]).arg(root.join("usr/share/man")))
}

fn put(root: &Path, path: &str, content: &[u8], executable: bool) -> Result<()> {
    let to = root.join(path);
    fs::create_dir_all(to.parent().context("a parent")?)?;
    fs::write(&to, content)?;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(&to, fs::Permissions::from_mode(mode))?;
    if path.starts_with("usr/share/man/") {
        command::run(Command::new("gzip").arg("-9n").arg(&to))?;
    }
    Ok(())
}

/// The newest version of glibc whose symbols a program needs, as major and minor number.
fn newest_glibc(program: &[u8]) -> Option<(u32, u32)> {
    let mark = b"GLIBC_";
    let versions =
        program.windows(mark.len() + 8).filter(|window| window.starts_with(mark)).filter_map(|w| {
            let text = w.get(mark.len()..)?.split(|byte| !byte.is_ascii_digit() && *byte != b'.').next()?;
            let (major, rest) = str::from_utf8(text).ok()?.split_once('.')?;
            Some((major.parse().ok()?, rest.split('.').next()?.parse().ok()?))
        });
    versions.max()
}

/// Licences and a changelog in Debian's places and forms.
fn documents(root: &Path, name: &str, maintainer: &str) -> Result<()> {
    let doc = format!("usr/share/doc/{name}");
    let mut copyright = format!("Source: {}\nLicence: MIT or Apache-2.0, at your choice.\n\n", homepage()?);
    copyright.push_str(&fs::read_to_string(workspace().join("LICENSE-MIT"))?);
    copyright.push_str("\nThe Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.\n");
    put(root, &format!("{doc}/copyright"), copyright.as_bytes(), false)?;
    let date = command::text(Command::new("date").args(["-R", "-u", "-d", &format!("@{}", changed()?)]))?;
    let version = version()?;
    let log = format!(
        "depmod ({version}) unstable; urgency=medium\n\n  * Made from the sources of version {version}.\n\n \
         -- {maintainer}  {date}\n"
    );
    put(root, &format!("{doc}/changelog"), log.as_bytes(), false)?;
    command::run(Command::new("gzip").args(["-9n"]).arg(root.join(doc).join("changelog")))
}

/// The control file, the maintainer scripts, the configuration files and the checksums of `dpkg --verify`.
fn control(
    root: &Path,
    name: &str,
    package: &Package,
    maintainer: &str,
    libc: Option<(u32, u32)>,
) -> Result<()> {
    let version = version()?;
    let mut depends: Vec<String> = package.depends.iter().map(|on| format!("{on} (= {version})")).collect();
    // libgcc-s1, the other library that Rust programs name, comes with every libc6.
    depends.extend(libc.map(|(major, minor)| format!("libc6 (>= {major}.{minor})")));
    let architecture = command::text(Command::new("dpkg").arg("--print-architecture"))?;
    let size = command::text(Command::new("du").args(["-sk", "--apparent-size"]).arg(root))?;
    let size = size.split_whitespace().next().context("du prints a size")?;
    let mut text = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: {maintainer}\n\
         Section: admin\nPriority: optional\nHomepage: {}\nInstalled-Size: {size}\n",
        homepage()?
    );
    if !depends.is_empty() {
        writeln!(text, "Depends: {}", depends.join(", "))?;
    }
    writeln!(text, "Description: {}", package.summary)?;
    for line in package.description.lines() {
        writeln!(text, " {line}")?;
    }
    let sums = checksums(root)?;
    put(root, "DEBIAN/md5sums", &sums, false)?;
    put(root, "DEBIAN/control", text.as_bytes(), false)?;
    let configuration: String = (package.files.iter())
        .filter(|(_, path)| path.starts_with("etc/"))
        .map(|(_, path)| format!("/{path}\n"))
        .collect();
    if !configuration.is_empty() {
        put(root, "DEBIAN/conffiles", configuration.as_bytes(), false)?;
    }
    let Some(scripts) = &package.scripts else { return Ok(()) };
    let mut found = 0;
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        let path = directory().join(format!("debian/{scripts}.{script}"));
        if path.exists() {
            put(root, &format!("DEBIAN/{script}"), &fs::read(path)?, true)?;
            found += 1;
        }
    }
    ensure!(found > 0, "debian/ has no scripts {scripts}.*");
    Ok(())
}

fn checksums(root: &Path) -> Result<Vec<u8>> {
    command::output(Command::new("sh").current_dir(root).args([
        "-c",
        "find . -type f ! -path './etc/*' -printf '%P\\n' | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 md5sum",
    ]))
}

fn homepage() -> Result<String> {
    let manifest: toml::Table = fs::read_to_string(workspace().join("Cargo.toml"))?.parse()?;
    let repository = manifest["workspace"]["package"]["repository"].as_str().context("a repository")?;
    Ok(repository.trim_end_matches(".git").to_owned())
}

/// The time of the newest commit, in seconds: all times in a package are this one.
///
/// # Errors
/// When git does not know it.
pub(super) fn changed() -> Result<String> {
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(epoch);
    }
    command::text(Command::new("git").current_dir(workspace()).args(["log", "-1", "--format=%ct"]))
}

#[cfg(test)]
mod tests {
    use super::newest_glibc;

    #[test]
    fn the_newest_version_is_by_number() {
        assert_eq!(newest_glibc(b"GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.2.5\0________"), Some((2, 34)));
        assert_eq!(newest_glibc(b"no such symbols in a static program"), None);
    }
}
