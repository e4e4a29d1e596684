//! Boot loaders besides systemd-boot, and firmware boot entries; each names the entry file in the load
//! options.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use depmod_tests::existing_initrd::{END, Layout, existing_initrd_with};
use depmod_tests::qemu::{HANDED_OVER, Machine, Outcome};
use depmod_tests::subset::Subset;
use depmod_tests::{command, debian};

use super::page::{LOAD, User};
use super::stage::Stage;

/// A path other than that of the default entry file.
const ENTRY: &str = "linux/chosen.conf";

/// Names the entry file, and makes the program verbose.
const OPTIONS: &str = "\\linux\\chosen.conf -v";

/// A starter that waits for a key exceeds this limit.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A `Boot####` variable with the program's path and load options, which the shell creates in a first run.
/// The second run has neither a shell script nor files in `\EFI\BOOT`.
pub(super) fn boot_entry() -> Result<()> {
    let volume = installed(&["install"])?;
    // Data that some firmware appends selects the entry beside the program. This entry has no kernel, so the
    // next boot option is used.
    let volume = volume.file("EFI/depmod/depmod.conf", "linux /none\n").file("appended", "RC");
    // Without a final NUL, as from efibootmgr. This shell cannot give options to entry 0.
    let utf16 = |options: &str| options.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let volume = volume.file("unknown", utf16("-q x"));
    let add = "@echo -off\nfs0:\n\
        bcfg boot add 1 \\EFI\\depmod\\depmod.efi \"Linux (depmod)\"\n\
        bcfg boot -opt 1 \\options\n\
        bcfg boot mv 1 0\n\
        bcfg boot add 1 \\EFI\\depmod\\depmod.efi \"With unknown options\"\n\
        bcfg boot -opt 1 \\unknown\n\
        bcfg boot mv 1 0\n\
        bcfg boot add 1 \\EFI\\depmod\\depmod.efi \"With appended data\"\n\
        bcfg boot -opt 1 \\appended\n\
        bcfg boot mv 1 0\n\
        echo TEST: added\nreset -s\n";
    let added = volume.clone().file("startup.nsh", add).file("options", utf16(OPTIONS)).run("TEST: added")?;
    let outcome = volume.with_variables(&added.variables).run(END)?;
    let starts = outcome.lines.iter().filter(|line| line.starts_with("BdsDxe: starting "));
    let names = ["\"With appended data\"", "\"With unknown options\"", "\"Linux (depmod)\""];
    outcome.ensure(
        starts.zip(names).filter(|(line, name)| line.contains(name)).count() == names.len(),
        "the firmware starts another option",
    )?;
    outcome.expect("depmod: WARNING: no entry file ")?;
    outcome.expect("depmod: WARNING: load options: unknown option -q; taking depmod.conf")?;
    outcome.expect("depmod: ERROR: cannot read /none: No such file or directory; stopped")?;
    started(&outcome)
}

/// rEFInd with the page's configuration lines.
pub(super) fn refind() -> Result<()> {
    let mut volume = installed(&["install", "refind"])?;
    let config = String::from_utf8(volume.take_file("EFI/refind/refind.conf"))?;
    let config = config.replace("\\EFI\\depmod\\depmod.conf", OPTIONS);
    let path = volume.boot_path();
    let outcome = volume
        .file(&path, fs::read(debian::refind()?)?)
        .file("EFI/BOOT/refind.conf", format!("{REFIND}{config}"))
        .run(END)?;
    started(&outcome)
}

/// systemd-boot gives an initrd of its own to what it takes for a kernel. It reaches the kernel before ours, and modules
/// of both are found.
pub(super) fn initrd_of_systemd_boot() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let theirs = Subset::of(&kernel, &["dm_crypt"])?.index()?;
    let ours = Subset::of(&kernel, &["virtio_blk", "virtio_pci"])?.index()?.archive()?;
    let script = format!("{LOAD}modprobe dm_crypt; sed -n 's/ .*//; s/^/TEST: loaded /p' /proc/modules\n");
    let initrd = existing_initrd_with("amd64", Layout::UsrMerged, &script, |root| {
        let modules = theirs.root().join("lib/modules");
        command::run(Command::new("cp").arg("-r").arg(modules).arg(root.join("lib")))
    })?;
    // What the program starts has no initrd of its own.
    let mut stage = Stage::new("x86_64", &kernel, "")?.modules(&ours);
    stage.entry = stage.entry.replace("initrd /existing.img\n", "");
    stage.files.retain(|(name, _)| name != "existing.img");
    let mut volume = stage.put_on(Machine::new("x86_64")?)?;
    let program = volume.take_file(&volume.boot_path());
    let entry = volume.take_file("EFI/BOOT/depmod.conf");
    let loader = fs::read(debian::systemd_boot()?)?;
    let path = volume.boot_path();
    let outcome = volume
        .file("EFI/depmod/depmod.efi", program)
        .file(ENTRY, entry)
        .file(&path, loader)
        .file("initrd.img", initrd)
        .file(
            "loader/entries/linux.conf",
            format!("title x\nlinux /EFI/depmod/depmod.efi\ninitrd /initrd.img\noptions {OPTIONS}\n"),
        )
        .run(END)?;
    outcome.expect("depmod: time: ")?;
    outcome.expect(HANDED_OVER)?;
    for name in ["dm_crypt", "virtio_blk"] {
        outcome.expect(&format!("TEST: loaded {name}"))?;
    }
    Ok(())
}

/// Boots the first entry at once, without graphics and without a search for other systems.
const REFIND: &str = "timeout -1\ntextonly\nscanfor manual\ndefault_selection 1\nuse_nvram false\n";

fn started(outcome: &Outcome) -> Result<()> {
    // Requested by the load options.
    outcome.expect("depmod: time: ")?;
    outcome.expect(HANDED_OVER)?;
    outcome.expect("TEST: disk vda")
}

/// A machine whose disk has the files of the page's commands with these marks, but with the entry file at a
/// path that only load options can give.
fn installed(marks: &[&str]) -> Result<Machine> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let modules = Subset::of(&kernel, &["virtio_pci", "virtio_blk"])?;
    let script = format!("{LOAD}say disk $(ls /sys/block)\n");
    let user = User::new(&modules, &fs::read(kernel.image())?, &script)?;
    fs::create_dir_all(user.esp().join("EFI/refind"))?;
    user.follow(marks, &kernel.version, "".as_ref())?;
    let mut machine = Machine::new("x86_64")?.directory("", &user.esp())?;
    machine.timeout = TIMEOUT;
    let entry = machine.take_file("EFI/depmod/depmod.conf");
    Ok(machine.file(ENTRY, entry))
}
