//! What Linux's coldplug loads on a machine, and what the initrd of the program has for it.
//!
//! Each machine boots with the program's initrd, loads its modules and lists the modaliases of all its devices. The real
//! modprobe says which modules of the whole kernel these name. Each one is in the initrd, or [`REASONS`] says why not.
//!
//! Microvm is not among the machines: Debian has no firmware with UEFI for it.

use alloc::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use depmod_core::parts::name::module_name;

use depmod_tests::debian::{self, Kernel};
use depmod_tests::existing_initrd::END;
use depmod_tests::oracle::Oracle;
use depmod_tests::qemu::{HANDED_OVER, Machine};
use depmod_tests::subset::Subset;

use super::stage::Stage;
use super::two_at_a_time;

/// A machine: its name, architecture, properties and devices, and whether it has a TPM.
type Computer = (&'static str, &'static str, &'static str, &'static str, bool);

/// A disk of one mebibyte; its name follows.
const DISK: &str = "-drive if=none,format=raw,file.driver=null-co,file.size=1M,id=";

const PCS: &[Computer] = &[
    (
        "q35",
        "x86_64",
        "",
        "{disk}nvme -device nvme,drive=nvme,serial=1 {disk}ahci -device ide-hd,bus=ide.0,drive=ahci \
         -device qemu-xhci,id=usb -device usb-kbd,bus=usb.0 {disk}stick -device usb-storage,bus=usb.0,drive=stick \
         -device e1000e -device virtio-gpu-pci -device ich9-intel-hda,id=hda -audiodev none,id=sound -device hda-duplex,bus=hda.0,audiodev=sound \
         -device sdhci-pci {disk}card -device sd-card,drive=card",
        true,
    ),
    (
        "q35 virtio",
        "x86_64",
        "",
        "{disk}blk -device virtio-blk-pci,drive=blk -device virtio-scsi-pci,id=scsi {disk}scsi \
         -device scsi-hd,bus=scsi.0,drive=scsi -device virtio-net-pci -device virtio-gpu-pci -device virtio-keyboard-pci \
         -device virtio-rng-pci -device virtio-serial-pci -device virtio-balloon-pci",
        false,
    ),
];

const BOARDS: &[Computer] = &[
    ("virt, ACPI, PCI", "aarch64", "acpi=on", VIRT_PCI, false),
    ("virt, ACPI, virtio-mmio", "aarch64", "acpi=on", VIRT_MMIO, false),
    ("virt, device tree, PCI", "aarch64", "acpi=off", VIRT_PCI, false),
    ("virt, device tree, virtio-mmio", "aarch64", "acpi=off", VIRT_MMIO, false),
];

const VIRT_PCI: &str = "{disk}blk -device virtio-blk-pci,drive=blk {disk}nvme -device nvme,drive=nvme,serial=1 \
    -device virtio-net-pci -device qemu-xhci,id=usb -device usb-kbd,bus=usb.0 -device virtio-gpu-pci";
const VIRT_MMIO: &str = "{disk}blk -device virtio-blk-device,drive=blk -device virtio-net-device \
    -device virtio-gpu-device -device virtio-keyboard-device";

/// Buses of the goal. Of others, such as `input` and `platform`, nothing is promised.
const BUSES: [&str; 8] = ["pci", "virtio", "usb", "hid", "scsi", "acpi", "of", "cpu"];

/// Modules that the initrd does not have, and why.
const REASONS: &[(&str, &str)] = &[
    ("acpi_cpufreq", FREQUENCY),
    ("pcc_cpufreq", FREQUENCY),
    ("powernow_k8", FREQUENCY),
    ("amd64_edac", "memory errors"),
    ("kvm_amd", "virtual machines"),
    ("button", "the power button"),
];
const FREQUENCY: &str = "the processor's frequency";

/// Loads the listed modules, waits for devices, and lists modaliases.
const SCRIPT: &str = "while read name; do modprobe $name 2>/out || say refused $name; done </etc/modules-load.d/depmod.conf\n\
    sleep 5\n\
    busybox find /sys/devices -name modalias | while read file; do echo TEST: modalias $(cat $file); done | sort -u\n\
    busybox find /lib/modules -name '*.ko*' | sed 's/^/TEST: file /'\n";

/// All machines with these kernels.
pub(super) fn coldplug() -> Result<()> {
    let (mut rows, mut result) = (Vec::new(), Ok(()));
    for (label, computers) in [("bookworm-amd64", PCS), ("trixie-amd64", PCS), ("trixie-arm64", BOARDS)] {
        let kernel = debian::kernel(label)?;
        let modules = Subset::whole(&kernel)?.index()?;
        let archive = modules.archive()?;
        let table = Mutex::new(BTreeMap::new());
        let numbered: Vec<_> = computers.iter().enumerate().collect();
        let done = two_at_a_time(&numbered, |&(number, computer)| {
            let row = compare(computer, &kernel, &modules, &archive)?;
            table.lock().unwrap_or_else(PoisonError::into_inner).insert(number, row);
            Ok(())
        });
        rows.extend(table.into_inner().unwrap_or_else(PoisonError::into_inner).into_values());
        result = result.and(done);
    }
    println!(
        "| machine | Linux | its modaliases | name modules | in the initrd | left out, with a reason | only in the initrd | start to StartImage |"
    );
    println!("|---|---|--:|--:|--:|---|--:|--:|");
    rows.iter().for_each(|row| println!("{row}"));
    result
}

/// One line of the table.
fn compare(computer: &Computer, kernel: &Kernel, modules: &Subset, archive: &[u8]) -> Result<String> {
    let (what, arch, properties, devices, tpm) = *computer;
    let mut machine = Machine::new(arch)?.with(&devices.replace("{disk}", DISK));
    if !properties.is_empty() {
        machine = machine.machine_properties(properties);
    }
    if tpm {
        machine = machine.with_tpm();
    }
    machine.memory = 2048;
    let stage = Stage::new(arch, kernel, SCRIPT)?.modules(archive);
    let mut machine = stage.keys("options no_timer_check cryptomgr.notests").put_on(machine)?;
    let program = machine.take_file(&machine.boot_path());
    let machine = machine.file("EFI/BOOT/depmod.efi", program);
    let outcome = machine.file("startup.nsh", "@echo -off\nfs0:\n\\EFI\\BOOT\\depmod.efi -v\n").run(END)?;
    outcome.expect(HANDED_OVER)?;
    outcome.expect("depmod: preload: ")?;

    let planned: BTreeSet<String> = outcome.after("TEST: file ").map(name).collect();
    let modaliases: BTreeSet<&str> = outcome
        .after("TEST: modalias ")
        .filter(|alias| alias.split_once(':').is_some_and(|(bus, _)| BUSES.contains(&bus)))
        .collect();
    let mut wanted: BTreeMap<String, &str> = BTreeMap::new();
    for alias in &modaliases {
        for module in resolve(alias, kernel, modules)? {
            wanted.entry(module).or_insert(alias);
        }
    }
    let (mut reasons, mut unlisted): (BTreeMap<&str, usize>, Vec<String>) = (BTreeMap::new(), Vec::new());
    for (module, alias) in wanted.iter().filter(|(module, _)| !planned.contains(*module)) {
        match REASONS.iter().find(|(pattern, _)| pattern == module) {
            Some((_, reason)) => *reasons.entry(reason).or_default() += 1,
            None => unlisted.push(format!("{module} for {alias:.60}")),
        }
    }
    unlisted.iter().for_each(|module| println!("{what}, Linux {}: lacks {module}", kernel.version));
    ensure!(modaliases.len() > 3, "{what}: Linux has only {modaliases:?}");
    ensure!(unlisted.is_empty(), "{what}, Linux {}: not in the initrd: {unlisted:#?}", kernel.version);
    let there = wanted.keys().filter(|module| planned.contains(*module)).count();
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let more = planned.iter().filter(|module| !wanted.contains_key(*module)).count();
    println!("{what}: {:.1} s", outcome.time.as_secs_f64());
    let time = outcome.after("depmod: time: ").next().and_then(|line| line.split(" from").next());
    let series = kernel.version.split('.').take(2).collect::<Vec<_>>().join(".");
    Ok(format!(
        "| {what} | {series} | {} | {} | {there} | {} | {more} | {} |",
        modaliases.len(),
        wanted.len(),
        reasons.join("; "),
        time.unwrap_or_default()
    ))
}

fn name(path: &str) -> String {
    module_name(path.as_bytes()).map(char::from).collect()
}

/// The modules that the real modprobe finds, without built-in ones.
fn resolve(alias: &str, kernel: &Kernel, modules: &Subset) -> Result<Vec<String>> {
    let mut modprobe = Oracle::get().tool("modprobe");
    modprobe.args(["--resolve-alias", "--quiet", "-C", "/dev/null", "-S", &kernel.version, "-d"]);
    let output = modprobe.arg(modules.root()).arg(alias).output()?;
    // Not found is no failure here.
    let builtin = fs::read_to_string(kernel.modules().join("modules.builtin"))?;
    let builtin: BTreeSet<String> = builtin.lines().map(name).collect();
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.replace('-', "_"))
        .filter(|module| !builtin.contains(module))
        .collect())
}
