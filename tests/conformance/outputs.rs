use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::system::System;

#[test]
fn empty_directories_give_headers_and_three_warnings() {
    let run = System::new().assert_same(&[]);
    run.expect_outputs();
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(run.stderr().lines().count(), 3);
    assert_eq!(run.output("modules.dep.bin").len(), 12);
    assert_eq!(run.output("modules.builtin.bin").len(), 0);
    assert_eq!(run.text("modules.symbols"), "# Aliases for symbols, used by symbol_request().\n");
}

#[test]
fn aliases_softdeps_and_weakdeps_keep_file_order_and_raw_text() {
    let run = System::new()
        .module(
            "kernel/drivers/net/e1000-e.ko",
            Elf::new()
                .modinfo("license=GPL")
                .modinfo("alias=pci:v00008086d00001502sv*sd*bc*sc*i*")
                .modinfo("softdep=pre: ptp post: mii")
                .modinfo("alias=of:N*T*Cintel,x-y")
                .modinfo("weakdep=phy_a phy_b")
                .modinfo("softdep=")
                .modinfo("alias=")
                .modinfo("alias"),
        )
        .module("kernel/fs/ext4.ko", Elf::new().modinfo("alias=fs-ext4").modinfo("alias=fs-ext2"))
        .complete()
        .assert_same(&[]);
    assert!(run.text("modules.alias").contains("alias of:N*T*Cintel,x-y e1000_e\n"));
    assert!(run.text("modules.softdep").contains("softdep e1000_e pre: ptp post: mii\n"));
    assert!(run.text("modules.weakdep").contains("weakdep e1000_e phy_a phy_b\n"));
}

#[test]
fn modinfo_is_split_at_runs_of_nul_and_may_end_without_one() {
    System::new()
        .module(
            "kernel/a.ko",
            Elf::new()
                .modinfo_raw(b"\0\0alias=one\0\0\0alias=two\0=alias=x\0aliases=no\0Alias=no\0alias=last"),
        )
        .module("kernel/b.ko", Elf::new().modinfo_raw(b"\0\0\0"))
        .complete()
        .assert_same(&[]);
}

#[test]
fn alias_keys_are_normalised_outside_brackets() {
    let mut elf = Elf::new();
    for alias in ["a-b", "a[1-3]-x", "a[[]", "-", "a b-c", "x[", "y]", "z[]]", "[a-b]-[c-d]", "usb:v*[0-9]-*"]
    {
        elf = elf.modinfo(format!("alias={alias}"));
    }
    let run = System::new().module("kernel/a.ko", elf).complete().assert_same(&[]);
    assert_eq!(run.stderr().matches("Unmatched bracket in ").count(), 3);
}

#[test]
fn aliases_up_to_the_maximum_length_are_indexed() {
    let run = System::new()
        .module(
            "kernel/a.ko",
            Elf::new()
                .modinfo(format!("alias={}", "x".repeat(4095)))
                .modinfo(format!("alias={}", "y".repeat(4096)))
                .modinfo(format!("alias={}-tail", "z".repeat(5000))),
        )
        .complete()
        .assert_same(&[]);
    assert!(run.text("modules.alias").contains(&"y".repeat(4096)));
}

#[test]
fn prefix_keys_and_duplicate_keys_are_indexed() {
    let mut system = System::new().complete();
    for (name, aliases) in [
        ("a", &["x", "xy", "xyz", "", "pci:v1", "pci:v12", "~", " "][..]),
        ("b", &["x", "xyz", "pci:v1", "pci:v1d2"]),
        ("c", &["x", "Xy", "pci:v1"]),
    ] {
        let elf = aliases.iter().fold(Elf::new(), |elf, alias| elf.modinfo(format!("alias={alias}")));
        system = system.module(format!("kernel/{name}.ko"), elf);
    }
    system.assert_same(&[]);
}

#[test]
fn symbols_are_listed_in_hash_order() {
    let elf = (0..500).fold(Elf::new(), |elf, n| elf.export(format!("symbol_{n}"), Crc::Absolute(n)));
    let run = System::new().module("kernel/a.ko", elf).complete().assert_same(&[]);
    assert_eq!(run.text("modules.symbols").lines().count(), 501);
}

#[test]
fn device_nodes_need_a_name_and_numbers() {
    let run = System::new()
        .module("kernel/fuse.ko", Elf::new().modinfo("alias=devname:fuse").modinfo("alias=char-major-10-229"))
        .module("kernel/loop.ko", Elf::new().modinfo("alias=block-major-7-0").modinfo("alias=devname:loop0"))
        .module("kernel/late.ko", Elf::new().modinfo("alias=char-major-1-2").modinfo("alias=block-major-3-4"))
        .module("kernel/wild.ko", Elf::new().modinfo("alias=char-major-10-*").modinfo("alias=devname:wild"))
        .module(
            "kernel/odd.ko",
            Elf::new().modinfo("alias=devname:odd").modinfo("alias=char-major- +4294967297--1trailing"),
        )
        .module(
            "kernel/first.ko",
            Elf::new()
                .modinfo("alias=devname:one")
                .modinfo("alias=devname:two")
                .modinfo("alias=char-major-5-6")
                .modinfo("alias=block-major-7-8"),
        )
        .complete()
        .assert_same(&[]);
    let devname = run.text("modules.devname");
    assert!(devname.starts_with("# Device nodes to trigger on-demand module loading.\n"));
    assert!(devname.contains("fuse fuse c10:229\n"), "{devname}");
    assert!(run.stderr().contains("Module 'wild' has devname (wild) but lacks major and minor information"));
}

#[test]
fn modules_without_an_order_line_follow_in_hash_order() {
    let names = ["zeta", "alpha", "mid-dle", "omega", "e1000e", "snd", "abc", "abcd"];
    let system = names.iter().fold(System::new().complete(), |system, name| {
        system.module(format!("kernel/{name}.ko"), Elf::new().modinfo(format!("alias=x-{name}")))
    });
    system.assert_same(&[]);
    system.clone().order(&["kernel/omega.ko", "kernel/mid-dle.ko", "kernel/gone.ko"]).assert_same(&[]);
    // The first occurrence counts; blanks, CR and the suffix of a compressed file do not match.
    system
        .clone()
        .order(&[
            "kernel/snd.ko",
            "kernel/abc.ko",
            "kernel/snd.ko",
            " kernel/zeta.ko",
            "kernel/zeta.ko\r",
            "",
            "kernel/alpha.ko.xz",
        ])
        .assert_same(&[]);
}

#[test]
fn modules_order_without_a_final_newline_is_ignored() {
    let system = System::new()
        .complete()
        .module("kernel/zeta.ko", Elf::new())
        .module("kernel/alpha.ko", Elf::new())
        .module("kernel/beta.ko", Elf::new());
    let run = system.clone().file("modules.order", "kernel/zeta.ko\nkernel/alpha.ko").assert_same(&[]);
    run.expect(0, "depmod: ERROR: {}/lib/modules/6.1.0/modules.order:2 corrupted line misses '\\n'\n");
    let long = format!("kernel/zeta.ko\n{}\nkernel/alpha.ko\n", "x".repeat(5000));
    let run = system.clone().file("modules.order", long).assert_same(&[]);
    assert!(run.stderr().contains("corrupted line misses"));
    let full = format!("kernel/zeta.ko\n{}\nkernel/alpha.ko\n", "x".repeat(4094));
    system.file("modules.order", full).assert_same(&[]).expect(0, "");
}

#[test]
fn order_lines_for_names_with_several_dots_are_as_in_kmod() {
    System::new()
        .complete()
        .module("kernel/foo.bar-x.ko", Elf::new())
        .module("kernel/a.ko", Elf::new())
        .module("kernel/b.ko", Elf::new())
        .order(&["kernel/b.ko", "kernel/foo.ba", "kernel/a.ko"])
        .assert_same(&[]);
}

#[test]
fn builtin_modules_are_keys_without_values() {
    let run = System::new()
        .complete()
        .file(
            "modules.builtin",
            "kernel/fs/ext4/ext4.ko\nkernel/lib/crc-32.ko\nkernel/fs/ext4/ext4.ko\n\n# no\n9p.ko\n/abs/x.ko\nb.ko",
        )
        .assert_same(&[]);
    assert_eq!(run.stderr().matches("Invalid modules.builtin line: ").count(), 4);
    assert!(!run.output("modules.builtin.bin").is_empty());
}

#[test]
fn builtin_lines_without_a_dot_and_long_lines_are_as_in_kmod() {
    System::new()
        .complete()
        .file("modules.builtin", format!("kernel/nodot\nkernel/{}.ko\nz.ko\n", "long-".repeat(1000)))
        .assert_same(&[]);
}

#[test]
fn aliases_of_builtin_modules_come_from_their_modinfo() {
    System::new()
        .complete()
        .file(
            "modules.builtin.modinfo",
            b"ext4.alias=fs-ext4\0ext4.license=GPL\0a-b.alias=x-y\0nodot\0.alias=z\0c.alias=\0d.=x\0\
              e.alias=bad]\0f.alias=[a-b]-c\0g.alias.more=h\0h.param=a=b\0i.alias=k=v\0j.alias=lost",
        )
        .assert_same(&[]);
}

#[test]
fn builtin_modinfo_entries_without_equals_absorb_the_next() {
    System::new()
        .complete()
        .file("modules.builtin.modinfo", b"a.key\0b.alias=swallowed\0c.alias=kept\0")
        .assert_same(&[]);
}

#[test]
fn a_builtin_modinfo_field_of_4096_bytes_is_too_long() {
    for len in [4094, 4095, 4096, 4097, 9000] {
        let value = "v".repeat(len);
        System::new()
            .complete()
            .file(
                "modules.builtin.modinfo",
                format!("a.alias={value}\0b.alias=after\0{value}.alias=x\0c.alias=y\0"),
            )
            .assert_same(&[]);
    }
}

#[test]
fn directories_in_place_of_builtin_files_replace_no_output() {
    let run = System::new()
        .file("modules.builtin/x", "")
        .file("modules.order", "")
        .file("modules.builtin.modinfo", "")
        .assert_same(&[]);
    assert_eq!(run.output("modules.builtin.bin").len(), 12);
    let run = System::bare()
        .root_file("lib/modules/6.1.0/modules.builtin.modinfo/x", "")
        .run(depmod_tests::system::Program::Ours, &[]);
    assert_eq!(run.status.code(), Some(1));
    assert!(run.stderr().contains("Could not write index 'modules.builtin.alias.bin': "), "{}", run.stderr());
    // kmod has replaced nine files by then; we replace no file.
    run.expect_untouched();
}

#[test]
fn repeated_aliases_are_reported_with_w() {
    let system = System::new()
        .complete()
        .module("kernel/a.ko", Elf::new().modinfo("alias=x-y").modinfo("alias=x_y").modinfo("alias=x-y"))
        .module("kernel/b.ko", Elf::new().modinfo("alias=x-y"));
    system.assert_same(&[]).expect(0, "");
    let run = system.assert_same(&["-w"]);
    assert_eq!(run.stderr(), "depmod: WARNING: duplicate module alias:\nx_y a\n".repeat(2));
}

#[test]
fn existing_outputs_do_not_affect_new_ones() {
    let elf = Elf::new().modinfo("alias=x").export("s", Crc::Absolute(1));
    let fresh = System::new().complete().module("kernel/a.ko", elf.clone()).assert_same(&[]);
    let mut stale = System::new().complete().module("kernel/a.ko", elf);
    for name in depmod_tests::outcome::OUTPUTS {
        stale = stale.file(name, "# stale\n");
    }
    let again = stale.assert_same(&[]);
    assert_eq!(fresh.written, again.written);
}

#[test]
fn outputs_are_world_readable_with_any_umask() {
    use std::os::unix::fs::PermissionsExt;
    let place = depmod_tests::system::Place::new();
    let root = place.root();
    System::new().complete().module("kernel/a.ko", Elf::new()).lay_out(&root);
    let status = std::process::Command::new("sh")
        .args(["-c", "umask 077; exec \"$@\"", "sh"])
        .arg(depmod_tests::product::binary())
        .arg("-b")
        .arg(&root)
        .arg("-C")
        .arg(root.join("depmod.d"))
        .arg(depmod_tests::system::VERSION)
        .status()
        .unwrap();
    assert!(status.success());
    for name in depmod_tests::outcome::OUTPUTS {
        let meta = std::fs::metadata(root.join("lib/modules/6.1.0").join(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o644, "{name}");
    }
}
