//! Two copies of one module directory, for kmod and for us, and the comparison of their index files.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::corpus;
use crate::command;
use crate::debian::Kernel;
use crate::outcome::OUTPUTS;

/// The copies, as hard links; drop removes them.
#[derive(Debug)]
pub struct Twins {
    /// For scratch files.
    pub scratch: tempfile::TempDir,
    /// kmod's copy.
    pub kmod: Kernel,
    /// Our copy.
    pub ours: Kernel,
    /// Whether kmod's copy is a stand-in with names in `.ko.xz` instead of `.ko.gz`.
    stand_in: bool,
}

impl Twins {
    /// Two copies of the module directory of `kernel`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn new(kernel: &Kernel) -> Result<Self> {
        Self::of(kernel, kernel)
    }

    /// A copy of `kmod`, whose modules are named `.ko.xz`, and a copy of `ours`, whose modules are named
    /// `.ko.gz`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn with_stand_in(kmod: &Kernel, ours: &Kernel) -> Result<Self> {
        Ok(Self { stand_in: true, ..Self::of(kmod, ours)? })
    }

    fn of(kmod: &Kernel, ours: &Kernel) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("twins-").tempdir_in(corpus::directory()?)?;
        let copy = |name: &str, kernel: &Kernel| -> Result<Kernel> {
            let copy = Kernel { root: scratch.path().join(name), version: kernel.version.clone() };
            corpus::mirror(&kernel.modules(), &copy.modules())?;
            Ok(copy)
        };
        let (kmod, ours) = (copy("kmod", kmod)?, copy("ours", ours)?);
        let twins = Self { scratch, kmod, ours, stand_in: false };
        twins.remove_outputs()?;
        Ok(twins)
    }

    /// Removes the eleven files from both, and syncs: otherwise the next measured run, which writes to the
    /// same disk, would wait for it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_outputs(&self) -> Result<()> {
        for dir in [self.kmod.modules(), self.ours.modules()] {
            for path in OUTPUTS.map(|name| dir.join(name)) {
                if path.exists() {
                    fs::remove_file(path)?;
                }
            }
        }
        command::run(&mut Command::new("sync"))
    }

    /// Whether both have the same eleven files.
    ///
    /// # Errors
    /// When they do not; the error names the file.
    pub fn compare(&self) -> Result<()> {
        for name in OUTPUTS {
            let [kmod, ours] = [&self.kmod, &self.ours].map(|kernel| kernel.modules().join(name));
            if !self.same(&kmod, &ours)? {
                bail!("{name} differs from kmod's");
            }
        }
        Ok(())
    }

    /// Compares in chunks: our own memory use would show in the peak of the next child.
    fn same(&self, kmod: &Path, ours: &Path) -> Result<bool> {
        let open = |path: &Path| -> Result<_> {
            let file = File::open(path).with_context(|| path.display().to_string())?;
            Ok((file.metadata()?.len(), BufReader::new(file).bytes()))
        };
        let ((kmod_size, kmod), (our_size, ours)) = (open(kmod)?, open(ours)?);
        if kmod_size != our_size {
            return Ok(false);
        }
        let mut before = [0; 4];
        for (kmod, ours) in kmod.zip(ours) {
            let (kmod, ours) = (kmod?, ours?);
            let renamed = self.stand_in && before == *b".ko." && (kmod, ours) == (b'x', b'g');
            if kmod != ours && !renamed {
                return Ok(false);
            }
            before.rotate_left(1);
            before[3] = ours;
        }
        Ok(true)
    }

    /// The modules of both copies, in pairs.
    ///
    /// # Errors
    /// When a copy cannot be read.
    pub fn modules(&self) -> Result<Vec<[PathBuf; 2]>> {
        let [kmod, ours] = [&self.kmod, &self.ours].map(|kernel| corpus::modules(&kernel.modules()));
        Ok(kmod?.into_iter().zip(ours?).map(|(kmod, ours)| [kmod, ours]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twins(kmod: &[u8], ours: &[u8]) -> Twins {
        let scratch = tempfile::tempdir().unwrap();
        let kernel = |name: &str, content: &[u8]| {
            let kernel = Kernel { root: scratch.path().join(name), version: "6.1".to_owned() };
            fs::create_dir_all(kernel.modules()).unwrap();
            for name in OUTPUTS {
                fs::write(kernel.modules().join(name), content).unwrap();
            }
            kernel
        };
        let (kmod, ours) = (kernel("kmod", kmod), kernel("ours", ours));
        Twins { scratch, kmod, ours, stand_in: false }
    }

    #[test]
    fn comparisons_cover_every_byte() {
        assert!(twins(b"a.ko.xz:\n", b"a.ko.xz:\n").compare().is_ok());
        assert!(twins(b"a.ko.xz:\n", b"a.ko.xz:").compare().is_err());
        let error = twins(b"a.ko.xz:\n", b"b.ko.xz:\n").compare().unwrap_err();
        assert_eq!(error.to_string(), "modules.dep differs from kmod's");
        assert!(twins(b"a.ko.xz:\n", b"a.ko.gz:\n").compare().is_err());
    }

    #[test]
    fn stand_ins_may_differ_only_in_the_suffix() {
        let mut twins = twins(b"a.ko.xz: x\n", b"a.ko.gz: x\n");
        twins.stand_in = true;
        twins.compare().unwrap();
        fs::write(twins.ours.modules().join("modules.dep"), b"a.ko.gz: g\n").unwrap();
        assert!(twins.compare().is_err());
    }
}
