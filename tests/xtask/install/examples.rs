//! The examples of the manual pages, which are those of the helps, on a small system with modules of a real kernel.
//!
//! They run as they stand there, as root in a mount namespace whose root directory has the modules, the kernel's image
//! and the programs of this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_core::Limits;
use depmod_core::parts::boot::BootEntry;
use depmod_tests::subset::Subset;
use depmod_tests::{command, debian};

use super::pages;

/// Has the modules that examples name.
const KERNEL: &str = "bookworm-amd64";
const MODULES: [&str; 9] =
    ["nvme", "ext4", "btrfs", "e1000e", "iwlmvm", "virtio_net", "virtio_blk", "snd_hda_intel", "usb_storage"];
/// The version that stands for it in examples.
const VERSION: &str = "6.1.0-50-amd64";

/// In the place of `efibootmgr`, which needs a firmware and would change its boot entries: looks at the arguments.
const EFIBOOTMGR: &str = r#"#!/bin/sh
set -eu
known=$(/usr/bin/efibootmgr --help)
for word; do
    case $word in
    --*) echo "$known" | grep -q -e "| $word " || { echo "not found in its help: $word" >&2; exit 1; } ;;
    esac
    loader=$word
done
test -e "/boot/efi$(echo "$loader" | tr '\\' /)"
"#;

/// Makes the root directory `$1`, and runs `$2` there.
const SCRIPT: &str = r#"
set -eu
for directory in usr proc dev sys; do
    mkdir -p "$1/$directory"
    mount --rbind "/$directory" "$1/$directory"
done
exec chroot "$1" /bin/sh -c "cd /work && $2"
"#;

/// The system.
pub(super) struct System {
    subset: Subset,
    version: String,
}

impl System {
    /// Modules and all files that examples name.
    pub(super) fn new(program: &Path) -> Result<Self> {
        let kernel = debian::kernel(KERNEL)?;
        let subset = Subset::of(&kernel, &MODULES)?;
        let (root, version) = (subset.root().to_path_buf(), kernel.version.clone());
        for directory in [
            "bin",
            "boot/efi/linux",
            "boot/efi/EFI/depmod",
            "etc",
            "mnt",
            "opt/modules",
            "tmp",
            "var/cache",
            "work/image",
        ] {
            fs::create_dir_all(root.join(directory))?;
        }
        fs::copy(program, root.join("bin/depmod"))?;
        symlink("/usr/bin/sh", root.join("bin/sh"))?;
        fs::write(root.join("bin/efibootmgr"), EFIBOOTMGR)?;
        fs::set_permissions(root.join("bin/efibootmgr"), fs::Permissions::from_mode(0o755))?;
        fs::write(root.join("boot/efi/EFI/depmod/depmod.efi"), "")?;
        libraries(&root)?;
        fs::copy(kernel.image(), root.join("boot").join(format!("vmlinuz-{version}")))?;
        fs::copy(kernel.system_map(), root.join("boot").join(format!("System.map-{version}")))?;
        // Other kernels, among them the running one, have the same modules.
        let running = command::text(Command::new("uname").arg("-r"))?;
        for other in [running.as_str(), "6.1.0-51-amd64", "6.12.0-1-amd64"] {
            let other = root.join("lib/modules").join(other);
            if !other.exists() {
                symlink(&version, other)?;
            }
        }
        symlink("../lib", root.join("mnt/lib"))?;
        let module = subset.modules().join("kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko");
        fs::create_dir_all(subset.modules().join("updates/dkms"))?;
        fs::copy(&module, subset.modules().join("updates/dkms/zfs.ko"))?;
        fs::copy(&module, root.join("tmp/zfs.ko"))?;
        fs::write(root.join("work/modules.txt"), "nvme\next4\n")?;
        fs::write(root.join("work/modaliases"), "pci:v00008086d000010D3sv0sd0bc02sc00i00\nnone\n")?;
        let system = Self { subset, version };
        system.shell("depmod")?;
        fs::copy(system.subset.modules().join("modules.dep.bin"), root.join("work/modules.dep.bin"))?;
        Ok(system)
    }

    pub(super) fn root(&self) -> &Path {
        self.subset.root()
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Runs a line of shell in the system; returns its status and what it says on standard error.
    fn shell(&self, line: &str) -> Result<(Option<i32>, String)> {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]).arg(self.root()).arg(line);
        unshare.env("PATH", "/bin:/usr/bin:/usr/sbin").env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
        let output = unshare.output().context("unshare")?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Runs the examples of all pages.
    pub(super) fn run(&self, manual: &Path) -> Result<()> {
        let (mut run, mut failed) = (0_usize, Vec::new());
        for page in pages::all(manual)? {
            let examples = pages::examples(&fs::read_to_string(&page)?);
            ensure!(!examples.is_empty(), "{} has no examples", page.display());
            for example in examples {
                let name = page.file_name().unwrap_or_default().to_string_lossy();
                if let Err(error) = self.example(&name, &example.replace(VERSION, &self.version)) {
                    failed.push(format!("{name}: {example}: {error:#}"));
                } else {
                    run += 1;
                }
            }
        }
        ensure!(failed.is_empty(), "examples fail:\n{}", failed.join("\n"));
        ensure!(run >= 40, "only {run} examples");
        println!("{run} examples of manual pages work");
        Ok(())
    }

    fn example(&self, page: &str, example: &str) -> Result<()> {
        match page {
            "depmod.d.5" => {
                fs::write(self.root().join("work/example.conf"), format!("{example}\n"))?;
                let line = format!("depmod -vv -n -C example.conf {}", self.version);
                let (status, said) = self.shell(&line)?;
                ensure!(status == Some(0) && !said.contains("example.conf"), "{said}");
            }
            "depmod.efi.7" if example.starts_with("title ") => {
                let entry = BootEntry::parse(example.as_bytes(), &Limits::DEFAULT)?;
                ensure!(entry.modules.as_deref() == Some("/linux/modules.cpio"), "{entry:?}");
                let sound =
                    entry.problems.is_empty() && entry.warnings.is_empty() && entry.ignored.is_empty();
                ensure!(sound, "{entry:?}");
            }
            _ => {
                ensure!(example.contains("depmod"), "no command");
                let (status, said) = self.shell(example)?;
                // Findings and changes are answers.
                ensure!(matches!(status, Some(0 | 3)), "status {status:?}: {said}");
                for wrong in ["Usage", "ERROR", "FATAL", "not found"] {
                    if said.contains(wrong) {
                        bail!("{said}");
                    }
                }
            }
        }
        Ok(())
    }
}

/// What the programs of this machine need outside of `/usr`.
fn libraries(root: &Path) -> Result<()> {
    for entry in fs::read_dir("/usr/lib")? {
        let name = entry?.file_name();
        if name != "modules" {
            symlink(Path::new("/usr/lib").join(&name), root.join("lib").join(&name))?;
        }
    }
    for name in ["lib64", "lib32", "libx32"] {
        if Path::new("/").join(name).is_dir() {
            symlink(Path::new("usr").join(name), root.join(name))?;
        }
    }
    let cache = "etc/ld.so.cache";
    if Path::new("/").join(cache).exists() {
        fs::copy(Path::new("/").join(cache), root.join(cache))?;
    }
    Ok(())
}
