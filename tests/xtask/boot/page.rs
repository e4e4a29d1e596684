//! The commands of `uefi/README.md`: they create the volume, and firmware boots it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use depmod_tests::debian;
use depmod_tests::existing_initrd::{END, Layout, existing_initrd};
use depmod_tests::qemu::{HANDED_OVER, Machine};
use depmod_tests::signing::{decrypt_key, sign};
use depmod_tests::subset::Subset;
use depmod_tests::{command, workspace};

/// The task of the page's `initrd`: load the listed modules, then check.
pub(super) const LOAD: &str = "while read name; do modprobe $name; done </etc/modules-load.d/depmod.conf\n";

/// Installed on the system partition, signed, and started by a signed systemd-boot with Secure Boot.
pub(super) fn installed() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let modules = Subset::of(&kernel, &["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod"])?;
    let script = format!("{LOAD}say disk $(ls /sys/block)\n");
    let machine = Machine::new("x86_64")?;
    let secure = machine.settings().secure_boot.clone().context("no Secure Boot settings")?;
    let user = User::new(&modules, &fs::read(kernel.image())?, &script)?;
    decrypt_key(&secure, &user.work.path().join("key"))?;
    user.follow(&["install", "systemd-boot", "sign"], &kernel.version, &secure.certificate)?;
    let loader = sign(&fs::read(debian::systemd_boot()?)?, &secure)?;
    let path = machine.boot_path();
    let outcome = machine.secure_boot()?.directory("", &user.esp())?.file(&path, loader).run(END)?;
    outcome.expect(HANDED_OVER)?;
    outcome.expect("TEST: disk vda")
}

/// A recovery stick: all files are read over USB, and the stick's file system can be mounted.
pub(super) fn stick() -> Result<()> {
    let kernel = debian::kernel("bookworm-amd64")?;
    let modules = ["virtio_pci", "virtio_blk", "xhci_pci", "usb_storage", "uas", "sd_mod"];
    let file_systems = ["vfat", "nls_cp437", "nls_ascii", "ext4"];
    let modules = Subset::of(&kernel, &[&modules[..], &file_systems].concat())?;
    let script = format!(
        "{LOAD}for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /dev/sda ] && break; sleep 1; done\n\
         mkdir /mnt; mount -t vfat /dev/sda /mnt && say stick $(ls /mnt/EFI/BOOT)\n"
    );
    let user = User::new(&modules, &fs::read(kernel.image())?, &script)?;
    user.follow(&["install", "stick"], &kernel.version, Path::new(""))?;
    let machine = Machine::new("x86_64")?.with("-device qemu-xhci,id=xhci").on("usb-storage,bus=xhci.0");
    let outcome = machine.directory("", &user.esp())?.run(END)?;
    outcome.expect(HANDED_OVER)?;
    outcome.expect("TEST: stick BOOTX64.EFI depmod.conf")
}

/// A user of the page, with a system to boot and an empty system partition.
pub(super) struct User<'s> {
    work: tempfile::TempDir,
    system: &'s Path,
}

impl<'s> User<'s> {
    /// The system's `/boot` gets this kernel and an initrd without modules.
    pub(super) fn new(modules: &'s Subset, image: &[u8], script: &str) -> Result<Self> {
        let user = Self { work: tempfile::tempdir()?, system: modules.root() };
        let boot = user.system.join("boot");
        fs::create_dir(&boot)?;
        let modules = modules.modules();
        let version = modules.file_name().context("a version")?.to_string_lossy();
        fs::write(boot.join(format!("vmlinuz-{version}")), image)?;
        let initrd = existing_initrd("amd64", Layout::UsrMerged, script)?;
        fs::write(boot.join(format!("initrd.img-{version}")), initrd)?;
        fs::create_dir(user.esp())?;
        Ok(user)
    }

    pub(super) fn esp(&self) -> std::path::PathBuf {
        self.work.path().join("esp")
    }

    /// Runs the page's commands with these marks, in this order.
    pub(super) fn follow(&self, marks: &[&str], version: &str, certificate: &Path) -> Result<()> {
        let page = fs::read_to_string(workspace().join("uefi/README.md"))?;
        let commands =
            |mark: &str| commands(&page, mark).with_context(|| format!("the page has no commands {mark}"));
        command::run(&mut shell(commands("build")?)).context("build fails")?;
        let words = |path: &Path| format!("'{}'", path.display());
        // The page's names, except for parts that differ in this system.
        let names = format!(
            "{}ESP={} ROOT={} VERSION={version} OPTIONS='console=ttyS0 panic=-1 loglevel=4' KEY={} CERTIFICATE={}\n",
            commands("names")?,
            words(&self.esp()),
            words(self.system),
            words(&self.work.path().join("key")),
            words(certificate),
        );
        for mark in marks {
            let script = format!("{names}{}", commands(mark)?);
            command::run(&mut shell(&script)).with_context(|| format!("{mark} fails"))?;
        }
        Ok(())
    }
}

/// A shell in the source directory, with the system's `depmod` in its path, if there is one.
fn shell(commands: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-e", "-u", "-c", commands]).current_dir(workspace()).env_remove("CARGO_TARGET_DIR");
    shell
}

/// The shell commands of a page after the comment `<!-- run: MARK -->`.
pub(crate) fn commands<'p>(page: &'p str, mark: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(&format!("<!-- run: {mark} -->\n```sh\n"))?;
    Some(rest.split_once("```")?.0)
}
