//! `--all-kernels`: one run for each version, each as if alone.

use std::collections::BTreeMap;
use std::fs;

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::outcome::{OUTPUTS, Outcome};
use depmod_tests::system::{Program, System};
use depmod_tests::{command, debian, product};

/// The versions with modules, oldest first: 6.9 before 6.10.
const VERSIONS: [&str; 3] = ["6.9.1", "6.10.0-2", "6.12"];

fn path(version: &str, name: &str) -> String {
    format!("lib/modules/{version}/{name}")
}

/// Three kernels that differ, and a directory without a kernel.
fn system() -> System {
    let mut system = System::bare().root_file("depmod.d/1.conf", "");
    for version in VERSIONS {
        let symbol = format!("add_{}", version.len());
        let bus = Elf::new().export(&symbol, Crc::Absolute(1)).modinfo(format!("alias=pci:v{version}*"));
        system = system
            .root_file(&path(version, "kernel/bus.ko"), bus.build())
            .root_file(&path(version, "kernel/disk.ko"), Elf::new().need(&symbol).build())
            .root_file(&path(version, "modules.order"), "kernel/disk.ko\n")
            .root_file(&path(version, "modules.builtin"), "kernel/fs/ext4.ko\n")
            .root_file(&path(version, "modules.builtin.modinfo"), "ext4.alias=fs-ext4\0");
    }
    system
        .root_file(&path("6.11", "modules.dep"), "of a kernel that was removed")
        .root_file(&path("6.8", "build/a.ko"), Elf::new().build())
        .root_file(&path("extra", "a.ko"), Elf::new().build())
        .root_file("lib/modules/6.13", "a file")
}

/// Modules that need each other.
fn with_cycle(version: &str) -> System {
    system()
        .root_file(&path(version, "kernel/a.ko"), Elf::new().export("a", Crc::Absolute(1)).need("b").build())
        .root_file(&path(version, "kernel/b.ko"), Elf::new().export("b", Crc::Absolute(1)).need("a").build())
}

fn ours(system: &System, extra: &[&str]) -> Outcome {
    let common = ["-b", "{}", "-C", "{}/depmod.d", "--all-kernels"];
    system.run_raw(Program::Ours, &[&common, extra].concat())
}

fn one(system: &System, program: Program, extra: &[&str], version: &str) -> Outcome {
    system.run_raw(program, &[&["-b", "{}", "-C", "{}/depmod.d"], extra, &[version]].concat())
}

/// What kmod writes for each of these versions alone.
fn written_by_kmod(system: &System, extra: &[&str], versions: &[&str]) -> BTreeMap<String, Vec<u8>> {
    versions.iter().flat_map(|version| one(system, Program::Oracle, extra, version).written).collect()
}

#[test]
fn each_version_equals_a_run_of_its_own() {
    let system = system();
    let all = ours(&system, &[]);
    all.expect(0, "");
    assert_eq!(all.written, written_by_kmod(&system, &[], &VERSIONS));
    assert_eq!(all.written.len(), 3 * OUTPUTS.len());
    assert!(all.removed.is_empty());
    for options in [&["--jobs", "1"][..], &["--no-cache", "-w"], &["-m", "/lib/modules"], &["-a"]] {
        assert_eq!(ours(&system, options).written, all.written, "{options:?}");
    }
    let elsewhere = ours(&system, &["-o", "{}/out"]);
    let files = elsewhere.written.into_iter().filter(|(path, _)| path.contains("/modules."));
    let files: BTreeMap<_, _> =
        files.map(|(path, bytes)| (path.strip_prefix("out/").unwrap().to_owned(), bytes)).collect();
    assert_eq!(files, all.written);
}

#[test]
fn real_kernels_beside_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let [one, all] = ["one", "all"].map(|name| dir.path().join(name));
    let mut versions = Vec::new();
    for label in ["bookworm-cloud-amd64", "trixie-cloud-amd64"] {
        let kernel = debian::kernel(label).unwrap();
        for root in [&one, &all] {
            let to = root.join("lib/modules").join(&kernel.version);
            fs::create_dir_all(&to).unwrap();
            std::os::unix::fs::symlink(kernel.modules().join("kernel"), to.join("kernel")).unwrap();
            for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
                fs::copy(kernel.modules().join(name), to.join(name)).unwrap();
            }
        }
        versions.push(kernel.version);
    }
    for version in &versions {
        let mut kmod = Program::Oracle.command();
        command::run(kmod.arg("-b").arg(&one).args(["-C", "/dev/null"]).arg(version)).unwrap();
    }
    let mut ours = product::depmod();
    command::run(ours.arg("-b").arg(&all).args(["-C", "/dev/null", "--all-kernels"])).unwrap();
    for version in &versions {
        for name in OUTPUTS {
            let [one, all] = [&one, &all].map(|root| fs::read(root.join(path(version, name))).unwrap());
            assert!(one == all, "{version}: {name}");
        }
    }
}

#[test]
fn a_failure_of_one_does_not_stop_the_others() {
    let system = with_cycle("6.10.0-2");
    let alone = one(&system, Program::Ours, &[], "6.10.0-2").stderr();
    let all = ours(&system, &[]);
    let expected: String = alone.lines().map(|line| with_version(line, "6.10.0-2")).collect();
    assert!(expected.contains("depmod: ERROR: 6.10.0-2: "), "{expected}");
    all.expect(1, &expected);
    assert_eq!(all.written, written_by_kmod(&system, &[], &["6.9.1", "6.12"]));
}

/// A message as a run of several has it.
fn with_version(line: &str, version: &str) -> String {
    let (head, text) = ["ERROR", "FATAL", "WARNING"]
        .into_iter()
        .find_map(|level| Some((level, line.strip_prefix(&format!("depmod: {level}: "))?)))
        .unwrap_or_else(|| panic!("{line}"));
    format!("depmod: {head}: {version}: {text}\n")
}

#[test]
fn messages_have_the_version_in_front() {
    let system = system().root_file(&path("6.12", "kernel/no.ko"), "no ELF");
    let all = ours(&system, &[]);
    let expected: String = one(&system, Program::Oracle, &[], "6.12")
        .stderr()
        .lines()
        .map(|line| with_version(line, "6.12"))
        .collect();
    assert!(expected.starts_with("depmod: WARNING: 6.12: ") || expected.starts_with("depmod: ERROR: 6.12: "));
    all.expect(0, &expected);
}

#[test]
fn a_dry_run_names_each_version() {
    let system = system();
    let all = ours(&system, &["-n"]);
    let text = |version| format!("# {version}\n{}", one(&system, Program::Oracle, &["-n"], version).stdout());
    assert_eq!(all.stdout(), VERSIONS.map(text).concat());
    all.expect(0, "").expect_untouched();
}

#[test]
fn quick_runs_write_only_what_is_old() {
    let system = system();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    system.lay_out(&root);
    let quick = || {
        let mut quick = product::depmod();
        quick.arg("-b").arg(&root).args(["-C", "/dev/null", "-A", "--all-kernels"]);
        depmod_tests::system::observe(&root, quick)
    };
    assert_eq!(quick().written.len(), 3 * OUTPUTS.len());
    quick().expect_untouched();
    let module = fs::File::open(root.join(path("6.12", "kernel/bus.ko"))).unwrap();
    let later = std::time::SystemTime::now() + core::time::Duration::from_secs(60);
    module.set_modified(later).unwrap();
    fs::remove_file(root.join(path("6.12", "modules.devname"))).unwrap();
    let written = quick().written;
    assert!(written.contains_key(&path("6.12", "modules.devname")), "{:?}", written.keys());
    assert!(written.keys().all(|name| name.starts_with("lib/modules/6.12/")), "{:?}", written.keys());
}

#[test]
fn every_version_has_its_cache() {
    let system = system();
    let fresh = ours(&system, &[]).written;
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let root = dir.path().join("root");
    system.lay_out(&root);
    let run = || {
        let mut run = product::depmod();
        run.arg("-b").arg(&root).args(["-C", "/dev/null", "--all-kernels"]);
        run.arg(format!("--cache={}", cache.display()));
        command::run(&mut run).unwrap();
        fresh
            .iter()
            .for_each(|(path, bytes)| assert!(fs::read(root.join(path)).unwrap() == *bytes, "{path}"));
        fs::read_dir(&cache).unwrap().count()
    };
    assert_eq!([run(), run()], [3, 3]);
}

#[test]
fn strict_judges_each_version() {
    let need = Elf::new().need("nobody_has_it").build();
    let found = system().root_file(&path("6.9.1", "kernel/x.ko"), need);
    let options = ["--strict=duplicate,cycle,unresolved", "--no-write"];
    let all = ours(&found, &options);
    let heads: Vec<String> =
        all.stdout().lines().filter(|line| !line.starts_with([' ', 'n', 'k'])).map(Into::into).collect();
    assert_eq!(heads.len(), 3, "{}", all.stdout());
    for (head, version) in heads.iter().zip(VERSIONS) {
        assert!(head.starts_with(&format!("{version}: ")), "{head}");
    }
    all.expect_untouched();

    let all = ours(&found, &[&options[..], &["--format", "json"]].concat());
    let answers: Vec<serde_json::Value> =
        all.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kernels: Vec<_> = answers.iter().map(|answer| answer["kernel"].as_str().unwrap()).collect();
    assert_eq!(kernels, VERSIONS);

    // Findings are worse than none, and a failure is worse than findings.
    let clean = ours(&system(), &["--strict=duplicate,cycle"]);
    clean.expect(0, "");
    let duplicate = |system: System| system.root_file(&path("6.9.1", "kernel/x/bus.ko"), Elf::new().build());
    assert_eq!(ours(&duplicate(system()), &["--strict=duplicate,cycle"]).status.code(), Some(3));
    let cycle = ours(&duplicate(with_cycle("6.12")), &["--strict=duplicate,cycle"]);
    assert_eq!(cycle.status.code(), Some(1));
}

#[test]
fn one_version_and_all_of_them_exclude_each_other() {
    let system = system();
    for words in [&["6.12"][..], &["-E", "/x"], &["-F", "/x"], &["--strict", "-k", "6.12"]] {
        let refused = ours(&system, words);
        assert!(refused.stderr().contains("cannot be used with"), "{words:?}: {}", refused.stderr());
        assert_eq!(refused.status.code(), Some(1));
        refused.expect_untouched();
    }
}

#[test]
fn no_version_is_a_failure() {
    let nothing = System::bare().root_file(&path("6.1", "modules.dep"), "");
    let none = ours(&nothing, &[]);
    none.expect(1, "depmod: FATAL: no kernel version has modules in {}/lib/modules\n").expect_untouched();
    let missing = ours(&System::bare().root_file("etc/x", ""), &[]);
    missing.expect(1, "depmod: ERROR: could not open directory {}/lib/modules: No such file or directory\n");
}
