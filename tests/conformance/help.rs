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
        ("-b /nowhere plan nvme", "depmod: plan is a command, and commands come before options\n"),
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
    for words in
        ["--weak", "--missing warn", "--no-firmware", "--from-modules", "--from-index", "--sysfs /sys"]
    {
        let said = refused(&format!("pack -o /nowhere/x {words}"));
        assert!(said.contains("--plan <X>...|--hardware"), "{words}: {said}");
        let said = refused(&format!("pack -b /nowhere -k 6.1 -o /nowhere/x {words} --plan nvme"));
        assert!(!said.contains("Usage"), "{words}: {said}");
    }
}
