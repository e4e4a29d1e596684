//! Initrds from `depmod plan --format cpio`, started by the emulator without firmware.
//!
//! Each is appended to an initrd with a shell and kmod's tools; no module comes from elsewhere, and none that the
//! kernel itself asks for is loaded.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_core::parts::name::module_name;
use depmod_tests::debian::{self, Kernel};
use depmod_tests::existing_initrd::{END, Layout, existing_initrd};
use depmod_tests::machines::{MACHINES, modaliases};
use depmod_tests::qemu::{Machine, Outcome};
use depmod_tests::subset::Subset;
use depmod_tests::{command, product};

use super::two_at_a_time;

/// The kernel with most drivers.
const KERNEL: &str = "trixie-amd64";

/// What QEMU's q35 always has.
const Q35: &[&str] = &[
    "pci:v00008086d000029C0sv00001AF4sd00001100bc06sc00i00",
    "pci:v00008086d00002918sv00001AF4sd00001100bc06sc01i00",
    "pci:v00008086d00002930sv00001AF4sd00001100bc0Csc05i00",
    "acpi:PNP0A08:PNP0A03:",
    "acpi:PNP0303:",
];

/// A machine: its disk, QEMU's options, the modaliases that Linux gives it, the disk's name in Linux.
type Disk = (&'static str, &'static str, &'static [&'static str], &'static str);

const DISKS: &[Disk] = &[
    (
        "NVMe",
        "-device nvme,serial=1,drive=root",
        &["pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02"],
        "nvme0n1",
    ),
    (
        "virtio",
        "-device virtio-blk-pci,drive=root",
        &["pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00", "virtio:d00000002v00001AF4"],
        "vda",
    ),
    (
        "AHCI",
        "-device ide-hd,bus=ide.0,drive=root",
        &["pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "scsi:t-0x00"],
        "sda",
    ),
    (
        "USB",
        "-device qemu-xhci,id=xhci -device usb-storage,bus=xhci.0,drive=root",
        &[
            "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30",
            "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00",
            "scsi:t-0x00",
        ],
        "sda",
    ),
];

/// Loads every module of the plan by its file, in the plan's order.
const LOAD: &str = r#"
# Nothing may come from requests that the kernel itself makes.
echo /bin/true >/proc/sys/kernel/modprobe
dir=/lib/modules/$(uname -r)
while read path; do
    insmod $dir/$path 2>/out && say loaded $path || say refused $path: $(cat /out)
done <$dir/modules.load
dmesg | grep -i -e 'unknown symbol' -e 'disagrees about version' | sed 's/^/TEST: symbol /'
"#;

/// Waits for the disk and mounts it.
const MOUNT: &str = r#"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -b /dev/$DISK ] && break; sleep 1; done
mkdir -p /new
mount -t ext4 -o ro /dev/$DISK /new && say mounted $(cat /new/proof)
"#;

/// One machine for each kind of disk; its plan is for its hardware, as sysfs would list it, and the file system.
pub(super) fn root_disks() -> Result<()> {
    let kernel = debian::kernel(KERNEL)?;
    let modules = indexed(&kernel)?;
    let dir = tempfile::tempdir()?;
    let image = root_file_system(dir.path())?;
    two_at_a_time(DISKS, |(what, options, devices, name)| {
        let sysfs = tempfile::tempdir()?;
        for (number, device) in Q35.iter().chain(*devices).enumerate() {
            let device_dir = sysfs.path().join(format!("devices/{number}"));
            fs::create_dir_all(&device_dir)?;
            fs::write(device_dir.join("modalias"), format!("{device}\n"))?;
        }
        let mut plan = plan(&modules, &kernel)?;
        let archive = command::output(plan.args(["fs-ext4", "--hardware", "--sysfs"]).arg(sysfs.path()))?;
        let script = format!("DISK={name}\n{LOAD}{MOUNT}");
        let machine = Machine::new("x86_64")?
            .with(&format!("-drive if=none,id=root,format=raw,snapshot=on,file={}", image.display()))
            .with(options);
        let outcome = boot(machine, &kernel, &archive, &script)?;
        outcome.expect("TEST: mounted the root file system")?;
        no_bad_symbols(&outcome)?;
        let loaded = outcome.after(LOADED).count();
        println!("{what}: {loaded} modules, mounted; {:.1} s", outcome.time.as_secs_f64());
        Ok(())
    })
}

const LOADED: &str = "TEST: loaded ";

/// All devices of some machines in one plan: every third machine.
pub(super) fn load_order() -> Result<()> {
    load_order_of(3).map(|figures| println!("{figures}"))
}

/// All devices of every `step`th machine in one plan. Each module is inserted in the plan's order; those for
/// hardware that is not there may refuse, and those that need them must then fail.
///
/// # Errors
/// When a module misses a symbol though everything that it needs was loaded.
pub(crate) fn load_order_of(step: usize) -> Result<String> {
    let kernel = debian::kernel(KERNEL)?;
    let modules = indexed(&kernel)?;
    let dir = tempfile::tempdir()?;
    let list = dir.path().join("devices");
    let machines = MACHINES.iter().step_by(step);
    let devices: Vec<&str> = machines.flat_map(|(_, parts)| modaliases(parts)).collect();
    fs::write(&list, devices.join("\n"))?;
    let mut plan = plan(&modules, &kernel)?;
    let archive = command::output(plan.arg(format!("@{}", list.display())).arg("--missing=ignore"))?;
    let mut machine = Machine::new("x86_64")?;
    machine.memory = 2048;
    machine.timeout = Duration::from_secs(1200);
    let outcome = boot(machine, &kernel, &archive, LOAD)?;

    let name = |path: &str| -> String { module_name(path.as_bytes()).map(char::from).collect() };
    let dep = fs::read_to_string(modules.modules().join("modules.dep"))?;
    let needs: BTreeMap<String, Vec<String>> = dep
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| (name(path), needs.split_whitespace().map(name).collect()))
        .collect();
    let mut refused: BTreeSet<String> = BTreeSet::new();
    let (mut alone, mut with_others) = (0, 0);
    for line in outcome.after("TEST: refused ") {
        let module = name(line.split(':').next().unwrap_or_default());
        let followed =
            needs.get(&module).is_some_and(|needs| needs.iter().any(|need| refused.contains(need)));
        if line.ends_with("Unknown symbol in module") {
            ensure!(followed, "{line}, but all that it needs was loaded");
            with_others += 1;
        } else {
            ensure!(REFUSALS.iter().any(|why| line.ends_with(why)), "{line}");
            alone += 1;
        }
        refused.insert(module);
    }
    for line in outcome.after("TEST: symbol ") {
        let module = line.split(']').nth(1).and_then(|line| line.trim().split(':').next());
        ensure!(module.is_some_and(|module| refused.contains(module)), "{line}");
    }
    let loaded = outcome.after(LOADED).count();
    ensure!(loaded > 100, "only {loaded} modules were loaded");
    Ok(format!(
        "{loaded} modules loaded, {alone} refused without their hardware and {with_others} with them; {:.1} s",
        outcome.time.as_secs_f64()
    ))
}

/// What drivers say that find no hardware.
const REFUSALS: [&str; 3] = ["No such device", "Operation not supported", "File exists"];

/// All modules of the kernel, indexed by the release build.
fn indexed(kernel: &Kernel) -> Result<Subset> {
    let modules = Subset::whole(kernel)?;
    command::run(Command::new(product::release()?).arg("-b").arg(modules.root()).arg(&kernel.version))?;
    Ok(modules)
}

/// `depmod plan` for an archive.
fn plan(modules: &Subset, kernel: &Kernel) -> Result<Command> {
    let mut plan = Command::new(product::release()?);
    plan.args(["plan", "-C", "/dev/null", "-k", &kernel.version, "-b"]).arg(modules.root());
    plan.args(["--format", "cpio"]);
    Ok(plan)
}

fn boot(machine: Machine, kernel: &Kernel, archive: &[u8], script: &str) -> Result<Outcome> {
    // The archive has a directory `lib`, which would take the place of a link of this name.
    let mut initrd = existing_initrd("amd64", Layout::Split, script)?;
    initrd.extend_from_slice(archive);
    machine.direct(&kernel.image(), initrd).run(END)
}

/// Every module found the symbols that it needs.
fn no_bad_symbols(outcome: &Outcome) -> Result<()> {
    let bad: Vec<&str> = outcome.after("TEST: symbol ").collect();
    outcome.ensure(bad.is_empty(), &format!("{bad:#?}"))?;
    outcome.ensure(outcome.has_line(LOADED), "nothing was loaded")
}

/// An ext4 file system with one file.
fn root_file_system(dir: &Path) -> Result<std::path::PathBuf> {
    let (content, image) = (dir.join("content"), dir.join("root.img"));
    fs::create_dir(&content)?;
    fs::write(content.join("proof"), "the root file system\n")?;
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-d"]).arg(&content).arg(&image).arg("32M");
    // It is in a directory that not every user has in the search path.
    mkfs.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command::output(&mut mkfs).context("mkfs.ext4 of e2fsprogs")?;
    Ok(image)
}
