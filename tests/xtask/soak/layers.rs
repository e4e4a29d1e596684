//! System extensions with modules: systemd-sysext merges them over `/usr`, and the service gives modprobe an index of all.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use depmod_tests::clean_root::{Base, CleanRoot, as_root};
use depmod_tests::{command, debian, product, workspace};

const BASE: Base = Base { name: "trixie-systemd", suite: "trixie", packages: &["systemd", "kmod"] };

/// The kernel's own modules, and those of two extensions. `vfat` needs `fat`.
const MODULES: [(&str, &[&str]); 3] =
    [("", &["virtio_blk", "fat"]), ("first", &["vfat", "nls_ascii"]), ("second", &["crc-itu-t"])];

/// What modprobe says in each state: with the uppermost extension's index, with ours, with the kernel's own.
const SCRIPT: &str = r#"
say() { echo "== $1"; for module in virtio_blk vfat crc_itu_t; do modprobe -D $module 2>/dev/null || echo "no $module"; done; }
systemd-sysext merge --no-reload 2>/dev/null
say merged
/usr/lib/depmod/depmod-sysext start
say started
depmod verify -m /usr/lib/modules >/dev/null && echo right
systemd-sysext refresh --no-reload 2>/dev/null
/usr/lib/depmod/depmod-sysext start
say refreshed
/usr/lib/depmod/depmod-sysext stop
say stopped
systemd-sysext unmerge 2>/dev/null
say unmerged
if mountpoint -q /usr || [ -e /run/depmod ]; then echo left; fi
"#;

/// The real systemd-sysext in a new root, with two extensions that hide each other's index.
pub(super) fn extensions() -> Result<String> {
    let root = BASE.root()?;
    root.put(product::binary(), "/usr/local/sbin/depmod")?;
    root.put(&workspace().join("targets/sysext/depmod-sysext"), "/usr/lib/depmod/depmod-sysext")?;
    let unit = "/etc/systemd/system/depmod-sysext.service";
    root.put(&workspace().join("targets/sysext/depmod-sysext.service"), unit)?;
    root.run(&format!("systemd-analyze verify --man=no {unit}"))?;
    // The service indexes the running kernel's version.
    let version = command::text(std::process::Command::new("uname").arg("-r"))?;
    for (extension, modules) in MODULES {
        lay_out(&root, extension, modules, &version)?;
    }
    let said = merged(&root)?;
    let fat = format!("insmod /lib/modules/{version}/kernel/fat.ko \n");
    let line = |path: &str| format!("insmod /lib/modules/{version}/{path}.ko \n");
    let (virtio, vfat, crc) =
        (line("kernel/virtio_blk"), [fat, line("extra/vfat")].concat(), line("extra/crc-itu-t"));
    let all = [&*virtio, &vfat, &crc].concat();
    let uppermost = format!("no virtio_blk\nno vfat\n{crc}");
    let expected = format!(
        "== merged\n{uppermost}== started\n{all}right\n== refreshed\n{all}== stopped\n{uppermost}\
         == unmerged\n{virtio}no vfat\nno crc_itu_t\n"
    );
    ensure!(said == expected, "expected:\n{expected}\nfound:\n{said}");
    Ok("modules of both extensions are found while the service is active, and none of its files stays"
        .to_owned())
}

/// Modules of Debian's cloud kernel in the root's own directory or in an extension's, with an index of these alone.
fn lay_out(root: &CleanRoot, extension: &str, modules: &[&str], version: &str) -> Result<()> {
    let kernel = debian::kernel("bookworm-cloud-amd64")?;
    let (base, subdirectory) = match extension {
        "" => (String::new(), "kernel"),
        name => (format!("/var/lib/extensions/{name}"), "extra"),
    };
    if !extension.is_empty() {
        let release = format!("{base}/usr/lib/extension-release.d/extension-release.{extension}");
        root.write(&release, b"ID=_any\n", "644")?;
    }
    let directory = format!("{base}/usr/lib/modules/{version}");
    for module in modules {
        let file = format!("{module}.ko");
        let found = find(&kernel.modules().join("kernel"), &file)?.with_context(|| format!("no {file}"))?;
        root.put(&found, &format!("{directory}/{subdirectory}/{file}"))?;
    }
    for name in ["modules.builtin", "modules.builtin.modinfo"] {
        root.put(&kernel.modules().join(name), &format!("{directory}/{name}"))?;
    }
    root.write(&format!("{directory}/modules.order"), b"", "644")?;
    root.run(&format!(
        "depmod -b {}/ -m /usr/lib/modules {version}",
        if base.is_empty() { "/" } else { &base }
    ))?;
    Ok(())
}

fn find(directory: &Path, name: &str) -> Result<Option<std::path::PathBuf>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|file| file == name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// What the script says. systemd-sysext mounts in a name space of its own, and needs a root that passes mounts on.
fn merged(root: &CleanRoot) -> Result<String> {
    let mounts = "mount --bind \"$0\" \"$0\" && mount --make-rshared \"$0\" && mount -t proc proc \"$0/proc\" && \
                  mount -t sysfs sysfs \"$0/sys\" && mount -t tmpfs tmpfs \"$0/run\" && exec chroot \"$0\" sh -c \"$1\"";
    let mut inside = as_root("unshare");
    inside.args(["--mount", "--", "sh", "-c", mounts]).arg(root.path()).arg(SCRIPT).stdin(Stdio::null());
    command::text(&mut inside).map(|text| text + "\n")
}
