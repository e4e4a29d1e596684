//! The scenarios: what is done in both systems.

use anyhow::Result;
use depmod_tests::clean_root::{Base, CleanRoot};
use depmod_tests::debian;

use super::TRIXIE;

/// The scenario of `cargo xtask test`.
pub(crate) const SHORT: &str = "kernel-package";

/// Commands that run in both systems, each with its description.
type Commands = Vec<(&'static str, String)>;

pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) base: Base,
    pub(super) prepare: fn(&CleanRoot) -> Result<()>,
    pub(super) commands: fn() -> Result<Commands>,
    /// Directories whose files are compared.
    pub(super) watched: &'static [&'static str],
    /// What paths begin with whose difference `host-cli/COMPATIBILITY.md` names.
    pub(super) documented: &'static [&'static str],
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: SHORT,
        about: "a kernel package, update-initramfs and a DKMS module: installed, used, removed, purged",
        base: TRIXIE,
        prepare: |root| {
            kernel(root)?;
            dkms_module(root)
        },
        commands: kernel_package,
        watched: &["usr/lib/modules", "boot", "var/lib/dkms"],
        documented: &[],
    },
    Scenario {
        name: "dracut",
        about: "a kernel package with dracut, and dracut alone",
        base: Base { name: "root-dracut", suite: "trixie", packages: &["dracut", "kmod", "zstd"] },
        prepare: |root| {
            // Compression would only take time.
            let configuration = b"reproducible=yes\nhostonly=no\ncompress=cat\n";
            root.write("/etc/dracut.conf.d/test.conf", configuration, "644")?;
            kernel(root)
        },
        commands: dracut,
        watched: &["usr/lib/modules", "boot", "srv/initrd"],
        // dracut puts `depmod` into initrds; what is in them is compared.
        documented: &["boot/again.img", "boot/initrd.img-", "srv/initrd/usr/sbin/depmod"],
    },
    Scenario {
        name: "kernel-install",
        about: "systemd's kernel-install adds and removes a kernel",
        base: Base { name: "root-systemd", suite: "trixie", packages: &["kmod", "systemd"] },
        prepare: |root| {
            root.run(
                "mkdir -p /boot/debian && echo debian >/etc/kernel/entry-token && systemd-machine-id-setup",
            )?;
            kernel(root)
        },
        commands: kernel_install,
        watched: &["usr/lib/modules", "boot"],
        documented: &[],
    },
    Scenario {
        name: "kbuild",
        about: "a module built by kbuild and by DKMS against Debian's headers, installed and removed",
        base: KBUILD,
        prepare: module_source,
        commands: kbuild,
        watched: &["usr/lib/modules", "var/lib/dkms"],
        documented: &[],
    },
    Scenario {
        name: "weak-updates",
        about: "what weak-modules of other distributions does: links to the modules of another kernel, by hand",
        base: KBUILD,
        prepare: module_source,
        commands: weak_updates,
        watched: &["usr/lib/modules"],
        documented: &[],
    },
];

const KBUILD: Base = Base {
    name: "root-kbuild",
    suite: "trixie",
    packages: &["dkms", "gcc", "kmod", "linux-headers-cloud-amd64", "linux-image-cloud-amd64", "make"],
};

const KERNEL: &str = "linux-image-cloud-amd64";

fn kernel(root: &CleanRoot) -> Result<()> {
    root.put(&debian::kernel_package(KERNEL)?.file, "/root/kernel.deb")
}

/// A DKMS module that is "built" by unpacking one of the kernel's under another name, for a kernel whose headers seem
/// to be there.
fn dkms_module(root: &CleanRoot) -> Result<()> {
    let version = debian::kernel_package(KERNEL)?.version;
    let configuration = "PACKAGE_NAME=tiny\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME[0]=tiny\n\
        DEST_MODULE_LOCATION[0]=/updates\nMAKE[0]=\"xz -dc authenc.ko.xz >tiny.ko\"\nAUTOINSTALL=yes\n";
    root.write("/usr/src/tiny-1.0/dkms.conf", configuration.as_bytes(), "644")?;
    root.run(&format!(
        "dpkg-deb --fsys-tarfile /root/kernel.deb \
           | tar -x -O --wildcards '*/crypto/authenc.ko.xz' >/usr/src/tiny-1.0/authenc.ko.xz\n\
         mkdir -p /usr/src/headers/include /usr/lib/modules/{version}\n\
         ln -s /usr/src/headers /usr/lib/modules/{version}/build\n\
         dkms add tiny/1.0",
    ))?;
    Ok(())
}

fn kernel_package() -> Result<Commands> {
    let debian::Package { name, version, .. } = debian::kernel_package(KERNEL)?;
    Ok(vec![
        (
            "the kernel package is installed; DKMS and the initrd follow",
            "dpkg --install /root/kernel.deb".into(),
        ),
        ("update-initramfs", format!("update-initramfs -u -k {version}")),
        ("the DKMS module is removed", format!("dkms remove tiny/1.0 -k {version}")),
        ("and installed", format!("dkms install tiny/1.0 -k {version}")),
        ("dkms autoinstall", format!("dkms autoinstall -k {version}")),
        ("the kernel package is installed again", "dpkg --install /root/kernel.deb".into()),
        ("the kernel package is removed", format!("dpkg --remove {name}")),
        ("and purged", format!("rm -f /usr/lib/modules/{version}/build; dpkg --purge {name}")),
    ])
}

fn dracut() -> Result<Commands> {
    let debian::Package { name, version, .. } = debian::kernel_package(KERNEL)?;
    let unpack = |initrd: &str| {
        let empty = "rm -rf /srv/initrd && mkdir /srv/initrd && cd /srv/initrd";
        // What is compared is there.
        format!(
            "{empty} && lsinitrd --unpack {initrd} && test -e usr/sbin/depmod && test -e usr/lib/modules/*/modules.dep"
        )
    };
    Ok(vec![
        ("the kernel package is installed; the initrd follows", "dpkg --install /root/kernel.deb".into()),
        ("what is in the initrd", unpack(&format!("/boot/initrd.img-{version}"))),
        ("dracut", format!("dracut --force /boot/again.img {version}")),
        ("what is in its initrd", unpack("/boot/again.img")),
        ("dracut's regeneration for all kernels", "dracut --regenerate-all --force".into()),
        ("the kernel package is purged", format!("dpkg --purge {name}")),
    ])
}

fn kernel_install() -> Result<Commands> {
    let version = debian::kernel_package(KERNEL)?.version;
    let image = format!("/boot/vmlinuz-{version}");
    Ok(vec![
        ("the files alone are unpacked", "dpkg-deb -x /root/kernel.deb /tmp/k && cp -a /tmp/k/. /".into()),
        ("kernel-install add", format!("kernel-install add {version} {image}")),
        ("kernel-install add, again", format!("kernel-install add {version} {image}")),
        ("kernel-install remove", format!("kernel-install remove {version}")),
    ])
}

/// A module's source for kbuild, and as a DKMS package.
fn module_source(root: &CleanRoot) -> Result<()> {
    let source = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nMODULE_ALIAS(\"pci:v0000F00Dd*\");\n\
        static int __init start(void) { return 0; }\nmodule_init(start);\n";
    root.write("/usr/src/small-1.0/small.c", source.as_bytes(), "644")?;
    root.write("/usr/src/small-1.0/Makefile", b"obj-m := small.o\n", "644")?;
    let configuration = "PACKAGE_NAME=small\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME[0]=small\n\
        DEST_MODULE_LOCATION[0]=/updates\nMAKE[0]=\"make -C ${kernel_source_dir} M=${dkms_tree}/small/1.0/build\"\n\
        AUTOINSTALL=yes\n";
    root.write("/usr/src/small-1.0/dkms.conf", configuration.as_bytes(), "644")
}

fn kbuild() -> Result<Commands> {
    let find = "V=$(ls /usr/lib/modules); cp -r /usr/src/small-1.0 /tmp/small 2>/dev/null; cd /tmp/small;";
    let make = "make -C /usr/lib/modules/$V/build M=/tmp/small";
    // Debian's modules are signed with a key that is nobody's here, and DKMS makes one of its own for each system.
    let unsigned = "mkdir -p /etc/dkms/framework.conf.d && echo 'sign_file=/nonexistent' >/etc/dkms/framework.conf.d/x.conf";
    Ok(vec![
        ("kbuild", format!("{find} {make} modules")),
        ("kbuild's modules_install", format!("{find} {make} modules_install")),
        (
            "kbuild's modules_install elsewhere",
            format!("{find} {make} INSTALL_MOD_PATH=/tmp/there modules_install"),
        ),
        ("dkms add", format!("{unsigned}; dkms add small/1.0")),
        ("dkms autoinstall", format!("{find} dkms autoinstall -k $V")),
        ("dkms remove", format!("{find} dkms remove small/1.0 --all")),
    ])
}

/// A module in `extra` of one kernel, and links to it below `weak-updates` of another one with the same interface.
fn weak_updates() -> Result<Commands> {
    // Debian's kbuild compresses what it installs.
    let words = "cd /usr/lib/modules; OLD=$(ls -d [0-9]*-cloud-amd64); NEW=6.99.0-weak; \
        FILE=$(ls -d $OLD/extra/small.ko* 2>/dev/null); LINK=$NEW/weak-updates/${FILE##*/};";
    let shell = |commands: &str| format!("{words} {commands}");
    Ok(vec![
        (
            "a module is built and installed for one kernel",
            shell(
                "cp -r /usr/src/small-1.0 /tmp/small && mkdir -p /etc/depmod.d \
                   && echo 'search updates extra built-in weak-updates' >/etc/depmod.d/dist.conf \
                   && make -C $OLD/build M=/tmp/small modules >/dev/null \
                   && make -C $OLD/build M=/tmp/small INSTALL_MOD_DIR=extra modules_install",
            ),
        ),
        ("another kernel", shell("mkdir $NEW && cp -a $OLD/kernel $OLD/modules.* $NEW/ && depmod $NEW")),
        (
            "the link is tried against the symbols of the other kernel",
            shell(
                "mkdir $NEW/weak-updates && ln -s ../../$FILE $LINK \
                   && depmod -n -e -E $OLD/build/Module.symvers $NEW",
            ),
        ),
        (
            "and against symbols that are not enough",
            shell(
                "grep -v module_layout $OLD/build/Module.symvers >/tmp/symvers; depmod -a -e -E /tmp/symvers $NEW",
            ),
        ),
        ("the link is indexed", shell("depmod -a $NEW && modprobe -S $NEW --show-depends small")),
        ("the module that it leads to is removed", shell("rm $FILE && depmod $OLD && depmod $NEW")),
        ("the link is removed", shell("rm -r $NEW/weak-updates && depmod $NEW")),
    ])
}
