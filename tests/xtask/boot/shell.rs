//! The program as a tool in the UEFI shell.

use alloc::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use depmod_core::Output;
use depmod_tests::compress::Format;
use depmod_tests::qemu::{Machine, Outcome};
use depmod_tests::subset::Subset;
use depmod_tests::{command, debian, product};

use super::program;

const END: &str = "TEST: end";

/// Modules whose names differ in more than case: FAT would keep only one of two such names.
const SUBSET: &[&str] =
    &["virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "ext4", "btrfs", "dm_crypt", "cifs"];

/// Compressions of the subset's archives, with their suffixes.
const COMPRESSED: [(&str, Format); 3] = [("gz", Format::Gz), ("xz", Format::Xz), ("zst", Format::Zst)];

/// The same eleven files as on Linux: from an archive of a whole kernel, from a directory, and from
/// compressed archives.
pub(super) fn same_files() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let whole = Subset::whole(&kernel)?;
    let part = Subset::of(&kernel, SUBSET)?;
    let version = &kernel.version;
    let mut machine = Machine::new("x86_64")?
        .file("depmod.efi", program("x86_64")?)
        .file("whole.cpio", whole.archive()?)
        .file(
            "startup.nsh",
            format!(
                "@echo -off\nfs0:\n\
                 depmod.efi -b \\whole.cpio -o \\out\\whole {version}\n\
                 depmod.efi -b \\part -o \\out\\part {version}\n\
                 depmod.efi -b \\part.cpio.gz -o \\out\\gz {version}\n\
                 depmod.efi -b \\part.cpio.xz -o \\out\\xz {version}\n\
                 depmod.efi -b \\part.cpio.zst -o \\out\\zst {version}\n\
                 depmod.efi -n -b \\part {version}\n\
                 echo {END}\nreset -s\n"
            ),
        )
        .directory("part", part.root())?
        .room(32 << 20);
    for (name, format) in COMPRESSED {
        machine = machine.file(&format!("part.cpio.{name}"), format.compress(&part.archive()?));
    }
    let outcome = machine.run(END)?;
    println!("{:.1} s", outcome.time.as_secs_f64());
    let index = |path: &&String| Output::ALL.iter().any(|output| path.ends_with(output.file_name()));
    let touched: Vec<&String> =
        outcome.files.keys().filter(|path| path.starts_with("/part/")).filter(index).collect();
    compare(&outcome, &whole.index()?, "whole")?;
    let part = part.index()?;
    compare(&outcome, &part, "part")?;
    COMPRESSED.iter().try_for_each(|(name, _)| compare(&outcome, &part, name))?;
    ensure!(touched.is_empty(), "-o and -n must not write to the module directory, but wrote {touched:?}");
    // The output of -n is the text outputs, as on Linux.
    let printed = command::text(product::depmod().arg("-n").arg("-b").arg(part.root()).arg(version))?;
    let lines: BTreeSet<&str> = outcome.lines.iter().map(String::as_str).collect();
    for line in printed.lines().filter(|line| !line.is_empty()) {
        // A console wraps long lines.
        if line.len() < 70 {
            ensure!(lines.contains(line.trim_end()), "-n does not print `{line}`");
        }
    }
    Ok(())
}

fn compare(outcome: &Outcome, linux: &Subset, place: &str) -> Result<()> {
    let version = linux.modules();
    let version = version.file_name().unwrap_or_default().to_string_lossy();
    for output in Output::ALL {
        let name = output.file_name();
        let path = format!("/out/{place}/lib/modules/{version}/{name}");
        let firmware = outcome.files.get(&path);
        outcome.ensure(firmware.is_some(), &format!("firmware wrote no {path}"))?;
        let expected = fs::read(linux.modules().join(name))?;
        ensure!(firmware == Some(&expected), "{path} differs from Linux's");
    }
    println!("{place}: {} files are the same", Output::ALL.len());
    Ok(())
}
