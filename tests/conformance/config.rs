use depmod_tests::elf_builder::Elf;
use depmod_tests::system::{Program, System, VERSION};

/// A module whose alias identifies the chosen file.
fn marked(mark: &str) -> Elf {
    Elf::new().modinfo(format!("alias=chosen-{mark}"))
}

/// `m.ko` in each of these directories, with two other modules.
fn candidates(directories: &[&str]) -> System {
    let system = System::new().complete().module("kernel/n.ko", marked("n"));
    directories.iter().fold(system, |system, dir| system.module(format!("{dir}/m.ko"), marked(dir)))
}

#[track_caller]
fn chosen(system: System, winner: &str) {
    let dep = system.assert_same(&[]).text("modules.dep");
    assert!(dep.lines().any(|line| line == format!("{winner}/m.ko:")), "{winner} should have won:\n{dep}");
}

#[test]
fn updates_take_precedence_by_default() {
    chosen(candidates(&["kernel", "updates"]), "updates");
    chosen(candidates(&["extra", "updates/dkms"]), "updates/dkms");
}

#[test]
fn earlier_search_words_take_precedence() {
    chosen(candidates(&["kernel", "updates"]).config("search built-in updates\n"), "kernel");
    let three = ["updates", "updates/dkms", "kernel"];
    chosen(candidates(&three).config("search updates/dkms updates built-in\n"), "updates/dkms");
    let lines = "search extra\nsearch updates\nsearch built-in\n";
    chosen(candidates(&["updates", "kernel"]).config(lines), "updates");
    chosen(candidates(&["kernel", "extra"]).config("search extra built-in\n"), "extra");
    chosen(candidates(&["kernel", "weak-updates"]).config("search weak-updates\n"), "weak-updates");
}

#[test]
fn search_words_match_whole_directory_names() {
    chosen(candidates(&["foobar", "updates"]).config("search foo updates\n"), "updates");
    chosen(candidates(&["foo", "updates"]).config("search foo updates\n"), "foo");
    chosen(candidates(&["foo", "updates"]).config("search foo/ updates\n"), "updates");
}

#[test]
fn overrides_take_precedence_over_the_search_list() {
    chosen(candidates(&["kernel", "updates"]).config("override m * kernel\n"), "kernel");
    chosen(candidates(&["kernel/fs", "updates"]).config("override m * kernel\n"), "updates");
    chosen(candidates(&["kernel/fs", "updates"]).config("override m * kernel/fs\n"), "kernel/fs");
    chosen(candidates(&["kernel", "updates"]).config("override m 6.1 kernel\n"), "kernel");
    chosen(candidates(&["kernel", "updates"]).config("override m 5.10 kernel\n"), "updates");
    chosen(candidates(&["a", "b", "updates"]).config("override m * a\noverride m * b\n"), "b");
    chosen(candidates(&["kernel", "updates"]).config("override m * kernel ignored words\n"), "kernel");
}

#[test]
fn overrides_match_raw_file_names() {
    let run = System::new()
        .complete()
        .config("override m_x * kernel\n")
        .module("kernel/m-x.ko", marked("kernel"))
        .module("updates/m_x.ko", marked("updates"))
        .assert_same(&[]);
    assert!(run.text("modules.dep").contains("updates/m_x.ko:"));
}

#[test]
fn version_patterns_are_extended_regular_expressions() {
    for pattern in [
        "^6\\\\.1",
        "6.1.0$",
        "^6[.](0|1)[.]",
        "^(5|6)+[[:punct:]]1",
        "[[:digit:]]{1,2}\\\\.1\\\\.0",
        "x*",
        ".?6",
        "^5",
        "6\\\\.1\\\\.00",
        "(",
        "[",
        "a{",
        "*",
        "**",
        "+",
        "a|",
        "6{2}",
        "[^0-9]1[^0-9]",
        "()",
        "^*6",
        "6.1.0-amd64|6.1.0",
    ] {
        candidates(&["kernel", "updates"]).config(&format!("override m {pattern} kernel\n")).assert_same(&[]);
    }
}

#[test]
fn external_directories_are_walked_and_ranked() {
    let system = || {
        candidates(&["kernel"])
            .root_file("ext/m.ko", marked("ext").build())
            .root_file("ext/only.ko", marked("only").build())
            .root_file("other/m.ko", marked("other").build())
    };
    let winner = |config: &str| {
        let run = system().config(config).assert_same(&[]);
        let alias = run.text("modules.alias");
        let mark = alias.lines().find(|line| line.ends_with(" m")).unwrap_or_default();
        mark.trim_start_matches("alias chosen-").trim_end_matches(" m").to_owned()
    };
    assert_eq!(winner("external * {}/ext\n"), "kernel");
    assert_eq!(winner("external * {}/ext\nsearch external built-in\n"), "ext");
    assert_eq!(winner("external * {}/ext\nsearch built-in external\n"), "kernel");
    assert_eq!(winner("external * {}/ext\nexternal * {}/other\nsearch external built-in\n"), "ext");
    assert_eq!(winner("external ^5 {}/ext\nexternal ^6 {}/other\nsearch external built-in\n"), "other");
    assert_eq!(winner("external * {}/ext/../ext\nsearch external\n"), "ext");
}

#[test]
fn missing_external_directories_are_reported_and_skipped() {
    let run = candidates(&["kernel"]).config("external * {}/nowhere\n").assert_same(&[]);
    run.expect(0, "depmod: ERROR: could not open directory {}/nowhere: No such file or directory\n");
}

#[test]
fn excluded_names_are_not_walked() {
    let run = candidates(&["kernel", "updates"])
        .module("kernel/secret/s.ko", marked("s"))
        .config("exclude secret updates n.ko\nexclude\n")
        .assert_same(&[]);
    assert_eq!(run.text("modules.dep"), "kernel/m.ko:\n");
}

#[test]
fn lines_are_split_as_in_kmod() {
    for text in [
        "search \\\n built-in \\\n updates\n",
        "# a comment \\\nsearch built-in updates\n",
        " # no comment\nsearch built-in updates\n",
        "search\tbuilt-in\t \tupdates",
        "search built-in updates\r\n",
        "\n\n   \n\t\nsearch built-in updates\n",
        "search built-in upd\\ates\n",
        "search built-in updates\\",
        "search built-in up\\\\dates\n",
        "sea\\\nrch built-in updates\n",
        "search\nsearch \n",
        "SEARCH built-in\nsearch",
    ] {
        candidates(&["kernel", "updates"]).config(text).assert_same(&[]);
    }
}

#[test]
fn bad_lines_are_reported_with_file_and_line() {
    let run = candidates(&["kernel"])
        .config("overide m * kernel\n\noverride m *\nexternal *\nexternal\nover\\\nride\ninclude x\nmake_map_files yes\n")
        .assert_same(&[]);
    assert_eq!(run.status.code(), Some(0));
    assert!(
        run.stderr()
            .starts_with("depmod: ERROR: {}/depmod.d/1.conf:1: ignoring bad line starting with 'overide'\n"),
        "{}",
        run.stderr()
    );
    assert_eq!(run.stderr().lines().count(), 5);
}

#[test]
fn only_visible_conf_files_are_read() {
    candidates(&["kernel", "updates"])
        .root_file("depmod.d/README", "search built-in\n")
        .root_file("depmod.d/.hidden.conf", "search built-in\n")
        .root_file("depmod.d/.conf", "search built-in\n")
        .root_file("depmod.d/conf", "search built-in\n")
        .assert_same(&[]);
    let run = candidates(&["kernel"]).root_file("depmod.d/dir.conf/x", "").assert_same(&[]);
    run.expect(0, "depmod: ERROR: Directories inside directories are not supported: {}/depmod.d/dir.conf\n");
    let run = candidates(&["kernel"]).root_link("depmod.d/dead.conf", "nowhere").assert_same(&[]);
    run.expect(0, "depmod: ERROR: Cannot stat directory entry: {}/depmod.ddead.conf\n");
}

#[test]
fn files_with_equal_names_mask_each_other_in_the_order_of_c() {
    let system = candidates(&["kernel", "updates"])
        .root_file("one/a.conf", "search built-in updates\n")
        .root_file("two/a.conf", "search updates built-in\n")
        .root_file("two/b.conf", "exclude n.ko\n")
        .root_link("three/a.conf", "/dev/null")
        .root_file("file", "search built-in updates\n");
    for order in [
        &["one", "two"][..],
        &["two", "one"],
        &["three", "one", "two"],
        &["nowhere", "one"],
        &["file"],
        &["file", "two"],
        &["one/a.conf", "two/a.conf"],
    ] {
        let paths: Vec<String> = order.iter().map(|path| format!("{{}}/{path}")).collect();
        let mut args = vec!["-b", "{}"];
        for path in &paths {
            args.extend(["-C", path]);
        }
        args.push(VERSION);
        system.assert_same_raw(&args);
    }
}

#[test]
fn directories_with_the_module_directorys_prefix_are_external() {
    // kmod takes /lib/modules/6.1.0-ext/… as relative to /lib/modules/6.1.0 (row C4).
    let run = candidates(&["kernel"])
        .root_file("lib/modules/6.1.0-ext/m.ko", marked("ext").build())
        .config("external * {}/lib/modules/6.1.0-ext\nsearch ext built-in\n")
        .run(Program::Ours, &[]);
    run.expect(0, "");
    assert!(run.text("modules.dep").contains("kernel/m.ko:\n"));
}
