//! `depmod help`, the help of each command, and words that are misspelt.

use std::process::{Output, Stdio};

use depmod_tests::{product, terminal, workspace};

fn depmod(words: &str) -> Output {
    product::depmod().args(words.split_whitespace()).output().unwrap()
}

/// What is printed on success.
fn printed(words: &str) -> String {
    let output = depmod(words);
    assert!(output.status.success() && output.stderr.is_empty(), "{words}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is said on failure.
fn refused(words: &str) -> String {
    let output = depmod(words);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{words}");
    String::from_utf8(output.stderr).unwrap()
}

/// What is said on failure to somebody at a terminal.
fn refused_on_terminal(words: &str) -> String {
    let shown = terminal::depmod(&words.split_whitespace().collect::<Vec<_>>());
    assert_eq!(shown.status, Some(1), "{words}");
    shown.text
}

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = printed("--help");
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let list = list.take_while(|line| line.starts_with("  "));
    list.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_is_listed_and_has_a_help_with_examples() {
    let commands = commands();
    for name in ["verify", "plan", "lookup", "diff", "dump", "pack", "help"] {
        assert!(commands.iter().any(|command| command == name), "{name}");
    }
    assert_eq!(printed("help"), printed("--help"));
    assert_eq!(printed("help help"), printed("--help"));
    for command in commands.iter().filter(|command| *command != "help") {
        let help = printed(&format!("help {command}"));
        assert_eq!(help, printed(&format!("{command} --help")));
        assert!(help.contains(&format!("Usage: depmod {command}")), "{help}");
        let examples = help.split("Examples:\n").nth(1).unwrap_or_else(|| panic!("{help}"));
        assert!(examples.contains(&format!("depmod {command} ")), "{help}");
        assert!(help.contains("Exit status: 0"), "{help}");
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}

#[test]
fn the_configuration_that_is_read_is_named() {
    let configuration = |command: &str| {
        let help = printed(&format!("help {command}"));
        let text = help.split("--config <PATH>").nth(1).unwrap();
        let lines: Vec<&str> = text.lines().take_while(|line| !line.contains("  --")).collect();
        lines.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ")
    };
    for (command, depmod, modprobe) in [
        ("verify", true, false),
        ("diff", true, false),
        ("lookup", false, true),
        ("plan", true, true),
        ("pack", true, true),
    ] {
        let text = configuration(command);
        assert_eq!(text.contains("depmod.d"), depmod, "{command}: {text}");
        assert_eq!(text.contains("modprobe.d"), modprobe, "{command}: {text}");
    }
}

#[test]
fn environment_variables_stand_in_the_help() {
    let help = printed("--help");
    let mut pending = vec![workspace().join("host-cli/src")];
    let mut read = 0;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let program = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for call in program.split("env::var_os(\"").skip(1) {
            let name = call.split('"').next().unwrap();
            assert!([" ", ",", "="].iter().any(|end| help.contains(&format!("{name}{end}"))), "{name}");
            read += 1;
        }
    }
    assert!(read >= 5, "only {read} variables are read");
}

#[test]
fn misspelt_words_get_the_nearest_ones() {
    for (words, expected) in [
        ("help dupm", "there is no command dupm; did you mean the command dump?\n"),
        ("help 6.1", "there is no command 6.1; depmod help lists commands\n"),
        ("--all-kernel=x", "--all-kernels"),
        ("--synvers x", "a similar argument exists: '--symvers'"),
        ("plan --fromat json x", "a similar argument exists: '--format'"),
        ("verify --quik", "a similar argument exists: '--quick'"),
        ("pack --zsdt", "a similar argument exists: '--zstd'"),
        ("plan --format jsn x", "a similar value exists: 'json'"),
        ("--color alwas", "a similar value exists: 'always'"),
        ("--quikc", "a similar argument exists: '--quick'"),
        ("--dryrun", "a similar argument exists: '--dry-run'"),
        ("--warning", "a similar argument exists: '--warn'"),
        ("--rootowned", "a similar argument exists: '--root-owned-only'"),
        ("--verify", "a similar argument exists: 'verify'"),
        ("plan --format yaml x", "yaml"),
        ("-Z", "unexpected argument '-Z'"),
    ] {
        let said = refused(words);
        assert!(said.contains(expected), "{words}: {said}");
        assert!(!said.contains("-- -"), "no file begins with a dash: {said}");
    }
}

#[test]
fn hints_are_for_people() {
    for (words, message, hint) in [
        ("verfy", "Bad version passed verfy", "did you mean the command verify?"),
        ("lokup nvme", "Bad version passed lokup", "did you mean the command lookup?"),
        ("-- plan", "Bad version passed plan", "plan is a command, and commands come before options"),
        (
            "/mnt/lib/modules/6.1-foo",
            "Bad version passed /mnt/lib/modules/6.1-foo",
            "VERSION is a name, not a path: depmod -b /mnt 6.1-foo",
        ),
        (
            "/tmp/zfs.ko 6.1",
            "Bad version passed /tmp/zfs.ko",
            "the version comes first: depmod VERSION FILE...",
        ),
    ] {
        let message = format!("depmod: ERROR: {message}\n");
        assert_eq!(refused(words), message, "hooks of packages get kmod's messages alone");
        assert_eq!(refused_on_terminal(words), format!("{message}depmod: {hint}\n"));
    }
    for words in ["zzz", "x6.1", "6"] {
        let said = refused_on_terminal(words);
        let hint = "depmod: VERSION begins with two numbers, as in 6.1; depmod help lists commands\n";
        assert!(said.ends_with(hint), "{words}: {said}");
        assert!(!said.contains("did you mean"), "{words}: {said}");
    }
}

#[test]
fn a_version_is_an_operand_or_follows_k() {
    let missing =
        "depmod: FATAL: there is no kernel 6.1 in /nowhere/lib/modules; it has no modules of any version\n";
    for words in ["verify 6.1", "verify -k 6.1", "plan x -k 6.1", "lookup x -k 6.1", "explain x -k 6.1"] {
        assert_eq!(refused(&format!("{words} -b /nowhere")), missing, "{words}");
    }
    let operand = refused("pack 6.1 -b /nowhere -o /nowhere/x");
    assert!(operand.contains("/nowhere/lib/modules/6.1"), "{operand}");
    assert_eq!(operand, refused("pack -k 6.1 -b /nowhere -o /nowhere/x"));
    for words in ["verify -k 6.1 6.1", "pack -k 6.1 6.1"] {
        assert!(refused(words).contains("cannot be used with"), "{words}");
    }
}

#[test]
fn standard_output_that_cannot_be_written_is_one_message() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("lib/modules/6.1");
    std::fs::create_dir_all(root.join("kernel")).unwrap();
    let base = dir.path().to_str().unwrap();
    let indexed = product::depmod().args(["-b", base, "-C", "/dev/null", "6.1"]).output().unwrap();
    assert!(indexed.status.success());
    let index = root.join("modules.dep.bin");
    for words in [
        "--help",
        "-h",
        "-V",
        "help plan",
        "plan --help",
        "-n 6.1",
        "--strict --no-write --format json 6.1",
        "verify 6.1",
        "verify --format json 6.1",
        "plan -k 6.1 --format json --missing ignore x",
        "lookup -k 6.1 --format json x",
        "explain -k 6.1 --format json x",
        "pack 6.1",
        "diff 6.1 6.1",
        "dump",
    ] {
        let mut command = product::depmod();
        command.args(words.split(' '));
        match words.split(' ').next() {
            Some("dump") => command.args(["--format", "json"]).arg(&index),
            Some("--help" | "-h" | "-V" | "help") => &mut command,
            Some("plan") if words.ends_with("--help") => &mut command,
            _ => command.args(["-b", base, "-C", "/dev/null"]),
        };
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said: Vec<&str> = said.lines().filter(|line| !line.starts_with("depmod: WARNING: ")).collect();
        assert_eq!(
            said,
            ["depmod: FATAL: could not write to standard output: No space left on device"],
            "{words}"
        );
        assert_eq!(output.status.code(), Some(1), "{words}");
    }
}

#[test]
fn pack_refuses_to_ignore_how_to_plan() {
    for words in [
        "--weak",
        "--missing warn",
        "--no-firmware",
        "--from-modules",
        "--from-index",
        "--sysfs /sys",
        "--usr",
    ] {
        let said = refused(&format!("pack -o /nowhere/x {words}"));
        assert!(said.contains("--plan <X>...|--hardware"), "{words}: {said}");
        let said = refused(&format!("pack -b /nowhere -k 6.1 -o /nowhere/x {words} --plan nvme"));
        assert!(!said.contains("Usage"), "{words}: {said}");
    }
}

#[test]
fn long_options_of_commands_may_be_abbreviated() {
    for words in ["verify --q 6.1", "plan --from-i --no-f x", "explain --form json x", "lookup --kern 6.1 x"]
    {
        let said = refused(&format!("{words} -b /nowhere"));
        assert!(!said.contains("Usage"), "{words}: {said}");
    }
    for (words, expected) in [
        ("plan --m list x", "it could be --moduledir, --missing"),
        ("plan --from x", "it could be --from-modules, --from-index"),
        ("diff --f A B", "it could be --from-modules, --format"),
    ] {
        let said = refused(words);
        assert!(said.contains(expected), "{words}: {said}");
    }
}

#[test]
fn options_may_come_before_a_command() {
    let said = refused("-b /nowhere plan -k 6.1 nvme");
    assert_eq!(said, refused("plan -b /nowhere -k 6.1 nvme"));
    assert_eq!(
        said,
        "depmod: FATAL: there is no kernel 6.1 in /nowhere/lib/modules; it has no modules of any version\n"
    );
    assert!(refused("-b plan 6.1").contains("/plan/lib/modules/6.1"), "the argument of an option");
    assert!(refused("-n plan nvme").contains("unexpected argument '-n'"));
}

#[test]
fn an_unknown_version_is_answered_with_those_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("lib/modules");
    for version in ["6.1.0-50-amd64", "6.12.1-amd64"] {
        std::fs::create_dir_all(root.join(version)).unwrap();
    }
    let base = dir.path().display();
    for command in
        ["plan x -k", "lookup x -k", "explain x -k", "verify", "diff 6.1.0-50-amd64", "--strict x -k"]
    {
        let said = refused(&format!("{command} 6.12 -b {base}"));
        let expected = format!("there is no kernel 6.12 in {base}/lib/modules; did you mean 6.12.1-amd64?\n");
        assert!(said.ends_with(&expected), "{command}: {said}");
        let said = refused(&format!("{command} 5.0 -b {base}"));
        assert!(said.ends_with("; there are 6.1.0-50-amd64 and 6.12.1-amd64\n"), "{command}: {said}");
    }
    let said = refused(&format!("plan -b {base} x 6.12.1-amd64"));
    assert!(said.ends_with("; there are 6.1.0-50-amd64 and 6.12.1-amd64; -k VERSION chooses\n"), "{said}");
}
