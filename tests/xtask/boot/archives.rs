//! Our archives on top of existing initrds.

use std::fs::{self, Permissions};
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use depmod_core::parts::boot::Archive;
use depmod_core::parts::cpio::Builder;
use depmod_core::{Limits, Source};
use depmod_tests::compress::Format;
use depmod_tests::existing_initrd::{END, Layout, MARK, existing_initrd, existing_initrd_with};
use depmod_tests::qemu::Machine;
use depmod_tests::subset::Subset;
use depmod_tests::{command, debian};

use super::stage::Stage;
use super::{program, two_at_a_time};

const SCRIPT: &str = "say lib $(readlink /lib)\nsay read $(cat /lib/modules/6.1/modules.order)\n\
    say modprobe $(modprobe --version | grep -c kmod)\nls -l /lib/modules /conf\n";

/// An existing initrd's `/lib` keeps its type, link or directory, and our files are below it.
pub(super) fn layouts() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let mut ours = Builder::new();
    ours.file(b"lib/modules/6.1/modules.order", b"kernel/a.ko");
    ours.file(b"conf/modules", b"a\n");
    for (layout, lib) in [(Layout::UsrMerged, "usr/lib"), (Layout::Split, "")] {
        let existing = existing_initrd("amd64", layout, SCRIPT)?;
        // Our reader parses GNU cpio's archive and follows links.
        let kmod = Archive::parse(&existing, &Limits::DEFAULT)?.open(b"/sbin/modprobe")?;
        ensure!(kmod.starts_with(b"\x7fELF"), "modprobe is not an ELF file");
        let outcome = Machine::new("x86_64")?
            .file("EFI/BOOT/BOOTX64.EFI", program("x86_64")?)
            .file(
                "EFI/BOOT/depmod.conf",
                "linux /vmlinuz\ninitrd /existing.img\ninitrd /ours.img\noptions console=ttyS0 panic=-1\n",
            )
            .file("vmlinuz", fs::read(kernel.image())?)
            .file("existing.img", existing)
            .file("ours.img", ours.build()?)
            .run(END)?;
        for expected in [format!("lib {lib}"), "read kernel/a.ko".to_owned(), "modprobe 1".to_owned()] {
            let line = format!("{MARK}{expected}");
            ensure!(
                outcome.lines.iter().any(|l| l == line.trim_end()),
                "{layout:?}: no `{line}` in {:#?}",
                outcome.lines
            );
        }
    }
    Ok(())
}

/// Compressions of Linux: name, command, and whether the program supports it.
const COMPRESSIONS: &[(&str, &[&str], bool)] = &[
    ("gzip", &["gzip", "-1"], true),
    ("xz", &["xz", "-0", "--check=crc32"], true),
    ("zstd", &["zstd", "-1"], true),
    ("lz4", &["lz4", "-l"], true),
    ("bzip2", &["bzip2", "-1"], false),
    ("lzma", &["lzma", "-1"], false),
];

/// An existing initrd of each compression of Linux is loaded. Our archive follows it, unless the program
/// cannot decompress it and so does not know its files.
pub(super) fn compressions() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let modules = Subset::of(&kernel, &["virtio_blk"])?.index()?.archive()?;
    let script = "say list $(cat /conf/modules)\n";
    let stage = Stage::new("x86_64", &kernel, script)?.modules(&modules).keys(ONLY_BLK);
    let (_, existing) =
        stage.files.iter().find(|(name, _)| name == "existing.img").context("no existing initrd")?;
    two_at_a_time(COMPRESSIONS, |&(name, tool, known)| {
        let compressed = pipe(tool, existing)?;
        let outcome = stage.clone().existing_initrd(&compressed).put_on(Machine::new("x86_64")?)?.run(END)?;
        if known {
            outcome.expect("TEST: list virtio")?;
        } else {
            let line = format!("cannot look into /existing.img: {name} is not supported");
            outcome.expect(&format!("depmod: ERROR: {line}; booting without preload"))?;
        }
        println!("{name}: {} bytes, {:.1} s", compressed.len(), outcome.time.as_secs_f64());
        Ok(())
    })
}

const ONLY_BLK: &str = "x-depmod-hardware off\nx-depmod-preload virtio_blk";

fn pipe(tool: &[&'static str], bytes: &[u8]) -> Result<Vec<u8>> {
    let mut input = tempfile::tempfile()?;
    input.write_all(bytes)?;
    input.rewind()?;
    let (&program, options) = tool.split_first().context("no program")?;
    let output = Command::new(program).args(options).arg("-c").stdin(input).output().context(program)?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

const OWN_MODULES: &str = "say etc $(ls -ld /etc | cut -c1-10)\nsay list $(cat /conf/modules)\n\
    for name in dm-crypt virtio_blk; do modprobe $name || say failed $name; done\n\
    sed -n 's/ .*//; s/^/TEST: loaded /p' /proc/modules\n";

/// An existing initrd with its own modules: with our archive on top, modules of both are found, its module
/// list is extended, and its directories keep their modes.
pub(super) fn own_modules() -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let theirs = Subset::of(&kernel, &["dm_mod", "dm_crypt"])?.index()?;
    let ours = Subset::of(&kernel, &["virtio_blk"])?.index()?.archive()?;
    let mut early = Builder::new();
    early.file(b"kernel/x86/microcode/AuthenticAMD.bin", b"none");
    let early = [&*early.build()?, &[0; 512]].concat();
    let ways = [(Layout::UsrMerged, &*early, Format::Zst), (Layout::Split, &[], Format::Plain)];
    two_at_a_time(&ways, |&(layout, early, format)| {
        let existing = existing_initrd_with("amd64", layout, OWN_MODULES, |root| {
            let modules = theirs.root().join("lib/modules");
            command::run(Command::new("cp").arg("-r").arg(modules).arg(root.join("lib")))?;
            fs::create_dir(root.join("etc"))?;
            fs::set_permissions(root.join("etc"), Permissions::from_mode(0o700))?;
            fs::create_dir(root.join("conf"))?;
            Ok(fs::write(root.join("conf/modules"), "dm-crypt\n")?)
        })?;
        let existing = [early, &format.compress(&existing)].concat();
        let stage =
            Stage::new("x86_64", &kernel, "")?.modules(&ours).keys(ONLY_BLK).existing_initrd(&existing);
        let outcome = stage.put_on(Machine::new("x86_64")?)?.run(END)?;
        outcome.expect("depmod: preload: ")?;
        for expected in ["etc drwx------", "list dm-crypt virtio", "loaded dm_crypt", "loaded virtio_blk"] {
            outcome.expect(&format!("{MARK}{expected}"))?;
        }
        outcome.ensure(!outcome.has_line("TEST: failed"), "modprobe fails")?;
        println!("{layout:?}, {format:?}: {:.1} s", outcome.time.as_secs_f64());
        Ok(())
    })
}
