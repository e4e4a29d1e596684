//! A reader of standard output that goes away: no message, no panic, no failure.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::product;
use depmod_tests::system::{System, VERSION};

/// A root directory with so many modules that every answer is longer than a pipe.
fn large() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let mut tree =
        System::new().complete().module("kernel/bus.ko", Elf::new().export("bus_add", Crc::Absolute(1)));
    for number in 0..40 {
        let mut module = Elf::new().need("bus_add").need("nobody_has_it");
        for alias in 0..60 {
            module = module.modinfo(format!("alias=pci:v{number:08}d{alias:08}sv*sd*bc*sc*i*"));
        }
        tree = tree.module(format!("kernel/drivers/net/driver-with-a-name-{number}.ko"), module);
    }
    tree.lay_out(&root);
    let status = product::depmod().arg("-b").arg(&root).args(["-C", "/dev/null", VERSION]).status().unwrap();
    assert!(status.success());
    dir
}

#[test]
fn no_command_complains_about_a_closed_pipe() {
    let dir = large();
    let root = dir.path().join("root");
    let modules = root.join("lib/modules").join(VERSION);
    let empty = dir.path().join("empty");
    fs::create_dir_all(empty.join("kernel")).unwrap();
    let stale = dir.path().join("stale");
    System::new().complete().module("kernel/bus.ko", Elf::new()).lay_out(&stale);
    for name in
        ["modules.dep", "modules.dep.bin", "modules.alias", "modules.alias.bin", "modules.symbols.bin"]
    {
        fs::copy(modules.join(name), stale.join("lib/modules").join(VERSION).join(name)).unwrap();
    }
    let words = |text: &str| -> Vec<String> {
        let text =
            text.replace("ROOT", &root.to_string_lossy()).replace("MODULES", &modules.to_string_lossy());
        let text = text.replace("STALE", &stale.to_string_lossy()).replace("EMPTY", &empty.to_string_lossy());
        text.split(' ').map(Into::into).collect()
    };
    let place = format!("-b ROOT -C /dev/null -k {VERSION}");
    let commands = [
        "--help".into(),
        "help".into(),
        "--version".into(),
        "plan --help".into(),
        format!("-n -b ROOT -C /dev/null {VERSION}"),
        format!("-n -v -b ROOT -C /dev/null {VERSION}"),
        "-n --all-kernels -b ROOT -C /dev/null".into(),
        format!("--strict --long --no-write -b ROOT -C /dev/null {VERSION}"),
        format!("--strict --no-write --format json -b ROOT -C /dev/null {VERSION}"),
        "dump MODULES/modules.alias.bin".into(),
        "dump MODULES/modules.alias".into(),
        "dump --format json MODULES/modules.alias.bin".into(),
        format!("lookup {place} pci:v00000001d00000001sv1sd1bc1sc1i1"),
        format!("lookup {place} --format json bus"),
        format!("plan {place} driver*"),
        format!("plan {place} --format json driver*"),
        format!("plan {place} --format list driver*"),
        format!("plan {place} --format modules-load driver*"),
        format!("plan {place} --format dot driver*"),
        format!("plan {place} --format cpio driver*"),
        format!("pack {place}"),
        "diff -C /dev/null --long MODULES EMPTY/".into(),
        "diff -C /dev/null --format json MODULES EMPTY/".into(),
        format!("verify --long -b STALE -C /dev/null {VERSION}"),
        format!("verify --format json -b STALE -C /dev/null {VERSION}"),
    ];
    for command in commands {
        let open = product::depmod().args(words(&command)).stdin(Stdio::null()).output().unwrap();
        assert!(!open.stdout.is_empty(), "{command}");
        for reads in [0, 1, 5000] {
            // A shell that ignores the signal hands that down.
            for prologue in ["", "trap '' PIPE; "] {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("{prologue}exec \"$@\"")).arg("sh").arg(product::binary());
                shell.args(words(&command)).env("LC_ALL", "C");
                let mut child =
                    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                let mut stdout = child.stdout.take().unwrap();
                let mut some = vec![0; reads];
                let _ = stdout.read(&mut some).unwrap();
                drop(stdout);
                let output = child.wait_with_output().unwrap();
                let what = format!("{command} ({reads} bytes read, {prologue:?})");
                assert_eq!(
                    String::from_utf8_lossy(&output.stderr),
                    String::from_utf8_lossy(&open.stderr),
                    "{what}"
                );
                assert_eq!(output.status.code(), open.status.code(), "{what}");
            }
        }
    }
}

#[test]
fn endless_queries_end_with_the_reader() {
    let dir = large();
    let script = "(yes bus | timeout 60 \"$@\"; echo $? >&2) | head -n 1";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(product::binary()).args([
        "lookup",
        "-C",
        "/dev/null",
        "-k",
        VERSION,
    ]);
    let output = shell.arg("-b").arg(dir.path().join("root")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "bus\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "0\n", "124: it went on");
}
