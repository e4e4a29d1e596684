//! `--strict` on a real kernel: nothing in the kernel as it is, each damage once, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::subset::Subset;
use depmod_tests::system::System;
use depmod_tests::{debian, product};

/// Plain modules, which can be edited, and a small image.
const KERNEL: &str = "bookworm-cloud-amd64";

/// A copy of a kernel that may be damaged.
struct Copy {
    subset: Subset,
    version: String,
}

impl Copy {
    fn new(with_image: bool) -> Self {
        let kernel = debian::kernel(KERNEL).unwrap();
        let subset = Subset::whole(&kernel).unwrap();
        if with_image {
            fs::create_dir_all(subset.root().join("boot")).unwrap();
            fs::copy(kernel.image(), subset.root().join(format!("boot/vmlinuz-{}", kernel.version))).unwrap();
        }
        Self { subset, version: kernel.version }
    }

    fn module(&self, name: &str) -> PathBuf {
        let mut directories = vec![self.subset.modules().join("kernel")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                } else if entry.file_name() == format!("{name}.ko").as_str() {
                    return entry.path();
                }
            }
        }
        panic!("no module {name}");
    }

    /// Writes a file in the place of one, which may be linked to the kernel's own.
    fn replace(path: &Path, bytes: &[u8]) {
        let _ = fs::remove_file(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Replaces the only place, or the first one, where a module has these bytes.
    fn edit(&self, name: &str, from: &[u8], to: &[u8]) {
        let path = self.module(name);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(from.len()).position(|window| window == from);
        let at = at.unwrap_or_else(|| panic!("{name} has no {}", String::from_utf8_lossy(from)));
        bytes[at..at + to.len()].copy_from_slice(to);
        Self::replace(&path, &bytes);
    }

    /// Changes the CRC that a module wants of a symbol: it stands in the eight bytes before the name.
    fn change_crc(&self, name: &str, symbol: &str) {
        let path = self.module(name);
        let mut bytes = fs::read(&path).unwrap();
        // A whole entry of `__versions`: names elsewhere have no such tail.
        let entry = [&[0, 0, 0, 0], symbol.as_bytes(), &vec![0; 56 - symbol.len()]].concat();
        let at = bytes.windows(entry.len()).position(|window| window == entry).unwrap();
        bytes[at - 1] ^= 0x55;
        Self::replace(&path, &bytes);
    }

    fn extra(&self, name: &str, bytes: &[u8]) {
        Self::replace(&self.subset.modules().join("extra").join(name), bytes);
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut depmod = product::depmod();
        depmod.arg("-b").arg(self.subset.root()).args(words).output().unwrap()
    }

    fn strict(&self, words: &[&str]) -> (i32, Vec<String>) {
        let output = self.run(&[words, &[&*self.version]].concat());
        (output.status.code().unwrap(), lines(&output.stdout))
    }

    fn is_indexed(&self) -> bool {
        self.subset.modules().join("modules.dep.bin").exists()
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// The lines of causes, without blanks before and between.
fn causes(lines: &[String]) -> Vec<String> {
    let causes = lines.iter().filter(|line| line.starts_with("  ") && !line.contains("not checked: "));
    causes.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Everything that can be wrong, but a cycle, in modules that have nothing to do with each other.
fn damage(copy: &Copy) -> Vec<String> {
    copy.change_crc("zram", "_printk");
    copy.edit("nbd", b"\0kfree\0", b"\0kfr__\0");
    let magic = format!("vermagic={} ", copy.version);
    copy.edit("dummy", magic.as_bytes(), magic.replace("6.1.0", "6.1.9").as_bytes());
    copy.edit("virtio_blk", b"license=GPL\0", b"license=XYZ\0");
    copy.edit("ansi_cprng", b"import_ns=", b"import_xx=");
    let double = fs::read(copy.module("crc7")).unwrap();
    copy.extra("crc7_again.ko", &double);
    // Others need what it exports.
    let whole = fs::read(copy.module("failover")).unwrap();
    Copy::replace(&copy.module("failover"), &whole[..whole.len() / 2]);
    [
        "corrupt kernel/net/core/failover.ko: ",
        "vermagic kernel/drivers/net/dummy.ko has the version magic '6.1.9",
        "crc kernel/drivers/block/zram/zram.ko wants _printk 0x",
        "unresolved kernel/drivers/block/nbd.ko needs kfr__, which nobody provides",
        "gpl kernel/drivers/block/virtio_blk.ko (license 'XYZ') uses ",
        "namespace kernel/crypto/ansi_cprng.ko does not import CRYPTO_INTERNAL",
        "duplicate extra/crc7_again.ko exports ",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Each cause is the one that is expected.
#[track_caller]
fn assert_causes(lines: &[String], expected: &[String]) {
    let causes = causes(lines);
    let same = causes.len() == expected.len()
        && causes.iter().zip(expected).all(|(cause, expected)| cause.starts_with(expected.as_str()));
    assert!(same, "{causes:#?}\nare not {expected:#?}");
}

#[test]
fn a_good_kernel_has_no_findings_and_is_indexed() {
    let copy = Copy::new(true);
    let (status, lines) = copy.strict(&["--strict", "--no-write"]);
    assert_eq!(status, 0, "{lines:#?}");
    assert!(lines[0].ends_with(" modules, nothing found"), "{lines:#?}");
    assert!(lines[1].starts_with("kernel symbols: "), "{lines:#?}");
    assert!(!copy.is_indexed());
    assert_eq!(copy.strict(&["--strict"]).0, 0);
    let written = fs::read(copy.subset.modules().join("modules.dep.bin")).unwrap();
    assert!(copy.run(&[&copy.version]).status.success());
    assert!(fs::read(copy.subset.modules().join("modules.dep.bin")).unwrap() == written);
}

#[test]
fn a_good_kernel_without_its_image_is_not_called_right() {
    let copy = Copy::new(false);
    let (status, lines) = copy.strict(&["--strict"]);
    assert_eq!(status, 0, "{lines:#?}");
    assert!(lines[0].ends_with("nothing found in what could be checked"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("unresolved  not checked: ")), "{lines:#?}");
    let named = copy.strict(&["--strict=unresolved", "--no-write"]);
    assert_eq!(named.0, 1, "who asks for a check is not told that all is well");
}

#[test]
fn each_damage_is_found_once() {
    let copy = Copy::new(true);
    let expected = damage(&copy);
    let (status, lines) = copy.strict(&["--strict"]);
    assert_causes(&lines, &expected);
    assert_eq!(status, 3);
    assert!(copy.is_indexed(), "files are written all the same");
    let (status, lines) = copy.strict(&["--strict=gpl,cycle", "--no-write"]);
    assert_eq!((status, causes(&lines).len()), (3, 1));
}

#[test]
fn most_damages_are_found_without_the_image() {
    let copy = Copy::new(false);
    let mut expected = damage(&copy);
    // These are about symbols of the kernel itself.
    expected.retain(|line| {
        ["corrupt", "vermagic", "crc", "duplicate"].iter().any(|check| line.starts_with(check))
    });
    let (status, lines) = copy.strict(&["--strict", "--no-write"]);
    let found: Vec<String> = causes(&lines).into_iter().filter(|line| !line.starts_with("gpl")).collect();
    let spaced: Vec<String> = found.iter().map(|line| format!("  {line}")).collect();
    assert_causes(&spaced, &expected);
    assert_eq!(status, 3);
}

#[test]
fn a_cycle_is_told_and_a_failure() {
    let copy = Copy::new(true);
    let module = |own: &str, other: &str| {
        let magic = format!("vermagic={} SMP preempt mod_unload modversions ", copy.version);
        let elf = Elf::new().modinfo("license=GPL").modinfo(magic).export(own, Crc::Absolute(1));
        elf.need(other).version(other, 1).build()
    };
    copy.extra("one.ko", &module("one", "two"));
    copy.extra("two.ko", &module("two", "one"));
    let (status, lines) = copy.strict(&["--strict"]);
    assert_eq!(status, 1, "{lines:#?}");
    let causes = causes(&lines);
    assert_eq!(causes.len(), 1, "{causes:#?}");
    assert!(
        ["cycle one -> two -> one", "cycle two -> one -> two"].contains(&causes[0].as_str()),
        "{causes:?}"
    );
    assert!(!copy.is_indexed());
}

#[test]
fn single_files_are_judged_against_a_kernel() {
    let copy = Copy::new(true);
    let good = copy.subset.root().join("zram.ko");
    fs::copy(copy.module("zram"), &good).unwrap();
    let bad = copy.subset.root().join("loop.ko");
    fs::copy(copy.module("loop"), &bad).unwrap();
    let ask = |words: &[&str]| copy.run(&[&["--strict", "-k", &*copy.version], words].concat());
    let output = ask(&[good.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(lines(&output.stdout)[0].ends_with(": 1 module, nothing found"), "{output:?}");
    // Elsewhere something is wrong; nobody asked for it.
    copy.change_crc("nbd", "_printk");
    copy.change_crc("loop", "_printk");
    fs::copy(copy.module("loop"), &bad).unwrap();
    let output = ask(&["--format", "json", good.to_str().unwrap(), bad.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(r#"{"schema":1,"command":"strict","kernel":""#), "{text}");
    assert_eq!(text.matches(r#""symbol":"_printk""#).count(), 1, "{text}");
    assert!(!copy.is_indexed());
    let output = ask(&["/nowhere/x.ko"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn single_files_are_not_judged_against_modules_that_cannot_be_known() {
    let command = "head -c 600M /dev/zero | gzip -1n";
    let bomb = std::process::Command::new("sh").args(["-c", command]).output().unwrap().stdout;
    let system = System::new()
        .complete()
        .file("kernel/bomb.ko.gz", bomb)
        .module("kernel/a.ko", Elf::new().modinfo("license=GPL"));
    let outcome = system.run_command(|root| {
        let mut depmod = product::depmod();
        let version = depmod_tests::system::VERSION;
        depmod.arg("-b").arg(root).args(["--strict", "-k", version]);
        depmod.arg(root.join("lib/modules").join(version).join("kernel/a.ko"));
        depmod
    });
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.stderr());
    assert!(outcome.stderr().contains("bomb.ko.gz: more than 536870912 bytes"), "{}", outcome.stderr());
}

#[test]
fn a_file_with_the_name_of_another_is_told_unless_depmod_d_chooses() {
    let module = |alias: &str| Elf::new().modinfo("license=GPL").modinfo(alias).modinfo("vermagic=5.0 SMP ");
    let system =
        System::new().module("kernel/a.ko", module("alias=x")).module("extra/a.ko", module("alias=y"));
    let run = |system: &System| system.run(depmod_tests::system::Program::Ours, &["--strict=duplicate"]);
    let outcome = run(&system);
    assert_eq!(outcome.status.code(), Some(3), "{}", outcome.stderr());
    let system = system.config("search extra built-in\n");
    assert_eq!(run(&system).status.code(), Some(0));
}

#[test]
fn a_placeholder_is_refused_with_a_line() {
    let system = System::new()
        .module("kernel/a.ko", Elf::new().modinfo("license=GPL").need("printk"))
        .root_file("map", "ffffffffffffffff B The real System.map is in the dbg package\n");
    let outcome = system.run_command(|root| {
        let mut depmod = product::depmod();
        depmod
            .arg("-b")
            .arg(root)
            .arg("-e")
            .arg("-F")
            .arg(root.join("map"))
            .args(["-n", depmod_tests::system::VERSION]);
        depmod
    });
    assert!(outcome.stderr().contains("names no exported symbol"), "{}", outcome.stderr());
    let outcome = system.run_command(|root| {
        let mut depmod = product::depmod();
        depmod
            .arg("-b")
            .arg(root)
            .args(["--strict", "-F"])
            .arg(root.join("map"))
            .arg(depmod_tests::system::VERSION);
        depmod
    });
    let text = String::from_utf8(outcome.stdout).unwrap();
    assert!(text.contains("it is a placeholder"), "{text}");
}
