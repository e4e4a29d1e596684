//! The hooks of the package `depmod-efi`, run in a directory that stands for the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::description::{Description, directory};
use crate::boot::page::commands;

const VERSION: &str = "6.12.1-test";
const POSTINST: &str = "etc/kernel/postinst.d/zz-update-depmod-efi";
const POSTRM: &str = "etc/kernel/postrm.d/zz-update-depmod-efi";
const INITRAMFS: &str = "etc/initramfs/post-update.d/update-depmod-efi";
const COMMAND: &str = "usr/sbin/update-depmod-efi";
const POSTINST_OF_PACKAGE: &str = "debian/depmod-efi.postinst";
const PROGRAM: &str = "usr/lib/depmod-efi/depmod.efi";
const ON_ESP: &str = "boot/efi/EFI/depmod/depmod.efi";

/// Directories at the root that the scripts name. The ones of this machine must not be touched.
const TOPS: [&str; 5] = ["boot", "efi", "etc", "lib", "usr"];

/// Switched on, with one kernel and an EFI system partition, and a depmod that packs two words.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        let package = Description::read().unwrap().packages.remove("depmod-efi").unwrap();
        for (source, path) in package.files.iter().filter(|(source, _)| !source.starts_with('@')) {
            let from = directory().join(source);
            let script = fs::read_to_string(&from).unwrap();
            machine.put(path, &machine.within(&script), from.metadata().unwrap().permissions().mode());
        }
        machine.put("bin/depmod", "#!/bin/sh\necho the modules of \"$3\" >\"$5\"\n", 0o755);
        let settings = machine.read("etc/default/depmod-efi").replace("KEEP_ENTRIES=no", "KEEP_ENTRIES=yes");
        machine.put("etc/default/depmod-efi", &settings, 0o644);
        machine.put("etc/kernel/cmdline", "root=LABEL=root\n", 0o644);
        machine.put("etc/kernel/entry-token", "test\n", 0o644);
        machine.put("etc/os-release", "PRETTY_NAME=Test\n", 0o644);
        machine.put(PROGRAM, "unsigned", 0o644);
        machine.put(&format!("lib/modules/{VERSION}/kernel/a.ko"), "", 0o644);
        machine.put(&format!("boot/vmlinuz-{VERSION}"), "kernel", 0o644);
        machine.put(&format!("boot/initrd.img-{VERSION}"), "initrd", 0o644);
        fs::create_dir_all(machine.path("boot/efi/EFI")).unwrap();
        machine
    }

    /// A script whose absolute paths are below this machine's root.
    fn within(&self, script: &str) -> String {
        let root = self.root.path().display();
        let mut script = script.to_owned();
        for top in TOPS {
            for before in [' ', '"', '=', '<', '('] {
                script = script.replace(&format!("{before}/{top}"), &format!("{before}{root}/{top}"));
            }
        }
        script
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn put(&self, path: &str, content: &str, mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if mode & 0o100 == 0 {
            fs::write(&path, content).unwrap();
            return;
        }
        // A program that this process wrote itself is busy as long as another test's child has inherited the file.
        let script = tempfile::NamedTempFile::new().unwrap();
        fs::write(&script, content).unwrap();
        let mut install = Command::new("install");
        assert!(install.args(["-m", "755"]).arg(script.path()).arg(&path).status().unwrap().success());
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A hook or a command, for [`VERSION`] or other arguments.
    fn output(&self, program: &str, args: &[&str]) -> Output {
        let own =
            format!("{0}/bin:{0}/usr/sbin:{1}", self.root.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.path(program));
        command.args(args).env("PATH", own).env_remove("ESP").env_remove("DEB_MAINT_PARAMS");
        command.output().unwrap()
    }

    fn run(&self, program: &str, args: &[&str]) {
        let output = self.output(program, args);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{program}: {}: {told}", output.status);
    }

    /// systemd-boot's hooks are executable, as they are after its removal, too. `bootctl` tells whether its loader is
    /// on the partition.
    fn has_systemd_boot(&self, bootctl: Option<bool>) {
        for hook in [
            "kernel/postinst.d/zz-systemd-boot",
            "kernel/postrm.d/zz-systemd-boot",
            "initramfs/post-update.d/systemd-boot",
        ] {
            self.put(&format!("etc/{hook}"), "#!/bin/sh\n", 0o755);
        }
        if let Some(installed) = bootctl {
            self.put("bin/bootctl", if installed { "#!/bin/sh\n" } else { "#!/bin/sh\nexit 1\n" }, 0o755);
        }
    }
}

fn files_below(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}

/// The partition follows kernels and initrds whatever systemd-boot has left on the machine.
#[test]
fn hooks_do_not_rely_on_systemd_boot() {
    for bootctl in [None, Some(false), Some(true)] {
        let machine = Machine::new();
        machine.has_systemd_boot(bootctl);
        machine.run(POSTINST, &[VERSION]);
        assert_eq!(machine.read(ON_ESP), "unsigned", "{bootctl:?}");
        let entry = machine.read("boot/efi/EFI/depmod/depmod.conf");
        assert!(entry.contains(&format!("\nlinux /depmod/{VERSION}/linux\n")), "{bootctl:?}: {entry}");
        assert!(entry.ends_with(&format!("\nx-depmod-modules /depmod/{VERSION}/modules.cpio\n")), "{entry}");

        let initrd = format!("boot/initrd.img-{VERSION}");
        machine.put(&initrd, "newer initrd", 0o644);
        machine.run(INITRAMFS, &[VERSION, &initrd]);
        assert_eq!(
            machine.read(&format!("boot/efi/depmod/{VERSION}/initrd.img")),
            "newer initrd",
            "{bootctl:?}"
        );

        machine.run(POSTRM, &[VERSION]);
        assert_eq!(files_below(&machine.path("boot/efi")), [""; 0], "{bootctl:?}");
    }
}

/// What kernel-install has put on the partition, before our hooks run, is not copied a second time.
#[test]
fn hooks_use_what_kernel_install_wrote() {
    let machine = Machine::new();
    machine.has_systemd_boot(Some(true));
    let entry = format!("title Test\nversion {VERSION}\nlinux /test/{VERSION}/linux\noptions quiet\n");
    machine.put(&format!("boot/efi/loader/entries/test-{VERSION}.conf"), &entry, 0o644);
    for _ in 0..2 {
        machine.run(POSTINST, &[VERSION]);
        let ours = machine.read(&format!("boot/efi/EFI/depmod/{VERSION}.conf"));
        assert!(ours.contains(&format!("\nlinux /test/{VERSION}/linux\noptions quiet\n")), "{ours}");
        assert!(!machine.path(&format!("boot/efi/depmod/{VERSION}/linux")).exists());
        let menu = machine.read(&format!("boot/efi/loader/entries/depmod-{VERSION}.conf"));
        assert!(menu.contains(&format!("\noptions \\EFI\\depmod\\{VERSION}.conf\n")), "{menu}");
    }
}

/// While a kernel package is configured its own hook follows, so the one of initrds leaves the work to that.
#[test]
fn a_package_s_initrd_waits_for_its_kernel() {
    let machine = Machine::new();
    let mut hook = Command::new(machine.path(INITRAMFS));
    hook.arg(VERSION)
        .env("DEB_MAINT_PARAMS", "configure")
        .env("PATH", format!("{0}/bin:{0}/usr/sbin:/usr/bin:/bin", machine.root.path().display()));
    assert!(hook.status().unwrap().success());
    assert_eq!(files_below(&machine.path("boot/efi")), [""; 0]);
}

/// The program that the page's commands sign is the one on the partition, also after the next kernel.
#[test]
fn the_signed_program_is_preferred() {
    let machine = Machine::new();
    machine.run(POSTINST, &[VERSION]);
    assert_eq!(machine.read(ON_ESP), "unsigned");
    let page = fs::read_to_string(directory().join("depmod-efi/README.md")).unwrap();
    let sign = machine.within(commands(&page, "sign").unwrap());
    machine.put("bin/sbsign", "#!/bin/sh\n{ echo signed; cat \"$7\"; } >\"$6\"\n", 0o755);
    machine.put("sign", &format!("#!/bin/sh\nset -e\nKEY=key CERTIFICATE=certificate\n{sign}"), 0o755);
    machine.run("sign", &[]);
    assert_eq!(machine.read(ON_ESP), "signed\nunsigned");
    machine.run(POSTINST, &[VERSION]);
    assert_eq!(machine.read(ON_ESP), "signed\nunsigned");
}

/// Without a partition nothing is kept up to date, but a kernel's installation goes on. The command itself fails.
#[test]
fn hooks_pass_over_a_missing_partition() {
    for esp in ["", "boot/efi"] {
        let machine = Machine::new();
        let named = if esp.is_empty() { String::new() } else { machine.path(esp).display().to_string() };
        let settings =
            machine.read("etc/default/depmod-efi").replace("\nESP=\n", &format!("\nESP={named}\n"));
        machine.put("etc/default/depmod-efi", &settings, 0o644);
        fs::remove_dir(machine.path("boot/efi/EFI")).unwrap();
        let postinst = machine.within(&fs::read_to_string(directory().join(POSTINST_OF_PACKAGE)).unwrap());
        machine.put("postinst", &postinst, 0o755);
        for (program, args, status) in [
            (POSTINST, &[VERSION][..], 0),
            (POSTRM, &[VERSION], 0),
            (INITRAMFS, &[VERSION], 0),
            ("postinst", &["configure"], 0),
            (COMMAND, &["all"], 3),
        ] {
            let output = machine.output(program, args);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{esp}: {program}: {told}");
            assert!(told.contains("no EFI system partition is mounted"), "{esp}: {program}: {told}");
            assert!(told.contains("then run `update-depmod-efi all`"), "{esp}: {program}: {told}");
        }
        assert_eq!(files_below(&machine.path("boot/efi")), [""; 0], "{esp}");
    }
}

/// Other failures stay failures of the hooks.
#[test]
fn hooks_fail_with_the_update() {
    let machine = Machine::new();
    machine.put("bin/depmod", "#!/bin/sh\nexit 1\n", 0o755);
    for hook in [POSTINST, INITRAMFS] {
        assert!(!machine.output(hook, &[VERSION]).status.success(), "{hook}");
    }
}
