//! `depmod plan` and `depmod pack --plan`: every form, from index files and from modules, and with missing modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use depmod_core::parts::cpio::{Member, Members};
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::oracle::Oracle;
use depmod_tests::system::{System, VERSION};
use depmod_tests::{command, debian, product};
use serde_json::Value;

use crate::lookup::{self, small};

fn plan(dir: &Path, words: &[&str]) -> Output {
    lookup::command("plan", dir, words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(dir: &Path, words: &[&str]) -> Value {
    let found = plan(dir, &[words, &["--format", "json"]].concat());
    assert!(found.status.success(), "{}", text(&found.stderr));
    serde_json::from_slice(&found.stdout).unwrap()
}

fn names(plan: &Value) -> Vec<&str> {
    plan["modules"].as_array().unwrap().iter().map(|module| module["name"].as_str().unwrap()).collect()
}

/// A root directory with one kernel of a few modules that ask for firmware and for each other.
fn laid_out() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let firmware = Elf::new()
        .need("bus")
        .modinfo("firmware=fw/a.bin")
        .modinfo("firmware=fw/gone.bin")
        .modinfo("firmware=fw/x*.txt")
        .modinfo("alias=pci:v7*")
        .modinfo("weakdep=later");
    System::new()
        .module("kernel/bus.ko", Elf::new().export("bus", Crc::Absolute(1)))
        .module("kernel/card.ko", firmware)
        .module("kernel/later.ko", Elf::new().modinfo("firmware=fw/a.bin"))
        .module(
            "kernel/two.ko",
            Elf::new().modinfo("softdep=pre: s1 post: s2").modinfo("softdep=pre: s3 loop gone"),
        )
        .module("kernel/s1.ko", Elf::new())
        .module("kernel/s2.ko", Elf::new().need("bus"))
        .module("kernel/s3.ko", Elf::new().modinfo("alias=pci:v7d8"))
        .file("modules.builtin", "kernel/loop.ko\n")
        .file("modules.builtin.modinfo", "loop.alias=block-major-7-*\0")
        .file("modules.order", "")
        .root_file("lib/firmware/updates/fw/a.bin.zst", "abc")
        .root_file("lib/firmware/fw/x1.txt", "1")
        .root_link("lib/firmware/fw/x2.txt", "x1.txt")
        .root_link("lib/firmware/fw/x3.txt", "nowhere")
        .lay_out(&root);
    command::run(product::depmod().arg("-b").arg(&root).arg(VERSION)).unwrap();
    dir
}

#[test]
fn every_softdep_line_and_weak_dependencies() {
    let dir = laid_out();
    let found = json(dir.path(), &["two"]);
    assert_eq!(names(&found), ["s1", "s3", "two", "bus", "s2"]);
    let waves: Vec<_> =
        found["modules"].as_array().unwrap().iter().map(|module| module["wave"].as_u64()).collect();
    assert_eq!(waves, [Some(0), Some(0), Some(1), Some(0), Some(2)]);
    assert_eq!(found["modules"][1]["reasons"], serde_json::json!([{"kind": "soft-before", "module": "two"}]));
    assert_eq!(found["modules"][4]["reasons"], serde_json::json!([{"kind": "soft-after", "module": "two"}]));
    assert_eq!(found["builtin"][0]["names"], serde_json::json!(["loop"]));
    assert_eq!(found["findings"][0]["kind"], "no-soft-dependency");
    assert_eq!(names(&json(dir.path(), &["card"])), ["bus", "card"]);
    let weak = json(dir.path(), &["--weak", "card"]);
    assert_eq!(names(&weak), ["bus", "card", "later"]);
    assert_eq!(
        (&weak["modules"][2]["load"], &weak["modules"][2]["wave"]),
        (&Value::Bool(false), &Value::Null)
    );
    assert_eq!(weak["modules"][2]["reasons"], serde_json::json!([{"kind": "weak", "module": "card"}]));
    let load = plan(dir.path(), &["--weak", "card", "--format", "modules-load"]);
    assert_eq!(text(&load.stdout), "bus\ncard\n");
}

#[test]
fn all_reasons() {
    let dir = laid_out();
    let found = json(dir.path(), &["card", "s2", "pci:v7d8", "c*"]);
    assert_eq!(names(&found), ["bus", "card", "s2", "s3"]);
    let kinds = |at: usize| -> Vec<String> {
        let reasons = found["modules"][at]["reasons"].as_array().unwrap().iter();
        reasons
            .map(|reason| {
                format!(
                    "{} {}",
                    reason["kind"].as_str().unwrap(),
                    reason["query"].as_str().or(reason["module"].as_str()).unwrap()
                )
            })
            .collect()
    };
    assert_eq!(kinds(0), ["needed-by card", "needed-by s2"]);
    assert_eq!(kinds(1), ["requested card", "requested pci:v7d8", "requested c*"]);
    assert_eq!(kinds(3), ["requested pci:v7d8"]);
}

#[test]
fn firmware_found_and_missing() {
    let dir = laid_out();
    let found = json(dir.path(), &["--weak", "card"]);
    let firmware = found["firmware"].as_array().unwrap();
    let line = |one: &Value| {
        let path = one["path"].as_str().map(|path| path.rsplit_once("/root/").unwrap().1.to_owned());
        (one["name"].as_str().unwrap().to_owned(), path, one["size"].as_u64())
    };
    let expected = [
        ("fw/a.bin", Some("lib/firmware/updates/fw/a.bin.zst"), Some(3)),
        ("fw/gone.bin", None, None),
        ("fw/x*.txt", Some("lib/firmware/fw/x1.txt"), Some(1)),
        ("fw/x*.txt", Some("lib/firmware/fw/x2.txt"), Some(1)),
    ];
    let expected = expected.map(|(name, path, size)| (name.to_owned(), path.map(str::to_owned), size));
    assert_eq!(firmware.iter().map(line).collect::<Vec<_>>(), expected);
    assert_eq!(firmware[0]["modules"], serde_json::json!(["card", "later"]));
    assert_eq!(json(dir.path(), &["--no-firmware", "card"])["firmware"], Value::Null);
    let text = text(&plan(dir.path(), &["card"]).stdout);
    assert!(text.starts_with("6.1.0: 2 modules to load in 2 waves, "), "{text}");
    assert!(text.lines().next().unwrap().ends_with("3 firmware files, 5 B, 1 missing"), "{text}");
    assert!(text.contains("fw/gone.bin for card"), "{text}");
}

/// Every form but text.
const FORMATS: [&str; 5] = ["json", "list", "dot", "modules-load", "cpio"];

#[test]
fn from_index_files_and_from_modules_is_the_same() {
    let dir = laid_out();
    for format in FORMATS {
        for words in
            [&["card", "--weak"][..], &["two", "s*", "pci:v7d8"], &["gone", "--missing=ignore", "loop"]]
        {
            let words = [words, &["--format", format]].concat();
            let index = plan(dir.path(), &[&words[..], &["--from-index"]].concat());
            let modules = plan(dir.path(), &[&words[..], &["--from-modules"]].concat());
            assert!(index.status.success(), "{}", text(&index.stderr));
            assert!(index.stdout == modules.stdout, "{words:?}");
        }
    }
}

#[test]
fn a_real_kernel_from_index_files_and_from_modules_is_the_same() {
    let kernel = debian::kernel("trixie-cloud-amd64").unwrap();
    let index = crate::plan::Indexed::of("trixie-cloud-amd64");
    let run = |source: &str, words: &[&str]| {
        let mut depmod = product::depmod();
        depmod.args(["plan", "-C", "/dev/null", "-k", &kernel.version, source, "-b"]).arg(index.root.path());
        command::output(depmod.args(words)).unwrap()
    };
    let words = ["*", "virtio:d00000002v00001AF4", "fs-ext4", "--weak"];
    for format in ["json", "list", "dot"] {
        let words = [&words[..], &["--format", format]].concat();
        assert!(run("--from-index", &words) == run("--from-modules", &words), "{format}");
    }
    let all: Value = serde_json::from_slice(&run("--from-index", &["*", "--format", "json"])).unwrap();
    assert!(names(&all).len() > 1000);
    let unique: BTreeSet<_> = names(&all).into_iter().collect();
    assert_eq!(unique.len(), names(&all).len());
}

/// What `modprobe.d` may say of the modules of [`small`].
const CONFIG: &str = "alias foo nvme\nalias nv x\nblacklist x\nblacklist nvme-core\nsoftdep x post: nvme\n\
    softdep nvme? pre: x\nalias loop nvme\nalias pci:v9* x\ninstall nvme /bin/true\n";

#[test]
fn modprobe_d_is_obeyed_as_by_modprobe() {
    let dir = small();
    let config = dir.path().join("modprobe.d");
    fs::create_dir(&config).unwrap();
    let path = config.to_str().unwrap().to_owned();
    for text_of_config in [CONFIG.to_owned(), CONFIG.replace("softdep", "# softdep")] {
        fs::write(config.join("a.conf"), &text_of_config).unwrap();
        for query in
            ["foo", "nv", "x", "nvme", "nvme-core", "loop", "pci:v1d2", "pci:v1", "crypto-x", "pci:v9"]
        {
            let mut modprobe = Oracle::get().tool("modprobe");
            // The other file of kernel modules is planned with its command, as here.
            modprobe.args(["-S", VERSION, "-C", &path, "-D", query, "-d"]).arg(dir.path().join("root"));
            let theirs = text(&modprobe.output().unwrap().stdout);
            let mut seen = BTreeSet::new();
            let theirs: Vec<&str> = theirs
                .lines()
                .filter_map(|line| match line.strip_prefix("insmod ") {
                    Some(path) => path.split('/').next_back(),
                    None => (line == "install /bin/true ").then_some("nvme.ko "),
                })
                .map(str::trim)
                .filter(|file| seen.insert(file.to_string()))
                .collect();
            let ours = plan(dir.path(), &["-C", &path, query, "--format", "list", "--missing=ignore"]);
            let ours = text(&ours.stdout);
            let ours: Vec<&str> = ours.lines().filter_map(|line| line.split('/').next_back()).collect();
            // A command stands for the module alone; here its needs are planned, too.
            if theirs == ["nvme.ko"] {
                assert_eq!(ours.last(), Some(&"nvme.ko"), "{query}");
            } else {
                assert_eq!(ours, theirs, "{query}");
            }
        }
    }
    let found = json(dir.path(), &["-C", &path, "foo", "pci:v9"]);
    let kinds: Vec<_> =
        found["findings"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"blacklisted") && kinds.contains(&"install-command"), "{kinds:?}");
}

#[test]
fn the_kernels_command_line_is_obeyed_when_asked() {
    let dir = small();
    let cmdline = dir.path().join("cmdline");
    fs::write(&cmdline, "quiet modprobe.blacklist=x\n").unwrap();
    let option = format!("--cmdline={}", cmdline.display());
    let list =
        |words: &[&str]| text(&plan(dir.path(), &[words, &["--format", "modules-load"]].concat()).stdout);
    assert_eq!(list(&["pci:v1d2"]), "x\nnvme_core\nnvme\n");
    // The soft dependency of `nvme_core` is not asked for by an alias of the command line's.
    assert_eq!(list(&["pci:v1d2", &option]), "x\nnvme_core\nnvme\n");
    assert_eq!(list(&["pci:v1d", &option, "--missing=ignore"]), "x\nnvme_core\nnvme\n");
}

#[test]
fn what_nothing_answers_to() {
    let dir = small();
    let found = plan(dir.path(), &["nvem", "nvme", "gone"]);
    assert_eq!((found.status.code(), text(&found.stdout)), (Some(1), String::new()));
    let said = text(&found.stderr);
    assert!(said.contains("depmod: ERROR: no module or alias named nvem; did you mean nvme?\n"), "{said}");
    assert!(said.contains("depmod: ERROR: no module or alias named gone"), "{said}");
    let found = plan(dir.path(), &["gone", "x", "--missing=warn", "--format", "modules-load"]);
    assert_eq!((found.status.code(), text(&found.stdout)), (Some(0), "x\n".into()));
    assert!(text(&found.stderr).starts_with("depmod: WARNING: no module or alias named gone"));
    let found = plan(dir.path(), &["gone", "x", "--missing=ignore", "--format", "modules-load"]);
    assert_eq!((text(&found.stdout), text(&found.stderr)), ("x\n".into(), String::new()));
    let found = json(dir.path(), &["nvem", "--missing=ignore"]);
    assert_eq!(found["findings"][0]["kind"], "no-module");
    assert_eq!(found["findings"][0]["nearest"], serde_json::json!(["nvme"]));
    assert_eq!(plan(dir.path(), &[]).status.code(), Some(1), "nothing is asked");
}

#[test]
fn lists_files_and_hardware() {
    let dir = small();
    let list = dir.path().join("list");
    fs::write(&list, "# modules\n\nx\nkernel/nvme-core.ko\n").unwrap();
    let load =
        |words: &[&str]| text(&plan(dir.path(), &[words, &["--format", "modules-load"]].concat()).stdout);
    assert_eq!(load(&[&format!("@{}", list.display())]), "x\nnvme_core\n");
    let sysfs = dir.path().join("sys");
    for (device, modalias) in [("pci/0", "pci:v1d3\n"), ("pci/1", "pci:v55\n"), ("b", "block-major-7-1")] {
        let device = sysfs.join("devices").join(device);
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("modalias"), modalias).unwrap();
    }
    let words = ["--hardware", "--sysfs", sysfs.to_str().unwrap()];
    assert_eq!(load(&words), "x\nnvme_core\nnvme\n");
    let found = json(dir.path(), &words);
    assert_eq!(found["modules"][2]["reasons"][0]["origin"], "/devices/pci/0");
    let finding = &found["findings"][0];
    assert_eq!((&finding["kind"], &finding["origin"]), (&"no-driver".into(), &"/devices/pci/1".into()));
}

#[test]
fn index_files_that_are_missing_or_broken() {
    let dir = small();
    let modules = dir.path().join("root/lib/modules").join(VERSION);
    let expected = plan(dir.path(), &["nvme", "--format", "json"]).stdout;
    let path = modules.join("modules.dep.bin");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 3]).unwrap();
    let broken = plan(dir.path(), &["nvme", "--format", "json", "--from-index"]);
    assert_eq!((broken.status.code(), text(&broken.stdout)), (Some(1), String::new()));
    assert!(text(&broken.stderr).contains("modules.dep.bin: corrupt index: "), "{}", text(&broken.stderr));
    let read = plan(dir.path(), &["nvme", "--format", "json"]);
    assert!(read.stdout == expected);
    assert!(text(&read.stderr).contains(" at offset 0x"), "{}", text(&read.stderr));
    fs::remove_file(&path).unwrap();
    let read = plan(dir.path(), &["nvme", "--format", "json"]);
    assert!(read.stdout == expected);
    let none = plan(dir.path(), &["nvme", "--from-index"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("modules.dep.bin: No such file or directory"));
    fs::remove_file(modules.join("kernel/x.ko")).unwrap();
}

#[test]
fn a_module_that_is_not_there_any_more_is_told_of() {
    let dir = small();
    fs::remove_file(dir.path().join("root/lib/modules").join(VERSION).join("kernel/x.ko")).unwrap();
    let found = json(dir.path(), &["x"]);
    assert_eq!(found["modules"][0]["size"], Value::Null);
    assert_eq!(found["findings"][0]["kind"], "no-file");
    assert_eq!(plan(dir.path(), &["x", "--format", "cpio"]).status.code(), Some(1));
}

#[test]
fn an_archive_has_the_plan_and_nothing_else() {
    let dir = laid_out();
    let archive = plan(dir.path(), &["card", "two", "--format", "cpio"]).stdout;
    let again = plan(dir.path(), &["card", "two", "--format", "cpio"]).stdout;
    assert!(!archive.is_empty() && archive == again);
    let packed = dir.path().join("packed.cpio");
    let mut pack =
        lookup::command("pack", dir.path(), &["-o", packed.to_str().unwrap(), "--plan", "card", "two"]);
    command::run(&mut pack).unwrap();
    assert!(fs::read(&packed).unwrap() == archive);
    let files: Vec<_> = Members::new(&archive).map(Result::unwrap).filter(Member::is_file).collect();
    let names: Vec<String> = files.iter().map(|member| text(member.name)).collect();
    let below = format!("lib/modules/{VERSION}/");
    let modules: Vec<_> = names
        .iter()
        .filter_map(|name| name.strip_prefix(&below))
        .filter(|name| name.ends_with(".ko"))
        .collect();
    assert_eq!(modules, ["bus", "card", "s1", "s2", "s3", "two"].map(|name| format!("kernel/{name}.ko")));
    let firmware: Vec<_> = names.iter().filter(|name| name.starts_with("lib/firmware/")).collect();
    assert_eq!(
        firmware,
        ["lib/firmware/fw/x1.txt", "lib/firmware/fw/x2.txt", "lib/firmware/updates/fw/a.bin.zst"]
    );
    // The index files are those of a directory with these modules alone.
    let unpacked = dir.path().join("unpacked");
    for file in &files {
        let path = unpacked.join(text(file.name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.data).unwrap();
    }
    let kept = unpacked.join("lib/modules").join(VERSION);
    let read = |name: &str| fs::read(kept.join(name)).unwrap();
    let outputs = depmod_core::Output::ALL.map(depmod_core::Output::file_name);
    let packed: Vec<_> = outputs.map(read).into();
    let mut depmod = product::depmod();
    command::run(depmod.args(["-C", "/dev/null", "-b"]).arg(&unpacked).arg(VERSION)).unwrap();
    assert!(packed == outputs.map(read), "other index files");
    let load = text(&read("modules.load"));
    assert_eq!(load.lines().next_back(), Some("kernel/s2.ko"));
}

#[test]
fn an_archive_below_usr_leaves_the_link_lib_as_it_is() {
    let dir = laid_out();
    let merged = tempfile::tempdir().unwrap();
    fs::create_dir_all(merged.path().join("usr/lib/modules")).unwrap();
    std::os::unix::fs::symlink("usr/lib", merged.path().join("lib")).unwrap();
    let packed = dir.path().join("packed.cpio");
    let words = ["-o", packed.to_str().unwrap(), "--plan", "card", "two", "--usr"];
    command::run(&mut lookup::command("pack", dir.path(), &words)).unwrap();
    let archive = fs::read(&packed).unwrap();
    assert!(plan(dir.path(), &["card", "two", "--format", "cpio", "--usr"]).stdout == archive);
    // The kernel puts a directory in place of a link of its name.
    let names: Vec<_> = Members::new(&archive).map(|member| text(member.unwrap().name)).collect();
    assert!(!names.iter().any(|name| name.starts_with("lib")), "{names:?}");
    assert!(names.iter().any(|name| name == "conf/modules"), "{names:?}");
    let mut cpio = std::process::Command::new("cpio");
    cpio.args(["-idu", "--quiet", "-F"]).arg(&packed).current_dir(&merged);
    command::run(&mut cpio).unwrap();
    assert!(fs::symlink_metadata(merged.path().join("lib")).unwrap().is_symlink());
    let modules = merged.path().join("lib/modules").join(VERSION);
    assert!(modules.join("kernel/card.ko").is_file() && modules.join("modules.dep.bin").is_file());
    assert!(merged.path().join("lib/firmware/updates/fw/a.bin.zst").is_file());
    let mut modprobe = Oracle::get().tool("modprobe");
    modprobe.args(["-C", "/dev/null", "-D", "-S", VERSION, "-d"]).arg(merged.path()).arg("card");
    assert!(text(&command::output(&mut modprobe).unwrap()).ends_with("kernel/card.ko \n"));
    let said = text(&plan(dir.path(), &["card", "--usr"]).stderr);
    assert_eq!(said, "depmod: FATAL: --usr is about archives: give --format cpio, too\n");
}
