//! Disks that LVM, mdadm and cryptsetup make, and what the core finds on them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use depmod_core::Limits;
use depmod_core::parts::boot::root::{BlockDevice, RootOptions, RootSearch};
use depmod_tests::debian;
use depmod_tests::existing_initrd::END;
use depmod_tests::qemu::Machine;
use depmod_tests::subset::Subset;

use super::root::tools;

const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "dm_mod",
    "dm_thin_pool",
    "dm_snapshot",
    "raid0",
    "raid1",
    "ext4",
    "xts",
    "aesni_intel",
    "dm_crypt",
    "algif_skcipher",
    "crc32c_generic",
    "crc32c_intel",
];

/// A volume group on vda; a mirror with its superblock at the end on vdb and vdc, stripes on vdd and vde, an old mirror
/// on vdf and vdg.
const MAKE: &str = r#"
for module in virtio_pci virtio_blk dm_thin_pool dm_snapshot raid0 raid1 dm_crypt xts algif_skcipher ext4; do modprobe $module; done
wait_for_disk
lvm pvcreate /dev/vda && lvm vgcreate v-g /dev/vda || cat /out
lvm lvcreate -y -Wn -Zn -L 16m -n the-root v-g || cat /out
mkfs.ext4 -q -L plain /dev/v-g/the-root
lvm lvcreate -y -Wn -Zn -L 32m -n crypt v-g || cat /out
cryptsetup luksFormat -q --type luks1 --cipher aes-cbc-essiv:sha256 --pbkdf-force-iterations 1000 --key-file /key /dev/v-g/crypt
lvm lvcreate -y -Wn -Zn -L 16m -T v-g/pool -V 16m -n thin || cat /out
mkfs.ext4 -q -L thin /dev/v-g/thin
lvm lvcreate -y -Wn -Zn -L 8m -n home v-g || cat /out
lvm lvcreate -y -s -L 4m -n snap v-g/home || cat /out
lvm vgchange -an v-g
array() { mdadm --create /dev/md$1 --run --homehost=none --name=array$1 --metadata=$2 --level=$3 --raid-devices=2 /dev/$4 /dev/$5 2>&1; shift 5
    mkfs.ext4 -q -L "$@" && say array; }
array 0 1.0 1 vdb vdc end /dev/md0
array 1 1.2 0 vdd vde stripes /dev/md1
array 2 0.90 1 vdf vdg old /dev/md2
for n in 0 1 2; do mdadm --stop /dev/md$n; done
busybox sync
"#;

/// What is on each disk.
const FOUND: &[(&str, &[&str])] = &[
    (
        "vda",
        &[
            "LVM v-g",
            "logical volume v-g/crypt",
            "LUKS ",
            "logical volume v-g/home dm-snapshot",
            "logical volume v-g/pool dm-thin-pool",
            // LVM gives the snapshot this name; its own is that of the changes.
            "logical volume v-g/snapshot0 dm-snapshot",
            "logical volume v-g/the-root",
            "ext4 plain",
            "logical volume v-g/thin dm-thin-pool",
        ],
    ),
    ("vdb", &["md none:array0 md-raid1", "ext4 end"]),
    ("vdc", &["md none:array0 md-raid1", "ext4 end"]),
    ("vdd", &["md none:array1 md-raid0", "ext4 stripes"]),
    ("vde", &["md none:array1 md-raid0"]),
    ("vdf", &["md md-raid1", "ext4 old"]),
    ("vdg", &["md md-raid1", "ext4 old"]),
];

/// Real disks are read as Linux reads them.
pub(super) fn of_real_tools() -> Result<()> {
    let kernel = debian::kernel(super::root::KERNEL)?;
    let archive = Subset::of(&kernel, MODULES)?.index()?.archive()?;
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let mut machine = Machine::new("x86_64")?;
    for (name, _) in FOUND {
        File::create(path(name))?.set_len(if *name == "vda" { 160 << 20 } else { 16 << 20 })?;
        machine = machine
            .with(&format!("-drive if=none,id={name},format=raw,file={}", path(name).display()))
            .with(&format!("-device virtio-blk-pci,drive={name}"));
    }
    let mut initrd = tools(MAKE)?;
    initrd.extend_from_slice(&archive);
    let made = machine.direct(&kernel.image(), initrd).run(END)?;
    for (name, expected) in FOUND {
        let found = superblocks(&path(name))?;
        made.ensure(found == *expected, &format!("{name} has {found:#?}, not {expected:#?}"))?;
    }
    let wanted = |options: &str| requests(&path("vda"), options);
    ensure!(wanted("root=LABEL=plain")? == "crypto-crc32c dm-mod fs-ext4", "{}", wanted("root=LABEL=plain")?);
    let thin = wanted("root=/dev/mapper/v--g-thin rootfstype=ext4")?;
    ensure!(thin == "dm-mod dm-thin-pool fs-ext4", "{thin}");
    println!("{} disks, {:.1} s", FOUND.len(), made.time.as_secs_f64());
    Ok(())
}

/// Kind, label and modules of each superblock, without those of each of its kind.
fn superblocks(path: &Path) -> Result<Vec<String>> {
    let limits = Limits::DEFAULT;
    let mut search = RootSearch::new(&limits);
    ensure!(search.look_at(&Image(open(path)?), None), "{} cannot be read", path.display());
    let always = ["dm-mod", "dm-crypt", "algif_skcipher", "md-mod", "fs-ext4", "crypto-crc32c"];
    let describe = |found: &depmod_core::parts::boot::root::Superblock| {
        let special = found.modules.iter().map(String::as_str);
        let special = special.filter(|name| !always.contains(name) && !name.starts_with("crypto-"));
        let label = found.label.to_string();
        let words: Vec<&str> = [found.kind.name(), &label].into_iter().chain(special).collect();
        words.join(" ").replace("  ", " ")
    };
    Ok(search.superblocks().map(describe).collect())
}

fn requests(path: &Path, options: &str) -> Result<String> {
    let limits = Limits::DEFAULT;
    let mut search = RootSearch::new(&limits);
    search.look_at(&Image(open(path)?), None);
    let requests = search.requests(&RootOptions::parse(options));
    let queries: Vec<String> = requests.iter().map(|request| request.query.to_string()).collect();
    Ok(queries.join(" "))
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

struct Image(File);

impl BlockDevice for Image {
    fn size(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    fn block_size(&self) -> u32 {
        512
    }

    fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }
}
