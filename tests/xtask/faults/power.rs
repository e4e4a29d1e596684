//! Power cuts: the content of a disk when the power fails during a run, or soon after it.
//!
//! A virtual machine runs the program on a file system whose disk logs every write and flush. Each image is the
//! disk at one moment: all writes before the last flush, and of the later ones either the first few, or a random
//! choice, because a disk's own cache keeps no order. A second machine mounts the images, which replays journals,
//! and looks at the index files; then `verify --quick` and `-A` of depmod run on each.

use core::time::Duration;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use depmod_tests::debian::{self, Kernel};
use depmod_tests::existing_initrd::{END, Layout, existing_initrd_with};
use depmod_tests::outcome::OUTPUTS;
use depmod_tests::qemu::{Machine, Outcome};
use depmod_tests::random::Random;
use depmod_tests::subset::Subset;
use depmod_tests::{apt, command, product};

use super::Tally;
use super::scenario::{CLASSIC, KMOD, Scenario};
use super::world::World;
use super::write_log::{self, Entry};

/// A file system.
struct FileSystem {
    /// The name in `mount`.
    name: &'static str,
    /// The program that makes it.
    mkfs: &'static [&'static str],
    /// The program that repairs it after a power cut, where the kernel does not.
    fsck: Option<&'static [&'static str]>,
    /// The size of its disk in MiB.
    size: u64,
}

const FILE_SYSTEMS: &[FileSystem] = &[
    FileSystem { name: "ext4", mkfs: &["mkfs.ext4", "-q", "-F"], fsck: None, size: 64 },
    FileSystem { name: "xfs", mkfs: &["mkfs.xfs", "-q", "-f"], fsck: None, size: 320 },
    // Without a journal: what every boot runs on it gives it a state that can be written to.
    FileSystem { name: "vfat", mkfs: &["mkfs.vfat", "-F", "32"], fsck: Some(&["fsck.vfat", "-a"]), size: 64 },
];

/// The kernel of both machines.
const KERNEL: &str = "bookworm-amd64";
/// Its modules for disks and file systems.
const DRIVERS: &[&str] =
    &["virtio_pci", "virtio_blk", "ext4", "xfs", "vfat", "nls_ascii", "nls_cp437", "nls_utf8"];
/// Images of each kind: in order, and of random choices.
const IMAGES: usize = 40;
/// Disks of one machine.
const DISKS: usize = 20;
/// What the first machine writes and flushes before the run begins.
const BEGIN: &str = "THE-RUN-BEGINS-HERE-";

const LOAD: &str = r#"
dir=/lib/modules/$(uname -r)
while read path; do insmod $dir/$path; done <$dir/modules.load
mkdir -p /disk
"#;

/// Kernels write data back after some seconds; a power cut before that is a usual one.
const RUN: &str = r#"
mount -t $FS /dev/vda /disk || say cannot mount
cp -r /tree/. /disk/
cp -p /old/* /disk/$MODULES/
sync
i=0; while [ $i -lt 200 ]; do echo "$BEGIN"; i=$((i + 1)); done >/disk/begin
sync
$PROGRAM -b /disk $VERSION >/out 2>&1 && say done || cat /out
sleep 6
sync
"#;

const LOOK: &str = r#"
state() {
    old=0 new=0 other=0
    for name in $OUTPUTS; do
        if busybox cmp -s /new/$name $1/$name; then new=$((new + 1))
        elif busybox cmp -s /old/$name $1/$name; then old=$((old + 1))
        else other=$((other + 1)); fi
    done
    echo $old $new $other
}
for disk in $DISKS; do
    mount -t $FS /dev/$disk /disk || { say image $disk cannot be mounted; continue; }
    at=/disk/$MODULES
    before=$(state $at)
    /bin/depmod verify --quick -C /dev/null -b /disk $VERSION >/dev/null 2>&1; verify=$?
    /bin/depmod -A --no-cache -C /dev/null -b /disk $VERSION >/out 2>&1; again=$?
    [ $again = 0 ] || cat /out
    say image $disk $before $verify $again $(state $at) $(ls -a $at | grep -c depmod-new)
    busybox umount /disk
done
"#;

/// The names of the scenarios, one for each file system.
pub(super) fn names() -> impl Iterator<Item = String> {
    FILE_SYSTEMS.iter().map(name)
}

fn name(file_system: &FileSystem) -> String {
    format!("power cut, {}", file_system.name)
}

/// Cuts the power of runs of both programs, on the file systems of the chosen scenarios; `each` gets the name of
/// each table row, whether it is ours, and its results.
///
/// # Errors
/// When a virtual machine fails, or an image cannot be mounted.
pub(super) fn cut(chosen: impl Fn(&str) -> bool, mut each: impl FnMut(&str, bool, &Tally)) -> Result<()> {
    let packages = ["cpio", "dosfstools", "e2fsprogs", "ovmf", "qemu-system-x86", "xfsprogs"];
    for (number, file_system) in FILE_SYSTEMS.iter().enumerate().filter(|(_, fs)| chosen(&name(fs))) {
        apt::install(&packages)?;
        let kernel = debian::kernel(KERNEL)?;
        for scenario in [CLASSIC, KMOD] {
            let name = format!("power, {}{}", file_system.name, if scenario.ours { "" } else { ", kmod" });
            let mut random = Random::new(number as u64);
            let bench = Bench::new(&kernel, file_system, scenario)?;
            let tally = bench.cut(&mut random).with_context(|| name.clone())?;
            each(&name, scenario.ours, &tally);
        }
    }
    Ok(())
}

/// The machines for one file system and one program.
struct Bench<'k> {
    kernel: &'k Kernel,
    drivers: Vec<u8>,
    file_system: &'static FileSystem,
    world: World,
    scenario: Scenario,
    dir: tempfile::TempDir,
}

impl<'k> Bench<'k> {
    fn new(kernel: &'k Kernel, file_system: &'static FileSystem, scenario: Scenario) -> Result<Self> {
        let modules = Subset::whole(kernel)?;
        let program = product::release()?;
        command::run(Command::new(&program).arg("-b").arg(modules.root()).arg(&kernel.version))?;
        let mut plan = Command::new(&program);
        plan.args([
            "plan",
            "--missing=ignore",
            "--format=cpio",
            "-C",
            "/dev/null",
            "-k",
            &kernel.version,
            "-b",
        ]);
        let drivers = command::output(plan.arg(modules.root()).args(DRIVERS))?;
        let world = World::new(&scenario)?;
        Ok(Self { kernel, drivers, file_system, world, scenario, dir: tempfile::tempdir()? })
    }

    fn cut(&self, random: &mut Random) -> Result<Tally> {
        let base = self.dir.path().join("base");
        File::create(&base)?.set_len(self.file_system.size << 20)?;
        command::output(disk_program(self.file_system.mkfs)?.arg(&base))?;
        let mut writes = self.record(&base)?;
        // What `sync` has written before the run is on the disk, even if the file system flushes nothing: vfat.
        let begin = writes.iter().rposition(|entry| entry.data.starts_with(BEGIN.as_bytes()));
        let during = writes.split_off(begin.context("the log does not show the begin of the run")? + 1);
        ensure!(during.len() > 10, "the run wrote {} times", during.len());
        writes.iter().try_for_each(|entry| apply(&base, entry))?;
        let images: Vec<Vec<&Entry>> = (0..IMAGES)
            // The first few of all writes.
            .map(|image| during.iter().take(1 + image * during.len() / IMAGES).collect())
            .chain((0..IMAGES).map(|_| choice(&during, random)))
            .collect();
        let mut tally = Tally::default();
        for some in images.chunks(DISKS) {
            self.look(&base, some, &mut tally)?;
        }
        Ok(tally)
    }

    /// Runs the program; returns the log of its disk.
    fn record(&self, base: &Path) -> Result<Vec<Entry>> {
        let (disk, log) = (self.dir.path().join("disk"), self.dir.path().join("log"));
        copy(base, &disk)?;
        File::create(&log)?.set_len(1 << 30)?;
        let machine = Machine::new("x86_64")?.with(&format!(
            "-blockdev driver=file,node-name=file,filename={} -blockdev driver=file,node-name=log,filename={} \
             -blockdev driver=blklogwrites,node-name=disk,file=file,log=log -device virtio-blk-pci,drive=disk",
            disk.display(),
            log.display()
        ));
        let program = if self.scenario.ours {
            "/bin/depmod --no-cache --jobs 1 -C /dev/null"
        } else {
            "/sbin/depmod -C /dev/null"
        };
        let script = format!("PROGRAM='{program}'\nBEGIN='{BEGIN}'\n{LOAD}{RUN}");
        self.boot(machine, &script)?.expect("TEST: done")?;
        write_log::read(&log)
    }

    /// Counts the sets of files in some images.
    fn look(&self, base: &Path, images: &[Vec<&Entry>], tally: &mut Tally) -> Result<()> {
        let mut machine = Machine::new("x86_64")?;
        let mut disks = Vec::new();
        for (number, writes) in images.iter().enumerate() {
            let image = self.dir.path().join(format!("image{number}"));
            copy(base, &image)?;
            writes.iter().try_for_each(|entry| apply(&image, entry))?;
            if let Some(fsck) = self.file_system.fsck {
                // The status tells what it found; what it could not repair, the run shows.
                let _ = disk_program(fsck)?.arg(&image).output()?;
            }
            machine = machine.with(&format!(
                "-drive if=none,id=d{number},format=raw,cache=unsafe,file={} -device virtio-blk-pci,drive=d{number}",
                image.display()
            ));
            disks.push(format!("vd{}", char::from(b'a' + u8::try_from(number)?)));
        }
        let script = format!("DISKS='{}'\nOUTPUTS='{}'\n{LOAD}{LOOK}", disks.join(" "), OUTPUTS.join(" "));
        let outcome = self.boot(machine, &script)?;
        let lines: Vec<&str> = outcome.after("TEST: image ").collect();
        outcome.ensure(lines.len() == images.len(), "not every image was looked at")?;
        for (line, writes) in lines.into_iter().zip(images) {
            let numbers: Result<Vec<usize>, _> = line.split(' ').skip(1).map(str::parse).collect();
            let Ok([old, new, _, verify, again, _, new_after, _, left]) = numbers.as_deref() else {
                bail!("{} writes: {line}", writes.len());
            };
            tally.runs += 1;
            let all = OUTPUTS.len();
            tally.old += usize::from(*old == all);
            tally.new += usize::from(*new == all);
            let whole = *old == all || *new == all;
            tally.reported += usize::from(!whole && *verify != 0);
            let damaged = if self.scenario.ours {
                // What is neither set must be seen, and the next run must mend it and leave nothing.
                *again != 0 || *new_after != all || *left > 0 || (!whole && *verify == 0)
            } else {
                !whole
            };
            tally.damaged += usize::from(damaged);
            if damaged {
                tally.bad("cut".to_owned(), || format!("after {} writes: {line}", writes.len()));
            }
        }
        Ok(())
    }

    fn boot(&self, mut machine: Machine, script: &str) -> Result<Outcome> {
        machine.timeout = Duration::from_secs(900);
        let version = self.world.version();
        let settings =
            format!("FS={}\nVERSION={version}\nMODULES=lib/modules/{version}\n", self.file_system.name);
        let mut initrd = existing_initrd_with("amd64", Layout::Split, &(settings + script), |root| {
            fs::copy(product::release()?, root.join("bin/depmod"))?;
            symlink("../bin/kmod", root.join("sbin/depmod"))?;
            for applet in ["cp", "sync"] {
                symlink("busybox", root.join("bin").join(applet))?;
            }
            self.world.write(root)
        })?;
        initrd.extend_from_slice(&self.drivers);
        machine.direct(&self.kernel.image(), initrd).run(END)
    }
}

/// All writes up to a random flush, and some of the later ones up to the next.
fn choice<'e>(during: &'e [Entry], random: &mut Random) -> Vec<&'e Entry> {
    let cut = random.below(during.len());
    let flushed = during.iter().take(cut).rposition(|entry| entry.flushes).map_or(0, |at| at + 1);
    let next =
        during.iter().skip(flushed).position(|entry| entry.flushes).map_or(during.len(), |at| flushed + at);
    let mut chosen: Vec<&Entry> = during.iter().take(flushed).collect();
    chosen.extend(during.iter().take(next).skip(flushed).filter(|_| random.below(2) == 0));
    chosen
}

/// A program with arguments, from a directory that not every user has in the search path.
fn disk_program(words: &[&str]) -> Result<Command> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command.args(args);
    Ok(command)
}

fn apply(image: &Path, entry: &Entry) -> Result<()> {
    let mut image = File::options().write(true).open(image)?;
    image.seek(SeekFrom::Start(entry.offset))?;
    Ok(image.write_all(&entry.data)?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    command::run(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).args([from, to]))
}
