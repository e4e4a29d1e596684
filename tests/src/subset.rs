//! Module directories with some of a real kernel's modules.

use alloc::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::debian::Kernel;
use crate::{command, existing_initrd, oracle::Oracle, product, system, target_dir};

/// A root directory that contains `lib/modules/VERSION`; drop removes it.
#[derive(Debug)]
pub struct Subset {
    dir: tempfile::TempDir,
    version: String,
}

impl Subset {
    /// The modules `names` of a kernel and their dependencies, without index files. Built-in modules have no
    /// file.
    ///
    /// # Errors
    /// When the kernel has no such module, or kmod cannot index it.
    pub fn of(kernel: &Kernel, names: &[&str]) -> Result<Self> {
        let subset = Self::empty(kernel)?;
        let needs = needs(kernel)?;
        let builtin = fs::read_to_string(kernel.modules().join("modules.builtin"))?;
        for name in names {
            if builtin.lines().any(|path| module_name(path) == *name) {
                continue;
            }
            let file = |path: &&String| module_name(path) == *name;
            let path = needs.keys().find(file).with_context(|| format!("no module {name}"))?;
            for path in core::iter::once(path).chain(&needs[path]) {
                let to = subset.modules().join(path);
                if !to.exists() {
                    fs::create_dir_all(to.parent().context("a module is in a directory")?)?;
                    fs::copy(kernel.modules().join(path), to)?;
                }
            }
        }
        Ok(subset)
    }

    /// All modules of a kernel, without index files.
    ///
    /// # Errors
    /// When the file system refuses the links.
    pub fn whole(kernel: &Kernel) -> Result<Self> {
        let subset = Self::empty(kernel)?;
        system::link_directory(&kernel.modules().join("kernel"), &subset.modules().join("kernel"));
        Ok(subset)
    }

    fn empty(kernel: &Kernel) -> Result<Self> {
        // On the file system of the kernels, so that files can be linked.
        let dir = tempfile::tempdir_in(target_dir())?;
        let subset = Self { dir, version: kernel.version.clone() };
        fs::create_dir_all(subset.modules())?;
        for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            fs::copy(kernel.modules().join(name), subset.modules().join(name))?;
        }
        Ok(subset)
    }

    /// The value for `-b`.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The module directory.
    pub fn modules(&self) -> PathBuf {
        self.root().join("lib/modules").join(&self.version)
    }

    /// Writes the index files with our command.
    ///
    /// # Errors
    /// When it fails.
    pub fn index(self) -> Result<Self> {
        command::run(product::depmod().arg("-b").arg(self.root()).arg(&self.version))?;
        Ok(self)
    }

    /// The root directory as a newc archive, made by GNU cpio.
    ///
    /// # Errors
    /// When cpio fails.
    pub fn archive(&self) -> Result<Vec<u8>> {
        existing_initrd::pack(self.root())
    }
}

/// The dependencies of each module of a kernel, according to the real kmod.
fn needs(kernel: &Kernel) -> Result<BTreeMap<String, Vec<String>>> {
    let out = tempfile::tempdir()?;
    let mut depmod = Oracle::get().depmod(["-b".as_ref(), kernel.root.as_os_str()]);
    command::output(depmod.arg("-o").arg(out.path()).arg(&kernel.version))?;
    let text = fs::read_to_string(out.path().join("lib/modules").join(&kernel.version).join("modules.dep"))?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Ok(lines.map(|(path, needs)| (path.to_owned(), words(needs))).collect())
}

fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once('.').map_or(file, |(name, _)| name).replace('-', "_")
}
