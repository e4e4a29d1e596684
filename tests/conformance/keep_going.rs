//! `--keep-going`: the index of a module directory equals kmod's of the directory without the omitted modules.

use std::fs;
use std::process::Command;

use depmod_tests::debian;
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::outcome::Outcome;
use depmod_tests::product;
use depmod_tests::subset::Subset;
use depmod_tests::system::{Program, System, VERSION};

/// A file of the module directory.
type File = (&'static str, Vec<u8>);

/// A module that exports `NAME_symbol`, with an alias, and with its dependencies: as symbols, and in `depends=`.
fn module(path: &'static str, needs: &[&str], depends: &str) -> File {
    let name = path.rsplit('/').next().unwrap().trim_end_matches(".ko");
    let elf =
        Elf::new().export(format!("{name}_symbol"), Crc::Absolute(1)).modinfo(format!("alias=pci:{name}*"));
    let elf = needs.iter().fold(elf, |elf, need| elf.need(format!("{need}_symbol")));
    (path, elf.modinfo(format!("depends={depends}")).build())
}

/// A module of which the end is missing.
fn cut(path: &'static str) -> File {
    let (path, bytes) = module(path, &[], "");
    (path, bytes[..bytes.len() / 2].to_vec())
}

fn script(path: &'static str) -> File {
    (path, b"#!/bin/sh\n".to_vec())
}

fn system(files: &[File], omitted: &[(&str, &str)]) -> System {
    let mut system = System::new().complete().order(&["kernel/good.ko", "kernel/b.ko", "kernel/a.ko"]);
    for (path, bytes) in files {
        if !omitted.iter().any(|(omitted, _)| omitted == path) {
            system = system.file(path, bytes);
        }
    }
    system
}

/// Runs on all files; `left_out` are paths with reasons, in order. Returns our outcome.
#[track_caller]
fn check(files: &[File], left_out: &[(&str, &str)], options: &[&str]) -> Outcome {
    let (whole, rest) = (system(files, &[]), system(files, left_out));
    for show in [&["-n"][..], &[]] {
        let options = [options, show].concat();
        let expected = rest.run(Program::Oracle, &options);
        assert_eq!(expected.status.code(), Some(0), "{}", expected.stderr());
        for jobs in ["1", "3"] {
            let ours = whole.run(Program::Ours, &[&options[..], &["--keep-going", "--jobs", jobs]].concat());
            let status = if left_out.is_empty() { 0 } else { 4 };
            assert_eq!(ours.status.code(), Some(status), "{}", ours.stderr());
            assert_eq!(ours.written, expected.written, "{}", ours.stderr());
            assert_eq!(ours.stdout(), expected.stdout());
            let lines: Vec<String> =
                ours.stderr().lines().filter(|line| line.contains(" left out: ")).map(Into::into).collect();
            let reasons: Vec<String> = left_out
                .iter()
                .map(|(path, reason)| {
                    format!("depmod: WARNING: {{}}/lib/modules/{VERSION}/{path} left out: {reason}")
                })
                .collect();
            assert_eq!(lines, reasons, "{}", ours.stderr());
        }
    }
    whole.run(Program::Ours, &[options, &["--keep-going"]].concat())
}

#[test]
fn nothing_wrong_changes_nothing() {
    let files = [module("kernel/a.ko", &[], ""), module("kernel/b.ko", &["a"], "a")];
    check(&files, &[], &[]).expect(0, "").expect_outputs();
    check(&files, &[], &["-v"]).expect(0, "");
}

#[test]
fn unreadable_modules_and_their_users_are_left_out() {
    let files = [
        script("kernel/a.ko"),
        module("kernel/b.ko", &["a"], "a"),
        module("kernel/c.ko", &["b"], "b"),
        module("kernel/good.ko", &["other"], "other"),
        module("kernel/other.ko", &[], ""),
    ];
    let left_out = [
        ("kernel/a.ko", "could not be read"),
        ("kernel/b.ko", "needs a, which could not be read"),
        ("kernel/c.ko", "needs b, which is left out"),
    ];
    check(&files, &left_out, &[]).expect(
        4,
        "\
depmod: ERROR: failed to load symbols from {}/lib/modules/6.1.0/kernel/a.ko: Exec format error
depmod: WARNING: {}/lib/modules/6.1.0/kernel/a.ko left out: could not be read
depmod: WARNING: {}/lib/modules/6.1.0/kernel/b.ko left out: needs a, which could not be read
depmod: WARNING: {}/lib/modules/6.1.0/kernel/c.ko left out: needs b, which is left out
",
    );
    check(&files, &left_out, &["-v", "-w"]);
}

#[test]
fn users_are_known_from_depends_alone() {
    // The symbols of a cut module are not known, and `needs-nothing` has none of its own.
    let files = [
        cut("kernel/snd-hda.ko"),
        module("kernel/b.ko", &[], "zzz,snd-hda"),
        module("kernel/c.ko", &["b"], ""),
        module("kernel/good.ko", &[], ""),
    ];
    check(
        &files,
        &[
            ("kernel/snd-hda.ko", "could not be read"),
            ("kernel/b.ko", "needs snd_hda, which could not be read"),
        ],
        &[],
    );
}

#[test]
fn cycles_and_their_users_are_left_out() {
    let files = [
        module("kernel/a.ko", &["b"], "b"),
        module("kernel/b.ko", &["a", "below"], "a,below"),
        module("kernel/below.ko", &[], ""),
        module("kernel/user.ko", &["a"], ""),
        module("kernel/users.ko", &["user"], ""),
        module("kernel/self.ko", &["self"], "self"),
        module("kernel/good.ko", &["below"], "below"),
    ];
    let left_out = [
        ("kernel/b.ko", "is in a dependency cycle"),
        ("kernel/a.ko", "is in a dependency cycle"),
        ("kernel/self.ko", "is in a dependency cycle"),
        ("kernel/user.ko", "needs a, which is in a dependency cycle"),
        ("kernel/users.ko", "needs user, which is left out"),
    ];
    let run = check(&files, &left_out, &[]);
    for line in ["Cycle detected: self -> self", "Found 3 modules in dependency cycles!"] {
        assert_eq!(run.stderr().matches(line).count(), 1, "{}", run.stderr());
    }
    system(&files, &[]).run(Program::Ours, &[]).expect_untouched();
}

#[test]
fn cycles_of_what_remains_are_found_beside_unreadable_modules() {
    let files = [
        script("kernel/bad.ko"),
        module("kernel/a.ko", &["b"], "b"),
        module("kernel/b.ko", &["a"], "a"),
        module("kernel/c.ko", &["d"], "d"),
        module("kernel/d.ko", &["c"], "c,bad"),
        module("kernel/good.ko", &[], ""),
    ];
    check(
        &files,
        &[
            ("kernel/bad.ko", "could not be read"),
            ("kernel/d.ko", "needs bad, which could not be read"),
            ("kernel/c.ko", "needs d, which is left out"),
            ("kernel/b.ko", "is in a dependency cycle"),
            ("kernel/a.ko", "is in a dependency cycle"),
        ],
        &[],
    );
}

#[test]
fn another_file_with_the_name_takes_the_place() {
    let files = [
        module("updates/a.ko", &["b"], "b"),
        module("kernel/b.ko", &["a"], "a"),
        module("kernel/a.ko", &[], ""),
        module("kernel/good.ko", &["a"], "a"),
    ];
    let left_out =
        [("kernel/b.ko", "is in a dependency cycle"), ("updates/a.ko", "is in a dependency cycle")];
    let run = check(&files, &left_out, &[]);
    assert!(run.text("modules.dep").contains("kernel/good.ko: kernel/a.ko\n"));
}

#[test]
fn everything_wrong_gives_files_without_modules() {
    let files = [script("kernel/a.ko"), module("kernel/b.ko", &[], "a")];
    check(
        &files,
        &[("kernel/a.ko", "could not be read"), ("kernel/b.ko", "needs a, which could not be read")],
        &[],
    );
}

#[test]
fn a_fault_of_the_machine_still_ends_the_run() {
    let system = system(&[script("kernel/a.ko"), module("kernel/b.ko", &[], "a")], &[]);
    let mut faults = 0;
    for descriptors in 4..12 {
        let run = system.run_command(|root| {
            let mut command = Command::new("sh");
            command
                .args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"])
                .arg(product::binary());
            command.args(["--keep-going", "--jobs", "1", "-b"]).arg(root).arg(VERSION).env("LC_ALL", "C");
            command
        });
        if run.stderr().contains("Too many open files") {
            faults += 1;
            assert_eq!(run.status.code(), Some(1), "{}", run.stderr());
            run.expect_untouched();
        } else {
            assert_eq!(run.status.code(), Some(4), "{}", run.stderr());
        }
    }
    assert!(faults > 0);
}

#[test]
fn strict_checks_all_modules_and_tells_what_was_left_out() {
    let files = [
        script("kernel/bad.ko"),
        module("kernel/user.ko", &[], "bad"),
        module("kernel/a.ko", &["b"], "b"),
        module("kernel/b.ko", &["a"], "a"),
        module("kernel/good.ko", &[], ""),
    ];
    let system = system(&files, &[]);
    let options = ["--keep-going", "--strict=corrupt,cycle", "--format", "json"];
    let run = system.run(Program::Ours, &options);
    assert_eq!(run.status.code(), Some(4), "{}", run.stderr());
    assert_eq!(run.text("modules.dep"), "kernel/good.ko:\n");
    let answer: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let of = |list: &str, field: &str| -> Vec<String> {
        let list = answer[list].as_array().unwrap();
        list.iter().map(|object| object[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("findings", "kind"), ["corrupt", "cycle"]);
    assert_eq!(of("left_out", "module"), ["bad", "user", "b", "a"]);
    assert_eq!(of("left_out", "kind"), ["unreadable", "needs", "cycle", "cycle"]);
    assert_eq!(of("left_out", "message")[1], "needs bad, which could not be read");
    // Without a defect, the status is that of the checks.
    let run = self::system(&files[4..], &[]).run(Program::Ours, &options);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
}

#[test]
fn single_files_and_quick_runs_are_refused() {
    let system = system(&[module("kernel/good.ko", &[], "")], &[]);
    let file = format!("{{}}/lib/modules/{VERSION}/kernel/good.ko");
    let run = system.run_raw(Program::Ours, &["-b", "{}", "--keep-going", VERSION, &file]);
    run.expect(1, "depmod: FATAL: --keep-going is for whole module directories, not for FILEs\n");
    run.expect_untouched();
    let run = system.run(Program::Ours, &["--keep-going", "-A"]);
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn all_kernels_have_the_worst_status() {
    let path = |version: &str| format!("lib/modules/{version}/kernel/a.ko");
    let system = System::bare()
        .root_file(&path("6.1"), Elf::new().build())
        .root_file(&path("6.2"), "no module")
        .root_file(&path("6.3"), Elf::new().build());
    let run = system.run_raw(Program::Ours, &["-b", "{}", "--all-kernels", "--keep-going"]);
    assert_eq!(run.status.code(), Some(4), "{}", run.stderr());
    let line = "depmod: WARNING: 6.2: {}/lib/modules/6.2/kernel/a.ko left out: could not be read\n";
    assert!(run.stderr().contains(line), "{}", run.stderr());
}

/// A damaged module in the middle of a real kernel's dependencies.
#[test]
fn a_real_kernel_without_a_library() {
    let kernel = debian::kernel("bookworm-cloud-amd64").unwrap();
    let whole = Subset::whole(&kernel).unwrap();
    let bad = whole.modules().join("kernel/drivers/virtio/virtio_ring.ko");
    fs::remove_file(&bad).unwrap();
    fs::write(&bad, b"damaged").unwrap();
    let depmod = |mut program: Command, options: &[&str]| {
        let run = program.arg("-b").arg(whole.root()).args(options).arg(&kernel.version).output().unwrap();
        (run.status.code(), String::from_utf8(run.stderr).unwrap(), String::from_utf8(run.stdout).unwrap())
    };
    let (status, said, shown) = depmod(product::depmod(), &["-n", "--keep-going"]);
    assert_eq!(status, Some(4), "{said}");
    let left_out: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("depmod: WARNING: ")?.split_once(" left out: "))
        .map(|(path, _)| path)
        .collect();
    assert!(left_out.iter().any(|path| path.ends_with("/virtio_blk.ko")), "{said}");
    assert!(left_out.len() > 10 && left_out[0].ends_with("/virtio_ring.ko"), "{said}");
    left_out.iter().for_each(|path| fs::remove_file(path).unwrap());
    let oracle = depmod_tests::oracle::Oracle::get().tool("depmod");
    let (status, _, expected) = depmod(oracle, &["-n"]);
    assert_eq!(status, Some(0));
    assert!(shown == expected, "the files differ");
}
