//! What real machines do besides: slow volumes, kernels in other forms, disks without a bus that firmware lists.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_tests::compress::Format;
use depmod_tests::debian::{self, Kernel};
use depmod_tests::existing_initrd::{END, Layout, existing_initrd};
use depmod_tests::qemu::{HANDED_OVER, Machine};
use depmod_tests::subset::Subset;
use depmod_tests::{apt, command, zboot};

use super::stage::Stage;
use super::two_at_a_time;

/// Loads the modules of the preload, and lists the disks.
const SCRIPT: &str = "[ -e /etc/modules-load.d/depmod.conf ] && \
    while read name; do modprobe $name; done </etc/modules-load.d/depmod.conf\n\
    for i in 1 2 3 4 5; do ls /sys/block | grep -q vd && break; sleep 1; done\n\
    for disk in /sys/block/*; do say disk $(readlink -f $disk); done\n";

/// A volume of four megabytes a second: the console shows that the program works, and the machine boots.
pub(super) fn slow_volume() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let modules = Subset::of(&kernel, &["virtio_blk", "virtio_pci"])?;
    // An archive that takes six seconds: the first member is large, and nobody wants it.
    let mut archive = padding(24 << 20);
    archive.extend(modules.archive()?);
    let stage = Stage::new("x86_64", &kernel, SCRIPT)?.modules(&archive);
    let outcome = stage.put_on(Machine::new("x86_64")?)?.slow(4 << 20).run(END)?;
    outcome.expect(HANDED_OVER)?;
    outcome.expect("depmod: working for 2 s")?;
    outcome.expect("depmod: working for 4 s")?;
    let part = outcome.after("depmod: working for ").any(|line| line.ends_with(" of 24 MiB of a file read"));
    outcome.ensure(part, "no line says how much of the archive is read")?;
    outcome.expect("TEST: disk /sys/devices/pci")
}

/// A volume from which the files take longer than the five minutes after which firmware's watchdog resets a machine.
pub(super) fn watchdog() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let mut archive = padding(24 << 20);
    archive.extend(Subset::of(&kernel, &["virtio_blk", "virtio_pci"])?.archive()?);
    let stage = Stage::new("x86_64", &kernel, SCRIPT)?.modules(&archive);
    let mut machine = stage.put_on(Machine::new("x86_64")?)?.slow(100 << 10);
    machine.timeout = Duration::from_secs(1200);
    let outcome = machine.run(END)?;
    outcome.expect(HANDED_OVER)?;
    let start = outcome.time_of("depmod: working for ").context("no progress")?;
    let end = outcome.time_of(HANDED_OVER).context("no kernel")?;
    outcome.ensure(end - start > Duration::from_secs(320), "the volume was too fast")?;
    outcome.expect("TEST: disk /sys/devices/pci")?;
    println!("{:.0} s from the first line of progress to the kernel", (end - start).as_secs_f64());
    Ok(())
}

/// An initrd of 1.2 GiB reaches the kernel, although it is too large to look into.
pub(super) fn large_initrd() -> Result<()> {
    const SIZE: usize = 1229 << 20;
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let machine = Machine::new("x86_64")?;
    let mut initrd = existing_initrd(&machine.settings().debian, Layout::UsrMerged, "say up\n")?;
    // The kernel skips zeros.
    initrd.resize(SIZE, 0);
    let modules = Subset::of(&kernel, &["virtio_blk", "virtio_pci"])?.archive()?;
    let stage = Stage::new("x86_64", &kernel, "")?.existing_initrd(&initrd).modules(&modules);
    drop(initrd);
    let mut machine = stage.put_on(machine)?;
    machine.memory = 8192;
    machine.timeout = Duration::from_secs(900);
    let outcome = machine.run(END)?;
    outcome.expect(&format!(
        "depmod: ERROR: /existing.img has {SIZE} bytes, too many to look into; booting without preload"
    ))?;
    outcome.expect(HANDED_OVER)?;
    outcome.expect("TEST: up")?;
    println!("{:.0} s", outcome.time.as_secs_f64());
    Ok(())
}

/// A newc archive with a file of so many zeros.
fn padding(size: usize) -> Vec<u8> {
    let name = "padding\0";
    let mut archive = format!(
        "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{size:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{name}",
        1,
        0o100_644,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        name.len(),
        0
    )
    .into_bytes();
    archive.resize(archive.len().next_multiple_of(4) + size, 0);
    archive
}

/// Kernels in gzip boot on AArch64; a file that is no kernel is called that.
pub(super) fn kernel_forms() -> Result<()> {
    let kernel = debian::kernel("trixie-arm64")?;
    let image = fs::read(kernel.image())?;
    let packed = Format::Gz.compress(&image);
    let forms = [("in gzip", packed, true), ("a text", b"#!/bin/sh\n".to_vec(), false)];
    two_at_a_time(&forms, |(what, file, boots)| {
        // A later key counts.
        let stage = Stage::new("aarch64", &kernel, "say up\n")?.file("form", file).keys("linux /form");
        if *boots {
            let outcome = stage.put_on(Machine::new("aarch64")?)?.run(END)?;
            outcome.expect(HANDED_OVER)?;
            outcome.expect("TEST: up")?;
        } else {
            let script = "fs0:\\EFI\\BOOT\\depmod.efi\necho TEST: end\nreset -s\n";
            let outcome = stage.in_shell(script)?.run(END)?;
            outcome.expect("depmod: ERROR: this is no kernel with an EFI stub; stopped")?;
        }
        println!("a kernel {what}");
        Ok(())
    })
}

/// A kernel that unpacks itself and then asks for the initrd: modules of ours load its disk.
pub(super) fn zboot() -> Result<()> {
    let kernel = debian::kernel("trixie-arm64")?;
    let image = fs::read(zboot::image(&kernel)?)?;
    ensure!(image.get(4..8) == Some(b"zimg"), "this is no zboot image");
    let modules = Subset::of(&kernel, &["virtio_blk", "virtio_pci"])?.index()?;
    let stage = Stage::new("aarch64", &kernel, SCRIPT)?.modules(&modules.archive()?);
    let outcome = stage.file("zboot.efi", &image).keys("linux /zboot.efi");
    let outcome = outcome.put_on(Machine::new("aarch64")?)?.run(END)?;
    outcome.expect("EFI stub: Decompressing Linux Kernel...")?;
    outcome.expect(HANDED_OVER)?;
    outcome.expect("TEST: disk /sys/devices/")?;
    let disk = outcome.after("TEST: disk ").any(|path| path.contains("virtio"));
    outcome.ensure(disk, "our modules are not there")?;
    println!("{} KB, {:.1} s", image.len() / 1000, outcome.time.as_secs_f64());
    Ok(())
}

/// 32-bit firmware, 64-bit kernels: with the preload, and after a panic of the program.
pub(super) fn mixed_mode() -> Result<()> {
    apt::install(&["ovmf-ia32"])?;
    let ways = [
        ("trixie-cloud-amd64", ""),
        ("bookworm-cloud-amd64", ""),
        ("bookworm-cloud-amd64", "--defect panic"),
    ];
    two_at_a_time(&ways, |&(label, options)| {
        let kernel = debian::kernel(label)?;
        let modules = Subset::of(&kernel, &["virtio_pci", "virtio_blk"])?.index()?;
        let stage = Stage::new("i686", &kernel, &format!("say machine $(uname -m)\n{SCRIPT}"))?;
        let stage = stage.modules(&modules.archive()?);
        let outcome = stage.in_shell(&format!("fs0:\\EFI\\BOOT\\depmod.efi {options}\n"))?.run(END)?;
        outcome.expect(HANDED_OVER)?;
        outcome.expect("TEST: machine x86_64")?;
        let disk = outcome.has_line("TEST: disk /sys/devices/pci");
        outcome
            .ensure(disk == options.is_empty(), &format!("{label} {options}: the disk is there: {disk}"))?;
        println!("{label} {options}: {:.1} s", outcome.time.as_secs_f64());
        Ok(())
    })
}

/// A unified kernel image with an initrd inside boots, although the entry names one, too.
pub(super) fn unified_kernel() -> Result<()> {
    apt::install(&["binutils"])?;
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let machine = Machine::new("x86_64")?;
    let inside = existing_initrd(&machine.settings().debian, Layout::UsrMerged, "say inside\n")?;
    let options = format!("console={} panic=-1 loglevel=4", machine.settings().console);
    let image = unified(&kernel, &inside, &options)?;
    let stage = Stage::new("x86_64", &kernel, "say outside\n")?.file("vmlinuz.efi", &image);
    let stage = stage.keys("linux /vmlinuz.efi");
    let outcome = stage.put_on(machine)?.run(END)?;
    outcome.expect("TEST: inside")?;
    outcome
        .expect("depmod: WARNING: /vmlinuz.efi brings an initrd and takes no other; starting it without ours")
}

/// Adds sections to systemd's stub, as `ukify` does.
fn unified(kernel: &Kernel, initrd: &[u8], options: &str) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    let release = b"NAME=test\nID=test\nVERSION_ID=1\n";
    fs::write(at("osrel"), release)?;
    fs::write(at("cmdline"), options)?;
    fs::write(at("initrd"), initrd)?;
    fs::copy(kernel.image(), at("linux"))?;
    let stub = debian::systemd_stub()?;
    let mut objcopy = Command::new("objcopy");
    // Above the stub's own sections, each above the one before it.
    let mut address = end_of_sections(&stub)?;
    for section in ["osrel", "cmdline", "initrd", "linux"] {
        let size = fs::metadata(at(section))?.len();
        objcopy.arg(format!("--add-section=.{section}={}", at(section).display()));
        objcopy.arg(format!("--change-section-vma=.{section}={address:#x}"));
        address = (address + size).next_multiple_of(0x1000);
    }
    command::run(objcopy.arg(&stub).arg(at("image")))?;
    Ok(fs::read(at("image"))?)
}

/// The first free address of a program, image base included.
fn end_of_sections(program: &Path) -> Result<u64> {
    let headers = command::text(Command::new("objdump").arg("-h").arg(program))?;
    let mut end = 0;
    for line in headers.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [number, _, size, address, ..] = words[..]
            && number.parse::<u32>().is_ok()
        {
            end = end.max(u64::from_str_radix(size, 16)? + u64::from_str_radix(address, 16)?);
        }
    }
    ensure!(end > 0, "no sections in {}", program.display());
    Ok(end.next_multiple_of(0x1000))
}

/// The firmware gets the program from a server, and the program its files: an entry in its directory, kernel, initrd
/// and an archive. A file that the server lacks costs the preload.
pub(super) fn network() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let modules = Subset::of(&kernel, &["virtio_blk", "virtio_pci", "virtio_net"])?.archive()?;
    let script = "for name in $(cat /etc/modules-load.d/depmod.conf); do say wants $name; done\n";
    let stage = Stage::new("x86_64", &kernel, script)?.file("images/modules.cpio", &modules);
    let ways = [
        ("images/modules.cpio", "TEST: wants virtio_net"),
        (
            "images/none.cpio",
            "depmod: ERROR: cannot read /images/none.cpio: The server has no such file, or refuses it; booting",
        ),
    ];
    two_at_a_time(&ways, |(path, line)| {
        let stage = stage.clone().keys(&format!("x-depmod-modules /{path}"));
        let server = tempfile::tempdir()?;
        stage.write_to(server.path(), "boot/netboot.efi")?;
        // Without its option ROM, the card has the firmware's own driver.
        let outcome = Machine::new("x86_64")?
            .with(&format!("-netdev user,id=net,tftp={},bootfile=boot/netboot.efi", server.path().display()))
            .with("-device virtio-net-pci,netdev=net,romfile=,bootindex=9")
            .run(END)?;
        outcome.expect(HANDED_OVER)?;
        outcome.expect(line)?;
        println!("{path}: {line}");
        Ok(())
    })
}

/// A disk over virtio-mmio alone, which firmware names in ACPI's tables or in a device tree.
pub(super) fn without_pci() -> Result<()> {
    let kernel = debian::kernel("trixie-arm64")?;
    let modules = Subset::of(&kernel, &["virtio_mmio", "virtio_blk", "virtio_net", "virtio_console"])?;
    let archive = modules.index()?.archive()?;
    let ways = [("acpi=on", "auto", true), ("acpi=off", "auto", true), ("acpi=on", "pci usb cpu", false)];
    two_at_a_time(&ways, |&(properties, hardware, found)| {
        let stage = Stage::new("aarch64", &kernel, SCRIPT)?.modules(&archive);
        let stage = stage.keys(&format!("x-depmod-hardware {hardware}"));
        let machine = Machine::new("aarch64")?.machine_properties(properties);
        let machine = machine
            .with("-drive if=none,id=disk,format=raw,file.driver=null-co,file.size=1M")
            .with("-device virtio-blk-device,drive=disk");
        let outcome = stage.put_on(machine)?.run(END)?;
        outcome.expect(HANDED_OVER)?;
        let disk = outcome.after("TEST: disk ").any(|path| path.contains("virtio") && !path.contains("pci"));
        outcome
            .ensure(disk == found, &format!("{properties}, {hardware}: a disk over virtio-mmio is {disk}"))?;
        println!("{properties}, hardware {hardware}: the disk over virtio-mmio works: {disk}");
        Ok(())
    })
}
