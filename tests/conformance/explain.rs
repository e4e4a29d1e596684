//! `depmod explain` against `nm`, `modinfo` and kmod's own index files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use depmod_core::Output as IndexFile;
use depmod_core::parts::name::module_name;
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::oracle::Oracle;
use depmod_tests::product;
use depmod_tests::system::{System, VERSION};
use depmod_tests::{apt, command};
use serde_json::Value;

use crate::lookup::{command as ask, small};
use crate::plan::Indexed;

const LABEL: &str = "bookworm-cloud-amd64";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn name(path: &str) -> String {
    String::from_utf8(module_name(path.as_bytes()).collect()).unwrap()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// One field of each object of a list.
fn fields(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

fn explain(dir: &Path, words: &[&str]) -> Output {
    ask("explain", dir, words).output().unwrap()
}

fn json(dir: &Path, words: &[&str]) -> (Option<i32>, Value) {
    let output = explain(dir, &[&["--format", "json"], words].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// The real kernel, with kmod's index files.
struct Real {
    indexed: Indexed,
    /// The paths and needs of all modules, by name.
    dep: BTreeMap<String, (String, BTreeSet<String>)>,
}

impl Real {
    fn new() -> Self {
        apt::install(&["binutils"]).unwrap();
        let indexed = Indexed::of(LABEL);
        let lines = text(&indexed.files[&IndexFile::Dep]);
        let entry = |line: &str| {
            let (path, needs) = line.split_once(':').unwrap();
            (name(path), (path.to_owned(), needs.split_whitespace().map(name).collect()))
        };
        let dep = lines.lines().map(entry).collect();
        Self { indexed, dep }
    }

    fn explain(&self, words: &[&str]) -> Value {
        let mut command = product::depmod();
        command.args(["explain", "--format", "json", "-C", "/dev/null", "-k", &self.indexed.version, "-b"]);
        let output = command.arg(self.indexed.root.path()).args(words).output().unwrap();
        assert_eq!(text(&output.stderr), "", "{words:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn file(&self, module: &str) -> PathBuf {
        let modules = self.indexed.root.path().join("lib/modules").join(&self.indexed.version);
        modules.join(&self.dep[module].0)
    }

    /// The symbols of a module: those that it needs, and those that it has.
    fn nm(&self, module: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let symbols = |option| {
            let output =
                command::output(Command::new("nm").args([option, "-j"]).arg(self.file(module))).unwrap();
            text(&output).lines().map(str::to_owned).collect()
        };
        (symbols("--undefined-only"), symbols("--defined-only"))
    }

    /// Every so many modules.
    fn some(&self, step: usize) -> Vec<String> {
        self.dep.keys().step_by(step).cloned().collect()
    }
}

#[test]
fn modules_of_a_real_kernel_are_as_modules_dep_and_modinfo_say() {
    let real = Real::new();
    let mut symbols = 0;
    for module in real.some(23) {
        let found = real.explain(&[&module]);
        let (path, needs) = &real.dep[&module];
        assert_eq!(
            (found["kind"].as_str(), found["path"].as_str()),
            (Some("module"), Some(&**path)),
            "{module}"
        );
        assert_eq!(found["size"], fs::metadata(real.file(&module)).unwrap().len());
        assert_eq!(found["findings"], serde_json::json!([]), "{module}");
        assert_eq!(
            &fields(&found["needs"], "module").into_iter().collect::<BTreeSet<_>>(),
            needs,
            "{module}"
        );
        let users = real.dep.iter().filter(|(_, (_, needs))| needs.contains(&module));
        assert!(fields(&found["needed_by"], "module").iter().eq(users.map(|(user, _)| user)), "{module}");
        for by in found["needed_by"].as_array().unwrap() {
            let user = &real.dep[by["module"].as_str().unwrap()].1;
            let between = user.iter().any(|need| real.dep[need].1.contains(&module));
            assert_eq!(by["through"].is_null(), !between, "{module} {by}");
        }
        let modinfo = |key: &str| -> Vec<String> {
            let mut modinfo = Oracle::get().tool("modinfo");
            let output = modinfo.args(["-F", key]).arg(real.file(&module)).output().unwrap();
            text(&output.stdout).lines().map(str::to_owned).collect()
        };
        let aliases: BTreeSet<String> =
            modinfo("alias").iter().map(|alias| alias.replace('-', "_")).collect();
        let ours: BTreeSet<String> =
            strings(&found["aliases"]).iter().map(|alias| alias.replace('-', "_")).collect();
        assert_eq!(ours, aliases, "{module}");
        assert_eq!(fields(&found["firmware"], "name"), modinfo("firmware"), "{module}");
        let (undefined, _) = real.nm(&module);
        for need in found["needs"].as_array().unwrap() {
            let (_, defined) = real.nm(need["module"].as_str().unwrap());
            for symbol in strings(&need["symbols"]) {
                assert!(undefined.contains(&symbol) && defined.contains(&symbol), "{module} {need}");
                symbols += 1;
            }
        }
    }
    assert!(symbols > 200, "only {symbols} symbols");
}

#[test]
fn each_link_of_each_chain_is_in_the_symbol_tables() {
    let real = Real::new();
    let mut longest = 0;
    for module in real.some(29) {
        for need in &real.dep[&module].1 {
            let found = real.explain(&[&module, need]);
            let links = found["chain"].as_array().unwrap();
            let mut at = module.clone();
            for link in links {
                assert_eq!(link["from"].as_str(), Some(&*at));
                at = link["to"].as_str().unwrap().into();
                let (undefined, _) = real.nm(link["from"].as_str().unwrap());
                let (_, defined) = real.nm(&at);
                let symbols = strings(&link["symbols"]);
                let all: BTreeSet<String> = undefined.intersection(&defined).cloned().collect();
                assert!(!symbols.is_empty() && symbols.iter().all(|symbol| all.contains(symbol)), "{link}");
            }
            assert_eq!(&at, need);
            longest = longest.max(links.len());
            let direct = {
                let (undefined, _) = real.nm(&module);
                let exports = text(&real.indexed.files[&IndexFile::Symbols]);
                exports.lines().any(|line| {
                    let words: Vec<&str> = line.split(' ').collect();
                    words.len() == 3
                        && words[2] == need
                        && undefined.contains(words[1].trim_start_matches("symbol:"))
                })
            };
            assert_eq!(links.len() == 1, direct, "{module} {need}: the shortest chain");
            let reversed = real.explain(&[need, &module]);
            assert_eq!(reversed["chain"], found["chain"]);
        }
    }
    assert!(longest > 1, "no chain has two links");
    assert!(real.explain(&["virtio_net", "xfs"])["chain"].is_null());
}

#[test]
fn aliases_lead_where_modprobe_goes() {
    let real = Real::new();
    let patterns = text(&real.indexed.files[&IndexFile::Alias]);
    let patterns: Vec<&str> =
        patterns.lines().filter_map(|line| line.strip_prefix("alias ")?.split(' ').next()).collect();
    let mut compared = 0;
    for pattern in patterns.iter().step_by(53) {
        let query = pattern.replace('*', "0").replace('?', "1");
        if query.contains('[') || real.dep.contains_key(&query.replace('-', "_")) {
            continue;
        }
        let found = real.explain(&[&query]);
        assert_eq!(found["kind"], "alias", "{query}");
        assert_eq!(fields(&found["matches"], "module"), real.indexed.modprobe("-R", &query), "{query}");
        assert!(
            fields(&found["matches"], "pattern").iter().any(|found| *found == pattern.replace('-', "_")),
            "{query}"
        );
        compared += 1;
    }
    assert!(compared > 20, "only {compared} aliases");
}

#[test]
fn an_exported_symbol_of_a_real_kernel() {
    let real = Real::new();
    let found = real.explain(&["symbol:register_virtio_driver"]);
    assert_eq!(fields(&found["exporters"], "by"), [real.dep["virtio"].0.clone()]);
    assert_eq!(found["exporters"][0]["gpl_only"], true);
    let mut users: Vec<String> = real
        .dep
        .keys()
        .filter(|module| {
            real.dep[*module].1.contains("virtio") && real.nm(module).0.contains("register_virtio_driver")
        })
        .cloned()
        .collect();
    users.sort();
    let mut ours = fields(&found["users"], "module");
    ours.sort();
    assert!(ours == users && !users.is_empty());
    assert!(found["users"].as_array().unwrap().iter().all(|user| user["disagrees"] == false));
}

/// A directory with modules of one name in several places.
fn duplicates(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let module = |alias: &str| Elf::new().modinfo(format!("alias={alias}"));
    System::new()
        .complete()
        .module("kernel/m.ko", module("in-kernel"))
        .module("updates/m.ko", module("in-updates"))
        .module("extra/m.ko", module("in-extra"))
        .root_file("opt/m.ko", module("in-opt").build())
        .config(config)
        .lay_out(&root);
    let status =
        product::depmod().args(["-C"]).arg(root.join("depmod.d")).arg("-b").arg(&root).arg(VERSION).status();
    assert!(status.unwrap().success());
    dir
}

#[test]
fn the_line_that_chooses_a_file_chooses_it() {
    for (config, winner, rule) in [
        ("search extra built-in\n", "extra/m.ko", "search"),
        ("# first\nsearch built-in updates\noverride m * updates\n", "updates/m.ko", "override"),
        ("external * {}/opt\nsearch external updates\n", "opt/m.ko", "search"),
        ("search updates built-in\n", "updates/m.ko", "search"),
    ] {
        let dir = duplicates(config);
        let config_dir = dir.path().join("root/depmod.d");
        let words = ["-C", config_dir.to_str().unwrap(), "m"];
        let (status, found) = json(dir.path(), &words);
        assert_eq!(status, Some(0));
        let path = found["path"].as_str().unwrap();
        assert!(path.ends_with(winner), "{config}: {path}");
        let files = found["files"].as_array().unwrap();
        let expected = if config.contains("external") { 4 } else { 3 };
        assert_eq!((files.len(), files[0]["wins"].as_bool()), (expected, Some(true)), "{config}");
        assert_eq!(files[0]["path"].as_str(), Some(path));
        for loser in &files[1..] {
            let found = &loser["rule"];
            assert_eq!(found["kind"], rule, "{config} {loser}");
            let file = found["line"]["file"].as_str().unwrap();
            let number = usize::try_from(found["line"]["line"].as_u64().unwrap()).unwrap();
            let lines = fs::read_to_string(file).unwrap();
            assert!(lines.lines().nth(number - 1).unwrap().starts_with(rule), "{config} {loser}");
            // Without that line, another one decides, or another file wins.
            let others: Vec<&str> =
                lines.lines().enumerate().filter(|(at, _)| at + 1 != number).map(|(_, line)| line).collect();
            fs::write(file, others.join("\n")).unwrap();
            let (_, without) = json(dir.path(), &[&["--from-modules"][..], &words].concat());
            let again =
                without["files"].as_array().unwrap().iter().find(|file| file["path"] == loser["path"]);
            assert_ne!(again.map(|file| &file["rule"]), Some(found), "{config}");
            fs::write(file, lines).unwrap();
        }
        let loser = files[1]["path"].as_str().unwrap();
        let (_, other) = json(dir.path(), &["-C", config_dir.to_str().unwrap(), loser]);
        assert_eq!((other["kind"].as_str(), other["module"].as_str()), (Some("file"), Some("m")));
        assert_eq!(other["files"][0]["path"].as_str(), Some(path));
        let shown = text(&explain(dir.path(), &["-C", config_dir.to_str().unwrap(), loser]).stdout);
        assert!(shown.lines().next().unwrap().contains(&format!("not used, {path} is")), "{shown}");
    }
}

#[test]
fn two_exporters_and_who_disagrees() {
    let dir = tempfile::tempdir().unwrap();
    System::new()
        .complete()
        .order(&["kernel/a.ko", "kernel/b.ko", "kernel/c.ko", "kernel/d.ko"])
        .module("kernel/a.ko", Elf::new().export("f", Crc::Absolute(1)))
        .module("kernel/b.ko", Elf::new().export("f", Crc::Absolute(2)))
        .module("kernel/c.ko", Elf::new().need("f").version("f", 2))
        .module("kernel/d.ko", Elf::new().need("f").version("f", 1))
        .lay_out(&dir.path().join("root"));
    let (status, found) = json(dir.path(), &["symbol:f"]);
    assert_eq!(
        (status, fields(&found["exporters"], "by")),
        (Some(0), vec!["kernel/a.ko".into(), "kernel/b.ko".into()])
    );
    assert_eq!(
        (&found["exporters"][1]["crc"], &found["exporters"][1]["wins"]),
        (&"0x00000002".into(), &true.into())
    );
    let disagrees: Vec<_> =
        found["users"].as_array().unwrap().iter().map(|user| user["disagrees"] == true).collect();
    assert_eq!(disagrees, [false, true]);
    let shown = text(&explain(dir.path(), &["symbol:f"]).stdout);
    let first = "symbol:f: exported by kernel/b.ko; needed by 2 modules, 1 built against another version";
    assert_eq!(shown.lines().next(), Some(first));
    let (status, found) = json(dir.path(), &["symbol:ff"]);
    assert_eq!((status, strings(&found["nearest"])), (Some(1), vec!["f".into()]));
    // Without an index, the answer of the index is computed.
    assert_eq!(json(dir.path(), &["d", "b"]).1["chain"][0]["symbols"], serde_json::json!(["f"]));
}

#[test]
fn builtin_modules_and_unknown_words() {
    let dir = small();
    let (status, found) = json(dir.path(), &["loop"]);
    assert_eq!(
        (status, &found["kind"], &found["path"]),
        (Some(0), &"builtin".into(), &"kernel/loop.ko".into())
    );
    assert_eq!(strings(&found["aliases"]), ["block_major_7_*"]);
    let (_, found) = json(dir.path(), &["block-major-7-1"]);
    assert_eq!(fields(&found["builtin_matches"], "module"), ["loop"]);
    let unknown = explain(dir.path(), &["nvem"]);
    assert_eq!((unknown.status.code(), text(&unknown.stdout)), (Some(1), String::new()));
    assert_eq!(text(&unknown.stderr), "depmod: FATAL: no module or alias named nvem; did you mean nvme?\n");
    let (status, found) = json(dir.path(), &["nvem"]);
    assert_eq!(
        (status, &found["kind"], strings(&found["nearest"])),
        (Some(1), &"unknown".into(), vec!["nvme".into()])
    );
    let near = explain(dir.path(), &["pci:w1d2"]);
    assert_eq!(near.status.code(), Some(1));
    assert_eq!(
        text(&near.stdout),
        "pci:w1d2: no module or alias of this name\n\nnearest patterns\n  nvme  pci:v*d2\n  x     pci:v1d*\n  nvme  pci:v1*\n"
    );
    for words in [&["nvme", "nvme"][..], &["nvme", "gone"], &["symbol:core", "nvme"], &["/gone/x.ko"]] {
        let failed = explain(dir.path(), words);
        assert_eq!((failed.status.code(), text(&failed.stdout)), (Some(1), String::new()), "{words:?}");
        assert_eq!(text(&failed.stderr).lines().count(), 1, "{words:?}");
    }
}

#[test]
fn corrupt_indexes_are_not_believed() {
    let dir = small();
    let modules = dir.path().join("root/lib/modules").join(VERSION);
    let (_, right) = json(dir.path(), &["nvme"]);
    let (_, chain) = json(dir.path(), &["nvme", "nvme-core"]);
    for file in [IndexFile::DepIndex, IndexFile::AliasIndex, IndexFile::SymbolsIndex] {
        let path = modules.join(file.file_name());
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x85;
            fs::write(&path, if at % 2 == 0 { &good[..at] } else { &bad }).unwrap();
            let output = explain(dir.path(), &["--format", "json", "nvme"]);
            let said = text(&output.stderr);
            // A changed letter of a name is for depmod verify.
            if said.contains("all modules are read instead") {
                assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), right, "{file:?} {at}");
                assert_eq!(json(dir.path(), &["nvme", "nvme-core"]).1, chain);
            } else {
                assert!(at % 2 == 1, "{file:?} cut at {at} was believed: {said}");
            }
        }
        fs::write(&path, good).unwrap();
    }
    fs::remove_file(modules.join("modules.dep.bin")).unwrap();
    assert_eq!(json(dir.path(), &["nvme"]), (Some(0), right));
    // The index is older than the module.
    assert!(
        product::depmod().arg("-b").arg(dir.path().join("root")).arg(VERSION).status().unwrap().success()
    );
    fs::write(modules.join("kernel/nvme-core.ko"), Elf::new().build()).unwrap();
    fs::write(modules.join("kernel/nvme.ko"), Elf::new().build()).unwrap();
    let failed = explain(dir.path(), &["nvme", "nvme-core"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).contains("the index files are out of date: nvme needs nvme_core there"));
    fs::remove_file(modules.join("kernel/nvme.ko")).unwrap();
    let (_, found) = json(dir.path(), &["nvme"]);
    assert_eq!(found["findings"][0]["kind"], "no-file");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = small();
    let mut child = ask("explain", dir.path(), &["--long", "nvme"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_file_is_compared_with_the_one_that_counts() {
    let dir = duplicates("");
    let root = dir.path().join("root");
    let modules = root.join("lib/modules").join(VERSION);
    let config = root.join("depmod.d");
    let head = |file: &Path| {
        let shown = explain(dir.path(), &["-C", config.to_str().unwrap(), file.to_str().unwrap()]);
        text(&shown.stdout).lines().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let link = dir.path().join("m.ko");
    std::os::unix::fs::symlink(modules.join("updates/m.ko"), &link).unwrap();
    for file in [modules.join("updates/m.ko"), modules.join("kernel/../updates/m.ko"), link.clone()] {
        assert!(head(&file)[0].starts_with("m: updates/m.ko, "), "{file:?}");
    }
    assert!(head(&modules.join("extra/m.ko"))[0].ends_with("not used, updates/m.ko is"));
    // The index files are older than the winner.
    fs::rename(modules.join("updates/m.ko"), modules.join("updates/n.ko")).unwrap();
    let depmod =
        || product::depmod().arg("-C").arg(&config).arg("-b").arg(&root).arg(VERSION).status().unwrap();
    assert!(depmod().success());
    fs::rename(modules.join("updates/n.ko"), modules.join("updates/m.ko")).unwrap();
    for file in [modules.join("updates/m.ko"), link] {
        let head = head(&file);
        assert!(head[0].ends_with("not indexed yet") && head[1].contains("they lack this file"), "{head:?}");
        let (_, found) = json(dir.path(), &["-C", config.to_str().unwrap(), file.to_str().unwrap()]);
        assert_eq!(found["findings"][0]["kind"], "out-of-date");
    }
}

#[test]
fn files_that_are_no_modules() {
    let dir = small();
    let other = Elf::new().need("printf").build();
    for (name, content, said) in [
        ("text.ko", &b"#!/bin/sh\n"[..], "is no kernel module: not an ELF file"),
        ("program.ko", &other, "is no kernel module: it has no .modinfo"),
        ("readme.txt", b"text", "is not named as a module: *.ko, *.ko.gz, *.ko.xz or *.ko.zst"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let failed = explain(dir.path(), &[path.to_str().unwrap()]);
        let expected = format!("depmod: FATAL: {} {said}\n", path.display());
        assert_eq!((failed.status.code(), text(&failed.stderr)), (Some(1), expected));
    }
    let failed = explain(dir.path(), &["/gone/x.ko"]);
    assert_eq!(text(&failed.stderr), "depmod: FATAL: cannot read /gone/x.ko: No such file or directory\n");
}

#[test]
fn chains_to_what_is_built_in_and_what_has_no_chain() {
    let dir = small();
    for (words, expected) in [
        (["nvme", "loop"], "nvme: needs no module for loop, which is built into the kernel\n"),
        (["loop", "nvme"], "loop: built into the kernel; it needs no module, so not nvme\n"),
        (["nvme", "block-major-7-1"], "nvme: needs no module for loop, which is built into the kernel\n"),
    ] {
        let shown = explain(dir.path(), &words);
        assert_eq!((shown.status.code(), text(&shown.stdout)), (Some(0), expected.into()));
        let (status, found) = json(dir.path(), &words);
        assert_eq!(
            (status, found["chain"].is_null(), strings(&found["builtin"])),
            (Some(0), true, vec!["loop".into()])
        );
    }
    assert_eq!(strings(&json(dir.path(), &["nvme", "nvme-core"]).1["builtin"]), [""; 0]);
    for words in [["nvme", "symbol:core"], ["symbol:core", "nvme"]] {
        let said = text(&explain(dir.path(), &words).stderr);
        assert!(
            said.ends_with("from module to module; who exports and needs it: depmod explain symbol:core\n")
        );
    }
    let said = text(&explain(dir.path(), &["snd_*"]).stderr);
    assert_eq!(
        said,
        "depmod: FATAL: no module or alias named snd_*; what a glob matches: depmod plan 'snd_*'\n"
    );
}

#[test]
fn without_versions_nobody_agrees() {
    let dir = small();
    let shown = text(&explain(dir.path(), &["symbol:core"]).stdout);
    assert!(shown.contains("version not known  nvme") && !shown.contains("same version"), "{shown}");
    let (_, found) = json(dir.path(), &["symbol:core"]);
    assert_eq!(
        (fields(&found["users"], "module"), found["users"][0]["disagrees"].is_null()),
        (vec!["nvme".into()], true)
    );
}

#[test]
fn from_index_files_alone_no_module_is_read() {
    let dir = small();
    let (_, read) = json(dir.path(), &["nvme"]);
    let modules = dir.path().join("root/lib/modules").join(VERSION);
    fs::write(modules.join("kernel/nvme.ko"), "no module").unwrap();
    let (status, found) = json(dir.path(), &["--from-index", "nvme"]);
    assert_eq!((status, &found["findings"]), (Some(0), &serde_json::json!([])));
    for field in ["path", "needed_by", "aliases", "soft_before"] {
        assert_eq!(found[field], read[field], "{field}");
    }
    assert_eq!(fields(&found["needs"], "module"), fields(&read["needs"], "module"));
    for unknown in
        [&found["needs"][0]["symbols"], &found["firmware"], &found["files"], &found["kernel_symbols"]]
    {
        assert!(unknown.is_null(), "{found}");
    }
    let shown = text(&explain(dir.path(), &["--from-index", "nvme"]).stdout);
    assert!(shown.contains("\nneeds\n  modules.dep  nvme_core\n"), "{shown}");
    assert!(shown.contains("\nnot told from index files: symbols, firmware, other files of this name\n"));
    for words in [&["--from-index", "symbol:core"][..], &["--from-index", "nvme", "nvme-core"]] {
        assert_eq!(explain(dir.path(), words).status.code(), Some(1), "{words:?}");
    }
    fs::remove_file(modules.join("modules.dep.bin")).unwrap();
    assert_eq!(explain(dir.path(), &["--from-index", "nvme"]).status.code(), Some(1));
}
