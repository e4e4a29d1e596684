//! Devices that need a driver from the preload.
//!
//! Each machine has all devices of a table and boots twice: with the preload every device works, with
//! `x-depmod-hardware off` no device works.

use anyhow::{Result, ensure};
use depmod_tests::debian::{self, Kernel};
use depmod_tests::existing_initrd::END;
use depmod_tests::qemu::{HANDED_OVER, Machine, Outcome};
use depmod_tests::subset::Subset;

use super::stage::Stage;
use super::two_at_a_time;

/// A device: its description, the slot of its PCI function on bus 0, QEMU's options (`{slot}` and `{disk}`
/// stand for the slot and a new empty disk).
type Device = (&'static str, u8, &'static str);

const VIRTIO: &[Device] = &[
    ("virtio-blk, modern", 0x10, "-device virtio-blk-pci,disable-legacy=on,addr={slot},drive={disk}"),
    ("virtio-blk, legacy", 0x11, "-device virtio-blk-pci,disable-modern=on,addr={slot},drive={disk}"),
    (
        "virtio-scsi, modern",
        0x12,
        "-device virtio-scsi-pci,id=modern,disable-legacy=on,addr={slot} \
         -device scsi-hd,bus=modern.0,drive={disk}",
    ),
    (
        "virtio-scsi, legacy",
        0x13,
        "-device virtio-scsi-pci,id=legacy,disable-modern=on,addr={slot} \
         -device scsi-hd,bus=legacy.0,drive={disk}",
    ),
];

const PC: &[Device] = &[
    ("NVMe", 0x14, "-device nvme,serial=1,addr={slot},drive={disk}"),
    ("AHCI", 0x15, "-device ahci,id=ahci,addr={slot} -device ide-hd,bus=ahci.0,drive={disk}"),
    ("e1000e", 0x16, "-device e1000e,addr={slot}"),
    (
        "xHCI with a USB stick",
        0x17,
        "-device qemu-xhci,id=xhci,addr={slot} -device usb-storage,bus=xhci.0,drive={disk}",
    ),
    ("SD card", 0x18, "-device sdhci-pci,addr={slot} -device sd-card,drive={disk}"),
];

/// Modules of Debian's full kernel for all of these devices; reading all its 4,000 modules would take long.
const FULL: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_net",
    "mmc_block",
    "sd_mod",
    "sr_mod",
    "nvme",
    "ahci",
    "e1000e",
    "xhci_pci",
    "usb_storage",
    "uas",
    "sdhci_pci",
    "usbhid",
    "snd_hda_intel",
    "i2c_i801",
    "vfat",
];

/// Loads the modules in the order of the initrd, then lists the devices.
const SCRIPT: &str = r#"
# Nothing may come from requests that the kernel itself makes.
echo /bin/true >/proc/sys/kernel/modprobe
# The kernel may have asked for a cipher before.
sed 's/ .*//; s/^/TEST: before /' /proc/modules
dir=/lib/modules/$(uname -r)
if [ -e /etc/modules-load.d/depmod.conf ]; then
    while read name; do
        modprobe -v $name >/out 2>&1 || say failed $name: $(cat /out)
        sed -n 's/^insmod /TEST: inserted /p' /out
    done </etc/modules-load.d/depmod.conf
    sed 's/^/TEST: order /' $dir/modules.load
fi
links() { for entry in /sys/block/* /sys/class/net/*; do [ -e $entry ] && readlink -f $entry; done; }
for i in 1 2 3 4 5 6 7 8 9 10; do
    missing=
    for slot in $SLOTS; do links | grep -q /0000:00:$slot.0/ || missing=$slot; done
    [ "$missing" ] || break
    [ -e $dir/modules.load ] || [ $i -lt 3 ] || break
    sleep 1
done
for link in $(links); do
    name=${link##*/}
    case $link in
    */block/*|*/nvme/*) dd if=/dev/$name of=/dev/null bs=4096 count=16 2>/out && say works $link || say broken $name $(cat /out);;
    */net/*) ifconfig $name up && say works $link || say broken $name;;
    esac
done
"#;

/// Debian's 6.1 cloud kernel, all modules from an indexed archive.
pub(super) fn cloud_6_1() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    both_ways("x86_64", &kernel, &Subset::whole(&kernel)?.index()?, &[VIRTIO])
}

/// Debian's 6.12 cloud kernel, with compressed modules.
pub(super) fn cloud_6_12() -> Result<()> {
    let kernel = debian::kernel("trixie-cloud-amd64")?;
    let ahci: Vec<Device> = PC.iter().filter(|(what, ..)| *what == "AHCI").copied().collect();
    both_ways("x86_64", &kernel, &Subset::whole(&kernel)?.index()?, &[VIRTIO, &ahci])
}

/// Devices with drivers only in Debian's full kernels, 6.1.
pub(super) fn full_6_1() -> Result<()> {
    full("bookworm-amd64")
}

/// Devices with drivers only in Debian's full kernels, 6.12.
pub(super) fn full_6_12() -> Result<()> {
    full("trixie-amd64")
}

fn full(label: &str) -> Result<()> {
    let kernel = debian::kernel(label)?;
    both_ways("x86_64", &kernel, &Subset::of(&kernel, FULL)?.index()?, &[VIRTIO, PC])
}

/// AArch64, 6.12.
pub(super) fn aarch64() -> Result<()> {
    let kernel = debian::kernel("trixie-arm64")?;
    let modules = Subset::of(&kernel, &["virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "sr_mod"])?;
    both_ways("aarch64", &kernel, &modules.index()?, &[VIRTIO])
}

fn both_ways(arch: &str, kernel: &Kernel, modules: &Subset, devices: &[&[Device]]) -> Result<()> {
    let devices = devices.concat();
    let archive = modules.archive()?;
    two_at_a_time(&[true, false], |&preload| {
        let outcome = boot(arch, kernel, &archive, &devices, preload)?;
        outcome.expect(HANDED_OVER)?;
        for (what, slot, _) in &devices {
            let place = format!("/0000:00:{slot:02x}.0/");
            let works = outcome.after(WORKS).any(|link| link.contains(&place));
            outcome.ensure(works == preload, &format!("{what}: preload is {preload}, works is {works}"))?;
        }
        if preload {
            loaded_in_order(&outcome, kernel)?;
        }
        let fate = if preload { "work with" } else { "are not there without" };
        println!("{} devices {fate} the preload, {:.1} s", devices.len(), outcome.time.as_secs_f64());
        Ok(())
    })
}

const WORKS: &str = "TEST: works ";

fn boot(arch: &str, kernel: &Kernel, archive: &[u8], devices: &[Device], preload: bool) -> Result<Outcome> {
    let mut machine = Machine::new(arch)?;
    let mut slots = String::new();
    for (_, slot, options) in devices {
        let disk = format!("disk{slot:x}");
        let hex = format!("{slot:#x}");
        machine = machine
            .with(&format!("-drive if=none,id={disk},format=raw,file.driver=null-co,file.size=1M"))
            .with(&options.replace("{slot}", &hex).replace("{disk}", &disk));
        slots.push_str(&format!("{slot:02x} "));
    }
    let script = format!("SLOTS='{slots}'\n{SCRIPT}");
    let hardware = if preload { "auto" } else { "off" };
    let stage = Stage::new(arch, kernel, &script)?.modules(archive);
    stage.keys(&format!("x-depmod-hardware {hardware}")).put_on(machine)?.run(END)
}

/// Every `modprobe` inserted only its own module: all dependencies were already loaded.
fn loaded_in_order(outcome: &Outcome, kernel: &Kernel) -> Result<()> {
    outcome.ensure(!outcome.has_line("TEST: failed "), "a module was not loaded")?;
    let dir = format!("/lib/modules/{}/", kernel.version);
    let inserted: Vec<&str> =
        outcome.after("TEST: inserted ").map(|path| path.trim_start_matches(&dir)).collect();
    let before: Vec<&str> = outcome.after("TEST: before ").collect();
    let is_new = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
        !before.contains(&&*name.replace('-', "_"))
    };
    let order: Vec<&str> = outcome.after("TEST: order ").filter(is_new).collect();
    let what = format!("modprobe inserted {inserted:#?}, but the order is {order:#?}");
    outcome.ensure(inserted == order, &what)?;
    ensure!(order.len() > 1, "the load order is {order:?}");
    println!("{} modules in order", order.len());
    Ok(())
}
