use depmod_tests::elf_builder::{Binding, Crc, Elf};
use depmod_tests::random::Random;
use depmod_tests::system::{Program, System};

/// A module that exports `NAME_symbol` and needs the same symbols of other modules.
fn linked(name: &str, needs: &[&str]) -> Elf {
    let elf = Elf::new().export(format!("{name}_symbol"), Crc::Absolute(1));
    needs.iter().fold(elf, |elf, need| elf.need(format!("{need}_symbol")))
}

#[test]
fn dependencies_are_transitive_with_the_most_basic_last() {
    let run = System::new()
        .complete()
        .module("kernel/a.ko", linked("a", &["b", "c"]))
        .module("kernel/b.ko", linked("b", &["d"]))
        .module("kernel/c.ko", linked("c", &["d"]))
        .module("kernel/d.ko", linked("d", &[]))
        .order(&["kernel/a.ko", "kernel/b.ko", "kernel/c.ko", "kernel/d.ko"])
        .assert_same(&["-v"]);
    assert!(run.text("modules.dep").starts_with("kernel/a.ko: kernel/"));
    assert!(run.stdout().contains("/kernel/a.ko needs \"b_symbol\": {}/lib/modules/6.1.0/kernel/b.ko\n"));
}

#[test]
fn random_acyclic_graphs_resolve_as_in_kmod() {
    let mut random = Random::new(1);
    for _ in 0..25 {
        let count = 2 + random.below(60);
        let mut system = System::new().complete();
        let mut lines = Vec::new();
        for index in 0..count {
            let needs: Vec<String> = (0..if index == 0 { 0 } else { random.below(5) })
                .map(|_| format!("m{}", random.below(index)))
                .collect();
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            let elf = linked(&format!("m{index}"), &needs);
            let elf = if random.below(4) == 0 { elf.need_as("nobody", Binding::Weak, 0) } else { elf };
            system = system.module(format!("kernel/m{index}.ko"), elf);
            lines.insert(random.below(lines.len() + 1), format!("kernel/m{index}.ko"));
        }
        lines.truncate(random.below(count + 1));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        system.order(&lines).assert_same(&["-v"]);
    }
}

#[test]
fn the_last_exporting_module_is_the_provider() {
    let system = System::new()
        .complete()
        .module("kernel/one.ko", Elf::new().export("s", Crc::Absolute(1)))
        .module("kernel/two.ko", Elf::new().export("s", Crc::Absolute(2)))
        .module("kernel/user.ko", Elf::new().need("s"));
    let run =
        system.clone().order(&["kernel/one.ko", "kernel/two.ko", "kernel/user.ko"]).assert_same(&["-w"]);
    assert!(run.text("modules.dep").contains("kernel/user.ko: kernel/two.ko\n"));
    let run = system.order(&["kernel/two.ko", "kernel/user.ko", "kernel/one.ko"]).assert_same(&["-w"]);
    assert!(run.text("modules.dep").contains("kernel/user.ko: kernel/one.ko\n"));
}

#[test]
fn module_exports_take_precedence_over_the_kernels() {
    let run = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().export("printk", Crc::Absolute(1)))
        .module("kernel/b.ko", Elf::new().need("printk"))
        .root_file("System.map", "ffffffff8 r __ksymtab_printk\n")
        .assert_same(&["-e", "-F", "{}/System.map"]);
    assert!(run.text("modules.dep").contains("kernel/b.ko: kernel/a.ko\n"));
}

/// Two modules with different unresolved symbols.
fn missing() -> System {
    System::new()
        .complete()
        .module(
            "kernel/a.ko",
            Elf::new()
                .need("printk")
                .need("gone")
                .need(".gone")
                .need_as("weakly_gone", Binding::Weak, 0)
                .need("__this_module")
                .need("_GLOBAL_OFFSET_TABLE_")
                .need(".TOC.")
                .version("printk", 7)
                .version("only_a_version", 8)
                .export("a_symbol", Crc::Absolute(9)),
        )
        .module("kernel/b.ko", Elf::new().need("a_symbol").version("a_symbol", 10))
        .root_file(
            "Module.symvers",
            "0x00000007\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x1\tother\tfs/x\tEXPORT_SYMBOL\t\n",
        )
        .root_file("System.map", "ffffffff81000000 T printk\nffffffff81000000 r __ksymtab_printk\n")
}

#[test]
fn all_combinations_of_symbol_options_are_as_in_kmod() {
    let system = missing();
    for options in [
        &[][..],
        &["-e"],
        &["-F", "{}/System.map"],
        &["-E", "{}/Module.symvers"],
        &["-e", "-F", "{}/System.map"],
        &["-e", "-E", "{}/Module.symvers"],
        &["-e", "-E", "{}/Module.symvers", "-F", "{}/nowhere"],
        &["-w", "-e", "-v", "-E", "{}/Module.symvers"],
    ] {
        system.assert_same(options);
    }
    let run = system.assert_same(&["-e", "-E", "{}/Module.symvers"]);
    assert!(run.stderr().contains("a.ko needs unknown symbol gone\n"));
    assert!(run.stderr().contains("b.ko disagrees about version of symbol a_symbol\n"));
    assert_eq!(run.status.code(), Some(0));
}

#[test]
fn symbol_prefixes_are_dropped_once() {
    let system = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().export("_x", Crc::Absolute(1)).export("__y", Crc::Absolute(1)))
        .module("kernel/b.ko", Elf::new().need("x").need("_y"))
        .module("kernel/c.ko", Elf::new().need("_x").need("._x").need("__y").need("_kernel"))
        .root_file("System.map", "0 r ___ksymtab_kernel\n0 r __ksymtab__other\n")
        .root_file("Module.symvers", "0x1\t_kernel\tvmlinux\tEXPORT_SYMBOL\t\n");
    system.assert_same(&["-v"]);
    system.assert_same(&["-v", "-P", "_"]);
    system.assert_same(&["-e", "-P", "_", "-F", "{}/System.map"]);
    system.assert_same(&["-e", "-P_", "-E", "{}/Module.symvers"]);
}

#[test]
fn malformed_system_map_lines_are_as_in_kmod() {
    let run = missing()
        .root_file(
            "odd.map",
            "0 r __ksymtab_printk\nno-space\none space\n\n  __ksymtab_gone\n0 r __ksymtab_\n\
             0 r __ksymtab_only_a_version [mod]\n0 r __ksymtab_unended",
        )
        .assert_same(&["-e", "-F", "{}/odd.map"]);
    assert_eq!(run.stderr().matches(": invalid line: ").count(), 3, "{}", run.stderr());
}

#[test]
fn malformed_module_symvers_lines_are_as_in_kmod() {
    missing()
        .root_file(
            "odd.symvers",
            "7\tprintk  \t vmlinux\tEXPORT_SYMBOL\t\n0x1 gone vmlinux\n0x1\tgone\n\n0x8 only_a_version vmlinux.o x\n\
             \t0X8 only_a_version vmlinux x\n-1 negative vmlinux x\n0x1 gone vmlinux",
        )
        .assert_same(&["-e", "-E", "{}/odd.symvers"]);
}

#[test]
fn invalid_crcs_have_the_message_of_kmods_development_head() {
    let run = missing()
        .root_file("bad.symvers", "0xzz\tprintk\tvmlinux\tx\n0x11112222333344445\tgone\tvmlinux\tx\n")
        .run(Program::Ours, &["-E", "{}/bad.symvers"]);
    let text = "depmod: ERROR: {}/bad.symvers:1 Invalid symbol version 0xzz: Success\n\
                depmod: ERROR: {}/bad.symvers:2 Invalid symbol version 0x11112222333344445: \
                Numerical result out of range\n";
    run.expect(0, text);
}

#[test]
fn unreadable_symbol_files_end_the_run() {
    for option in ["-E", "-F"] {
        let run = missing().assert_same(&[option, "{}/nowhere"]);
        run.expect(1, "depmod: FATAL: could not load {}/nowhere: No such file or directory\n")
            .expect_untouched();
    }
}

#[test]
fn very_long_symbol_names_are_as_in_kmod() {
    let name = "long_".repeat(2000);
    System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().export(&name, Crc::Absolute(1)).export("after", Crc::Absolute(2)))
        .module("kernel/b.ko", Elf::new().need(&name))
        .assert_same(&["-v"]);
}
