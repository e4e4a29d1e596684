use std::fs;
use std::path::Path;
use std::process::Command;

use depmod_tests::compress::Format;
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::outcome::OUTPUTS;
use depmod_tests::random::Random;
use depmod_tests::system::{Place, Program, System, VERSION};
use depmod_tests::{apt, product};

/// Modules that need each other.
fn system() -> System {
    (0..60u64).fold(System::new().complete(), |system, number| {
        let elf = Elf::new().export(format!("symbol_{number}"), Crc::Absolute(number));
        let elf = elf.need(format!("symbol_{}", number / 2)).modinfo(format!("alias=pci:v{number}*"));
        let elf = if number == 0 { Elf::new().export("symbol_0", Crc::Absolute(0)) } else { elf };
        system.module(format!("kernel/d{}/m{number}.ko", number % 7), elf)
    })
}

fn indexed(system: System) -> System {
    OUTPUTS.iter().fold(system, |system, name| system.file(name, format!("# old {name}\n")))
}

/// A shell line in which `"$@"` is our command on a system.
fn sh(line: &str, options: &'static [&'static str]) -> impl Fn(&Path) -> Command {
    let line = line.to_owned();
    move |root| {
        let mut command = Command::new("sh");
        command.args(["-c", &line, "sh"]).arg(product::binary()).args(options).arg("-b").arg(root);
        command.arg("-C").arg(root.join("depmod.d")).arg(VERSION).env("LC_ALL", "C");
        command.env_remove("RUST_BACKTRACE");
        command
    }
}

#[test]
fn ten_descriptors_are_enough() {
    let expected = system().run(Program::Oracle, &[]);
    for system in [system(), indexed(system())] {
        for options in [&["--jobs=1"][..], &["--jobs=2"]] {
            let run = system.run_command(sh("ulimit -n 10; exec \"$@\"", options));
            assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
            for name in OUTPUTS {
                assert_eq!(run.output(name), expected.output(name), "{name}");
            }
        }
    }
}

#[test]
fn without_memory_nothing_is_replaced() {
    const LINES: [&str; 4] = [
        "ulimit -v 11000; exec timeout -s KILL 60 \"$@\"",
        "ulimit -v 13000; exec timeout -s KILL 60 \"$@\"",
        "ulimit -v 15000; exec timeout -s KILL 60 \"$@\"",
        "ulimit -v 17000; exec timeout -s KILL 60 \"$@\"",
    ];
    let large: String =
        (0..40_000).map(|number| format!("alias=of:N*T*Cvendor,device-{number:06}\0")).collect();
    let system = indexed(system().module("kernel/large.ko", Elf::new().modinfo_raw(large)));
    let mut failed = 0;
    for line in LINES {
        // Backtraces need memory, too.
        let run = system.run_command(|root| {
            let mut command = sh(line, &["--jobs=1"])(root);
            command.env("RUST_BACKTRACE", "1");
            command
        });
        // 127: the dynamic linker has too little memory.
        assert!([Some(0), Some(1), Some(127)].contains(&run.status.code()), "{line}: {:?}", run.status);
        if run.status.code() != Some(0) {
            assert!(!run.stderr().is_empty());
            run.expect_untouched();
        }
        failed += usize::from(run.status.code() == Some(1));
    }
    assert!(failed > 0, "no line has too little memory for a run and enough for a start");
}

/// The largest modules of real kernels have 30 MiB.
#[test]
fn little_memory_is_enough_for_large_compressed_modules() {
    let mut random = Random::new(30);
    // A file that is small, too, would be decoded in pieces in any case.
    let mut code: Vec<u8> = (0..1 << 20).map(|_| random.below(256) as u8).collect();
    code.resize(30 << 20, 0);
    let large =
        Elf::new().export("symbol", Crc::Absolute(1)).modinfo("alias=large").section("text", code).build();
    for format in [Format::Xz, Format::Zst] {
        let name = format!("kernel/large.ko{}", format.suffix());
        let system = system().file(&name, format.compress(&large));
        let expected = system.run(Program::Ours, &[]);
        let run = system.run_command(sh("ulimit -v 32768; exec \"$@\"", &["--jobs=1"]));
        assert_eq!((run.status.code(), &*run.stderr()), (Some(0), ""), "{format:?}");
        for name in OUTPUTS {
            assert_eq!(run.output(name), expected.output(name), "{format:?}: {name}");
        }
    }
}

#[test]
fn file_systems_that_cannot_sync_set_modes_or_set_times_are_used() {
    apt::install(&["strace"]).unwrap();
    let expected = system().run(Program::Oracle, &[]);
    for line in [
        "exec strace -fo /dev/null -e inject=fchmod,fchmodat:error=EPERM \"$@\"",
        "exec strace -fo /dev/null -e inject=fsync,fdatasync:error=EOPNOTSUPP \"$@\"",
        "exec strace -fo /dev/null -e inject=fsync,fdatasync:error=EINVAL \"$@\"",
        "exec strace -fo /dev/null -e inject=fsync,fdatasync:error=EROFS \"$@\"",
        "exec strace -fo /dev/null -e inject=fsync,fdatasync:error=EPERM \"$@\"",
        "exec strace -fo /dev/null -e inject=utimensat:error=EPERM \"$@\"",
        "exec strace -fo /dev/null -e inject=flock:error=ENOLCK \"$@\"",
        "exec strace -fo /dev/null -e inject=renameat2:error=EINVAL \"$@\"",
    ] {
        for system in [system(), indexed(system())] {
            let run = system.run_command(sh(line, &[]));
            assert_eq!((run.status.code(), &*run.stderr()), (Some(0), ""), "{line}");
            for name in OUTPUTS {
                assert_eq!(run.output(name), expected.output(name), "{line}: {name}");
            }
        }
    }
    let line = "exec strace -fo /dev/null -e inject=fsync,fdatasync:error=EIO \"$@\"";
    let run = indexed(system()).run_command(sh(line, &[]));
    assert_eq!(run.status.code(), Some(1), "an error of the disk is one: {}", run.stderr());
    run.expect_untouched();
}

/// Whether a failed run said why in one line.
fn said_once(stderr: &str) -> bool {
    stderr.lines().count() == 1 && stderr.ends_with('\n')
}

#[test]
fn too_few_descriptors_are_one_failure_and_change_nothing() {
    let expected = system().run(Program::Oracle, &[]);
    let old = indexed(system());
    let mut failed = 0;
    for descriptors in 3..10 {
        let run = old.run_command(sh(&format!("ulimit -n {descriptors}; exec \"$@\""), &["--jobs=1"]));
        match run.status.code() {
            Some(0) => OUTPUTS.iter().for_each(|name| assert_eq!(run.output(name), expected.output(name))),
            code => {
                // 127: the dynamic linker has too few for the libraries.
                assert!([Some(1), Some(127)].contains(&code), "{descriptors}: {code:?}");
                assert!(said_once(&run.stderr()), "{descriptors}: {}", run.stderr());
                run.expect_untouched();
                failed += usize::from(code == Some(1));
            }
        }
    }
    assert!(failed > 0, "no number is too small for a run and enough for a start");
}

#[test]
fn pack_with_too_few_descriptors_keeps_the_old_archive() {
    let place = Place::new();
    let root = place.root();
    system().lay_out(&root);
    let archive = root.join("modules.cpio");
    let pack = |descriptors: u32| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"]).arg(product::binary());
        command.args(["pack", "-C", "/dev/null", "-k", VERSION, "-b"]).arg(&root).arg("-o").arg(&archive);
        command.env("LC_ALL", "C").env_remove("RUST_BACKTRACE").output().unwrap()
    };
    assert!(pack(100).status.success());
    let new = fs::read(&archive).unwrap();
    let mut failed = 0;
    for descriptors in 3..12 {
        fs::write(&archive, "old").unwrap();
        let output = pack(descriptors);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = match output.status.code() {
            Some(0) => &new[..],
            code => {
                assert!([Some(1), Some(127)].contains(&code), "{descriptors}: {code:?}");
                assert!(said_once(&stderr), "{descriptors}: {stderr}");
                failed += usize::from(code == Some(1));
                b"old"
            }
        };
        assert!(fs::read(&archive).unwrap() == expected, "{descriptors}: {stderr}");
        let left = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!left.into_iter().any(|name| name.to_string_lossy().contains("depmod-new")), "{descriptors}");
    }
    assert!(failed > 0, "no number is too small for a run and enough for a start");
}

#[test]
fn where_nothing_changes_times_need_not_be_set() {
    apt::install(&["strace"]).unwrap();
    let line = "\"$@\" && exec strace -fo /dev/null -e inject=utimensat:error=EPERM \"$@\"";
    let run = system().run_command(sh(line, &["--no-cache"]));
    run.expect(0, "");
}

#[test]
fn errors_of_the_disk_while_something_is_read_are_one_failure() {
    apt::install(&["strace"]).unwrap();
    let reading = "read,pread64,readv,preadv,getdents64";
    for (name, calls) in [
        ("kernel/d1/m1.ko", reading),
        ("kernel/d3", reading),
        ("modules.order", reading),
        ("modules.builtin", reading),
        ("modules.builtin.modinfo", reading),
        ("kernel/d1/m1.ko", "openat"),
    ] {
        // Words 2 and 3 of the command: `-b` and the root.
        let path = format!("\"$3/lib/modules/{VERSION}/{name}\"");
        let line = format!("exec strace -fo /dev/null -P {path} -e inject={calls}:error=EIO \"$@\"");
        let run = indexed(system().order(&[])).run_command(sh(&line, &[]));
        assert_eq!(run.status.code(), Some(1), "{name}: {}", run.stderr());
        assert!(said_once(&run.stderr()), "{name}: {}", run.stderr());
        assert!(
            run.stderr().contains(name) && run.stderr().contains("Input/output error"),
            "{}",
            run.stderr()
        );
        run.expect_untouched();
    }
}
