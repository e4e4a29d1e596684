//! `--strict` on a real kernel: nothing in the kernel as it is, each damage once, and nothing else.

use std::fs;

use depmod_tests::damage::{Copy, causes, lines};
use depmod_tests::elf_builder::Elf;
use depmod_tests::system::{Place, System, VERSION};
use depmod_tests::{debian, product, terminal};

/// Plain modules, which can be edited, and a small image.
const KERNEL: &str = "bookworm-cloud-amd64";

/// A copy of that kernel, with its image or without.
fn copy(with_image: bool) -> Copy {
    Copy::new(&debian::kernel(KERNEL).unwrap(), with_image).unwrap()
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
    let copy = copy(true);
    let (status, lines) = copy.strict(&["--strict", "--no-write"]);
    assert_eq!(status, 0, "{lines:#?}");
    assert!(lines[0].ends_with(" modules, nothing found"), "{lines:#?}");
    assert!(lines[1].starts_with("kernel symbols: "), "{lines:#?}");
    assert!(!copy.is_indexed());
    assert_eq!(copy.strict(&["--strict"]).0, 0);
    let written = fs::read(copy.modules().join("modules.dep.bin")).unwrap();
    assert!(copy.run(&[copy.version()]).status.success());
    assert!(fs::read(copy.modules().join("modules.dep.bin")).unwrap() == written);
}

#[test]
fn a_good_kernel_without_its_image_is_not_called_right() {
    let copy = copy(false);
    let (status, lines) = copy.strict(&["--strict"]);
    assert_eq!(status, 0, "{lines:#?}");
    assert!(lines[0].ends_with("nothing found in what could be checked"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("unresolved  not checked: ")), "{lines:#?}");
    let named = copy.strict(&["--strict=unresolved", "--no-write"]);
    assert_eq!(named.0, 1, "who asks for a check is not told that all is well");
}

#[test]
fn each_damage_is_found_once() {
    let copy = copy(true);
    let expected = copy.damage();
    let (status, lines) = copy.strict(&["--strict"]);
    assert_causes(&lines, &expected);
    assert_eq!(status, 3);
    assert!(copy.is_indexed(), "files are written all the same");
    let (status, lines) = copy.strict(&["--strict=gpl,cycle", "--no-write"]);
    assert_eq!((status, causes(&lines).len()), (3, 1));

    // As JSON: every field of the schema is somewhere.
    let json = |words: &[&str]| {
        copy.run(&[&["--strict", "--no-write", "--format", "json"], words, &[copy.version()]].concat()).stdout
    };
    let placeholder = copy.root().join("map");
    fs::write(&placeholder, "ffffffffffffffff B The real System.map is in the dbg package\n").unwrap();
    let mut answers =
        [json(&["--keep-going"]), json(&[]), json(&["-F", placeholder.to_str().unwrap()])].concat();
    copy.cycle(&copy.vermagic("zram"));
    copy.extra("loop.ko", &fs::read(copy.module("loop")).unwrap());
    answers.extend(json(&[]));
    let _ = fs::remove_file(copy.root().join(format!("boot/vmlinuz-{}", copy.version())));
    answers.extend(json(&[]));
    assert_eq!(crate::json::validate(&answers), [""; 0], "fields that no answer has");
}

#[test]
fn most_damages_are_found_without_the_image() {
    let copy = copy(false);
    // The others are about symbols of the kernel itself.
    let expected = Copy::without_kernel(copy.damage());
    let (status, lines) = copy.strict(&["--strict", "--no-write"]);
    let found: Vec<String> = causes(&lines).into_iter().filter(|line| !line.starts_with("gpl")).collect();
    let spaced: Vec<String> = found.iter().map(|line| format!("  {line}")).collect();
    assert_causes(&spaced, &expected);
    assert_eq!(status, 3);
}

#[test]
fn a_cycle_is_told_and_a_failure() {
    let copy = copy(true);
    copy.cycle(&copy.vermagic("zram"));
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
    let copy = copy(true);
    let good = copy.root().join("zram.ko");
    fs::copy(copy.module("zram"), &good).unwrap();
    let bad = copy.root().join("loop.ko");
    fs::copy(copy.module("loop"), &bad).unwrap();
    let ask = |words: &[&str]| copy.run(&[&["--strict", "-k", copy.version()], words].concat());
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
    let command = "(printf '\\177ELF'; head -c 4294967296 /dev/zero) | zstd -q";
    let bomb = std::process::Command::new("sh").args(["-c", command]).output().unwrap().stdout;
    let system = System::new()
        .complete()
        .file("kernel/bomb.ko.zst", bomb)
        .module("kernel/a.ko", Elf::new().modinfo("license=GPL"));
    let outcome = system.run_command(|root| {
        let mut depmod = product::depmod();
        let version = VERSION;
        depmod.arg("-b").arg(root).args(["--strict", "-k", version]);
        depmod.arg(root.join("lib/modules").join(version).join("kernel/a.ko"));
        depmod
    });
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.stderr());
    assert!(outcome.stderr().contains("bomb.ko.zst: more than 4294967296 bytes"), "{}", outcome.stderr());
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
    let place = Place::new();
    system.lay_out(&place.root());
    let (root, map) = (place.root(), place.root().join("map"));
    let words = ["-b", root.to_str().unwrap(), "-e", "-F", map.to_str().unwrap(), "-n", VERSION];
    let shown = terminal::depmod(&words).text;
    assert!(shown.contains("names no exported symbol"), "{shown}");
    let piped = product::depmod().args(words).output().unwrap();
    assert!(
        !String::from_utf8_lossy(&piped.stderr).contains("names no exported symbol"),
        "a hook sees kmod's lines"
    );
    let outcome = system.run_command(|root| {
        let mut depmod = product::depmod();
        depmod.arg("-b").arg(root).args(["--strict", "-F"]).arg(root.join("map")).arg(VERSION);
        depmod
    });
    let text = String::from_utf8(outcome.stdout).unwrap();
    assert!(text.contains("it is a placeholder"), "{text}");
}

#[test]
fn after_a_placeholder_the_image_is_taken() {
    let copy = copy(true);
    let map = copy.root().join("System.map");
    fs::write(&map, "ffffffffffffffff B The real System.map is elsewhere\n").unwrap();
    let (status, lines) = copy.strict(&["--strict", "--no-write", "-F", map.to_str().unwrap()]);
    assert_eq!(status, 0, "{lines:#?}");
    assert!(lines[0].ends_with(" modules, nothing found"), "{lines:#?}");
    assert!(lines[1].contains("it is a placeholder for the real System.map"), "{lines:#?}");
    assert!(lines[2].starts_with("kernel symbols: ") && lines[2].contains("vmlinuz"), "{lines:#?}");
}

#[test]
fn what_is_no_module_is_corrupt_and_nothing_else() {
    let copy = copy(true);
    let file = copy.root().join("program.ko");
    let ask = || {
        let output = copy.run(&["--strict", "-k", copy.version(), file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), causes(&lines(&output.stdout)), said)
    };
    for content in [Elf::new().need("printf").build(), b"#!/bin/sh\n".to_vec()] {
        fs::write(&file, content).unwrap();
        let (status, causes, _) = ask();
        assert_eq!((status, causes.len()), (Some(3), 1), "{causes:?}");
        assert!(causes[0].starts_with("corrupt "), "{causes:?}");
    }
    fs::remove_file(&file).unwrap();
    let (status, _, said) = ask();
    let expected = format!("depmod: FATAL: cannot read {}: No such file or directory\n", file.display());
    assert_eq!((status, said), (Some(1), expected));
}
