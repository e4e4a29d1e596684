//! Initrds that firmware makes on top of existing initrds with their own modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use depmod_core::parts::boot::initrd::{ExistingInitrds, InitrdBuilder, ModuleInitrd, UnpackedInitrd};
use depmod_core::parts::boot::{Archive, locate};
use depmod_core::parts::cpio::{Member, Members};
use depmod_core::parts::decompress::PureDecoder;
use depmod_core::{Limits, Output};
use depmod_tests::compress::Format;
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::oracle::Oracle;
use depmod_tests::subset::Subset;
use depmod_tests::system::{System, VERSION};
use depmod_tests::{command, debian, product};

use super::archives::{NVME, gnu_cpio, laid_out, pack, system, text, wanted};

/// `dm-crypt` needs `dm-mod`; `crc` is also in our archive.
fn existing() -> System {
    System::new()
        .module("kernel/md/dm-mod.ko", Elf::new().export("dm", Crc::Absolute(1)))
        .module("kernel/md/dm-crypt.ko", Elf::new().need("dm").modinfo("alias=dm-target-crypt"))
        .module("kernel/crc.ko", Elf::new().modinfo("weakdep=late"))
        .file("kernel/broken.ko", "no module")
        .file("modules.dep", "kernel/md/dm-mod.ko:\n")
        .file("modules.softdep", "softdep dm_crypt pre: crc\n")
        .root_file("conf/modules", "dm-crypt\n# more\nnvme")
        .root_file("etc/fstab", "")
}

/// The archive of [`system`]'s load order for an NVMe disk, on top of these initrds.
fn on_top_of(initrds: &[&[u8]], archive: &[u8]) -> ModuleInitrd {
    on_top_of_version(initrds, archive, VERSION, &[NVME])
}

fn on_top_of_version(initrds: &[&[u8]], archive: &[u8], version: &str, queries: &[&str]) -> ModuleInitrd {
    let limits = Limits::DEFAULT;
    let mut decoder = PureDecoder::default();
    let unpacked: Vec<UnpackedInitrd<'_>> =
        initrds.iter().map(|initrd| UnpackedInitrd::read(initrd, &mut decoder, &limits).unwrap()).collect();
    let mut existing = ExistingInitrds::default();
    unpacked.iter().for_each(|initrd| existing.add(initrd, &limits).unwrap());
    let archive = Archive::parse(archive, &limits).unwrap();
    let location = locate(&archive, b"/", Some(version)).unwrap();
    let builder = InitrdBuilder::new(&archive, &location, &existing, &limits);
    builder.build(&wanted(queries), &mut decoder, &mut ()).unwrap()
}

/// Unpacks over existing files, with GNU cpio.
fn unpack_over(root: &Path, archive: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), archive).unwrap();
    let mut cpio = Command::new("cpio");
    cpio.current_dir(root).args(["--extract", "--quiet", "--unconditional", "--no-preserve-owner"]);
    let status = cpio.stdin(fs::File::open(file.path()).unwrap()).status().unwrap();
    assert!(status.success());
}

/// Checks our index with kmod's answers about all modules of a root directory.
fn assert_indexed(root: &Path) {
    let out = tempfile::tempdir().unwrap();
    let mut kmod = Oracle::get().depmod(["-b"]);
    command::run(kmod.arg(root).arg("-o").arg(out.path()).arg(VERSION)).unwrap();
    let read = |root: &Path, output: Output| {
        fs::read(root.join("lib/modules").join(VERSION).join(output.file_name())).unwrap()
    };
    for output in Output::ALL {
        let (ours, kmods) = (read(root, output), read(out.path(), output));
        assert!(ours == kmods, "{output:?}: {}\n{}", ours.escape_ascii(), kmods.escape_ascii());
    }
}

#[test]
fn modules_of_both_initrds_are_indexed() {
    let root = laid_out(&existing());
    let initrd = gnu_cpio(root.path());
    let made = on_top_of(&[&initrd], &pack(laid_out(&system()).path(), &[]));
    assert_eq!(made.existing_modules, 4);
    unpack_over(root.path(), &made.archive);
    assert_indexed(root.path());
    let read = |path: &str| fs::read(root.path().join(path)).unwrap();
    assert_eq!(text(&read("conf/modules")), "dm-crypt\n# more\nnvme\ncrc\nnvme_core\n");
    assert_eq!(text(&read("etc/modules-load.d/depmod.conf")), "crc\nnvme_core\nnvme\n");
    for (path, content) in Archive::parse(&initrd, &Limits::DEFAULT).unwrap().files() {
        let path = text(&path).trim_start_matches('/');
        let name = path.rsplit('/').next().unwrap();
        if !name.starts_with("modules") {
            assert!(read(path) == content, "{path}");
        }
    }
    let directories: Vec<&str> = Members::new(&made.archive)
        .map(Result::unwrap)
        .filter(Member::is_directory)
        .map(|member| text(member.name))
        .collect();
    assert_eq!(directories, ["etc/modules-load.d/"]);
}

#[test]
fn index_files_of_an_existing_initrd_replace_reading_its_modules() {
    let archive = pack(laid_out(&system()).path(), &[]);
    let root = laid_out(&existing());
    let read = on_top_of(&[&gnu_cpio(root.path())], &archive);
    command::run(product::depmod().args(["-C", "/dev/null", "-b"]).arg(root.path()).arg(VERSION)).unwrap();
    let dir = root.path().join("lib/modules").join(VERSION);
    for module in ["dm-mod.ko", "dm-crypt.ko"] {
        fs::write(dir.join("kernel/md").join(module), "never read").unwrap();
    }
    // As from a kmod without weak dependencies.
    fs::remove_file(dir.join("modules.weakdep")).unwrap();
    let believed = on_top_of(&[&gnu_cpio(root.path())], &archive);
    assert!(believed.archive == read.archive);
    fs::write(dir.join("modules.symbols"), "").unwrap();
    fs::remove_file(dir.join("modules.dep")).unwrap();
    assert!(on_top_of(&[&gnu_cpio(root.path())], &archive).archive != read.archive, "the modules are broken");
}

/// Index files by name, without the index of `modules.dep`. The needed modules in each line of `modules.dep`
/// are sorted: their order may differ.
fn comparable(archive: &[u8], version: &str) -> BTreeMap<String, Vec<u8>> {
    let dir = format!("lib/modules/{version}/modules.");
    let members = Members::new(archive).map(Result::unwrap);
    let files = members.filter_map(|member| Some((text(member.name).strip_prefix(&dir)?, member.data)));
    let sorted = |line: &[u8]| {
        let mut words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
        words[1..].sort_unstable();
        words.join(&b' ')
    };
    files
        .filter(|(name, _)| *name != "dep.bin")
        .map(|(name, data)| match name {
            "dep" => {
                (name.to_owned(), data.split(|&b| b == b'\n').map(sorted).collect::<Vec<_>>().join(&b'\n'))
            }
            _ => (name.to_owned(), data.to_vec()),
        })
        .collect()
}

#[test]
fn index_files_of_a_real_kernel_equal_its_modules() {
    let kernel = debian::kernel("bookworm-cloud-amd64").unwrap();
    let ours = Subset::of(&kernel, &["nvme", "ext4"]).unwrap();
    let archive = ours.archive().unwrap();
    let existing = Subset::whole(&kernel).unwrap();
    let version = &kernel.version;
    let read = on_top_of_version(&[&existing.archive().unwrap()], &archive, version, &["nvme", "ext4"]);
    let existing = existing.index().unwrap();
    let believed = on_top_of_version(&[&existing.archive().unwrap()], &archive, version, &["nvme", "ext4"]);
    assert!(read.existing_modules > 1000, "{}", read.existing_modules);
    let (read, believed) = (comparable(&read.archive, version), comparable(&believed.archive, version));
    assert_eq!(read.keys().collect::<Vec<_>>(), believed.keys().collect::<Vec<_>>());
    for (name, content) in read {
        assert!(content == believed[&name], "modules.{name}");
    }
}

#[test]
fn compression_and_earlier_archives_do_not_affect_the_result() {
    let archive = pack(laid_out(&system()).path(), &[]);
    let initrd = gnu_cpio(laid_out(&existing()).path());
    let early = System::bare().root_file("kernel/x86/microcode/AuthenticAMD.bin", "x");
    let early = gnu_cpio(laid_out(&early).path());
    let expected = on_top_of(&[&initrd], &archive);
    for format in Format::ALL {
        let compressed = format.compress(&initrd);
        let joined = [&*early, &[0; 100], &*compressed].concat();
        assert!(on_top_of(&[&joined], &archive).archive == expected.archive, "{format:?}");
        assert!(on_top_of(&[&early, &compressed], &archive).archive == expected.archive, "{format:?}");
    }
}

#[test]
fn existing_initrds_without_modules_change_no_file() {
    let archive = pack(laid_out(&system()).path(), &[]);
    let alone = on_top_of(&[], &archive).archive;
    let other = System::bare().root_file("lib/modules/6.0.0/kernel/a.ko", "").root_file("etc/fstab", "");
    let other = gnu_cpio(laid_out(&other).path());
    let files = |archive: &[u8]| -> BTreeSet<(Vec<u8>, Vec<u8>)> {
        let members = Members::new(archive).map(Result::unwrap).filter(Member::is_file);
        members.map(|member| (member.name.to_vec(), member.data.to_vec())).collect()
    };
    let made = on_top_of(&[&other], &archive);
    assert_eq!(made.existing_modules, 0);
    assert_eq!(files(&made.archive), files(&alone));
    let early = System::bare().root_file("kernel/x86/microcode/AuthenticAMD.bin", "x");
    let early = gnu_cpio(laid_out(&early).path());
    assert!(on_top_of(&[&early], &archive).archive == alone);
}

#[test]
fn our_modules_replace_existing_ones_of_the_same_name() {
    let existing = System::new().module("updates/nvme.ko", Elf::new()).module("updates/md.ko", Elf::new());
    let root = laid_out(&existing);
    let made = on_top_of(&[&gnu_cpio(root.path())], &pack(laid_out(&system()).path(), &[]));
    unpack_over(root.path(), &made.archive);
    let dep = fs::read(root.path().join("lib/modules").join(VERSION).join("modules.dep")).unwrap();
    let mut lines: Vec<&str> = text(&dep).lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "kernel/crc.ko:",
            "kernel/late.ko:",
            "kernel/nvme-core.ko:",
            "kernel/nvme.ko: kernel/nvme-core.ko",
            "updates/md.ko:"
        ]
    );
}

#[test]
fn missing_kernel_lists_come_from_the_existing_initrd() {
    let existing = existing().file("modules.builtin", "kernel/xfs.ko\n").file("modules.builtin.modinfo", "");
    let root = laid_out(&existing.order(&["kernel/md/dm-crypt.ko"]));
    let initrd = gnu_cpio(root.path());
    let ours = laid_out(&system());
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        fs::remove_file(ours.path().join("lib/modules").join(VERSION).join(name)).unwrap();
    }
    let made = on_top_of(&[&initrd], &gnu_cpio(ours.path()));
    unpack_over(root.path(), &made.archive);
    assert_indexed(root.path());
    let builtin = root.path().join("lib/modules").join(VERSION).join("modules.builtin");
    assert_eq!(fs::read(builtin).unwrap(), b"kernel/xfs.ko\n");
}
