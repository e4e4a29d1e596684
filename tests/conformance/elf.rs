use depmod_tests::elf_builder::{Binding, Class, Crc, Elf, Header, KINDS, RawSymbol, SectionField};
use depmod_tests::system::{Program, System};

/// A module with content in every section that depmod reads.
fn rich(elf: Elf) -> Elf {
    elf.modinfo("alias=pci:v00008086d*")
        .modinfo("softdep=pre: ptp")
        .export("rich_absolute", Crc::Absolute(0x1234_5678))
        .export("rich_table", Crc::InSection(0x9abc_def0))
        .ksymtab_strings(b"only_without_crcs\0")
        .need("printk")
        .need_as("maybe", Binding::Weak, 0)
        .version("module_layout", 0x1111)
        .version("printk", 0x2222)
}

#[test]
fn modules_of_every_class_and_byte_order_resolve_across_each_other() {
    let mut system = System::new().complete();
    for (index, (class, order)) in KINDS.into_iter().enumerate() {
        let next = (index + 1) % KINDS.len();
        let elf = rich(Elf::of(class, order)).export(format!("symbol_{index}"), Crc::InSection(index as u32));
        // A chain: a ring would be a cycle.
        let elf = if next == 0 { elf } else { elf.need(format!("symbol_{next}")) };
        system = system.module(format!("kernel/m{index}.ko"), elf);
    }
    let run = system.assert_same(&["-v"]);
    assert!(run.text("modules.dep").contains("kernel/m0.ko: kernel/m1.ko kernel/m2.ko kernel/m3.ko\n"));
}

#[test]
fn all_kinds_of_crcs_are_compared() {
    for (class, order) in KINDS {
        let provider = Elf::of(class, order)
            .export("absolute", Crc::Absolute(0x11))
            .export("table", Crc::InSection(0x22))
            .export("undefined", Crc::Undefined(0x33))
            .export("outside", Crc::At { section: 1, value: 1 << 20 })
            .export("nearly_outside", Crc::At { section: 1, value: 1 });
        let right = Elf::of(class, order)
            .need("absolute")
            .need("table")
            .need("undefined")
            .version("absolute", 0x11)
            .version("table", 0x22)
            .version("undefined", 0x33);
        let wrong = Elf::of(class, order)
            .need("absolute")
            .need("table")
            .need("undefined")
            .need("outside")
            .need("nearly_outside")
            .need_as("table", Binding::Weak, 0)
            .version("absolute", 0x12)
            .version("table", 0x23)
            .version("undefined", 0);
        let run = System::new()
            .complete()
            .module("kernel/provider.ko", provider)
            .module("kernel/right.ko", right)
            .module("kernel/wrong.ko", wrong)
            .root_file("Module.symvers", "0x1\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
            .assert_same(&["-e", "-E", "{}/Module.symvers"]);
        assert!(!run.stderr().contains("right.ko disagrees"), "{}", run.stderr());
        assert_eq!(run.stderr().matches("wrong.ko disagrees").count(), 5, "{}", run.stderr());
    }
}

#[test]
fn empty_sections_exist() {
    let empty: [(&[&str], bool); 5] = [
        (&[".symtab"], true),
        (&[".strtab"], false),
        (&[".symtab", ".strtab"], true),
        (&["__versions"], false),
        (&[".modinfo"], true),
    ];
    for (class, order) in KINDS {
        for (sections, depends) in empty {
            // Far from all other sections that depmod reads.
            let elf = rich(Elf::of(class, order)).section(".text", [0; 1 << 16]).version("provided", 1);
            let elf = sections.iter().fold(elf, |elf, name| {
                elf.section_header(name, SectionField::Size, 0).section_header(
                    name,
                    SectionField::Offset,
                    1 << 15,
                )
            });
            let run = System::new()
                .complete()
                .module("kernel/a.ko", elf)
                .module("kernel/b.ko", Elf::of(class, order).export("provided", Crc::Absolute(1)))
                .assert_same_but_for(&[], "a.ko loses all its dependencies");
            assert_eq!(
                run.text("modules.dep").contains("kernel/a.ko: kernel/b.ko\n"),
                depends,
                "{sections:?}"
            );
        }
    }
}

#[test]
fn without_crcs_the_exports_are_the_names_of_ksymtab_strings() {
    let strings: [&[u8]; 7] = [
        b"one\0two\0",
        b"\0\0\0led\0",
        b"\0",
        b"\0\0\0\0",
        b"x",
        b"unterminated\0tail",
        b"a\0\0\0b\0NAMESPACE\0",
    ];
    for (class, order) in KINDS {
        let mut system = System::new().complete();
        for (index, bytes) in strings.iter().enumerate() {
            system = system.module(
                format!("kernel/s{index}.ko"),
                Elf::of(class, order).ksymtab_strings(bytes).need("printk").modinfo("alias=a"),
            );
        }
        system =
            system.module("kernel/user.ko", Elf::of(class, order).need("two").need("led").need("NAMESPACE"));
        system.assert_same(&[]);
    }
}

#[test]
fn crc_symbols_take_precedence_over_ksymtab_strings() {
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().ksymtab_strings(b"hidden\0").export("seen", Crc::Absolute(1)))
        .module("kernel/b.ko", Elf::new().need("hidden").need("seen"))
        .assert_same(&["-v"]);
}

#[test]
fn sections_may_be_missing() {
    let mut system = System::new().complete();
    for section in [".symtab", ".strtab", ".modinfo", "__versions", "__ksymtab_strings", "__kcrctab"] {
        for (class, order) in KINDS {
            let name = format!("kernel/{}-{class:?}-{order:?}.ko", section.trim_matches(['.', '_']));
            system = system.module(name, rich(Elf::of(class, order)).omit(section));
        }
    }
    system.module("kernel/nothing.ko", Elf::new()).assert_same(&[]);
}

#[test]
fn the_first_usable_section_of_a_name_is_read() {
    System::new()
        .complete()
        .module(
            "kernel/a.ko",
            Elf::new().section("x", "").modinfo("alias=1").section(".modinfo", "alias=2\0"),
        )
        .module(
            "kernel/b.ko",
            Elf::new().modinfo("alias=1").section(".modinfo", "alias=2\0").section_header(
                ".modinfo",
                SectionField::Offset,
                1 << 30,
            ),
        )
        .module(
            "kernel/c.ko",
            Elf::new().modinfo("alias=1").section(".modinfo", "alias=2\0").section_header(
                ".modinfo",
                SectionField::Offset,
                0,
            ),
        )
        .assert_same(&[]);
}

#[test]
fn versions_of_an_odd_size_count_as_absent() {
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().need("printk").version("printk", 5).versions_raw(b"x"))
        .module("kernel/b.ko", Elf::new().need("printk").version("printk", 5).version("more", 6))
        .root_file("Module.symvers", "0x5\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
        .assert_same(&["-e", "-E", "{}/Module.symvers"]);
}

#[test]
fn version_names_of_the_maximum_length_are_as_in_kmod() {
    for (class, order) in KINDS {
        let width = if class == Class::Elf64 { 56 } else { 60 };
        System::new()
            .complete()
            .module("kernel/a.ko", Elf::of(class, order).export("x", Crc::Absolute(1)))
            .module(
                "kernel/b.ko",
                Elf::of(class, order).need("x").version_raw(1, "y".repeat(width - 1)).version("x", 1),
            )
            .assert_same(&[]);
    }
}

#[test]
fn sparc_register_symbols_are_not_needs() {
    for machine in [2, 43, 62] {
        System::new()
            .complete()
            .module("kernel/a.ko", Elf::new().export("g2", Crc::Absolute(1)))
            .module("kernel/b.ko", Elf::new().machine(machine).need_as("g2", Binding::Global, 13))
            .assert_same(&["-v"]);
    }
}

#[test]
fn symbols_of_every_binding_are_read_as_in_kmod() {
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().export("x", Crc::Absolute(1)).export(".dot", Crc::Absolute(1)))
        .module("kernel/weak.ko", Elf::new().need_as("x", Binding::Weak, 0))
        .module(
            "kernel/local.ko",
            Elf::new().need_as("x", Binding::Local, 0).need_as("gone", Binding::Local, 0),
        )
        .module("kernel/dot.ko", Elf::new().need(".x").need("..dot"))
        .module("kernel/nodot.ko", Elf::new().need(".dot"))
        .module("kernel/empty.ko", Elf::new().need("").need("x"))
        .module("kernel/twice.ko", Elf::new().need("x").need("x"))
        .root_file("System.map", "0 r __ksymtab_y\n")
        .assert_same(&["-v", "-e", "-F", "{}/System.map"]);
}

#[test]
fn non_elf_files_are_unreadable() {
    let mut system = System::new().complete();
    let contents: [&[u8]; 8] = [
        b"",
        b"\x7fELF",
        b"\x7fELF\x02",
        b"#!/bin/sh\nexit\n",
        b"MZ..................",
        &[0; 16],
        &[0; 17],
        &[0; 100],
    ];
    for (index, content) in contents.iter().enumerate() {
        system = system.file(format!("kernel/f{index}.ko"), content);
    }
    let run = system.module("kernel/good.ko", rich(Elf::new())).assert_same(&[]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(run.text("modules.dep").lines().count(), 9);
}

#[test]
fn truncated_modules_are_read_as_in_kmod() {
    for (class, order) in KINDS {
        let whole = rich(Elf::of(class, order)).build();
        let mut system = System::new().complete();
        for len in 0..whole.len() {
            system = system.file(format!("kernel/cut{len:04}.ko"), &whole[..len]);
        }
        let run = system.file("kernel/whole.ko", whole).assert_same(&[]);
        assert_eq!(run.status.code(), Some(0));
    }
}

/// Extreme values of numbers.
const EXTREME: [u64; 14] = [
    0,
    1,
    2,
    3,
    7,
    63,
    65,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ff00,
    u64::MAX,
];

/// Modules with one header field overridden; `keep` excludes the fields that crash kmod.
fn extreme_headers(
    class: Class,
    order: depmod_tests::elf_builder::Order,
    keep: fn(Header, u64) -> bool,
) -> System {
    let mut system = System::new().complete();
    for field in Header::ALL {
        for (index, value) in EXTREME.into_iter().enumerate().filter(|(_, value)| keep(field, *value)) {
            let elf = rich(Elf::of(class, order)).header(field, value);
            system = system.module(format!("kernel/{field:?}-{index}.ko"), elf);
        }
    }
    system
}

#[test]
fn extreme_header_fields_are_read_as_in_kmod() {
    for (class, order) in KINDS {
        // A bad index of the section names, or too few sections for it, is row A1.
        extreme_headers(class, order, |field, value| match field {
            Header::Shstrndx => false,
            Header::Shnum => value & 0xffff > 7,
            _ => true,
        })
        .assert_same(&[]);
    }
}

#[test]
fn extreme_header_fields_that_abort_kmod_are_accepted() {
    for (class, order) in KINDS {
        let run = extreme_headers(class, order, |field, _| matches!(field, Header::Shstrndx | Header::Shnum))
            .run(Program::Ours, &[]);
        assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
        assert_eq!(run.text("modules.dep").lines().count(), 2 * EXTREME.len());
    }
}

#[test]
fn extreme_section_header_fields_are_read_as_in_kmod() {
    for (class, order) in KINDS {
        let mut system = System::new().complete();
        for section in
            [".modinfo", ".symtab", ".strtab", ".shstrtab", "__versions", "__ksymtab_strings", "__kcrctab"]
        {
            for field in SectionField::ALL {
                for (index, value) in EXTREME.into_iter().enumerate() {
                    let elf = rich(Elf::of(class, order)).section_header(section, field, value);
                    let name = section.trim_matches(['.', '_']);
                    system = system.module(format!("kernel/{name}-{field:?}-{index}.ko"), elf);
                }
            }
        }
        // We warn if an extreme value loses the needs of a module or truncates a name (rows A8, B7 and B8).
        system.assert_same_but_for(&[], "depmod: WARNING: ");
    }
}

#[test]
fn symbol_names_outside_of_strtab_are_as_in_kmod() {
    for (class, order) in KINDS {
        System::new()
            .complete()
            .module(
                "kernel/defined.ko",
                rich(Elf::of(class, order)).raw_symbol(RawSymbol {
                    name: 1 << 20,
                    info: 0x10,
                    section: 1,
                    value: 0,
                }),
            )
            .assert_same(&[]);
    }
}
