use std::process::Command;

use depmod_tests::compress::Format;
use depmod_tests::elf_builder::{Class, Crc, Elf, KINDS, RawSymbol};
use depmod_tests::outcome::{OUTPUTS, Outcome};
use depmod_tests::product;
use depmod_tests::system::{Program, System, VERSION};

/// A module whose symbols need some kilobytes of output.
fn bulky() -> Elf {
    (0..300).fold(Elf::new(), |elf, n| elf.export(format!("a_symbol_of_some_length_{n}"), Crc::Absolute(n)))
}

/// A module directory with a complete set of outputs, each with a recognisable comment.
fn indexed(system: System) -> System {
    OUTPUTS.iter().fold(system, |system, name| system.file(name, format!("# old {name}\n")))
}

fn sh(script: &str, system: &System) -> Outcome {
    system.run_command(|root| {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(product::binary());
        command.arg("-b").arg(root).arg("-C").arg(root.join("depmod.d")).arg(VERSION).env("LC_ALL", "C");
        command
    })
}

#[test]
fn b1_output_directory_that_cannot_be_written_exits_with_1() {
    // No user, including root, can create files there.
    let run = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new())
        .root_link("out/lib/modules/6.1.0", "/proc/self/task")
        .run(Program::Ours, &["-o", "{}/out"]);
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr());
    assert!(run.stderr().contains("/out/lib/modules/6.1.0"), "{}", run.stderr());
    run.expect_untouched();
}

#[test]
fn b2_disk_full_keeps_the_old_files() {
    // A file size limit of 4 or 8 KiB simulates a full disk; the signal is ignored, so that writes fail with
    // an error.
    let system = indexed(System::new().complete().module("kernel/a.ko", bulky()));
    let run = sh("trap '' XFSZ; ulimit -f 8; exec \"$@\"", &system);
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr());
    assert!(run.stderr().contains("depmod: "), "{}", run.stderr());
    run.expect_untouched();
}

#[test]
fn b3_byte_above_127_is_reported_before_anything_is_replaced() {
    for (what, system) in [
        ("alias", System::new().module("kernel/a.ko", Elf::new().modinfo(b"alias=caf\xc3\xa9"))),
        ("symbol", System::new().module("kernel/a.ko", Elf::new().export(b"s\xff", Crc::Absolute(1)))),
        ("module name", System::new().module(b"kernel/caf\xc3\xa9.ko", Elf::new())),
        ("directory", System::new().module(b"kernel/\xfe/a.ko", Elf::new())),
        ("built-in alias", System::new().file("modules.builtin.modinfo", b"a.alias=\x80\0")),
    ] {
        let system = indexed(system.complete());
        let oracle = system.run(Program::Oracle, &[]);
        let ours = system.run(Program::Ours, &[]);
        assert_eq!(ours.stderr(), oracle.stderr(), "{what}");
        assert_eq!(ours.status.code(), Some(1), "{what}");
        ours.expect_untouched();
    }
}

#[test]
fn b3_dry_runs_succeed() {
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().modinfo(b"alias=caf\xc3\xa9"))
        .assert_same(&["-n"]);
}

#[test]
fn b4_output_that_cannot_be_replaced_leaves_all_files_unchanged() {
    let system = indexed(System::new().complete().module("kernel/a.ko", bulky()));
    // A directory with the name of an output.
    for name in ["modules.dep", "modules.symbols.bin", "modules.devname"] {
        let system = System::new()
            .complete()
            .module("kernel/a.ko", bulky())
            .file("modules.alias", "old")
            .file(format!("{name}/inside"), "");
        let run = system.run(Program::Ours, &[]);
        assert_eq!(run.status.code(), Some(1), "{}", run.stderr());
        assert!(run.stderr().contains(name), "{}", run.stderr());
        run.expect_untouched();
    }
    system.run(Program::Ours, &[]).expect(0, "").expect_outputs();
}

#[test]
fn b6_cycle_leaves_all_files_unchanged() {
    let elf = Elf::new().export("s", Crc::Absolute(1)).need("s");
    let system = indexed(System::new().complete().module("kernel/a.ko", elf));
    let run = system.assert_same(&[]);
    run.expect_untouched();
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn b7_unterminated_version_name_that_nothing_uses_loses_the_needs_with_a_warning() {
    for (class, order) in KINDS {
        let width = if class == Class::Elf64 { 56 } else { 60 };
        let system = System::new()
            .complete()
            .module("kernel/a.ko", Elf::of(class, order).export("x", Crc::Absolute(1)))
            .module("kernel/b.ko", Elf::of(class, order).need("x").version_raw(1, "y".repeat(width)));
        warns_about_discarded_needs(&system, "b");
    }
}

#[test]
fn b8_undefined_symbol_with_a_bad_name_loses_the_needs_with_a_warning() {
    for (class, order) in KINDS {
        let bad = RawSymbol { name: 1 << 20, info: 0x10, section: 0, value: 0 };
        let system = System::new()
            .complete()
            .module("kernel/a.ko", Elf::of(class, order).export("x", Crc::Absolute(1)))
            .module("kernel/b.ko", Elf::of(class, order).need("x").raw_symbol(bad));
        warns_about_discarded_needs(&system, "b");
    }
}

/// kmod's files, and an additional warning.
#[track_caller]
fn warns_about_discarded_needs(system: &System, module: &str) {
    let oracle = system.run(Program::Oracle, &[]);
    let ours = system.run(Program::Ours, &[]);
    oracle.expect(0, "");
    assert!(ours.text("modules.dep").contains(&format!("kernel/{module}.ko:\n")));
    assert_eq!(ours.status.code(), Some(0));
    for name in OUTPUTS {
        assert_eq!(ours.output(name), oracle.output(name), "{name}");
    }
    let warning = format!("depmod: WARNING: {{}}/lib/modules/6.1.0/kernel/{module}.ko ");
    assert!(ours.stderr().starts_with(&warning), "{}", ours.stderr());
    assert_eq!(ours.stderr().lines().count(), 1);
}

#[test]
fn b9_missing_symbol_table_is_silent() {
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().modinfo("alias=x").need("y").omit(".strtab"))
        .module("kernel/b.ko", Elf::new().modinfo("alias=z").need("y").omit(".symtab"))
        .assert_same(&[])
        .expect(0, "");
}

#[test]
fn b10_truncated_gzip_is_an_unreadable_module() {
    let whole = Format::Gz.compress(&bulky().modinfo("alias=x").build());
    let run = System::new()
        .complete()
        .file("kernel/a.ko.gz", &whole[..whole.len() - 4])
        .module("kernel/b.ko", Elf::new())
        .run(Program::Ours, &[]);
    assert_eq!(run.status.code(), Some(0));
    assert!(run.stderr().contains("depmod: ERROR: gzip: "), "{}", run.stderr());
    assert!(run.stderr().contains("failed to load symbols from {}/lib/modules/6.1.0/kernel/a.ko.gz: "));
    assert!(!run.text("modules.alias").contains("alias x"));
    assert!(run.text("modules.dep").contains("kernel/a.ko.gz:\n"));
}

#[test]
fn b11_zstd_with_several_frames_or_without_a_size_is_accepted() {
    let plain = bulky().modinfo("alias=x").build();
    let (head, tail) = plain.split_at(1000);
    let frames = [Format::Zst.compress(head), Format::Zst.compress(tail)].concat();
    // Without a size: a frame from a pipe, whose length the encoder cannot know.
    let unsized_frame = {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &plain).unwrap();
        let pipe = format!("cat {} | zstd -q -c", file.path().display());
        Command::new("sh").args(["-c", &pipe]).output().unwrap().stdout
    };
    let reference =
        System::new().complete().file("kernel/a.ko.zst", Format::Zst.compress(&plain)).assert_same(&[]);
    for content in [frames, unsized_frame] {
        let run = System::new().complete().file("kernel/a.ko.zst", content).run(Program::Ours, &[]);
        run.expect(0, "");
        assert_eq!(run.written, reference.written);
    }
}

#[test]
fn b13_long_alias_is_truncated_only_in_the_index() {
    let long = "x".repeat(6000);
    let run = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().modinfo(format!("alias={long}")))
        .assert_same(&[]);
    assert!(run.text("modules.alias").contains(&long));
    assert!(!String::from_utf8_lossy(run.output("modules.alias.bin")).contains(&long));
}

#[test]
fn c12_old_outputs_are_not_parsed() {
    // kmod parses its own modules.softdep and reports its line.
    let system = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().modinfo("softdep="))
        .file("modules.softdep", "softdep a \nsoftdep\n");
    assert!(system.run(Program::Oracle, &[]).stderr().contains("libkmod: ERROR"));
    system.run(Program::Ours, &[]).expect(0, "");
}

#[test]
fn b5_concurrent_runs_leave_one_complete_set() {
    let place = depmod_tests::system::Place::new();
    let root = place.root();
    System::new().complete().module("kernel/a.ko", bulky()).lay_out(&root);
    let spawn = || {
        let mut command = product::depmod();
        command.arg("-b").arg(&root).arg("-C").arg(root.join("depmod.d")).arg(VERSION);
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..8).map(|_| spawn()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut names: Vec<String> = std::fs::read_dir(root.join("lib/modules").join(VERSION))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let inputs = ["kernel", "modules.order", "modules.builtin", "modules.builtin.modinfo"];
    let mut expected: Vec<&str> = OUTPUTS.into_iter().chain(inputs).collect();
    expected.sort_unstable();
    assert_eq!(names, expected, "no temporary or lock file remains");
}
