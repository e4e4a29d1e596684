//! The command confines itself with Landlock, and works as before.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::product;
use depmod_tests::system::{Place, System, VERSION};

/// Waits until the process reads from a pipe that stays empty; returns whether it can gain no privileges any more,
/// which Landlock requires of a process that confines itself.
fn is_confined(child: &Child) -> bool {
    let about = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap_or_default();
    let begin = Instant::now();
    loop {
        let waits = about("wchan");
        if waits.contains("pipe") || waits.contains("fifo") || waits.contains("wait_for_partner") {
            return about("status").lines().any(|line| line == "NoNewPrivs:\t1");
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "it waits in {waits:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn asked(mut command: Command) -> bool {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let confined = is_confined(&child);
    child.kill().unwrap();
    child.wait().unwrap();
    confined
}

#[test]
fn commands_confine_themselves_before_they_read() {
    let place = Place::new();
    let root = place.root();
    System::new().complete().fifo("System.map").module("a.ko", Elf::new()).lay_out(&root);
    let map = root.join("lib/modules").join(VERSION).join("System.map");
    let classic = || {
        let mut command = product::depmod();
        command.arg("-b").arg(&root).args(["-C", "/dev/null", "-e", "-F"]).arg(&map).arg(VERSION);
        command
    };
    assert!(asked(classic()));
    assert!(!asked({
        let mut preloaded = classic();
        preloaded.env("LD_PRELOAD", "libc.so.6");
        preloaded
    }));
    let status = product::depmod().arg("-b").arg(&root).args(["-C", "/dev/null", VERSION]).status().unwrap();
    assert!(status.success());
    let mut lookup = product::depmod();
    lookup.arg("lookup").arg("-b").arg(&root).args(["-k", VERSION, "-C", "/dev/null"]);
    assert!(asked(lookup));
}

/// Links lead out of the module directory, outputs to another place, and nothing of that exists beforehand.
#[test]
fn links_and_places_outside_work() {
    let place = Place::new();
    let root = place.root();
    System::new()
        .complete()
        .root_file("elsewhere/dkms/b.ko", Elf::new().export("b", Crc::Absolute(1)).build())
        .root_file("elsewhere/c.ko", Elf::new().need("b").build())
        .link("updates", "{}/elsewhere/dkms")
        .link("c.ko", "../../../elsewhere/c.ko")
        .root_link("lib/modules/6.2.0", VERSION)
        .lay_out(&root);
    let run = |words: &[&str], expected: &str| {
        let mut command = product::depmod();
        command.args(["-b", ".", "-C", "/dev/null"]).args(words).current_dir(&root);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
        assert!(output.status.success(), "{words:?}");
        let dep = fs::read_to_string(root.join(expected).join("modules.dep")).unwrap();
        assert_eq!(dep, "c.ko: updates/b.ko\nupdates/b.ko:\n", "{words:?}");
    };
    run(&["-o", "new/out", "--cache=new-cache", VERSION], "new/out/lib/modules/6.1.0");
    assert_eq!(fs::read_dir(root.join("new-cache")).unwrap().count(), 1);
    run(&["--all-kernels", "-o", "all", "--cache=new-cache"], "all/lib/modules/6.2.0");
    run(&["6.2.0"], "lib/modules/6.1.0");
}

#[test]
fn archives_go_to_pipes_of_the_shell() {
    let place = Place::new();
    let root = place.root();
    System::new().complete().module("a.ko", Elf::new()).lay_out(&root);
    let pack =
        format!("{} pack -b {} -C /dev/null -k {VERSION} -o", product::binary().display(), root.display());
    let script = format!(
        "set -e; {pack} /dev/null; {pack} >(cat >{0}/piped; echo >{0}/end); read <{0}/end",
        root.display()
    );
    let status = Command::new("mkfifo").arg(root.join("end")).status().unwrap();
    assert!(status.success());
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read(root.join("piped")).unwrap().starts_with(b"070701"));
}
