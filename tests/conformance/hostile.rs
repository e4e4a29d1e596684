use depmod_tests::compress::Format;
use depmod_tests::elf_builder::{Crc, Elf, SectionField};
use depmod_tests::system::{Program, System, VERSION};

fn usbnet() -> Elf {
    Elf::new().export("usbnet_open", Crc::Absolute(7)).modinfo("alias=usb:v1*")
}

/// As `objcopy --only-keep-debug` makes it.
fn debug_only() -> Elf {
    const NO_BYTES: u64 = 8;
    usbnet().need("usbnet_open").section_header(".modinfo", SectionField::Type, NO_BYTES)
}

#[test]
fn the_best_file_that_can_be_a_module_is_indexed() {
    let whole = usbnet().build();
    let system = System::new()
        .complete()
        .module("kernel/usbnet.ko", usbnet())
        .module("kernel/asix.ko", Elf::new().need("usbnet_open").modinfo("alias=usb:v2*"));
    let expected = system.run(Program::Oracle, &[]);
    expected.expect(0, "");
    for (what, bytes) in [
        ("no bytes", Vec::new()),
        ("zeros", vec![0; whole.len()]),
        ("a script", b"#!/bin/sh\nexit 0\n".to_vec()),
        ("the begin of a module", whole[..whole.len() - 1].to_vec()),
        ("the begin of a compressed module", Format::Xz.compress(&whole)[..60].to_vec()),
        ("debugging information", debug_only().build()),
    ] {
        let run = system.clone().file("updates/usbnet.ko", bytes).run(Program::Ours, &[]);
        assert_eq!(run.status.code(), Some(0), "{what}: {}", run.stderr());
        assert_eq!(run.written, expected.written, "{what}");
        assert_eq!(run.stderr().lines().count(), 1, "{what}: {}", run.stderr());
        let text = "updates/usbnet.ko is no usable module: ";
        assert!(run.stderr().contains(text), "{what}: {}", run.stderr());
        assert!(run.stderr().contains(&format!("/lib/modules/{VERSION}/kernel/usbnet.ko takes its place")));
    }
}

#[test]
fn debugging_information_alone_is_no_module() {
    let run = System::new().complete().module(".debug/usbnet.ko", debug_only()).run(Program::Ours, &[]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
    assert!(run.stderr().contains("failed to load symbols from "), "{}", run.stderr());
    assert_eq!(run.text("modules.dep"), ".debug/usbnet.ko:\n");
}

#[test]
fn extended_versions_are_compared() {
    let extended = |crc: u32, elf: Elf| {
        elf.section("__version_ext_crcs", [0x11u32, crc].map(u32::to_le_bytes).concat())
            .section("__version_ext_names", b"module_layout\0a_symbol\0")
            .need("a_symbol")
    };
    let system = System::new()
        .complete()
        .root_file("Module.symvers", "0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n")
        .module("a.ko", Elf::new().export("a_symbol", Crc::Absolute(0x22)));
    for (crc, elf, agrees) in [
        (0x22, Elf::new(), true),
        (0x23, Elf::new(), false),
        (0x22, Elf::new().version("a_symbol", 0x23), true),
        (0x23, Elf::new().version("a_symbol", 0x22), false),
    ] {
        let run = system.clone().module("b.ko", extended(crc, elf));
        let run = run.run(Program::Ours, &["-e", "-E", "{}/Module.symvers"]);
        assert_eq!(run.status.code(), Some(0));
        assert_eq!(run.stderr().is_empty(), agrees, "{crc:#x}: {}", run.stderr());
        assert!(agrees || run.stderr().contains("b.ko disagrees about version of symbol a_symbol\n"));
    }
}

#[test]
fn control_characters_forge_no_line() {
    let system = System::new()
        .complete()
        .module("kernel/good.ko", Elf::new().modinfo("alias=good"))
        .module("kernel/a\nb.ko", Elf::new())
        .module("kernel/\x1b[2J/c.ko", Elf::new().need("missing"))
        .module("kernel/d.ko", Elf::new().need("gone\nERROR: forged"))
        .file("kernel/e\x07.ko", "no module");
    let run = system.run(Program::Ours, &["-e", "-F", "/dev/null"]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
    assert_eq!(run.text("modules.dep"), "kernel/d.ko:\nkernel/good.ko:\n");
    let stderr = run.stderr();
    assert!(stderr.bytes().all(|byte| byte == b'\n' || !byte.is_ascii_control()), "{stderr:?}");
    assert!(stderr.lines().all(|line| line.starts_with("depmod: ")), "{stderr}");
    for text in [
        "kernel/a\\x0ab.ko: control character in the path",
        "kernel/\\x1b[2J/c.ko: control character in the path",
        "kernel/e\\x07.ko: control character in the path",
        "needs unknown symbol gone\\x0aERROR: forged",
    ] {
        assert!(stderr.contains(text), "{text}: {stderr}");
    }
}
