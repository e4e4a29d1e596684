//! A Debian system in a virtual machine, through the steps of `targets/packages/depmod-efi/README.md`.
//!
//! Packages are installed by `chroot`, with the system partition as a file system of its own, and the machine boots
//! from both after each step.

use core::time::Duration;
use std::fs;

use anyhow::{Context, Result, ensure};
use depmod_tests::clean_root::{Base, CleanRoot, as_root};
use depmod_tests::existing_initrd::END;
use depmod_tests::qemu::{Machine, Outcome};
use depmod_tests::{command, debian};

use super::deb;
use super::description::directory;
use crate::boot::page::commands;

const BASE: Base = Base {
    name: "root-boot",
    suite: "trixie",
    packages: &[
        "initramfs-tools",
        "kmod",
        "linux-image-cloud-amd64",
        "systemd-boot",
        "systemd-sysv",
        "udev",
        "zstd",
    ],
};

/// The kernel of the base, and a newer one.
const KERNEL: &str = "linux-image-cloud-amd64";

/// At the end of the boot, the system says which kernel runs, and powers off by the kernel alone: on a busy machine
/// an emulated systemctl takes minutes.
const REPORT: &str = "\
#!/bin/sh
{ echo; echo \"TEST: kernel $(uname -r)\"; echo 'TEST: end'; } >/dev/console
echo o >/proc/sysrq-trigger
";

/// Install, boot, upgrade, boot, remove the old kernel, boot, purge, boot.
///
/// # Errors
/// When a step fails or a boot is not as expected.
pub(crate) fn check() -> Result<String> {
    let system = System::new()?;
    let old = debian::kernel_package(KERNEL)?.version;
    system.boot("as installed", &old, false)?;

    for package in ["depmod", "depmod-efi"] {
        let file = deb::build(package)?;
        let name = file.file_name().context("a file")?.to_string_lossy().into_owned();
        system.root.put(&file, &format!("/root/{name}"))?;
    }
    system.page(&["install", "switch-on", "default"])?;
    system.boot("through depmod.efi", &old, true)?;

    let new = debian::kernel_with_parts("trixie-backports", KERNEL)?;
    let mut files = Vec::new();
    for file in &new.files {
        let name = file.file_name().context("a file")?.to_string_lossy().into_owned();
        system.root.put(file, &format!("/root/kernel/{name}"))?;
        files.push(format!("./{name}"));
    }
    system.run(&format!("cd /root/kernel && apt install {}", files.join(" ")))?;
    system.boot("after the kernel's upgrade", &new.version, true)?;

    system.run(&format!("apt purge {KERNEL} linux-image-{old}"))?;
    let left = system.run("find /boot/efi")?;
    ensure!(!left.contains(&old), "the removed kernel leaves files:\n{left}");
    system.boot("after the old kernel's removal", &new.version, true)?;

    system.page(&["purge"])?;
    let left = system.run("find /boot/efi")?;
    ensure!(!left.contains("depmod"), "purging leaves files:\n{left}");
    system.boot("after purge", &new.version, false)?;
    Ok(format!("booted {old} and {} through depmod.efi, and without it after purge", new.version))
}

struct System {
    root: CleanRoot,
}

impl System {
    /// With systemd-boot on the system partition, as a user installs it.
    fn new() -> Result<Self> {
        let root = BASE.root()?;
        // The check of the timer fails in an emulator on a busy machine.
        let options = b"root=LABEL=root rw console=ttyS0 panic=-1 loglevel=4 no_timer_check\n";
        root.write("/etc/kernel/cmdline", options, "644")?;
        root.write("/etc/fstab", b"LABEL=root / ext4 defaults 0 1\n", "644")?;
        root.write("/etc/apt/apt.conf.d/yes", b"APT::Get::Assume-Yes \"true\";\n", "644")?;
        root.write("/usr/local/sbin/report", REPORT.as_bytes(), "755")?;
        let unit = "[Service]\nType=oneshot\nExecStart=/usr/local/sbin/report\n";
        root.write("/etc/systemd/system/report.service", unit.as_bytes(), "644")?;
        let system = Self { root };
        let kernel = debian::kernel_package(KERNEL)?.name;
        system.run(&format!(
            "mkdir -p /etc/systemd/system/multi-user.target.wants
             ln -s ../report.service /etc/systemd/system/multi-user.target.wants/
             echo debian >/etc/kernel/entry-token
             systemd-machine-id-setup
             bootctl --no-variables --entry-token=literal:debian install
             dpkg-reconfigure {kernel}",
        ))?;
        Ok(system)
    }

    /// Commands with the system partition mounted; bootctl insists on a file system of its own.
    fn run(&self, commands: &str) -> Result<String> {
        self.root.run(&format!(
            "set -e
             export SYSTEMD_RELAX_ESP_CHECKS=1
             mkdir -p /boot/efi /esp
             mount -t tmpfs -o mode=755 tmpfs /boot/efi
             cp -a /esp/. /boot/efi
             {commands}
             cd /
             rm -rf /esp
             cp -a /boot/efi /esp
             chmod -R a+rX /esp"
        ))
    }

    /// Commands of the page, where its packages are.
    fn page(&self, marks: &[&str]) -> Result<()> {
        let page = fs::read_to_string(directory().join("depmod-efi/README.md"))?;
        for mark in marks {
            let commands =
                commands(&page, mark).with_context(|| format!("the page has no commands {mark}"))?;
            self.run(&format!("cd /root\n{commands}"))?;
        }
        Ok(())
    }

    /// Boots what is installed, and checks which kernel ran, and whether `depmod.efi` chose modules for it.
    fn boot(&self, what: &str, version: &str, through: bool) -> Result<()> {
        println!("    {what}");
        let outcome = self.start()?;
        outcome.expect(&format!("TEST: kernel {version}"))?;
        let chose = outcome.has_line("depmod: preload: ");
        outcome.ensure(chose == through, &format!("{what}: depmod.efi chose modules: {chose}"))
    }

    fn start(&self) -> Result<Outcome> {
        let work = tempfile::tempdir()?;
        let image = work.path().join("root.img");
        let mut make = as_root("mke2fs");
        make.args(["-q", "-F", "-t", "ext4", "-L", "root", "-d"]).arg(self.root.path()).arg(&image).arg("2G");
        command::run(&mut make)?;
        let mut machine = Machine::new("x86_64")?
            .directory("", &self.root.path().join("esp"))?
            .with(&format!("-drive if=none,id=root,format=raw,file={}", image.display()))
            .with("-device virtio-blk-pci,drive=root");
        // A minute of an idle processor, but of a busy machine there may be little left.
        machine.timeout = Duration::from_secs(3600);
        machine.run(END)
    }
}
