//! `depmod verify` on index files of kmod and of our own, whole and spoilt.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use depmod_core::Output;
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::oracle::Oracle;
use depmod_tests::system::{Place, System, VERSION};
use depmod_tests::{command, debian, product};
use serde_json::Value;

/// A module directory below a root, with index files.
struct Indexed {
    _place: Place,
    root: PathBuf,
    version: String,
}

impl Indexed {
    fn of(system: &System) -> Self {
        let place = Place::new();
        let root = place.root();
        system.lay_out(&root);
        Self { _place: place, root, version: VERSION.into() }
    }

    fn dir(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.version)
    }

    fn path(&self, output: Output) -> PathBuf {
        self.dir().join(output.file_name())
    }

    fn index(&self, mut program: std::process::Command) {
        program.arg("-b").arg(&self.root).args(["-C", "/dev/null"]).arg(&self.version);
        command::run(&mut program).unwrap();
    }

    /// The exit status and the answer of `depmod verify`.
    fn verify(&self, options: &[&str]) -> (i32, Value) {
        let mut verify = product::depmod();
        verify.args(["verify", "--format", "json", "-C", "/dev/null", "-b"]).arg(&self.root);
        let output = verify.args(options).arg(&self.version).output().unwrap();
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap(), answer)
    }

    fn kinds(&self, options: &[&str], output: Output) -> (i32, Vec<String>) {
        let (status, answer) = self.verify(options);
        let findings = answer["findings"].as_array().unwrap().iter();
        let findings = findings.filter(|finding| finding["file"] == output.file_name());
        (status, findings.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect())
    }
}

/// A kernel with something in each of the eleven files.
fn system(tag: &str) -> System {
    let symbol = format!("{tag}_add");
    let bus = Elf::new().export(&symbol, Crc::Absolute(1)).modinfo(format!("alias=pci:v{tag}*"));
    let disk = Elf::new().need(&symbol).modinfo(format!("softdep=pre: {tag}"));
    let disk = disk.modinfo(format!("weakdep={tag}")).modinfo("alias=char-major-10-229");
    System::new()
        .module("kernel/bus.ko", bus)
        .module(format!("kernel/disk-{tag}.ko"), disk.modinfo(format!("alias=devname:{tag}")))
        .file("modules.order", format!("kernel/bus.ko\nkernel/disk-{tag}.ko\n"))
        .file("modules.builtin", format!("kernel/fs/{tag}.ko\n"))
        .file("modules.builtin.modinfo", format!("{tag}.alias=fs-{tag}\0"))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// A new file: the old one may be a link to a good one.
fn write(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

#[test]
fn index_files_of_kmod_and_our_own_are_right() {
    for program in [Oracle::get().tool("depmod"), product::depmod()] {
        let indexed = Indexed::of(&system("a"));
        indexed.index(program);
        for options in [&[][..], &["--quick"]] {
            let (status, answer) = indexed.verify(options);
            assert_eq!((status, &answer["findings"]), (0, &Value::Array(Vec::new())), "{options:?}");
            assert_eq!((&answer["schema"], &answer["kernel"]), (&1.into(), &VERSION.into()));
            assert_eq!(answer["configuration"], serde_json::json!(["/dev/null"]));
        }
    }
}

#[test]
fn a_real_kernel_indexed_by_kmod_is_right() {
    let kernel = debian::kernel("bookworm-cloud-amd64").unwrap();
    let indexed = Indexed { version: kernel.version.clone(), ..Indexed::of(&System::bare()) };
    fs::create_dir_all(indexed.dir()).unwrap();
    symlink(kernel.modules().join("kernel"), indexed.dir().join("kernel")).unwrap();
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        fs::copy(kernel.modules().join(name), indexed.dir().join(name)).unwrap();
    }
    indexed.index(Oracle::get().tool("depmod"));
    let (status, answer) = indexed.verify(&[]);
    assert_eq!((status, &answer["findings"]), (0, &Value::Array(Vec::new())));
    assert_eq!(indexed.verify(&["--quick"]).0, 0);

    fs::remove_file(indexed.path(Output::AliasIndex)).unwrap();
    let (status, answer) = indexed.verify(&[]);
    let damage = &answer["damage"][0];
    assert_eq!((status, &damage["file"]), (3, &"modules.alias.bin".into()));
    assert!(damage["devices"].as_u64().unwrap() > 1000, "{damage}");
}

#[test]
fn every_file_spoilt_in_every_way_is_found_and_mended() {
    let others = Indexed::of(&system("b"));
    others.index(product::depmod());
    let indexed = Indexed::of(&system("a"));
    indexed.index(Oracle::get().tool("depmod"));
    let fresh: Vec<Vec<u8>> = Output::ALL.map(|output| read(&indexed.path(output))).into();
    for (output, good) in Output::ALL.into_iter().zip(&fresh) {
        let path = indexed.path(output);
        let middle = good.len() / 2;
        let mut changed = good.clone();
        changed[middle] ^= 1;
        let spoilt: [(&str, Option<_>, &[&str]); 6] = [
            ("removed", None, &["missing"]),
            ("emptied", Some(Vec::new()), &["empty"]),
            ("cut", Some(good[..middle].to_vec()), &["cut"]),
            ("one byte changed", Some(changed), &[]),
            ("of another system", Some(read(&others.path(output))), &[]),
            ("appended", Some([good, &b"\0tail"[..]].concat()), &["trailing"]),
        ];
        for (how, bytes, expected) in spoilt {
            match &bytes {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => write(&path, bytes),
            }
            let (status, kinds) = indexed.kinds(&[], output);
            let name = output.file_name();
            assert!(status == 3 && !kinds.is_empty(), "{name} {how}: {status} {kinds:?}");
            assert!(expected.is_empty() || kinds == expected, "{name} {how}: {kinds:?}");
            if !expected.is_empty() {
                assert_eq!(indexed.kinds(&["--quick"], output).0, 3, "{name} {how}");
            }
        }
        assert_eq!(indexed.verify(&["--fix"]).1["fixed"], true);
        let mended: Vec<Vec<u8>> = Output::ALL.map(|output| read(&indexed.path(output))).into();
        assert_eq!(mended, fresh);
    }
}

#[test]
fn an_older_generation_is_found() {
    let indexed = Indexed::of(&system("a"));
    indexed.index(product::depmod());
    for output in Output::ALL {
        let bytes = read(&indexed.path(output));
        let module = fs::File::open(indexed.dir().join("kernel/bus.ko")).unwrap();
        let older = module.metadata().unwrap().modified().unwrap() - core::time::Duration::from_secs(60);
        fs::File::open(indexed.path(output)).unwrap().set_modified(older).unwrap();
        let (status, kinds) = indexed.kinds(&["--quick"], output);
        assert_eq!((status, kinds), (3, vec!["stale".into()]), "{}", output.file_name());
        write(&indexed.path(output), &bytes);
    }
    // A module more: every file is of the generation before.
    write(&indexed.dir().join("kernel/new.ko"), &Elf::new().modinfo("alias=pci:v9*").build());
    for options in [&[][..], &["--quick"]] {
        let (status, kinds) = indexed.kinds(options, Output::Dep);
        assert!(status == 3 && kinds.contains(&"lacks".into()), "{options:?} {kinds:?}");
    }
}

#[test]
fn what_cannot_be_told_is_a_failure() {
    let bare = Indexed::of(&System::bare());
    assert_eq!(bare.verify(&[]).0, 1);
    assert_eq!(bare.verify(&["--quick"]).0, 1);
    let cycle = System::new()
        .module("a.ko", Elf::new().export("a", Crc::Absolute(1)).need("b"))
        .module("b.ko", Elf::new().export("b", Crc::Absolute(1)).need("a"))
        .complete();
    assert_eq!(Indexed::of(&cycle).verify(&[]), (1, Value::Null));
}
