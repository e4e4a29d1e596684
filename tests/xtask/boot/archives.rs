//! Archives of ours on top of base initrds.

use std::fs;

use anyhow::{Result, ensure};
use depmod_core::cpio::{Archive, Builder};
use depmod_core::host::Source;
use depmod_core::limits::Limits;
use depmod_tests::base_initrd::{END, Layout, MARK, base_initrd};
use depmod_tests::debian;
use depmod_tests::qemu::Machine;

use super::program;

const SCRIPT: &str = "say lib $(readlink /lib)\nsay read $(cat /lib/modules/6.1/modules.order)\n\
    say modprobe $(modprobe --version | grep -c kmod)\nls -l /lib/modules /conf\n";

/// A base initrd's `/lib` stays what it is, link or directory, and our files are below it.
pub(super) fn layouts() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let mut ours = Builder::new();
    ours.file(b"lib/modules/6.1/modules.order", b"kernel/a.ko");
    ours.file(b"conf/modules", b"a\n");
    for (layout, lib) in [(Layout::UsrMerged, "usr/lib"), (Layout::Split, "")] {
        let base = base_initrd("amd64", layout, SCRIPT)?;
        // Ours reads GNU cpio's archive, through links.
        let kmod = Archive::parse(&base, &Limits::DEFAULT)?.open(b"/sbin/modprobe")?;
        ensure!(kmod.starts_with(b"\x7fELF"), "modprobe leads to something else");
        let outcome = Machine::new("x86_64")?
            .file("EFI/BOOT/BOOTX64.EFI", program("x86_64")?)
            .file(
                "EFI/BOOT/depmod.conf",
                "linux /vmlinuz\ninitrd /base.img\ninitrd /ours.img\noptions console=ttyS0 panic=-1\n",
            )
            .file("vmlinuz", fs::read(kernel.image())?)
            .file("base.img", base)
            .file("ours.img", ours.build()?)
            .run(END)?;
        for expected in [format!("lib {lib}"), "read kernel/a.ko".to_owned(), "modprobe 1".to_owned()] {
            let line = format!("{MARK}{expected}");
            ensure!(
                outcome.lines.iter().any(|l| l == line.trim_end()),
                "{layout:?}: no `{line}` in {:#?}",
                outcome.lines
            );
        }
    }
    Ok(())
}
