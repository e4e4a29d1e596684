use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::system::{Place, Program, System, VERSION};
use depmod_tests::terminal;

/// Two modules, the first of which needs the second.
fn pair() -> System {
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().need("b_symbol").modinfo("alias=x-y").modinfo("alias=x_y"))
        .module("kernel/b.ko", Elf::new().export("b_symbol", Crc::Absolute(1)))
}

#[test]
fn all_spellings_of_options_are_accepted() {
    for args in [
        &["-b", "{}", "-C", "{}/depmod.d", VERSION][..],
        &["-b{}", "-C{}/depmod.d", "-a", VERSION],
        &["--basedir", "{}", "--config", "{}/depmod.d", "--all", VERSION],
        &["--basedir={}", "--config={}/depmod.d", VERSION],
        &["--base={}", "--conf={}/depmod.d", "--verb", "--w", VERSION],
        &[VERSION, "-b", "{}", "-wC", "{}/depmod.d", "-v"],
        &["-vwb{}", "-C{}/depmod.d", "--", VERSION],
        &["-b", "/nowhere", "-b", "{}", "-C", "{}/depmod.d", VERSION],
        &["-nb{}", "-C{}/depmod.d", VERSION],
        &["--show", "-b{}", "-C{}/depmod.d", VERSION],
        &["--dry-run", "-b{}", "-C{}/depmod.d", VERSION],
        &["--dry", "--quick", "-b{}", "-C{}/depmod.d", VERSION],
        &["-b", "{}/", "-C", "{}/depmod.d", VERSION],
    ] {
        let run = pair().assert_same_raw(args);
        assert_eq!(run.status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn a_dry_run_prints_the_text_files_and_writes_nothing() {
    let run = pair().assert_same(&["-n", "-v"]);
    run.expect_untouched();
    assert!(run.stdout().contains("kernel/a.ko: kernel/b.ko\n"));
    // The output directory is not accessed.
    pair().assert_same(&["-n", "-o", "/proc/self/nowhere"]).expect(0, "");
}

#[test]
fn usage_errors_exit_with_1_as_in_kmod() {
    for args in [
        &["-x"][..],
        &["--foo"],
        &["-b"],
        &["--config"],
        &["--all=yes"],
        &["--s"],
        &["-P", "ab", VERSION],
        &["-P", "", VERSION],
        &["-x", "-V"],
        &["nonsense"],
    ] {
        let run = pair().run_raw(Program::Ours, args);
        assert_eq!(run.status.code(), Some(1), "{args:?}: {}", run.stderr());
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{args:?}");
    }
    pair().assert_same(&["-P", "ab"]).expect(1, "depmod: FATAL: -P only takes a single char\n");
    pair().assert_same(&["-P", ""]).expect(1, "depmod: FATAL: -P only takes a single char\n");
}

#[test]
fn version_and_help_precede_other_options() {
    for args in [&["-V"][..], &["--version"], &["-V", "-x"], &["-h"], &["--help"], &["-b", "/nowhere", "-V"]]
    {
        let run = pair().run_raw(Program::Ours, args);
        assert_eq!(run.status.code(), Some(0), "{args:?}: {}", run.stderr());
        assert!(run.stdout().contains("depmod") && run.stderr.is_empty(), "{args:?}: {}", run.stdout());
    }
}

#[test]
fn the_first_operand_must_be_a_version() {
    for word in ["foo", "/abs/x.ko", "5", "5.", ".5", "v5.1", "5,1"] {
        let run = pair().assert_same_raw(&["-b", "{}", "-C", "{}/depmod.d", word]);
        run.expect(1, &format!("depmod: ERROR: Bad version passed {word}\n"));
    }
    for word in ["6.1.0/", "6.1.0/../6.1.0", "7.0"] {
        pair().assert_same_raw(&["-b", "{}", "-C", "{}/depmod.d", word]);
    }
}

#[test]
fn unreadable_directories_are_reported_like_missing_ones() {
    let long = format!("6.1.{}", "0".repeat(300));
    let run = pair().assert_same_raw(&["-b", "{}", "-C", "{}/depmod.d", &long]);
    assert!(run.stderr().contains("FATAL: could not search modules: File name too long"), "{}", run.stderr());
}

#[test]
fn directories_as_symvers_or_map_have_no_symbols() {
    pair().assert_same(&["-F", "{}"]);
    pair().assert_same(&["-e", "-E", "{}"]);
}

#[test]
fn explicitly_named_files_may_be_slow_pipes() {
    let texts = ["0x0 gone vmlinux EXPORT_SYMBOL", "0 r __ksymtab_gone", "search updates"];
    for (option, text) in ["-E", "-F", "-C"].into_iter().zip(texts) {
        let slowly = "(sleep 0.2; echo \"$TEXT\"; sleep 0.2; echo \"$TEXT\")";
        for (named, line) in [
            ("/dev/stdin", format!("{slowly} | \"$@\"")),
            ("fifo", format!("mkfifo fifo; {slowly} >fifo & exec \"$@\"")),
        ] {
            let system = System::new().complete().module("kernel/a.ko", Elf::new().need("gone"));
            let run = system.run_command(|root| {
                let mut shell = Command::new("sh");
                shell.args(["-c", &line, "sh"]).arg(Program::Ours.command().get_program());
                shell.args(["-b", ".", option, named, VERSION]).args((option != "-C").then_some("-e"));
                shell.env("TEXT", text).env("LC_ALL", "C").current_dir(root);
                shell
            });
            run.expect(0, "");
        }
    }
}

#[test]
fn runs_succeed_without_additional_threads() {
    let run = pair().run_command(|root| {
        // Limits do not apply to root, so another user runs a copy in an accessible directory.
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(root.parent().unwrap(), all).unwrap();
        fs::copy(depmod_tests::product::binary(), root.join("depmod")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -u 1; exec setpriv --reuid 65534 --clear-groups \"$@\"", "sh"]);
        command.arg(root.join("depmod")).args(["--jobs", "100", "-n", "-b"]).arg(root).arg(VERSION);
        command
    });
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
    assert!(run.stdout().contains("kernel/a.ko: kernel/b.ko\n"), "{}", run.stderr());
}

#[test]
fn input_and_output_directories_are_as_in_kmod() {
    let args = |middle: &[&'static str]| [&["-b", "{}", "-C", "{}/depmod.d"], middle, &[VERSION]].concat();
    pair().assert_same_raw(&args(&["-o", "{}/out/deep/er"]));
    pair().assert_same_raw(&args(&["-o", "{}"]));
    pair().assert_same_raw(&args(&["-m", "lib/modules"]));
    pair().assert_same_raw(&args(&["-m", "//lib/modules"]));
    let moved = System::bare()
        .root_file("usr/lib/modules/6.1.0/kernel/a.ko", Elf::new().modinfo("alias=x").build())
        .root_file("7.0/kernel/b.ko", Elf::new().modinfo("alias=y").build());
    moved.assert_same_raw(&args(&["-m", "/usr/lib/modules"]));
    moved.assert_same_raw(&args(&["-m", "usr/lib/modules", "-o", "{}/out"]));
    moved.assert_same_raw(&["-b", "{}", "-C", "{}/depmod.d", "-m", "", "7.0"]);
}

#[test]
fn overlong_paths_are_errors() {
    let long = format!("{{}}/{}", "d/".repeat(2100));
    for option in ["-b", "-o"] {
        let run = pair().assert_same_raw(&["-C", "{}/depmod.d", option, &long, VERSION]);
        assert_eq!(run.status.code(), Some(1));
        assert!(run.stderr().ends_with(": path too long\n"), "{}", run.stderr());
    }
}

#[test]
fn a_relative_base_directory_is_below_the_current_one() {
    for base in ["root", "./root", "root/../root"] {
        pair().assert_same_command(|program, root| {
            let mut command = program.command();
            let above = root.parent().unwrap();
            command.current_dir(above).args(["-v", "-b", base, "-C", "root/depmod.d", VERSION]);
            command
        });
    }
}

#[test]
fn uncreatable_output_directories_are_errors() {
    let system = pair().root_file("file", "");
    let run = system.assert_same(&["-o", "{}/file"]);
    let text = "depmod: FATAL: could not create directory {}/file/lib/modules/6.1.0: Not a directory\n";
    run.expect(1, text).expect_untouched();
    let system = pair().root_file("out/lib/modules/6.1.0", "");
    let run = system.run(Program::Ours, &["-o", "{}/out"]);
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr());
    assert!(run.stderr().starts_with("depmod: FATAL: could not "), "{}", run.stderr());
    run.expect_untouched();
}

#[test]
fn relative_paths_without_a_current_directory_are_errors() {
    for option in ["-b", "-o"] {
        pair().assert_same_command(|program, root| {
            let mut shell = Command::new("sh");
            shell.args(["-c", "mkdir \"$0\"; cd \"$0\"; rmdir \"$0\"; exec \"$@\""]).arg(root.join("gone"));
            let depmod = program.command();
            shell.arg(depmod.get_program()).args(depmod.get_args()).env("LC_ALL", "C");
            shell.args([option, "relative", VERSION]);
            shell
        });
    }
}

#[test]
fn errsyms_alone_is_a_warning() {
    pair().assert_same(&["-e"]).expect(0, "depmod: WARNING: -e needs -E or -F\n").expect_outputs();
}

#[test]
fn file_operands_limit_the_index_to_these_files() {
    let dir = "{}/lib/modules/6.1.0/kernel";
    let (a, b) = (format!("{dir}/a.ko"), format!("{dir}/b.ko"));
    let args = |files: &[&str]| -> Vec<String> {
        let words = [&["-b", "{}", "-C", "{}/depmod.d", "-v", VERSION], files].concat();
        words.into_iter().map(str::to_owned).collect()
    };
    let same = |system: System, files: &[&str]| {
        let args = args(files);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        system.assert_same_raw(&args)
    };
    let run = same(pair(), &[&b, &a]);
    assert_eq!(run.text("modules.dep").lines().count(), 2);
    let run = same(pair(), &[&a]);
    assert_eq!(run.text("modules.dep"), "kernel/a.ko:\n");
    same(pair().order(&["kernel/b.ko", "kernel/a.ko"]), &[&a, &b]);
    same(pair().root_file("elsewhere/x.ko", Elf::new().need("b_symbol").build()), &["{}/elsewhere/x.ko", &b]);
    same(pair().root_file("passwd", "root:x:0:0::/root:/bin/sh\n"), &["{}/passwd", &a]);
    same(pair(), &["-a", &a]);
    same(pair(), &["relative.ko"])
        .expect(1, "depmod: FATAL: relative.ko: not absolute path.\n")
        .expect_untouched();
    same(pair(), &["{}/nowhere.ko"])
        .expect(1, "depmod: FATAL: could not create module {}/nowhere.ko: No such file or directory\n");
    for path in ["/", "{}/", "{}/lib/modules/6.1.0/", "{}/lib/modules/6.1.0/kernel//"] {
        let text = format!("depmod: FATAL: could not create module {path}: No such file or directory\n");
        same(pair(), &[path]).expect(1, &text).expect_untouched();
        same(pair(), &[&a, path]).expect(1, &text).expect_untouched();
    }
    same(pair(), &[&format!("{a}/")]).expect_untouched();
    same(pair(), &[&a, &a]);
    let run = same(pair().root_file("a.ko", Elf::new().build()), &[&a, "{}/a.ko"]);
    assert!(run.stderr().contains("already exists with different path"), "{}", run.stderr());
    // Configuration is not read.
    same(pair().config("exclude a.ko\nnonsense\n"), &[&a, &b]);
    same(pair().root_file("dir/x", ""), &["{}/dir"]);
}

#[test]
fn quick_mode_does_nothing_without_newer_modules() {
    for program in [Program::Oracle, Program::Ours] {
        let place = Place::new();
        let root = place.root();
        pair().lay_out(&root);
        let run = |extra: &[&str]| {
            let mut command = program.command();
            command.arg("-b").arg(&root).arg("-C").arg(root.join("depmod.d")).args(extra).arg(VERSION);
            depmod_tests::system::observe(&root, command)
        };
        let modules = root.join("lib/modules").join(VERSION);
        let touch = |path: &str, when: &str| {
            let status = Command::new("touch").args(["-d", when]).arg(modules.join(path)).status();
            assert!(status.unwrap().success());
        };
        // Without an index, the directory is out of date.
        let first = run(&["-A"]);
        assert!(first.stderr().contains("fstatat(") && first.stderr().contains("modules.dep): "));
        first.expect_outputs();
        run(&["-A"]).expect(0, "").expect_untouched();
        // kmod does not notice removed modules. A newer one is noticed, even if it is excluded.
        touch("kernel/a.ko", "2001-01-01");
        run(&["-A"]).expect(0, "").expect_untouched();
        fs::remove_file(modules.join("kernel/b.ko")).unwrap();
        let removed = run(&["-A"]);
        match program {
            Program::Oracle => removed.expect(0, "").expect_untouched(),
            Program::Ours => removed.expect(0, "").expect_outputs(),
        };
        run(&["-A"]).expect(0, "").expect_untouched();
        touch("kernel/a.ko", "2037-01-01");
        run(&["-A", "-n"]).expect(0, "").expect_untouched();
        run(&["-A"]).expect(0, "").expect_outputs();
    }
}

/// What a crash or a killed run leaves of a complete index.
#[test]
fn quick_mode_repairs_index_files() {
    let place = Place::new();
    let root = place.root();
    pair().lay_out(&root);
    let run = |program: Program, extra: &[&str]| {
        let mut command = program.command();
        command.arg("-b").arg(&root).arg("-C").arg(root.join("depmod.d")).args(extra).arg(VERSION);
        depmod_tests::system::observe(&root, command)
    };
    run(Program::Oracle, &[]).expect(0, "");
    run(Program::Ours, &["-A"]).expect(0, "");
    run(Program::Ours, &["-A"]).expect(0, "").expect_untouched();
    let modules = root.join("lib/modules").join(VERSION);
    for name in depmod_tests::outcome::OUTPUTS {
        let path = modules.join(name);
        let (bytes, time) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
        if bytes.is_empty() {
            continue;
        }
        for spoilt in [None, Some(Vec::new()), Some(vec![0; bytes.len()])] {
            match &spoilt {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => {
                    fs::write(&path, bytes).unwrap();
                    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
                }
            }
            run(Program::Ours, &["-A"]);
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
        }
    }
}

#[test]
fn quick_mode_reports_missing_directories() {
    let run = System::bare().run(Program::Ours, &["-A"]);
    assert_eq!(run.status.code(), Some(1));
    let line = "depmod: ERROR: could not open directory {}/lib/modules/6.1.0: No such file or directory\n";
    assert_eq!(run.stderr().matches(line).count(), 2, "{}", run.stderr());
    System::bare().assert_same(&["-A", "-n"]).expect(0, "");
}

#[test]
fn legacy_options_are_accepted() {
    let unresolved = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().need("gone"))
        .root_file("System.map", "0 r __ksymtab_printk\n");
    let symbols = ["-e", "-F", "{}/System.map"];
    let run = |extra: &[&str]| unresolved.run(Program::Ours, &[&symbols, extra].concat());
    assert!(run(&[]).stderr().contains("needs unknown symbol gone"));
    for quiet in ["-q", "--quiet"] {
        run(&[quiet]).expect(0, "").expect_outputs();
    }
    for strict in ["-u", "--unresolved-error"] {
        let run = run(&[strict]);
        assert_eq!(run.status.code(), Some(1), "{}", run.stderr());
        assert!(run.stderr().contains("needs unknown symbol gone"));
    }
    for root in ["-r", "--root"] {
        pair().run(Program::Ours, &[root]).expect(0, "").expect_outputs();
    }
    let run = pair().run(Program::Ours, &["--map"]);
    assert_eq!(run.status.code(), Some(0));
    assert!(run.stderr().contains("WARNING: Ignored deprecated option --map"), "{}", run.stderr());
}

#[test]
fn the_directory_of_the_running_kernel_is_the_default() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let release = release.trim();
    let system = System::bare()
        .root_file(&format!("lib/modules/{release}/a.ko"), Elf::new().modinfo("alias=x").build());
    system.assert_same_raw(&["-b", "{}", "-C", "{}/depmod.d"]);
}

#[test]
fn hints_for_the_running_kernel_list_existing_versions() {
    let system = pair().root_file("lib/modules/5.10.7-other/x", "");
    let run = system.run_raw(Program::Ours, &["-b", "{}", "-C", "{}/depmod.d"]);
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(run.stderr().lines().count(), 2, "kmod's messages alone, where nobody is watching");
    let place = Place::new();
    system.lay_out(&place.root());
    let root = place.root();
    for words in [&["-b", root.to_str().unwrap()][..], &["-b", root.to_str().unwrap(), "7.0-none"]] {
        let shown = terminal::depmod(words);
        assert_eq!(shown.status, Some(1));
        let hints: Vec<&str> = shown.text.lines().skip(2).collect();
        assert_eq!(hints.len(), 2, "{}", shown.text);
        assert!(hints[0].contains(VERSION) && hints[0].contains("5.10.7-other"), "{}", shown.text);
        assert!(hints[1].ends_with(VERSION), "{}", shown.text);
    }
}
