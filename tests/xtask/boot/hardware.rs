//! Hardware modaliases of firmware and of Linux.

use alloc::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use depmod_tests::debian;
use depmod_tests::existing_initrd::{END, Layout, MARK, existing_initrd};
use depmod_tests::qemu::{HANDED_OVER, Machine, Outcome};
use depmod_tests::subset::Subset;

use super::program;

/// Bridges, disks, network, sound, USB: all header types and classes that QEMU supports.
const DEVICES: &str = "-device pcie-root-port,id=rp1,chassis=1 -device pcie-pci-bridge,id=bridge,bus=rp1 \
    -device e1000,bus=bridge,addr=1 -device e1000e -device qemu-xhci,id=usb -device usb-kbd,bus=usb.0 \
    -drive if=none,id=stick,format=raw,file.driver=null-co,file.size=1M -device usb-storage,bus=usb.0,drive=stick \
    -device ich9-intel-hda -device virtio-rng-pci,disable-legacy=on -device virtio-scsi-pci,disable-modern=on \
    -drive if=none,id=nvme,format=raw,file.driver=null-co,file.size=1M -device nvme,drive=nvme,serial=1 \
    -device sdhci-pci";

/// USB devices need a driver; firmware does not have the root hubs, which Linux creates.
const SCRIPT: &str = "for d in /sys/bus/acpi/devices/*/modalias; do say acpi $(cat $d); done\n\
    say cpu $(cat /sys/devices/system/cpu/modalias)\n\
    for d in /sys/bus/pci/devices/*; do say pci ${d##*/} $(cat $d/modalias); done\n\
    usb() { grep -v usb:v1D6B /sys/bus/usb/devices/*:*/modalias; }\n\
    while read name; do modprobe $name; done </etc/modules-load.d/depmod.conf\n\
    for i in 1 2 3 4 5 6 7 8 9 10; do [ $(usb | grep -c usb:) -ge 2 ] && break; sleep 1; done\n\
    usb | sed 's/.*:usb:/TEST: usb usb:/'\n";

/// On a PC with Linux 6.1.
pub(super) fn modaliases_x86_64() -> Result<()> {
    modaliases("x86_64", "bookworm-amd64")
}

/// On AArch64 with Linux 6.12.
pub(super) fn modaliases_aarch64() -> Result<()> {
    modaliases("aarch64", "trixie-arm64")
}

/// Devices that ACPI does not name: Linux invents them.
const INVENTED: &str = "LNX";

/// Each ID of a device that Linux sees is an ID that the program found; the program may find more.
fn acpi_ids(outcome: &Outcome) -> Result<()> {
    let ours: BTreeSet<&str> =
        outcome.after("depmod: acpi acpi:").map(|id| id.trim_end_matches(':')).collect();
    let linux = outcome.after("TEST: acpi acpi:").flat_map(|ids| ids.split(':'));
    let linux: BTreeSet<&str> = linux.filter(|id| !id.is_empty() && !id.starts_with(INVENTED)).collect();
    println!("acpi: {} in Linux, {} here", linux.len(), ours.len());
    let missing: Vec<_> = linux.difference(&ours).collect();
    ensure!(missing.is_empty(), "Linux has {missing:?}, the program only {ours:?}");
    ensure!(linux.len() >= 3, "Linux has only {linux:?}");
    Ok(())
}

/// The features for ciphers are those that Linux sees.
fn cpu_features(outcome: &Outcome, wanted: &[&str]) -> Result<()> {
    for who in ["depmod: cpu ", "TEST: cpu "] {
        let modalias = outcome.after(who).next().unwrap_or_default();
        let missing: Vec<_> = wanted.iter().filter(|number| !modalias.contains(**number)).collect();
        ensure!(missing.is_empty(), "{who}{modalias} lacks {missing:?}");
    }
    Ok(())
}

/// Compares the program's `-v` output with `/sys/bus/{pci,usb,acpi,cpu}/devices/*/modalias`.
fn modaliases(arch: &str, label: &str) -> Result<()> {
    let kernel = debian::kernel(label)?;
    let machine = Machine::new(arch)?;
    let initrd = existing_initrd(&machine.settings().debian, Layout::UsrMerged, SCRIPT)?;
    let console = &machine.settings().console;
    let entry = format!(
        "title modaliases\nversion {}\nlinux /vmlinuz\ninitrd /existing.img\noptions console={console} panic=-1\n\
         x-depmod-modules /modules.cpio\n",
        kernel.version
    );
    let outcome = machine
        .file("startup.nsh", "fs0:\\depmod.efi -v\n")
        .file("depmod.efi", program(arch)?)
        .file("depmod.conf", entry)
        .file("vmlinuz", fs::read(kernel.image())?)
        .file("existing.img", initrd)
        .file("modules.cpio", Subset::of(&kernel, &["xhci_pci"])?.archive()?)
        .with(DEVICES)
        .run(END)?;
    ensure!(outcome.has_line(HANDED_OVER), "the kernel did not load the initrd");
    for (bus, at_least) in [("pci", 11), ("usb", 2)] {
        let (ours, theirs) = (format!("depmod: {bus} "), format!("{MARK}{bus} "));
        let firmware: BTreeSet<&str> = outcome.after(&ours).collect();
        let linux: BTreeSet<&str> = outcome.after(&theirs).collect();
        println!("{bus}: {} in {:.1} s", linux.len(), outcome.time.as_secs_f64());
        ensure!(
            firmware == linux,
            "firmware only: {:#?}\nLinux only: {:#?}",
            firmware.difference(&linux).collect::<Vec<_>>(),
            linux.difference(&firmware).collect::<Vec<_>>()
        );
        ensure!(linux.len() >= at_least, "{bus}: only {linux:?}: devices are missing");
    }
    acpi_ids(&outcome)?;
    // AES and the carry-less product.
    cpu_features(
        &outcome,
        if arch == "aarch64" { &["aarch64", ",0001", ",0003", ",0004"] } else { &[",0099", ",0081"] },
    )
}
