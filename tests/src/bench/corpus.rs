//! Module directories for measurements: one real kernel in every compression.
//!
//! The encoders and their options are those of the kernel's `make modules_install`, so that our figures apply
//! to distributions. Module directories stay below `target/bench`, 0.4 GB in total; unchanged files are hard
//! links into the cache of kernels.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

use crate::debian::{self, Kernel};
use crate::{command, target_dir};

/// Compression of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As in Debian's package.
    AsIs,
    /// Not compressed.
    Plain,
    /// zstd, level 3.
    Zst3,
    /// zstd, level 19.
    Zst19,
    /// gzip.
    Gz,
    /// xz.
    Xz,
    /// Not compressed, but named `.ko.xz`: kmod detects the format by content and indexes it at the speed of
    /// plain modules. With `xz` replaced by `gz`, these are the expected outputs for [`Packing::Gz`], which
    /// Debian's kmod, built without zlib, does not list.
    NamedXz,
}

impl Packing {
    /// The encoder with its options, and the suffix that it appends.
    fn tool(self) -> Option<(&'static [&'static str], &'static str)> {
        match self {
            Self::AsIs | Self::NamedXz => None,
            Self::Plain => Some((&["xz", "--decompress", "--force"], "plain")),
            Self::Zst3 => Some((&["zstd", "-3", "--rm", "--force", "--quiet"], "zst3")),
            Self::Zst19 => Some((&["zstd", "-19", "--rm", "--force", "--quiet"], "zst19")),
            Self::Gz => Some((&["gzip", "--no-name", "--force"], "gz")),
            Self::Xz => Some((&["xz", "--check=crc32", "--lzma2=dict=1MiB", "--force"], "xz")),
        }
    }
}

/// The directory of the benchmarks.
///
/// # Errors
/// When it cannot be created.
pub fn directory() -> Result<PathBuf> {
    let dir = target_dir().join("bench");
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

/// The kernel of a label (see [`debian::LABELS`]) in this compression; created if it is missing. Must not be
/// modified: see [`Twins`](super::twins::Twins).
///
/// # Errors
/// When the kernel cannot be fetched, or an encoder is missing or fails.
pub fn kernel(label: &str, packing: Packing) -> Result<Kernel> {
    let kernel = debian::kernel(label)?;
    let name = match packing {
        Packing::AsIs => return Ok(kernel),
        Packing::NamedXz => "named-xz",
        _ => packing.tool().map_or("", |(_, name)| name),
    };
    let mut stored = modules(&kernel.modules())?.into_iter();
    if packing == Packing::Plain && stored.all(|path| path.extension().is_some_and(|ext| ext == "ko")) {
        return Ok(kernel);
    }
    let packed =
        Kernel { root: directory()?.join(format!("{label}-{name}")), version: kernel.version.clone() };
    if packed.root.is_dir() {
        return Ok(packed);
    }
    eprintln!("packing {}", packed.root.display());
    let part =
        Kernel { root: directory()?.join(format!("part-{label}-{name}")), version: kernel.version.clone() };
    let _ = fs::remove_dir_all(&part.root);
    let unpacked = match packing {
        Packing::Plain => kernel,
        _ => self::kernel(label, Packing::Plain)?,
    };
    mirror(&unpacked.modules(), &part.modules())?;
    let modules = modules(&part.modules())?;
    match packing.tool() {
        Some((tool, _)) => pack(tool, &modules)?,
        None => modules.iter().try_for_each(|path| fs::rename(path, path.with_extension("ko.xz")))?,
    }
    fs::rename(&part.root, &packed.root)?;
    Ok(packed)
}

/// All modules below a directory, by path in byte order.
///
/// # Errors
/// When a directory cannot be read.
pub fn modules(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else if entry.file_name().to_string_lossy().contains(".ko") {
                found.push(entry.path());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Copies a directory recursively, as hard links if the file system allows them. Files must then be replaced
/// instead of modified.
///
/// # Errors
/// When the file system refuses.
pub fn mirror(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            mirror(&from, &to)?;
        } else if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}

/// Makes the kernel drop the content of all modules below a directory from its page cache, if it can: names and
/// inodes stay.
///
/// # Errors
/// When the directory or a module cannot be read.
pub fn drop_from_cache(dir: &Path) -> Result<()> {
    for path in modules(dir)? {
        let file = fs::File::open(&path).with_context(|| path.display().to_string())?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// Compresses files in place on all processors.
fn pack(tool: &[&str], files: &[PathBuf]) -> Result<()> {
    let threads = thread::available_parallelism()?.get();
    let work = |thread: usize| -> Result<()> {
        // Neighbours have similar sizes; interleaving gives each thread the same load.
        let mine: Vec<&PathBuf> = files.iter().skip(thread).step_by(threads).collect();
        let (program, options) = tool.split_first().context("an encoder")?;
        mine.chunks(50).try_for_each(|files| command::run(Command::new(program).args(options).args(files)))
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_equal_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("kernel/b")).unwrap();
        fs::write(from.join("kernel/b/m.ko.xz"), b"m").unwrap();
        fs::write(from.join("modules.order"), b"").unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(modules(&to).unwrap(), [to.join("kernel/b/m.ko.xz")]);
        assert_eq!(fs::read(to.join("modules.order")).unwrap(), b"");
    }
}
