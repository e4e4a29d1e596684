//! `depmod help`, the help of each command, and words that are misspelt.

use std::process::Output;

use depmod_tests::product;

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
fn misspelt_words_get_the_nearest_ones() {
    for (words, expected) in [
        ("verfy", "Bad version passed verfy\ndepmod: did you mean the command verify?\n"),
        ("lokup nvme", "depmod: did you mean the command lookup?\n"),
        ("-- plan", "depmod: plan is a command, and commands come before options\n"),
        ("help dupm", "there is no command dupm; did you mean the command dump?\n"),
        ("help 6.1", "there is no command 6.1\n"),
        ("--all-kernel=x", "--all-kernels"),
        ("--synvers x", "a similar argument exists: '--symvers'"),
        ("plan --fromat json x", "a similar argument exists: '--format'"),
        ("verify --quik", "a similar argument exists: '--quick'"),
        ("pack --zsdt", "a similar argument exists: '--zstd'"),
        ("plan --format yaml x", "yaml"),
    ] {
        let said = refused(words);
        assert!(said.contains(expected), "{words}: {said}");
    }
    for words in ["zzz", "x6.1"] {
        assert!(!refused(words).contains("did you mean"), "{words}");
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
}
