//! What is for people: control characters in names are escaped on a terminal, and a run ends with a summary.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::system::{Place, Program, System, VERSION};
use depmod_tests::{product, terminal};

/// ESC, BEL, CR, DEL.
const CONTROLS: &str = "\x1b[2J\x07\r\x7f";

/// A root directory with index files by kmod that hold control characters in paths, names and aliases.
fn hostile(place: &Place) {
    let root = place.root();
    let name = format!("kernel/{CONTROLS}/b{CONTROLS}.ko");
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().need(format!("s{CONTROLS}")).modinfo(format!("alias=x{CONTROLS}y")))
        .module(name, Elf::new().export(format!("s{CONTROLS}"), Crc::Absolute(1)).modinfo("alias=other"))
        .module("kernel/c.ko", Elf::new().modinfo(format!("softdep=pre: d{CONTROLS}\u{9b}2J")))
        .lay_out(&root);
    let indexed = Program::Oracle.command().arg("-b").arg(&root).arg(VERSION).status().unwrap();
    assert!(indexed.success());
}

/// The questions: the command, and whether its output is for programs.
fn questions(root: &Path) -> Vec<(Vec<String>, bool)> {
    let root = root.to_str().unwrap();
    let directory = format!("{root}/lib/modules/{VERSION}");
    let at = ["-b", root, "-k", VERSION, "-C", "/dev/null"];
    let ask = |command: &str, words: &[&str], more: &[&str]| {
        [&[command][..], words, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let alias = format!("x{CONTROLS}y");
    let file = |name: &str| format!("{directory}/{name}");
    let classic = ["-b", root, "-C", "/dev/null", "-w", VERSION];
    vec![
        (ask("-n", &classic, &[]), true),
        (ask("-nv", &classic, &[]), true),
        (ask("lookup", &at, &["other", &alias]), true),
        (ask("lookup", &at, &["--format", "json", "other"]), false),
        (ask("dump", &[], &[&file("modules.alias.bin")]), true),
        (ask("dump", &[], &[&file("modules.dep.bin")]), true),
        (ask("dump", &[], &[&file("modules.dep")]), true),
        (ask("dump", &[], &["--format", "json", &file("modules.dep.bin")]), false),
        (ask("explain", &at, &["a"]), false),
        (ask("explain", &at, &["--long", &alias]), false),
        (ask("explain", &at, &["--format", "json", "a"]), false),
        (ask("plan", &at, &["a", "c", "other"]), false),
        (ask("plan", &at, &["--long", "a", "c", "other"]), false),
        (ask("plan", &at, &["--format", "json", "a"]), false),
        (ask("plan", &at, &["--format", "list", "a"]), true),
        (ask("plan", &at, &["--format", "modules-load", "a"]), true),
        (ask("plan", &at, &["--format", "dot", "a"]), true),
        (ask("diff", &[], &["--long", &directory, &format!("{root}/other")]), false),
        (ask("diff", &[], &["--format", "json", &directory, &format!("{root}/other")]), false),
        (ask("verify", &["-b", root, "-C", "/dev/null"], &["--long", VERSION]), false),
        (ask("verify", &["-b", root, "-C", "/dev/null"], &["--format", "json", VERSION]), false),
        (ask("--strict", &["-b", root, "-C", "/dev/null", "--no-write", "--long", VERSION], &[]), false),
    ]
}

/// The first control character that is no line end.
fn control(text: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(text);
    text.char_indices().find(|(_, c)| c.is_control() && *c != '\n').map(|(at, _)| at)
}

#[test]
fn names_reach_a_terminal_without_control_characters() {
    let place = Place::new();
    hostile(&place);
    let root = place.root();
    fs::create_dir(root.join("other")).unwrap();
    for entry in fs::read_dir(root.join("lib/modules").join(VERSION)).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            fs::write(root.join("other").join(entry.file_name()), "").unwrap();
        }
    }
    let mut exact = 0;
    for (words, for_programs) in questions(&root) {
        let piped = product::depmod().args(&words).stdin(Stdio::null()).output().unwrap();
        assert_eq!(control(&piped.stderr), None, "{words:?}: {}", piped.stderr.escape_ascii());
        if for_programs {
            exact += usize::from(control(&piped.stdout).is_some());
        } else {
            assert_eq!(control(&piped.stdout), None, "{words:?}: {}", piped.stdout.escape_ascii());
        }
        let line: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let line =
            format!("stty -onlcr; exec {} {} 2>/dev/null", product::binary().display(), line.join(" "));
        let mut terminal = Command::new("script");
        terminal.args(["-q", "-e", "-c", &line, "/dev/null"]).env("NO_COLOR", "1").env("LC_ALL", "C");
        let shown = terminal.stdin(Stdio::null()).output().unwrap();
        assert_eq!(shown.status.code(), piped.status.code(), "{words:?}: {}", shown.stdout.escape_ascii());
        assert_eq!(control(&shown.stdout), None, "{words:?}: {}", shown.stdout.escape_ascii());
        assert_eq!(shown.stdout.is_empty(), piped.stdout.is_empty(), "{words:?}");
    }
    assert!(exact >= 5, "only {exact} outputs have the bytes that programs want");
}

#[test]
fn a_verbose_run_ends_with_a_summary_for_people() {
    let place = Place::new();
    let root = place.root();
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().need("b_symbol"))
        .module("kernel/b.ko", Elf::new().export("b_symbol", Crc::Absolute(1)))
        .lay_out(&root);
    let base = root.to_str().unwrap();
    for (words, expected) in [
        (&["-v"][..], Some("2 modules, 11 files, ")),
        (&["-v", "--no-cache", "--keep-going"], Some("2 modules, 11 files, ")),
        (&["-nv"], Some("2 modules, nothing written, ")),
        (&[], None),
    ] {
        let words = [words, &["-b", base, "-C", "/dev/null", VERSION]].concat();
        let shown = terminal::depmod(&words);
        assert_eq!(shown.status, Some(0), "{}", shown.text);
        let last = shown.text.lines().last().unwrap_or_default();
        match expected {
            Some(expected) => {
                assert!(last.starts_with(&format!("depmod: {expected}")) && last.ends_with(" s"), "{last}");
            }
            None => assert_eq!(last, ""),
        }
        let piped = product::depmod().args(&words).output().unwrap();
        assert!(piped.stderr.is_empty(), "programs get kmod's lines alone");
        assert!(!String::from_utf8_lossy(&piped.stdout).contains("2 modules"));
        let script = [("DPKG_MAINTSCRIPT_NAME", "postinst")];
        let shown = terminal::depmod_with(&script, &words);
        assert!(!shown.text.contains(" 2 modules"), "scripts of packages are no people: {}", shown.text);
    }
}

#[test]
fn findings_end_with_what_to_do_for_people() {
    let place = Place::new();
    let root = place.root();
    System::new().complete().module("kernel/a.ko", Elf::new()).lay_out(&root);
    let base = root.to_str().unwrap();
    let words = ["verify", "-b", base, "-C", "/dev/null", VERSION];
    let shown = terminal::depmod(&words);
    assert_eq!(shown.status, Some(3), "{}", shown.text);
    let hint = "depmod verify --fix, with the same options, makes all index files anew";
    assert_eq!(shown.text.lines().last(), Some(hint), "{}", shown.text);
    let piped = product::depmod().args(words).output().unwrap();
    assert!(!String::from_utf8_lossy(&piped.stdout).contains("--fix"));
    let fixed = terminal::depmod(&[&words[..], &["--fix"]].concat());
    assert_eq!(fixed.status, Some(0), "{}", fixed.text);
    assert_eq!(terminal::depmod(&words).status, Some(0));
}
