//! `depmod pack`, and initrds that firmware makes from the same module directories.

use std::fs;
use std::path::Path;
use std::process::Command;

use depmod_core::parts::answer::Stale;
use depmod_core::parts::boot::initrd::{ExistingInitrds, InitrdBuilder, InitrdError, ModuleInitrd, Wanted};
use depmod_core::parts::boot::{Archive, DirectoryError, Provenance, locate, open_archive};
use depmod_core::parts::decompress::PureDecoder;
use depmod_core::{IoError, Limits, Output, Request, Source};
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::oracle::Oracle;
use depmod_tests::system::{System, VERSION};
use depmod_tests::{command, product};

pub(super) const NVME: &str = "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02";

/// `nvme` needs `nvme-core` and has a soft dependency on `crc`; `other` and `late` are unrelated.
pub(super) fn system() -> System {
    System::new()
        .module("kernel/nvme.ko", Elf::new().need("core").modinfo("alias=pci:v*d*sv*sd*bc01sc08i02*"))
        .module(
            "kernel/nvme-core.ko",
            Elf::new().export("core", Crc::Absolute(1)).modinfo("softdep=pre: crc"),
        )
        .module("kernel/crc.ko", Elf::new().modinfo("weakdep=late"))
        .module("kernel/late.ko", Elf::new())
        .module("kernel/other.ko", Elf::new().modinfo("alias=net-pf-1"))
        .file("modules.builtin", "kernel/ext4.ko\n")
        .file("modules.builtin.modinfo", "ext4.alias=fs-ext4\0")
        .order(&["kernel/other.ko", "kernel/nvme.ko", "kernel/nvme-core.ko"])
}

pub(super) fn pack(root: &Path, more: &[&str]) -> Vec<u8> {
    let mut depmod = product::depmod();
    depmod.args(["pack", "-C", "/dev/null", "-k", VERSION, "-b"]).arg(root).args(more);
    command::output(&mut depmod).unwrap()
}

pub(super) fn laid_out(system: &System) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    system.lay_out(root.path());
    root
}

pub(super) fn wanted(queries: &[&str]) -> Wanted {
    let requests = queries.iter().map(|query| Request::new(*query, "test")).collect();
    Wanted::new(requests)
}

/// The initrd that firmware makes from an archive.
fn module_initrd(archive: &[u8], queries: &[&str]) -> Result<ModuleInitrd, InitrdError> {
    let (limits, existing) = (Limits::DEFAULT, ExistingInitrds::default());
    let mut decoder = PureDecoder::default();
    let archive = open_archive(archive.to_vec(), &mut decoder, &limits).unwrap();
    let archive = Archive::parse(&archive, &limits).unwrap();
    let location = locate(&archive, b"/", Some(VERSION)).unwrap();
    let builder = InitrdBuilder::new(&archive, &location, &existing, &limits);
    builder.build(&wanted(queries), &mut decoder, &mut ())
}

/// GNU cpio's archive of a directory.
pub(super) fn gnu_cpio(root: &Path) -> Vec<u8> {
    let list = tempfile::NamedTempFile::new().unwrap();
    let names = command::output(Command::new("find").current_dir(root).arg(".")).unwrap();
    fs::write(list.path(), names).unwrap();
    let mut cpio = Command::new("cpio");
    cpio.current_dir(root).args(["--create", "--format=newc", "--quiet"]);
    let output = cpio.stdin(fs::File::open(list.path()).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

/// Unpacks with GNU cpio.
fn unpack(archive: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("archive"), archive).unwrap();
    let mut cpio = Command::new("cpio");
    cpio.current_dir(root.path()).args(["--extract", "--quiet", "--no-preserve-owner"]);
    let status = cpio.stdin(fs::File::open(root.path().join("archive")).unwrap()).status().unwrap();
    assert!(status.success());
    root
}

pub(super) fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap()
}

#[test]
fn archives_depend_only_on_the_modules() {
    let (first, second) = (laid_out(&system()), laid_out(&system()));
    let module = second.path().join("lib/modules").join(VERSION).join("kernel/nvme.ko");
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().append(true).open(&module).unwrap().set_modified(old).unwrap();
    let archive = pack(first.path(), &[]);
    assert!(archive == pack(second.path(), &[]));
    let file = first.path().join("m.cpio");
    assert_eq!(pack(first.path(), &["-o", file.to_str().unwrap()]), b"");
    assert!(archive == fs::read(&file).unwrap());
}

#[test]
fn gnu_cpio_unpacks_archives_and_kmod_writes_the_same_index() {
    let root = laid_out(&system());
    let unpacked = unpack(&pack(root.path(), &[]));
    let dir = unpacked.path().join("lib/modules").join(VERSION);
    let out = tempfile::tempdir().unwrap();
    let mut kmod = Oracle::get().depmod(["-b"]);
    command::run(kmod.arg(unpacked.path()).arg("-o").arg(out.path()).arg(VERSION)).unwrap();
    for output in Output::ALL {
        let ours = fs::read(dir.join(output.file_name())).unwrap();
        let kmods = fs::read(out.path().join("lib/modules").join(VERSION).join(output.file_name())).unwrap();
        assert!(ours == kmods, "{output:?}");
    }
    for name in ["kernel/nvme.ko", "modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        let original = root.path().join("lib/modules").join(VERSION).join(name);
        assert!(fs::read(dir.join(name)).unwrap() == fs::read(original).unwrap(), "{name}");
    }
}

#[test]
fn compressed_archives_decompress_to_the_same_bytes() {
    let root = laid_out(&system());
    let limits = Limits::DEFAULT;
    let packed = pack(root.path(), &["--zstd"]);
    assert!(packed == pack(root.path(), &["--zstd"]));
    let plain = open_archive(packed, &mut PureDecoder::default(), &limits).unwrap();
    assert!(plain == pack(root.path(), &[]));
}

#[test]
fn failed_archives_leave_no_output() {
    let root = laid_out(&system());
    let file = root.path().join("m.cpio");
    let mut depmod = product::depmod();
    depmod.args(["pack", "-k", "9.9", "-b"]).arg(root.path()).arg("-o").arg(&file);
    let output = depmod.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("could not open directory"), "{}", text(&output.stderr));
    assert!(!file.exists());
}

#[test]
fn shipped_and_computed_index_files_give_the_same_initrd() {
    let root = laid_out(&system());
    let queries = [NVME, "net-pf-1", "fs-ext4", "gone"];
    let shipped = module_initrd(&pack(root.path(), &[]), &queries).unwrap();
    assert_eq!(shipped.provenance, Provenance::Shipped);
    // An archive of another tool, without index files.
    let computed = module_initrd(&gnu_cpio(root.path()), &queries).unwrap();
    assert_eq!(computed.provenance, Provenance::Computed(Stale::Missing(Output::Dep)));
    assert_eq!(shipped.order, computed.order);
    assert!(shipped.archive == computed.archive);
    let names: Vec<_> = shipped.order.to_load().map(|module| text(&module.name)).collect();
    assert_eq!(names, ["crc", "nvme_core", "nvme", "other"]);
}

#[test]
fn an_initrd_holds_the_load_order_and_the_report() {
    let root = laid_out(&system());
    let initrd = module_initrd(&pack(root.path(), &[]), &[NVME]).unwrap();
    let unpacked = unpack(&initrd.archive);
    let dir = unpacked.path().join("lib/modules").join(VERSION);
    let read = |path: &Path| fs::read(path).unwrap();
    assert_eq!(
        text(&read(&dir.join("modules.load"))),
        "kernel/crc.ko\nkernel/nvme-core.ko\nkernel/nvme.ko\n"
    );
    for path in ["etc/modules-load.d/depmod.conf", "conf/modules"] {
        assert_eq!(text(&read(&unpacked.path().join(path))), "crc\nnvme_core\nnvme\n");
    }
    let report = text(&read(&dir.join("depmod-report.txt"))).to_owned();
    assert!(report.starts_with("6.1.0: 3 modules to load, 1 carried along\n"), "{report}");
    assert!(dir.join("kernel/late.ko").exists() && !dir.join("kernel/other.ko").exists());
    let out = tempfile::tempdir().unwrap();
    let mut kmod = Oracle::get().depmod(["-b"]);
    command::run(kmod.arg(unpacked.path()).arg("-o").arg(out.path()).arg(VERSION)).unwrap();
    for output in Output::ALL {
        let kmods = read(&out.path().join("lib/modules").join(VERSION).join(output.file_name()));
        assert!(read(&dir.join(output.file_name())) == kmods, "{output:?}");
    }
}

#[test]
fn inconsistent_index_files_are_recomputed() {
    let root = laid_out(&system());
    let expected = module_initrd(&pack(root.path(), &[]), &[NVME]).unwrap();
    let of = |change: &dyn Fn(&Path)| {
        let root = unpack(&pack(root.path(), &[]));
        change(&root.path().join("lib/modules").join(VERSION));
        module_initrd(&gnu_cpio(root.path()), &[NVME]).unwrap()
    };
    let write = |name: &'static str, bytes: &'static [u8]| {
        move |dir: &Path| fs::write(dir.join(name), bytes).unwrap()
    };
    let provenance = |change: &dyn Fn(&Path)| {
        let initrd = of(change);
        assert!(initrd.archive == expected.archive);
        initrd.provenance
    };
    assert_eq!(provenance(&|_| {}), Provenance::Shipped);
    let weakdep = |dir: &Path| fs::remove_file(dir.join("modules.weakdep")).unwrap();
    assert_eq!(provenance(&weakdep), Provenance::Computed(Stale::Missing(Output::Weakdep)));
    let torn = provenance(&write("modules.alias.bin", b"\xb0\x07\xf4\x57"));
    assert!(matches!(torn, Provenance::Computed(Stale::Corrupt(Output::AliasIndex, _))), "{torn:?}");
    let mixed = provenance(&write("modules.dep", b"kernel/crc.ko:\n"));
    assert_eq!(mixed, Provenance::Computed(Stale::Foreign(Output::Dep)));
    let foreign = provenance(&write("modules.softdep", b"softdep alien pre: crc\n"));
    assert_eq!(foreign, Provenance::Computed(Stale::Foreign(Output::Softdep)));
    for (name, output) in [("modules.softdep", Output::Softdep), ("modules.weakdep", Output::Weakdep)] {
        for cut in [0, 1] {
            let change = |dir: &Path| {
                let text = fs::read(dir.join(name)).unwrap();
                fs::write(dir.join(name), &text[..(text.len() - 1) * cut]).unwrap();
            };
            assert_eq!(provenance(&change), Provenance::Computed(Stale::Cut(output)), "{name}");
        }
    }
    for name in ["kernel/gone.ko", "kernel/other.ko"] {
        let change = |dir: &Path| match name {
            "kernel/gone.ko" => fs::write(dir.join(name), Elf::new().build()).unwrap(),
            _ => fs::remove_file(dir.join(name)).unwrap(),
        };
        let provenance = of(&change).provenance;
        assert_eq!(provenance, Provenance::Computed(Stale::Foreign(Output::DepIndex)), "{name}");
    }
}

#[test]
fn needed_broken_modules_are_errors() {
    let broken = system().file("kernel/crc.ko", "no module");
    let root = laid_out(&broken);
    let path = format!("/lib/modules/{VERSION}/kernel/crc.ko");
    let expected = DirectoryError::Module { path: path.into(), cause: IoError::exec_format() };
    let error = module_initrd(&gnu_cpio(root.path()), &["other"]).unwrap_err();
    assert_eq!(error, InitrdError::Directory(expected.clone()), "index files must be computed");
    let archive = pack(root.path(), &[]);
    assert!(module_initrd(&archive, &["other"]).is_ok(), "index files show that it is not needed");
    assert_eq!(module_initrd(&archive, &[NVME]).unwrap_err(), InitrdError::Directory(expected));
}

#[test]
fn cycles_are_errors() {
    let cycle = System::new()
        .module("a.ko", Elf::new().need("b").export("a", Crc::Absolute(1)))
        .module("b.ko", Elf::new().need("a").export("b", Crc::Absolute(1)));
    let error = module_initrd(&gnu_cpio(laid_out(&cycle).path()), &["a"]).unwrap_err();
    assert_eq!(error.to_string(), "Cycle detected: b -> a -> b");
}

#[test]
fn archives_contain_the_index_files_of_the_command() {
    let root = laid_out(&system());
    let archive = pack(root.path(), &[]);
    let archive = Archive::parse(&archive, &Limits::DEFAULT).unwrap();
    let mut depmod = product::depmod();
    command::run(depmod.args(["-C", "/dev/null", "-b"]).arg(root.path()).arg(VERSION)).unwrap();
    for output in Output::ALL {
        let path = format!("lib/modules/{VERSION}/{}", output.file_name());
        let packed = archive.read(path.as_bytes(), u64::MAX).unwrap();
        assert!(packed == fs::read(root.path().join(path)).unwrap(), "{output:?}");
    }
}
