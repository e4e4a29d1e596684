use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::system::{Program, System};

fn elf(alias: &str) -> Elf {
    Elf::new().modinfo(format!("alias={alias}"))
}

#[test]
fn module_names_and_directories_are_as_in_kmod() {
    let run = System::new()
        .complete()
        .module("top.ko", elf("top"))
        .module("kernel/deep/er/still/a-b.ko", elf("dash"))
        .module("kernel/UPPER.ko", elf("upper"))
        .module("kernel/foo.bar.ko", elf("dots"))
        .module("kernel/.hidden/x.ko", elf("hidden-directory"))
        .module("kernel/.y.ko", elf("hidden-file"))
        .module("kernel/with space.ko", elf("space"))
        .module("kernel/br[ack-et].ko", elf("bracket"))
        .module("kernel/equals=colon:.ko", elf("signs"))
        .module("kernel/.ko", elf("no"))
        .module("kernel/a.KO", elf("no"))
        .module("kernel/a.ko.bz2", elf("no"))
        .module("kernel/ako", elf("no"))
        .module("kernel/x.ko.d/in.ko", elf("a-directory-called-like-a-module"))
        .module("build/b.ko", elf("no"))
        .module("kernel/source/b.ko", elf("no"))
        .module("kernel/mybuild/c.ko", elf("yes"))
        .module("weak-updates/w.ko", elf("weak"))
        .assert_same(&[]);
    assert!(!run.text("modules.alias").contains("alias no "));
    assert_eq!(run.text("modules.dep").lines().count(), 12);
}

#[test]
fn names_of_255_bytes_are_modules() {
    System::new().complete().module(format!("kernel/{}.ko", "n".repeat(252)), elf("long")).assert_same(&[]);
}

#[test]
fn links_to_modules_and_directories_are_followed() {
    System::new()
        .complete()
        .module("kernel/a.ko", elf("a"))
        .root_file("elsewhere/b.ko", elf("b").build())
        .root_file("elsewhere/dir/c.ko", elf("c").build())
        .link("kernel/b.ko", "{}/elsewhere/b.ko")
        .link("extra", "{}/elsewhere/dir")
        .link("kernel/renamed.ko", "a.ko")
        .assert_same(&[]);
}

#[test]
fn dangling_entries_are_reported_and_skipped() {
    let run =
        System::new().complete().module("a.ko", elf("a")).link("dangling.ko", "nowhere").assert_same(&[]);
    run.expect(0, "depmod: ERROR: fstatat(3, dangling.ko): No such file or directory\n");
    let run = System::new().complete().module("a.ko", elf("a")).fifo("pipe.ko").assert_same(&[]);
    assert!(run.stderr().starts_with("depmod: ERROR: unsupported file type "), "{}", run.stderr());
    let run = System::new().complete().link("kernel/deeper/x", "x").assert_same(&[]);
    assert!(run.stderr().contains("Too many levels of symbolic links"), "{}", run.stderr());
}

#[test]
fn directories_named_like_modules_are_walked() {
    System::new().complete().module("kernel/d.ko/e.ko", elf("e")).directory("kernel/f.ko").assert_same(&[]);
}

#[test]
fn unreadable_modules_stay_in_the_list() {
    // A link into /proc is a regular file that even root cannot read.
    let system = System::new().complete().module("a.ko", elf("a")).link("kernel/mem.ko", "/proc/self/mem");
    let run = system.run(Program::Ours, &[]);
    assert_eq!(run.status.code(), Some(0));
    assert!(
        run.stderr()
            .contains("depmod: ERROR: failed to load symbols from {}/lib/modules/6.1.0/kernel/mem.ko: "),
        "{}",
        run.stderr()
    );
    assert!(run.text("modules.dep").contains("kernel/mem.ko:\n"));
}

#[test]
fn a_missing_module_directory_ends_the_run() {
    let run = System::bare().assert_same(&[]);
    assert_eq!(run.status.code(), Some(1));
    assert!(
        run.stderr().starts_with(
            "depmod: ERROR: could not open directory {}/lib/modules/6.1.0: No such file or directory\n\
             depmod: FATAL: could not search modules: No such file or directory\n"
        ),
        "{}",
        run.stderr()
    );
    run.expect_untouched();
}

#[test]
fn many_modules_fill_every_hash_bucket() {
    let mut system = System::new().complete();
    for number in 0..1500 {
        let elf = Elf::new().export(format!("s{number}"), Crc::Absolute(number));
        let elf = if number > 3 { elf.need(format!("s{}", number / 3)) } else { elf };
        system =
            system.module(format!("kernel/module-{number}.ko"), elf.modinfo(format!("alias=x:{number:x}*")));
    }
    system.assert_same(&[]);
}
