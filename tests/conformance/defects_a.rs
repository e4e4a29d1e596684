use depmod_tests::elf_builder::{Crc, Elf, Header, KINDS};
use depmod_tests::outcome::Outcome;
use depmod_tests::system::{Program, System, VERSION};

#[track_caller]
fn ours(system: System) -> Outcome {
    let run = system.run(Program::Ours, &[]);
    assert!(run.status.code().is_some(), "ended by a signal: {}; stderr:\n{}", run.status, run.stderr());
    run
}

#[test]
fn a1_section_name_index_zero_or_too_large_is_an_unreadable_module() {
    for (class, order) in KINDS {
        for (field, value) in [(Header::Shstrndx, 0), (Header::Shstrndx, 99), (Header::Shnum, 0)] {
            let run = ours(
                System::new()
                    .complete()
                    .module("kernel/bad.ko", Elf::of(class, order).modinfo("alias=x").header(field, value))
                    .module("kernel/good.ko", Elf::new().modinfo("alias=y")),
            );
            run.expect(
                0,
                "depmod: ERROR: failed to load symbols from {}/lib/modules/6.1.0/kernel/bad.ko: Invalid argument\n",
            );
            assert!(run.text("modules.alias").contains("alias y good\n"));
        }
    }
}

#[test]
fn a2_crc_in_a_section_that_does_not_exist_counts_as_all_ones() {
    for (class, order) in KINDS {
        let provider = Elf::of(class, order).export("common", Crc::At { section: 0xfff2, value: 4 });
        let run = System::new()
            .complete()
            .module("kernel/provider.ko", provider)
            .module("kernel/user.ko", Elf::of(class, order).need("common").version("common", 4))
            .root_file("Module.symvers", "0x1\tx\tvmlinux\tEXPORT_SYMBOL\t\n")
            .run(Program::Ours, &["-e", "-E", "{}/Module.symvers"]);
        run.expect(
            0,
            "depmod: WARNING: {}/lib/modules/6.1.0/kernel/user.ko disagrees about version of symbol common\n",
        );
        assert!(run.text("modules.dep").contains("kernel/user.ko: kernel/provider.ko\n"));
    }
}

/// A module that exports `NAME_symbol` and needs the same symbols of other modules.
fn graph(edges: &[(&str, &[&str])]) -> System {
    let mut lines = Vec::new();
    let system = edges.iter().fold(System::new().complete(), |system, (name, needs)| {
        lines.push(format!("kernel/{name}.ko"));
        let elf = Elf::new().export(format!("{name}_symbol"), Crc::Absolute(1));
        let elf = needs.iter().fold(elf, |elf, need| elf.need(format!("{need}_symbol")));
        system.module(format!("kernel/{name}.ko"), elf)
    });
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    system.order(&lines)
}

#[track_caller]
fn finite_cycle_report(run: &Outcome) {
    assert_eq!(run.status.code(), Some(1));
    run.expect_untouched();
    assert!(run.stderr().contains("Cycle detected: "), "{}", run.stderr());
    assert!(run.stderr().ends_with(" modules in dependency cycles!\n"), "{}", run.stderr());
    assert!(run.stderr.len() < 1 << 20);
}

#[test]
fn a3_cycle_entered_from_a_root_outside_it() {
    let run = ours(graph(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &["d"]), ("d", &["c"])]));
    finite_cycle_report(&run);
    assert!(run.stderr().contains("Cycle detected: a -> b -> a\n"), "{}", run.stderr());
}

#[test]
fn a4_densely_connected_cycle() {
    finite_cycle_report(&ours(graph(&[("a", &["b", "c"]), ("b", &["a", "c"]), ("c", &["a", "b"])])));
}

#[test]
fn a5_relative_config_file_without_slash() {
    let run = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new())
        .module("kernel/b.ko", Elf::new())
        .root_file("own.conf", "exclude b.ko\n")
        .run_command(|root| {
            let mut command = Program::Ours.command();
            command.current_dir(root).args(["-C", "own.conf", "-b"]).arg(root).arg(VERSION);
            command
        });
    run.expect(0, "");
    assert_eq!(run.text("modules.dep"), "kernel/a.ko:\n");
}

#[test]
fn a6_builtin_line_with_nothing_after_its_last_slash() {
    let with = ours(System::new().complete().file("modules.builtin", "kernel/a.ko\nkernel/"));
    let without = ours(System::new().complete().file("modules.builtin", "kernel/a.ko\n"));
    assert_eq!(with.output("modules.builtin.bin"), without.output("modules.builtin.bin"));
    assert_eq!(with.status.code(), Some(0));
    let alone = ours(System::new().complete().file("modules.builtin", "kernel/"));
    assert_eq!(alone.output("modules.builtin.bin").len(), 12);
}

#[test]
fn a7_export_with_an_empty_name() {
    let run = ours(
        System::new()
            .complete()
            .module("kernel/a.ko", Elf::new().export("", Crc::Absolute(1)).export("x", Crc::Absolute(1)))
            .module("kernel/b.ko", Elf::new().need(".").need("x")),
    );
    run.expect(0, "").expect_outputs();
    assert!(run.text("modules.symbols").ends_with("\nalias symbol:x a\n"), "{}", run.text("modules.symbols"));
}

#[test]
fn a8_unterminated_names_at_the_end_of_the_file() {
    for (class, order) in KINDS {
        let elf = Elf::of(class, order).modinfo("alias=a").need("b_symbol").end_with_unterminated_names(4096);
        let file = elf.build();
        assert!(file.len().is_multiple_of(4096) && file.ends_with(b"b_symbol"));
        let run = ours(
            System::new()
                .complete()
                .file("kernel/a.ko", file)
                .module("kernel/b.ko", Elf::of(class, order).export("b_symbol", Crc::Absolute(1))),
        );
        run.expect(
            0,
            "depmod: WARNING: {}/lib/modules/6.1.0/kernel/a.ko has a symbol whose name does not end in .strtab\n",
        );
        assert!(run.text("modules.dep").contains("kernel/a.ko: kernel/b.ko\n"));
    }
}

#[test]
fn a9_directory_links_that_form_a_loop() {
    for target in [".", "..", "{}/lib/modules/6.1.0"] {
        let run = ours(
            System::new()
                .complete()
                .module("kernel/c.ko", Elf::new().modinfo("alias=c"))
                .link("kernel/again", target)
                .module("zzz/z.ko", Elf::new()),
        );
        assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
        assert_eq!(run.stderr().lines().count(), 1, "the loop is reported once: {}", run.stderr());
        let dep = run.text("modules.dep");
        assert!(dep.contains("kernel/c.ko:\n") && dep.contains("zzz/z.ko:\n"), "{dep}");
    }
}

#[test]
fn a12_cycle_report_of_a_large_graph() {
    // Twenty layers of two modules; each module needs both modules of the next layer, and the last layer
    // needs the first: a million cycles.
    let names: Vec<[String; 2]> = (0..20).map(|layer| [format!("l{layer}"), format!("r{layer}")]).collect();
    let layers: Vec<[&str; 2]> = names.iter().map(|[left, right]| [left.as_str(), right.as_str()]).collect();
    let mut edges: Vec<(&str, &[&str])> = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        for name in layer {
            edges.push((name, &layers[(index + 1) % layers.len()]));
        }
    }
    finite_cycle_report(&ours(graph(&edges)));
}

#[test]
fn more_modules_than_kmods_limit_are_indexed() {
    let elf = Elf::new().build();
    let system = (0..66_000).fold(System::new().complete(), |system, number| {
        system.file(format!("kernel/{}/m{number}.ko", number % 256), &elf)
    });
    let run = ours(system);
    run.expect(0, "");
    assert_eq!(run.text("modules.dep").lines().count(), 66_000);
}
