//! `--layer`: several module directories, indexed as the one that an image-based system makes of them.

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::outcome::{OUTPUTS, Outcome};
use depmod_tests::system::{Program, System, VERSION};

/// A file of a module directory below a base directory.
fn path(base: &str, name: &str) -> String {
    format!("{base}lib/modules/{VERSION}/{name}")
}

/// The files of the kernel's own directory and of two extensions, below these base directories.
fn add(system: System, [kernel, nic, gpu]: [&str; 3]) -> System {
    let bus = Elf::new().export("bus", Crc::Absolute(1)).modinfo("alias=pci:v1*");
    let new_bus = Elf::new().export("bus", Crc::Absolute(1)).modinfo("alias=pci:v2*");
    system
        .root_file(&path(kernel, "kernel/bus.ko"), bus.build())
        .root_file(&path(kernel, "kernel/disk.ko"), Elf::new().need("bus").build())
        .root_file(&path(kernel, "modules.builtin"), "kernel/fs/ext4.ko\n")
        .root_file(&path(kernel, "modules.builtin.modinfo"), "ext4.alias=fs-ext4\0")
        .root_file(&path(nic, "kernel/bus.ko"), new_bus.build())
        .root_file(&path(nic, "extra/nic.ko"), Elf::new().need("bus").export("nic", Crc::Absolute(2)).build())
        .root_file(&path(gpu, "extra/gpu.ko"), Elf::new().need("nic").need("bus").build())
}

const KERNEL_ORDER: &str = "kernel/disk.ko\nkernel/bus.ko\n";
const GPU_ORDER: &str = "extra/gpu.ko\nkernel/bus.ko\n";

/// Three base directories.
fn layers() -> System {
    add(System::bare(), ["", "nic/", "gpu/"])
        .root_file(&path("", "modules.order"), KERNEL_ORDER)
        .root_file(&path("gpu/", "modules.order"), GPU_ORDER)
        .root_file("depmod.d/1.conf", "")
}

/// The same files in one directory, where upper ones replaced lower ones.
fn merged() -> System {
    add(System::bare(), [""; 3])
        .root_file(&path("", "modules.order"), [KERNEL_ORDER, GPU_ORDER].concat())
        .root_file("depmod.d/1.conf", "")
}

fn run(system: &System, program: Program, extra: &[&str]) -> Outcome {
    system.run_raw(program, &[&["-b", "{}", "-C", "{}/depmod.d"], extra, &[VERSION]].concat())
}

fn index_files(outcome: &Outcome, base: &str) -> Vec<(String, Vec<u8>)> {
    let files = OUTPUTS.iter().map(|name| (path(base, name), (*name).to_owned()));
    files
        .map(|(path, name)| (name, outcome.written.get(&path).unwrap_or_else(|| panic!("{path}")).clone()))
        .collect()
}

#[test]
fn the_index_is_that_of_the_merged_directory() {
    let by_kmod = run(&merged(), Program::Oracle, &[]);
    let ours = run(&layers(), Program::Ours, &["--layer", "{}/nic", "--layer", "{}/gpu", "-o", "{}/out"]);
    ours.expect(0, "");
    assert_eq!(index_files(&ours, "out/"), index_files(&by_kmod, ""));
    let texts = run(&layers(), Program::Ours, &["--layer={}/nic", "--layer={}/gpu", "-n"]);
    assert_eq!(texts.stdout, run(&merged(), Program::Oracle, &["-n"]).stdout);
    assert!(texts.written.is_empty());
    for jobs in ["1", "3"] {
        let extra = ["--layer", "{}/nic", "--layer", "{}/gpu", "-o", "{}/out", "--jobs", jobs];
        assert_eq!(run(&layers(), Program::Ours, &extra).written, ours.written);
    }
}

#[test]
fn a_module_of_an_upper_layer_wins_in_any_subdirectory() {
    let module = |alias: &str| Elf::new().modinfo(format!("alias={alias}")).build();
    let system = System::bare()
        .root_file("depmod.d/1.conf", "search updates built-in\n")
        .root_file(&path("", "updates/a.ko"), module("from:kernel"))
        .root_file(&path("x/", "kernel/a.ko"), module("from:x"))
        .root_file(&path("y/", "extra/a.ko"), module("from:y"));
    let alias = |extra: &[&str]| {
        let outcome = run(&system, Program::Ours, &[extra, &["-o", "{}/out"]].concat());
        String::from_utf8(outcome.written[&path("out/", "modules.alias")].clone()).unwrap()
    };
    assert!(alias(&[]).contains("from:kernel"));
    assert!(alias(&["--layer", "{}/x"]).contains("from:x"));
    assert!(alias(&["--layer", "{}/x", "--layer", "{}/y"]).contains("from:y"));
    assert!(alias(&["--layer", "{}/y", "--layer", "{}/x"]).contains("from:x"));
}

#[test]
fn configuration_of_layers_counts() {
    let module = |alias: &str| Elf::new().modinfo(format!("alias={alias}")).build();
    let system = System::bare()
        .root_file(&path("", "kernel/a.ko"), module("kernel"))
        .root_file("x/usr/lib/depmod.d/layers-test.conf", "search fast updates built-in\n")
        .root_file(&path("x/", "updates/b.ko"), module("updates"))
        .root_file(&path("x/", "fast/b.ko"), module("fast"));
    let args = ["-b", "{}", "--layer", "{}/x", "-o", "{}/out", VERSION];
    let outcome = system.run_raw(Program::Ours, &args);
    let text = String::from_utf8(outcome.written[&path("out/", "modules.alias")].clone()).unwrap();
    assert!(text.contains("fast") && !text.contains("updates"), "{text}");
}

#[test]
fn a_missing_layer_fails_and_writes_nothing() {
    let outcome = run(&layers(), Program::Ours, &["--layer", "{}/nci", "-o", "{}/out"]);
    assert_eq!(outcome.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(stderr.contains("could not open directory") && stderr.contains("nci/lib/modules"), "{stderr}");
    assert!(outcome.written.is_empty());
}

#[test]
fn layers_need_a_place_and_whole_directories() {
    for extra in [
        &["--layer", "{}/nic"][..],
        &["--layer", "{}/nic", "-o", "{}/out", "-A"],
        &["--layer", "{}/nic", "-o", "{}/out", "--all-kernels"],
        &["--layer", "{}/nic", "-o", "{}/out", "--cache={}/cache"],
    ] {
        let outcome = run(&layers(), Program::Ours, extra);
        assert_eq!(outcome.status.code(), Some(1), "{extra:?}");
        assert!(outcome.written.is_empty(), "{extra:?}");
    }
    let args = ["-b", "{}", "--layer", "{}/nic", "-o", "{}/out", VERSION, "{}/nic/extra/nic.ko"];
    let outcome = layers().run_raw(Program::Ours, &args);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.written.is_empty());
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("--layer is for whole module directories"));
}
