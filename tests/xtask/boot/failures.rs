//! Failures before the kernel starts; the machine must boot nevertheless.

use alloc::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use depmod_core::parts::cpio::Builder;
use depmod_tests::compress::Format;
use depmod_tests::debian::{self, Kernel};
use depmod_tests::existing_initrd::END;
use depmod_tests::qemu::{HANDED_OVER, Machine, Outcome};
use depmod_tests::subset::Subset;

use super::stage::Stage;
use super::two_at_a_time;

/// Prints whether modules were loaded.
const SCRIPT: &str = "ls /lib/modules/*/modules.load >/out 2>&1 && say preload || say no preload\n\
    cat /lib/modules/*/modules.load 2>/out | sed 's/^/TEST: order /'\n\
    [ -e /theirs ] && say file of the boot loader\n";

const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod"];

const WITHOUT: &str = "; booting without preload";
const STOPPED: &str = "; stopped";

/// Memory of a machine that is too small for the archive to unpack, in MiB.
const MEMORY: u32 = 512;

/// A failure: its name, lines of the entry, and the start of the console line after `depmod: ERROR: `, in
/// which VERSION stands for the kernel version.
type Failure = (&'static str, &'static str, &'static str);

/// Failures from an entry alone, with the files of [`Files`].
const FAILURES: &[Failure] = &[
    ("missing", "x-depmod-modules /none.cpio", "cannot read /none.cpio"),
    ("corrupt", "x-depmod-modules /corrupt.cpio", "bad archive /corrupt.cpio"),
    ("cut", "x-depmod-modules /cut.cpio.xz", "cannot decompress /cut.cpio.xz"),
    (
        "module",
        "x-depmod-modules /module.cpio",
        "bad module /lib/modules/VERSION/kernel/drivers/virtio/virtio.ko:",
    ),
    (
        "cut-module",
        "x-depmod-modules /cut-module.cpio",
        "bad module /lib/modules/VERSION/kernel/drivers/virtio/virtio.ko.xz:",
    ),
    ("memory", "x-depmod-modules /bomb.cpio.zst", "cannot decompress /bomb.cpio.zst"),
    (
        "key",
        "x-depmod-modules /good.cpio\nx-depmod-hardwear off",
        "boot entry line 7: unknown key x-depmod-hardwear",
    ),
    ("initrd", "x-depmod-modules /good.cpio\ninitrd /none.img", "cannot read /none.img"),
    ("directory", "initrd /EFI\nx-depmod-modules /good.cpio", "cannot read /EFI"),
    ("existing", "x-depmod-modules /good.cpio\ninitrd /cut.cpio.xz", "cannot look into /cut.cpio.xz: xz: "),
    (
        "value",
        "x-depmod-modules /good.cpio\nx-depmod-hardware of",
        "boot entry line 7: x-depmod-hardware cannot be 'of'",
    ),
];

/// Files for the entries.
struct Files {
    kernel: Kernel,
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Files {
    fn new() -> Result<Self> {
        let kernel = debian::kernel("bookworm-cloud-amd64")?;
        let good = Subset::of(&kernel, MODULES)?;
        let plain = good.archive()?;
        let corrupt: Vec<u8> =
            plain.iter().enumerate().map(|(at, b)| if at % 1000 < 900 { *b } else { !b }).collect();
        let compressed = Format::Xz.compress(&plain);
        let cut = compressed[..compressed.len() / 2].to_vec();

        let virtio = "kernel/drivers/virtio/virtio.ko";
        let module = Subset::of(&kernel, MODULES)?;
        fs::write(module.modules().join(virtio), b"\x7fELF and no more")?;
        let cut_module = Subset::of(&kernel, MODULES)?;
        let path = cut_module.modules().join(virtio);
        let whole = Format::Xz.compress(&fs::read(&path)?);
        fs::write(path.with_extension("ko.xz"), &whole[..whole.len() / 2])?;
        fs::remove_file(path)?;

        // Index files of more modules than exist.
        let stale = Subset::of(&kernel, &[MODULES, &["btrfs"]].concat())?.index()?;
        fs::remove_dir_all(stale.modules().join("kernel/fs")).context("the subset has no file systems")?;
        Ok(Self {
            files: vec![
                ("corrupt.cpio", corrupt),
                ("cut.cpio.xz", cut),
                ("module.cpio", module.archive()?),
                ("cut-module.cpio", cut_module.archive()?),
                ("bomb.cpio.zst", Format::Zst.compress(&vec![0; 600 << 20])),
                ("good.cpio", plain),
                ("stale.cpio", stale.archive()?),
            ],
            kernel,
        })
    }

    fn file(&self, path: &str) -> &[u8] {
        self.files.iter().find(|(name, _)| *name == path).map_or(&[], |(_, content)| content)
    }

    /// Checks that a line gives the reason.
    fn expect_error(&self, outcome: &Outcome, name: &str, line: &str, end: &str) -> Result<()> {
        let start = format!("depmod: ERROR: {}", line.replace("VERSION", &self.kernel.version));
        let found = outcome.lines.iter().find(|line| line.starts_with(&start) && line.ends_with(end));
        outcome.ensure(found.is_some(), &format!("{name}: no line `{start}…{end}`"))?;
        println!("{name}: {}", found.map_or("", String::as_str));
        Ok(())
    }

    fn stage(&self) -> Result<Stage> {
        let mut stage = Stage::new("x86_64", &self.kernel, SCRIPT)?;
        for (path, content) in &self.files {
            stage = stage.file(path, content);
        }
        Ok(stage)
    }
}

/// Each failure prints its line and boots.
pub(super) fn each_failure_boots() -> Result<()> {
    let files = Files::new()?;
    two_at_a_time(FAILURES, |(name, keys, line)| {
        let outcome = files.stage()?.keys(keys).put_on(small()?)?.run(END)?;
        files.expect_error(&outcome, name, line, WITHOUT)?;
        without_preload(&outcome, name)
    })
}

/// Without an initrd, the kernel still starts. The test kernel then finds no root.
pub(super) fn no_initrd() -> Result<()> {
    let files = Files::new()?;
    let mut stage = files.stage()?.keys("options printk.time=0\nx-depmod-modules /good.cpio");
    stage.entry = stage.entry.replace("/existing.img", "/none.img");
    let outcome = stage.put_on(small()?)?.run(NO_ROOT)?;
    files.expect_error(&outcome, "no-initrd", "cannot read /none.img", WITHOUT)?;
    outcome.ensure(!outcome.has_line(HANDED_OVER), "the kernel got an initrd")
}

/// The last message of a kernel without an initrd and a `root=`.
const NO_ROOT: &str = "Kernel panic - not syncing: VFS: Unable to mount root fs";

/// A disk with a sector that cannot be read: in the archive, it costs the preload; in the kernel, the firmware
/// uses its next boot option.
pub(super) fn bad_sectors() -> Result<()> {
    let files = Files::new()?;
    let stage = files.stage()?.keys("x-depmod-modules /good.cpio");
    let cases = [("good.cpio", WITHOUT), ("vmlinuz", STOPPED)];
    two_at_a_time(&cases, |&(path, end)| {
        let machine = stage.put_on(small()?)?.unreadable(path);
        let outcome = stage.put_on(machine.volume())?.run(END)?;
        files.expect_error(&outcome, path, &format!("cannot read /{path}: DEVICE_ERROR"), end)?;
        let preload = outcome.has_line("TEST: preload");
        outcome.ensure(preload == (end == STOPPED), &format!("modules were loaded: {preload}"))
    })
}

/// Without a kernel or an entry, the firmware uses its next boot option.
pub(super) fn next_option() -> Result<()> {
    let files = Files::new()?;
    let good = files.stage()?.keys("x-depmod-modules /good.cpio");
    let without = |entry: &str| {
        let mut stage = good.clone();
        stage.entry = entry.into();
        stage.files.clear();
        stage
    };
    let machine = without("linux /none\ninitrd /none.img\n").put_on(small()?)?.volume();
    let machine = without("title no kernel key\n").put_on(machine)?.volume();
    let mut machine = without("").put_on(machine)?;
    machine.take_file("EFI/BOOT/depmod.conf");
    let outcome = good.put_on(machine.volume())?.run(END)?;
    files.expect_error(&outcome, "kernel", "cannot read /none: ", STOPPED)?;
    files.expect_error(&outcome, "no-kernel", "bad boot entry /EFI/BOOT/depmod.conf", STOPPED)?;
    files.expect_error(&outcome, "no-entry", "cannot read /EFI/BOOT/depmod.conf: ", STOPPED)?;
    outcome.expect("TEST: preload")
}

/// Failures that need the shell: panics, and failed allocations at any point. The initrd that a boot loader provides
/// (here the shell) reaches the kernel in each case, before the entry's.
pub(super) fn from_the_shell() -> Result<()> {
    let files = Files::new()?;
    let cases = [
        ("provider", "", ""),
        ("panic", "--defect panic", "provoked"),
        ("allocation", "--defect memory", "memory allocation of 4096 bytes failed"),
    ];
    two_at_a_time(&cases, |(name, options, line)| {
        let start = format!("@echo -off\nfs0:\n{THEIRS}\\EFI\\BOOT\\depmod.efi {options}\n");
        let stage = files.stage()?.keys("x-depmod-modules /good.cpio").file("theirs.img", &theirs()?);
        let outcome = stage.in_shell(&start)?.run(END)?;
        outcome.expect(HANDED_OVER)?;
        outcome.expect("TEST: file of the boot loader")?;
        if line.is_empty() {
            outcome.expect("TEST: preload")
        } else {
            files.expect_error(&outcome, name, line, WITHOUT)?;
            without_preload(&outcome, name)
        }
    })
}

/// The shell's command that provides an initrd to the kernel.
const THEIRS: &str = "initrd \\theirs.img\n";

/// An initrd with one file; [`SCRIPT`] looks for it.
fn theirs() -> Result<Vec<u8>> {
    let mut archive = Builder::new();
    archive.file(b"theirs", b"");
    Ok(archive.build()?)
}

/// Harmless flaws of an entry: invalid UTF-8 in unused text, firmware paths, keys without a value or unknown
/// keys, any character in the options, and a name in the form of a version.
pub(super) fn harmless_flaws() -> Result<()> {
    let files = Files::new()?;
    let script = format!("{SCRIPT}say line $(cat /proc/cmdline)\n");
    let stage = Stage::new("x86_64", &files.kernel, &script)?;
    let odd = stage.entry.replace('/', "\\").replace("panic=-1", "panic=-1 test=\u{1f600}");
    let odd = format!("{odd}initrd\nsort-key x\noptoins quiet\nx-depmod-modules \\good.cpio\n");
    let odd = [b"# caf\xe9\ntitle D\xe9bian\n", odd.as_bytes()].concat();
    let script = "@echo -off\nfs0:\n\\EFI\\BOOT\\depmod.efi -v 6.1.conf\n";
    let stage = stage.file("good.cpio", files.file("good.cpio")).file("6.1.conf", &odd);
    let outcome = stage.in_shell(script)?.run(END)?;
    outcome.expect("depmod: WARNING: boot entry line 8: initrd cannot be ''; ignored")?;
    outcome.expect("depmod: boot entry: ignored sort-key (line 9), optoins (line 10)")?;
    outcome.expect("TEST: preload")?;
    let line = outcome.after("TEST: line ").any(|line| line.contains("test=\u{1f600}"));
    outcome.ensure(line, "a character of the kernel's options is missing")?;

    // One line gives the reason for the missing preload; the entry is booted as far as it was read.
    let long =
        format!("{}x-depmod-preload \u{1f600}\n#{}\ninitrd /none.img\n", stage.entry, "#".repeat(65536));
    let unknown = format!("{}x-depmod-\u{1f600} x\n", stage.entry);
    let cases = [
        ("long", long, "boot entry line 7: beyond the 65536 bytes that are read"),
        ("unknown", unknown, "boot entry line 6: unknown key x-depmod-?"),
    ];
    two_at_a_time(&cases, |(name, entry, line)| {
        let outcome =
            stage.clone().file("EFI/BOOT/depmod.conf", entry.as_bytes()).put_on(small()?)?.run(END)?;
        files.expect_error(&outcome, name, line, WITHOUT)?;
        without_preload(&outcome, name)
    })
}

/// Archives that fit into the machine's memory, but not together with their index: a large one, and one with
/// many files, whose list grows in steps. The kernel gets the memory.
pub(super) fn out_of_memory() -> Result<()> {
    let files = Files::new()?;
    let large = large_archive(LARGE, 130_000)?;
    let crowd = large_archive(0, 500_000)?;
    let cases = [("large", &large), ("crowd", &crowd)];
    two_at_a_time(&cases, |(name, archive)| {
        let path = format!("{name}.cpio");
        let stage = files.stage()?.file(&path, archive).keys(&format!("x-depmod-modules /{path}"));
        let mut machine = stage.put_on(Machine::new("x86_64")?)?;
        machine.memory = LITTLE;
        let outcome = machine.run(END)?;
        let line = outcome.lines.iter().find(|line| line.contains(" memory") && line.ends_with(WITHOUT));
        outcome.ensure(line.is_some(), &format!("{name}: memory did not run out"))?;
        println!("{name}: {}", line.map_or("", String::as_str));
        without_preload(&outcome, name)
    })
}

/// The program's own failures with `stop`, or with a kernel that returns: the program leaves nothing in the
/// firmware, and any kernel starts afterwards.
pub(super) fn nothing_left() -> Result<()> {
    let files = Files::new()?;
    let stage = files.stage()?;
    let entry = |path: &str| format!("{}x-depmod-modules {path}\nx-depmod-on-error stop\n", stage.entry);
    let (good, large) = (entry("/good.cpio"), entry("/large.cpio"));
    // An image that returns, in place of a kernel.
    let back = "linux /EFI/BOOT/depmod.efi\ninitrd /existing.img\noptions --help\n";
    // At the end, the kernel takes what the boot loader provides, and not what a failed run did.
    let script = "@echo -off\nfs0:\ninitrd \\existing.img\nmemmap\n\
        \\EFI\\BOOT\\depmod.efi --defect panic \\good.conf\necho TEST: panic %lasterror%\n\
        \\EFI\\BOOT\\depmod.efi --defect memory \\good.conf\necho TEST: allocation %lasterror%\n\
        \\EFI\\BOOT\\depmod.efi \\large.conf\necho TEST: large %lasterror%\n\
        \\EFI\\BOOT\\depmod.efi --defect panic \\back.conf\necho TEST: back %lasterror%\n\
        memmap\n\\vmlinuz console=ttyS0 panic=-1\n";
    let stage = stage.file("good.conf", good.as_bytes()).file("large.conf", large.as_bytes());
    let stage = stage.file("back.conf", back.as_bytes());
    let mut machine = stage.file("large.cpio", &large_archive(LARGE, 130_000)?).in_shell(script)?;
    machine.memory = LITTLE;
    let outcome = machine.run(END)?;
    let said: Vec<&String> =
        outcome.lines.iter().filter(|line| line.starts_with("depmod: ERROR: ")).collect();
    println!("{said:#?}");
    ensure!(said.len() == 4, "four runs print one line each");
    outcome.expect("usage: depmod.efi")?;
    let runs = [
        ("panic", "provoked", STOPPED),
        ("allocation", "memory", STOPPED),
        ("large", "memory", STOPPED),
        ("back", "provoked", WITHOUT),
    ];
    for ((name, why, end), said) in runs.iter().zip(said) {
        let right = said.contains(why) && said.ends_with(end);
        outcome.ensure(right, &format!("{name}: `{said}` is not `{why}…{end}`"))?;
        let failed = outcome.after(&format!("TEST: {name} ")).any(|status| status != "0x0");
        outcome.ensure(failed, &format!("{name}: the shell saw no failure"))?;
    }
    outcome.expect("TEST: no preload")?;
    memory_is_back(&outcome)
}

/// Memory of a machine, in MiB, that suffices for a kernel and its initrd.
const LITTLE: u32 = 250;
/// Bytes that fit into this machine beside kernel and initrd, but leave no space for more.
const LARGE: usize = 90 << 20;

/// A file of this size, and files in their own directories.
fn large_archive(size: usize, directories: u32) -> Result<Vec<u8>> {
    let names: Vec<String> = (0..directories).map(|number| format!("{number:x}/a")).collect();
    let zeros = vec![0; size];
    let mut builder = Builder::new();
    builder.file(b"zeros", &zeros);
    names.iter().for_each(|name| builder.file(name.as_bytes(), b""));
    Ok(builder.build()?)
}

/// With `stop`, each failure returns to the shell and frees its memory; the last entry boots.
pub(super) fn stop_if_asked() -> Result<()> {
    let files = Files::new()?;
    let mut script = format!("@echo -off\nfs0:\n{THEIRS}memmap\n");
    let mut stage = files.stage()?.file("theirs.img", &theirs()?);
    for (name, keys, _) in FAILURES {
        let entry = format!("{}{keys}\nx-depmod-on-error stop\n", stage.entry);
        stage = stage.file(&format!("{name}.conf"), entry.as_bytes());
        script.push_str(&format!("depmod.efi \\{name}.conf\necho TEST: {name} %lasterror%\n"));
    }
    let good = format!("{}x-depmod-modules /good.cpio\nx-depmod-on-error stop\n", stage.entry);
    script.push_str("memmap\ndepmod.efi \\good.conf\n");
    let script = script.replace("depmod.efi", "\\EFI\\BOOT\\depmod.efi");
    let mut machine = stage.file("good.conf", good.as_bytes()).in_shell(&script)?;
    machine.memory = MEMORY;
    let outcome = machine.run(END)?;
    for (name, _, line) in FAILURES {
        files.expect_error(&outcome, name, line, STOPPED)?;
        let status = outcome.after(&format!("TEST: {name} ")).next().map(str::to_owned);
        outcome.ensure(
            status.as_ref().is_some_and(|status| status != "0x0" && !status.is_empty()),
            &format!("{name}: the shell saw {status:?}"),
        )?;
    }
    let handed = outcome.lines.iter().filter(|line| line.starts_with(HANDED_OVER)).count();
    ensure!(handed == 1, "{handed} kernels were started");
    outcome.expect("TEST: preload")?;
    outcome.expect("TEST: file of the boot loader")?;
    memory_is_back(&outcome)
}

fn memory_is_back(outcome: &Outcome) -> Result<()> {
    let free = free_pages(outcome)?;
    println!("free pages before and after the failures: {free:?}");
    // The firmware keeps some memory, and buffers of drivers grow.
    ensure!(free[1] + PAGES_KEPT >= free[0], "memory is lost: {free:?} pages");
    Ok(())
}

/// 2 MiB.
const PAGES_KEPT: u64 = 512;

/// The free pages in the shell's `memmap`, before and after.
fn free_pages(outcome: &Outcome) -> Result<[u64; 2]> {
    let lines = outcome.lines.iter().filter_map(|line| line.trim_start().strip_prefix("Available :"));
    let pages = lines.filter_map(|line| {
        let number = line.split(" Pages").next()?.trim_start();
        number.replace(',', "").parse().ok()
    });
    pages.collect::<Vec<u64>>().try_into().ok().context("the shell shows no memory map")
}

/// Valid index files are used, others are recomputed. The load order is the same in each case, and the same
/// from a directory.
pub(super) fn same_load_order() -> Result<()> {
    let files = Files::new()?;
    let indexed = Subset::of(&files.kernel, MODULES)?.index()?;
    let orders = Mutex::new(BTreeSet::new());
    let ways = [
        ("indexed.cpio", "as shipped"),
        ("good.cpio", "computed"),
        ("stale.cpio", "computed"),
        ("modules", "as shipped"),
    ];
    two_at_a_time(&ways, |(path, index)| {
        let stage = files.stage()?.file("indexed.cpio", &indexed.archive()?);
        let machine = stage.keys(&format!("x-depmod-modules /{path}")).put_on(small()?)?;
        let outcome = machine.directory("modules", indexed.root())?.run(END)?;
        let used =
            outcome.after("depmod: preload: ").any(|line| line.contains(&format!("index files {index}")));
        outcome.ensure(used, &format!("{path}: index files are not {index}"))?;
        let order: Vec<String> = outcome.after("TEST: order ").map(str::to_owned).collect();
        outcome.ensure(order.len() > 2, &format!("{path}: the load order is {order:?}"))?;
        println!("{path}: {} modules, index files {index}", order.len());
        orders.lock().unwrap_or_else(PoisonError::into_inner).insert(order);
        Ok(())
    })?;
    let orders = orders.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(orders.len() == 1, "different load orders: {orders:#?}");
    Ok(())
}

fn small() -> Result<Machine> {
    let mut machine = Machine::new("x86_64")?;
    machine.memory = MEMORY;
    Ok(machine)
}

fn without_preload(outcome: &Outcome, name: &str) -> Result<()> {
    outcome.ensure(outcome.has_line(HANDED_OVER), &format!("{name}: the kernel got no initrd"))?;
    outcome.ensure(outcome.has_line("TEST: no preload"), &format!("{name}: modules were loaded"))
}
