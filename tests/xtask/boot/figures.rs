//! Figures for `uefi/README.md`: sizes, times, memory.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use depmod_tests::compress::Format;
use depmod_tests::debian::Kernel;
use depmod_tests::existing_initrd::{END, Layout, existing_initrd_with};
use depmod_tests::subset::Subset;
use depmod_tests::{command, debian, efi, product};

use super::stage::Stage;

/// Kernels and their names in the tables.
const KERNELS: &[(&str, &str)] =
    &[("bookworm-cloud-amd64", "6.1 (plain)"), ("trixie-cloud-amd64", "6.12 (`.ko.xz`)")];

/// The modules for a virtual machine.
const NEEDED: &[&str] = &["virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "sr_mod"];

/// The fastest of this many runs counts.
const RUNS: usize = 3;

/// Prints Markdown tables. The times are of an emulated processor; only their ratios are meaningful.
pub(super) fn print() -> Result<()> {
    println!("\n| program | size |\n|---|--:|");
    for arch in efi::architectures()? {
        println!("| {arch} | {} KiB |", efi::build(&arch)?.metadata()?.len().div_ceil(1024));
    }
    println!(
        "\n| modules | their archive | index files | start to StartImage | generated cpio |\n|---|--:|---|--:|--:|"
    );
    for (label, name) in KERNELS {
        let kernel = debian::kernel(label)?;
        let whole = Subset::whole(&kernel)?;
        let part = Subset::of(&kernel, NEEDED)?;
        let stage = Stage::new("x86_64", &kernel, "")?;
        row(&format!("{name}, all"), "none", &stage, &whole.archive()?)?;
        let whole = whole.index()?.archive()?;
        row(&format!("{name}, all"), "verified", &stage, &whole)?;
        row(&format!("{name}, what the machine needs"), "none", &stage, &part.archive()?)?;
        let (count, initrd) = usual_initrd(&kernel)?;
        let row = |modules: &str, index, archive: &[u8]| {
            let name = format!("{name}, {modules}; {count} in the initrd");
            row(&name, index, &stage.clone().existing_initrd(&initrd), archive)
        };
        row("all", "verified", &whole)?;
        row("what the machine needs", "verified", &part.index()?.archive()?)?;
    }
    Ok(())
}

/// Approximate default module directories of initramfs-tools.
const USUAL: &[&str] = &[
    "arch",
    "crypto",
    "drivers/ata",
    "drivers/block",
    "drivers/bus",
    "drivers/dax",
    "drivers/gpio",
    "drivers/hid",
    "drivers/i2c",
    "drivers/infiniband",
    "drivers/input",
    "drivers/md",
    "drivers/message",
    "drivers/mmc",
    "drivers/net/ethernet",
    "drivers/nvdimm",
    "drivers/nvme",
    "drivers/pci",
    "drivers/scsi",
    "drivers/usb",
    "drivers/virtio",
    "fs",
    "lib",
];

/// An existing initrd with modules and index files, and the number of modules. Like Debian's, it is
/// compressed with zstd, and may contain compressed modules.
fn usual_initrd(kernel: &Kernel) -> Result<(usize, Vec<u8>)> {
    let mut count = 0;
    let initrd = existing_initrd_with("amd64", Layout::UsrMerged, "", |root| {
        let to = root.join("lib/modules").join(&kernel.version);
        for directory in USUAL.iter().map(|directory| Path::new("kernel").join(directory)) {
            let from = kernel.modules().join(&directory);
            if from.exists() {
                let to = to.join(directory.parent().unwrap_or(&directory));
                fs::create_dir_all(&to)?;
                command::run(Command::new("cp").arg("-r").arg(from).arg(to))?;
            }
        }
        for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            fs::copy(kernel.modules().join(name), to.join(name))?;
        }
        command::run(product::depmod().arg("-b").arg(root).arg(&kernel.version))?;
        let found = command::output(Command::new("find").arg(&to).args(["-name", "*.ko*"]))?;
        count = found.split(|&b| b == b'\n').count() - 1;
        Ok(())
    })?;
    Ok((count, Format::Zst.compress(&initrd)))
}

fn row(modules: &str, index: &str, stage: &Stage, archive: &[u8]) -> Result<()> {
    let stage = stage.clone().modules(archive);
    let mut best = None;
    for _ in 0..RUNS {
        let machine = stage.in_shell("@echo -off\nfs0:\n\\EFI\\BOOT\\depmod.efi -v\n")?;
        let outcome = machine.with(DEVICES).run(END)?;
        let time =
            outcome.after("depmod: time: ").next().and_then(|line| line.split(' ').next()?.parse().ok());
        let time: u32 = time.context("no time on the console")?;
        let preload = outcome.after("depmod: preload: ").next().and_then(bytes);
        let preload = preload.context("no preload on the console")?;
        best = best.min(Some((time, preload))).or(Some((time, preload)));
    }
    let (time, preload) = best.context("no run")?;
    println!("| {modules} | {} | {index} | {time} ms | {} |", size(archive.len()), size(preload));
    Ok(())
}

const DEVICES: &str = "-device virtio-scsi-pci -device virtio-net-pci";

/// `… N bytes; …`
fn bytes(line: &str) -> Option<usize> {
    line.split_once(" bytes")?.0.rsplit(' ').next()?.parse().ok()
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
