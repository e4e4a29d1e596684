//! The way to the root file system: LUKS 2, LVM in it, and file systems in that.
//!
//! The disk is made by the real tools in a machine of its own. The initrd that must find the root file systems has these
//! tools and no module; the kernel may not ask for any.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use depmod_tests::existing_initrd::{END, Layout, existing_initrd_with};
use depmod_tests::qemu::{HANDED_OVER, Machine};
use depmod_tests::subset::Subset;
use depmod_tests::{command, debian};

use super::stage::Stage;
use super::two_at_a_time;

/// The kernel with ext4 as a module.
pub(super) const KERNEL: &str = "trixie-amd64";

/// All modules for the disk, and file systems that are not on it.
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "dm_mod",
    "dm_crypt",
    "dm_raid",
    "dm_thin_pool",
    "algif_skcipher",
    "xts",
    "aesni_intel",
    "crc32c_generic",
    "crc32c_intel",
    "ext4",
    "xfs",
    "btrfs",
    "f2fs",
    "isofs",
    "raid1",
    "raid456",
];

/// The file systems, each in a logical volume of its name.
const FILE_SYSTEMS: [&str; 3] = ["ext4", "xfs", "btrfs"];

const CONTAINER: &str = "6f30aa11-2222-4333-8444-555566667777";

/// What tools need that find no udev.
const SETUP: &str = r#"
export DM_DISABLE_UDEV=1 LVM_SUPPRESS_FD_WARNINGS=1
mkdir -p /run/cryptsetup /run/lock/lvm /run/lvm /run/mdadm /new /tmp
lvm() { /sbin/lvm "$@" --config 'activation{udev_sync=0 udev_rules=0} devices{use_devicesfile=0} backup{backup=0 archive=0} global{thin_check_executable=""}' >/out 2>&1; }
wait_for_disk() { for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] && break; sleep 1; done; }
"#;

/// Makes the disk. Few iterations: the emulator is slow.
const MAKE: &str = r#"
for module in virtio_pci virtio_blk dm_crypt xts aesni_intel algif_skcipher ext4 xfs btrfs; do modprobe $module; done
wait_for_disk
cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --uuid $CONTAINER --key-file /key /dev/vda &&
cryptsetup open --key-file /key /dev/vda disk && say opened
lvm pvcreate /dev/mapper/disk && lvm vgcreate vg /dev/mapper/disk || cat /out
for fs in $FILE_SYSTEMS; do
    case $fs in xfs) size=304;; btrfs) size=112;; *) size=32;; esac
    lvm lvcreate -y -Wn -Zn -L ${size}m -n $fs vg || cat /out
    mkfs.$fs -q /dev/vg/$fs
    mount -t $fs /dev/vg/$fs /new && echo "the root in $fs" >/new/mark && busybox umount /new && say made $fs
done
lvm vgchange -an vg
cryptsetup close disk
busybox sync
"#;

/// Loads the modules of the preload, and mounts each root file system.
const MOUNT: &str = r#"
# Nothing may come from requests that the kernel itself makes.
echo /bin/true >/proc/sys/kernel/modprobe
if [ -e /etc/modules-load.d/depmod.conf ]; then
    while read name; do modprobe $name 2>/out || say refused $name; done </etc/modules-load.d/depmod.conf
fi
sed 's/ .*//; s/^/TEST: module /' /proc/modules
wait_for_disk
[ -b /dev/vda ] && say disk
cryptsetup open --key-file /key /dev/vda disk 2>/out && say opened || say cannot open: $(cat /out)
lvm vgchange -ay vg || cat /out
for fs in $FILE_SYSTEMS; do
    mount -t $fs -o ro /dev/vg/$fs /new 2>/out && say mounted $(cat /new/mark) || say no $fs: $(cat /out)
    busybox umount /new 2>/out
done
"#;

/// An initrd without modules boots to file systems in LVM in LUKS 2; without the search it has no way to them.
pub(super) fn encrypted() -> Result<()> {
    let kernel = debian::kernel(KERNEL)?;
    let modules = Subset::of(&kernel, MODULES)?.index()?;
    let archive = modules.archive()?;
    let dir = tempfile::tempdir()?;
    let disk = dir.path().join("disk.img");
    File::create(&disk)?.set_len(512 << 20)?;

    let mut initrd = tools(MAKE)?;
    // The archive has a directory `lib`, which would take the place of a link of this name.
    initrd.extend_from_slice(&archive);
    let made = with_disk(Machine::new("x86_64")?, &disk, "").direct(&kernel.image(), initrd).run(END)?;
    for fs in FILE_SYSTEMS {
        made.expect(&format!("TEST: made {fs}"))?;
    }
    println!("made the disk, {:.1} s", made.time.as_secs_f64());

    let stage = Stage::new("x86_64", &kernel, "")?.existing_initrd(&tools(MOUNT)?).modules(&archive);
    let options =
        format!("options root=/dev/mapper/vg-ext4 rd.luks.uuid={CONTAINER} cryptomgr.notests no_timer_check");
    let stage = stage.keys(&options);
    two_at_a_time(&["auto", "off"], |&search| {
        let machine = with_disk(Machine::new("x86_64")?, &disk, ",snapshot=on");
        let stage = stage.clone().keys(&format!("x-depmod-root {search}"));
        let outcome = stage.put_on(machine)?.run(END)?;
        outcome.expect(HANDED_OVER)?;
        outcome.expect("TEST: disk")?;
        for fs in FILE_SYSTEMS {
            let (there, missing) = (format!("TEST: mounted the root in {fs}"), format!("TEST: no {fs}"));
            outcome.expect(if search == "auto" { &there } else { &missing })?;
        }
        if search == "off" {
            outcome.expect("TEST: cannot open")?;
        }
        let unwanted = ["isofs", "dm_raid", "dm_thin_pool", "raid1", "raid456"];
        let loaded: Vec<&str> =
            outcome.after("TEST: module ").filter(|name| unwanted.contains(name)).collect();
        outcome.ensure(loaded.is_empty(), &format!("{loaded:?} are for nothing that is there"))?;
        println!("x-depmod-root {search}, {:.1} s", outcome.time.as_secs_f64());
        Ok(())
    })
}

/// Firmware connects no driver to a disk that is not in its boot order. The program does, and finds the file system.
pub(super) fn unconnected() -> Result<()> {
    const UUID: &str = "0f3d1c52-6f6e-4a7a-9d55-0c9d2d6b8a11";
    let kernel = debian::kernel(KERNEL)?;
    let modules = Subset::of(&kernel, &["nvme", "ahci", "sd_mod", "ext4", "xfs"])?.index()?.archive()?;
    let dir = tempfile::tempdir()?;
    let disk = dir.path().join("disk.img");
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-U", UUID]).arg(&disk).arg("16M");
    // It is in a directory that not every user has in the search path.
    mkfs.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command::output(&mut mkfs).context("mkfs.ext4 of e2fsprogs")?;
    let script = "for name in $(cat /etc/modules-load.d/depmod.conf); do say wants $name; done\n";
    let stage =
        Stage::new("x86_64", &kernel, script)?.modules(&modules).keys(&format!("options root=UUID={UUID}"));
    two_at_a_time(&["nvme,serial=1", "ide-hd,bus=ide.0"], |device| {
        let machine = Machine::new("x86_64")?
            .with(&format!("-drive if=none,id=root,format=raw,snapshot=on,file={}", disk.display()))
            .with(&format!("-device {device},drive=root"));
        let outcome = stage.put_on(machine)?.run(END)?;
        outcome.expect(HANDED_OVER)?;
        outcome.expect("TEST: wants ext4")?;
        // Of a file system that was not found, all usual kinds are wanted.
        outcome.ensure(!outcome.has_line("TEST: wants xfs"), &format!("{device}: the disk was not found"))?;
        println!("{device}: found, {:.1} s", outcome.time.as_secs_f64());
        Ok(())
    })
}

fn with_disk(machine: Machine, disk: &Path, properties: &str) -> Machine {
    let drive = format!("-drive if=none,id=root,format=raw,file={}{properties}", disk.display());
    machine.with(&drive).with("-device virtio-blk-pci,drive=root")
}

/// An initrd with the tools, without modules.
pub(super) fn tools(script: &str) -> Result<Vec<u8>> {
    let packages = debian::storage_tools("amd64")?;
    let values = format!("CONTAINER={CONTAINER}\nFILE_SYSTEMS='{}'\n", FILE_SYSTEMS.join(" "));
    existing_initrd_with("amd64", Layout::Split, &[&values, SETUP, script].concat(), |root| {
        for tool in ["cryptsetup", "lvm", "mdadm", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"] {
            let places = ["usr/sbin", "usr/bin", "sbin", "bin"].map(|dir| packages.join(dir).join(tool));
            let file = places.iter().find(|file| file.exists()).with_context(|| format!("no {tool}"))?;
            let to = root.join("sbin").join(tool);
            fs::copy(file, &to)?;
            fs::set_permissions(to, Permissions::from_mode(0o755))?;
        }
        for entry in fs::read_dir(packages.join("usr/lib/x86_64-linux-gnu"))? {
            let file = entry?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.contains(".so") && file.is_file() {
                fs::copy(&file, root.join("lib").join(&name))?;
            }
        }
        Ok(fs::write(root.join("key"), "secret")?)
    })
}
