//! Under `fakechroot`, as image builders run hooks: the redirected directory is read and written, not the host's.

use std::fs;
use std::path::Path;
use std::process::Command;

use depmod_tests::elf_builder::Elf;
use depmod_tests::product;
use depmod_tests::system::{Place, System, VERSION};

/// Every file of a module directory.
fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(root.join("lib/modules").join(VERSION)).unwrap();
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// The same path exists outside and inside, with different modules.
#[test]
fn paths_are_redirected() {
    let (outside, chroot) = (Place::new(), Place::new());
    let (host, chroot) = (outside.root(), chroot.root());
    let inside = chroot.join(host.strip_prefix("/").unwrap());
    System::new().complete().module("host.ko", Elf::new().modinfo("alias=host")).lay_out(&host);
    System::new().complete().module("inside.ko", Elf::new().modinfo("alias=inside")).lay_out(&inside);
    let program = product::depmod().get_program().to_owned();
    fs::copy(program, chroot.join("depmod")).unwrap();
    let before = files(&host);
    let run = |words: &[&str]| {
        let mut fakechroot = Command::new("fakechroot");
        fakechroot.args(["/usr/sbin/chroot"]).arg(&chroot).arg("/depmod").args(words);
        let output = fakechroot.env("LC_ALL", "C").output().expect("fakechroot is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{words:?}: {}, {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    };
    let base = host.to_str().unwrap();

    let index = ["-b", base, "-C", "/dev/null", VERSION];
    run(&index);
    assert_eq!(files(&host), before, "the host's directory has changed");
    let written = files(&inside);
    assert_eq!(written.iter().filter(|(name, _)| name.starts_with("modules.")).count(), 14, "{written:?}");
    let dep = written.iter().find(|(name, _)| name == "modules.dep").unwrap();
    assert_eq!(dep.1, b"inside.ko:\n");
    assert_eq!(run(&["lookup", "-b", base, "-C", "/dev/null", "-k", VERSION, "inside"]), "inside\n");
    // Over existing files, into another directory, and with a cache.
    run(&index);
    let other = format!("{base}/other");
    run(&["-b", base, "-o", &other, "--cache=/cache", "-C", "/dev/null", VERSION]);
    assert!(inside.join("other/lib/modules").join(VERSION).join("modules.dep.bin").is_file());
    assert!(chroot.join("cache").is_dir());
    assert!(!Path::new(&other).exists());
}
