//! Real kernels and the real kmod from Debian's archive.
//!
//! apt does the work, with its own state below the cache directory: it neither uses nor changes the machine's
//! package lists and installed packages, needs no privileges, and verifies signatures and checksums as usual.
//! The mirror is that of the machine's apt.
//!
//! Fetched packages stay in the cache (`target/debian-cache`, or the directory in `DEPMOD_TESTS_CACHE`); each
//! entry is created by one atomic rename. Suites change, so remove an entry to fetch today's version.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::{command, target_dir};

/// A kernel with its name in tests.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// The name.
    pub name: &'static str,
    /// Debian suite.
    pub suite: &'static str,
    /// Debian architecture.
    pub architecture: &'static str,
    /// The meta package that depends on the suite's current kernel.
    pub package: &'static str,
}

/// The kernels of conformance runs: plain and compressed, small and large, four architectures.
pub const LABELS: &[Label] = &[
    label("bookworm-amd64", "bookworm", "amd64", "linux-image-amd64"),
    label("bookworm-cloud-amd64", "bookworm", "amd64", "linux-image-cloud-amd64"),
    label("bookworm-i386", "bookworm", "i386", "linux-image-686-pae"),
    label("trixie-amd64", "trixie", "amd64", "linux-image-amd64"),
    label("trixie-cloud-amd64", "trixie", "amd64", "linux-image-cloud-amd64"),
    label("trixie-arm64", "trixie", "arm64", "linux-image-arm64"),
    label("trixie-riscv64", "trixie", "riscv64", "linux-image-riscv64"),
    label("sid-amd64", "sid", "amd64", "linux-image-amd64"),
];

const fn label(
    name: &'static str,
    suite: &'static str,
    architecture: &'static str,
    package: &'static str,
) -> Label {
    Label { name, suite, architecture, package }
}

/// An unpacked kernel: a root directory that contains `lib/modules/VERSION`.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The value for `-b`.
    pub root: PathBuf,
    /// The only version in it.
    pub version: String,
}

impl Kernel {
    /// The module directory.
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.version)
    }

    /// The compressed kernel image: in `boot`, or in the module directory in newer suites.
    pub fn image(&self) -> PathBuf {
        let beside = self.modules().join("vmlinuz");
        if beside.exists() { beside } else { self.root.join(format!("boot/vmlinuz-{}", self.version)) }
    }

    /// The value for `-E`.
    pub fn symvers(&self) -> PathBuf {
        self.root.join(format!("usr/src/linux-headers-{}/Module.symvers", self.version))
    }

    /// The value for `-F`. Debian ships System.map only in its debug packages, so this one is made from
    /// `Module.symvers`. It has only the `__ksymtab_` names, which are all that depmod reads.
    pub fn system_map(&self) -> PathBuf {
        self.root.join(format!("boot/System.map-{}.symvers", self.version))
    }
}

/// The kernel of a label; fetched if it is not in the cache.
///
/// # Errors
/// When the label is unknown, or the kernel cannot be fetched.
pub fn kernel(name: &str) -> Result<Kernel> {
    let label = LABELS.iter().find(|label| label.name == name).ok_or_else(|| {
        let known: Vec<_> = LABELS.iter().map(|label| label.name).collect();
        anyhow!("no kernel `{name}`; there are {}", known.join(" "))
    })?;
    let root = cached(name, |dir| unpack_kernel(label, dir))
        .with_context(|| format!("kernel {name} could not be fetched"))?;
    let version = only_entry(&root.join("lib/modules"))?;
    Ok(Kernel { root, version })
}

/// kmod and its dependencies.
const KMOD: [&str; 8] =
    ["kmod", "libkmod2", "libc6", "libssl3t64", "liblzma5", "libzstd1", "zlib1g", "libgcc-s1"];

/// kmod 34.2 of Debian 13 for this machine's architecture, with its libraries.
///
/// # Errors
/// When it cannot be fetched.
pub fn kmod() -> Result<PathBuf> {
    cached("kmod-34.2", |dir| {
        let native = command::text(Command::new("dpkg").arg("--print-architecture"))?;
        let archive = Archive::open("trixie", &native)?;
        let version = archive.field("kmod", "Version")?;
        if !version.starts_with("34.2-") {
            bail!("the archive has kmod {version}, but outputs are compared with 34.2");
        }
        archive.unpack(&KMOD, dir)
    })
    .context("kmod 34.2 could not be fetched")
}

/// kmod 30 of Debian 12 for this machine's architecture, with its libraries: it writes the indexes in their older
/// layout, and no list of weak dependencies.
///
/// # Errors
/// When it cannot be fetched.
pub fn kmod_30() -> Result<PathBuf> {
    cached("kmod-30", |dir| {
        let native = command::text(Command::new("dpkg").arg("--print-architecture"))?;
        let archive = Archive::open("bookworm", &native)?;
        let version = archive.field("kmod", "Version")?;
        if !version.starts_with("30+") {
            bail!("the archive has kmod {version}, but kmod 30 is wanted");
        }
        let packages = ["kmod", "libkmod2", "libc6", "libssl3", "liblzma5", "libzstd1", "libgcc-s1"];
        archive.unpack(&packages, dir)
    })
    .context("kmod 30 could not be fetched")
}

/// Static busybox, and kmod with its libraries, of Debian 13 for any architecture, for initrds.
///
/// # Errors
/// When they cannot be fetched.
pub fn userland(architecture: &str) -> Result<PathBuf> {
    cached(&format!("userland-{architecture}"), |dir| {
        let packages = [&KMOD[..], &["busybox-static"]].concat();
        Archive::open("trixie", architecture)?.unpack(&packages, dir)
    })
    .with_context(|| format!("a userland for {architecture} could not be fetched"))
}

/// cryptsetup, LVM and the makers of file systems of Debian 13 for any architecture, with their libraries, for initrds.
///
/// # Errors
/// When they cannot be fetched.
pub fn storage_tools(architecture: &str) -> Result<PathBuf> {
    const TOOLS: [&str; 6] = ["cryptsetup-bin", "lvm2", "mdadm", "e2fsprogs", "xfsprogs", "btrfs-progs"];
    const LIBRARIES: [&str; 23] = [
        "libaio1t64",
        "libblkid1",
        "libcap2",
        "libcom-err2",
        "libcryptsetup12",
        "libdevmapper-event1.02.1",
        "libdevmapper1.02.1",
        "libedit2",
        "libext2fs2t64",
        "libinih1",
        "libjson-c5",
        "liblzo2-2",
        "libpcre2-8-0",
        "libpopt0",
        "libbsd0",
        "libmd0",
        "libreadline8t64",
        "libselinux1",
        "libsystemd0",
        "libtinfo6",
        "libudev1",
        "liburcu8t64",
        "libuuid1",
    ];
    cached(&format!("storage-tools-{architecture}"), |dir| {
        Archive::open("trixie", architecture)?.unpack(&[&TOOLS[..], &LIBRARIES].concat(), dir)
    })
    .with_context(|| format!("tools for storage of {architecture} could not be fetched"))
}

/// The boot loader systemd-boot of Debian 13 for PCs. It is not installed, because that would change the
/// machine's systemd.
///
/// # Errors
/// When it cannot be fetched.
pub fn systemd_boot() -> Result<PathBuf> {
    systemd_efi("systemd-bootx64.efi")
}

/// The stub of unified kernel images, of Debian 13 for PCs.
///
/// # Errors
/// When it cannot be fetched.
pub fn systemd_stub() -> Result<PathBuf> {
    systemd_efi("linuxx64.efi.stub")
}

fn systemd_efi(name: &str) -> Result<PathBuf> {
    let root =
        cached("systemd-boot", |dir| Archive::open("trixie", "amd64")?.unpack(&["systemd-boot-efi"], dir))
            .context("systemd-boot could not be fetched")?;
    Ok(root.join("usr/lib/systemd/boot/efi").join(name))
}

/// The boot loader rEFInd of Debian 13 for PCs. It is not installed, because its package writes to the
/// machine's system partition.
///
/// # Errors
/// When it cannot be fetched.
pub fn refind() -> Result<PathBuf> {
    let root = cached("refind", |dir| Archive::open("trixie", "amd64")?.unpack(&["refind"], dir))
        .context("rEFInd could not be fetched")?;
    Ok(root.join("usr/share/refind/refind/refind_x64.efi"))
}

/// The sources of Linux 6.12 of Debian 13, without most drivers' code: what kbuild needs to prepare a build for AArch64,
/// the firmware stub, and that architecture's device trees.
///
/// # Errors
/// When they cannot be fetched.
pub fn linux_source() -> Result<PathBuf> {
    const NAME: &str = "linux-source-6.12";
    // A few boards of AArch64 share files with 32-bit ones.
    const DIRECTORIES: [&str; 8] = [
        "arch/arm/boot/dts",
        "arch/arm64",
        "drivers/firmware/efi",
        "include",
        "kernel",
        "lib",
        "scripts",
        "tools/include",
    ];
    // A pattern matches below directories, too.
    const PATTERNS: [&str; 4] = ["Kconfig*", "Kbuild*", "Makefile*", ".*"];
    cached(NAME, |dir| {
        let unpacked = dir.join("unpacked");
        Archive::open("trixie", "amd64")?.unpack(&[NAME], &unpacked)?;
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(unpacked.join(format!("usr/src/{NAME}.tar.xz")));
        tar.arg("-C").arg(dir).args(["--strip-components=1", "--wildcards"]);
        tar.args(DIRECTORIES.map(|directory| format!("{NAME}/{directory}")));
        tar.args(PATTERNS.map(|pattern| format!("{NAME}/{pattern}")));
        tar.args(["Kconfig*", "Makefile*"].map(|files| format!("{NAME}/*/{files}")));
        command::output(&mut tar)?;
        Ok(fs::remove_dir_all(unpacked)?)
    })
    .context("the sources of Linux could not be fetched")
}

/// The packages of a kernel of Debian 13 for PCs, as files for `dpkg --install`.
///
/// # Errors
/// When they cannot be fetched.
pub fn kernel_package(meta: &str) -> Result<Package> {
    let dir = cached(&format!("deb-{meta}"), |dir| {
        let archive = Archive::open("trixie", "amd64")?;
        let depends = archive.depends(meta)?;
        let image = depends.iter().find(|name| name.starts_with("linux-image-"));
        archive.download(&[image.context("the meta package names no kernel")?], dir)
    })
    .with_context(|| format!("the package of {meta} could not be fetched"))?;
    let file = only_entry(&dir)?;
    let name = file.split('_').next().unwrap_or_default().to_owned();
    Ok(Package { version: name.trim_start_matches("linux-image-").to_owned(), name, file: dir.join(file) })
}

/// The packages of a kernel whose modules, image and scripts are packages of their own, of any suite for PCs, with what
/// links to it.
///
/// # Errors
/// When they cannot be fetched.
pub fn kernel_with_parts(suite: &str, meta: &str) -> Result<Parts> {
    let dir = cached(&format!("debs-{suite}-{meta}"), |dir| {
        let archive = Archive::open(suite, "amd64")?;
        let of_linux = |name: &String| name.starts_with("linux-image-");
        let image =
            archive.depends(meta)?.into_iter().find(of_linux).context("the meta package names no kernel")?;
        let mut names = archive.depends(&image)?;
        names.retain(|name| name.starts_with("linux-") && name.contains("cloud"));
        names.extend(["linux-base".to_owned(), image]);
        archive.download(&names, dir)
    })
    .with_context(|| format!("the packages of {meta} could not be fetched"))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir)? {
        files.push(entry?.path());
    }
    files.sort();
    let version = files.iter().find_map(|file| {
        let name = file.file_name()?.to_str()?.strip_prefix("linux-image-")?;
        Some(name.split('_').next()?.to_owned())
    });
    Ok(Parts { version: version.context("no package of a kernel")?, files })
}

/// A kernel as several packages.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The kernel's version.
    pub version: String,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// A kernel as a package.
#[derive(Clone, Debug)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// The kernel's version.
    pub version: String,
    /// The file.
    pub file: PathBuf,
}

/// The entry `name` of the cache directory; `make` creates it in a temporary directory if it is missing.
pub(crate) fn cached(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = cache()?;
    let entry = cache.join(name);
    if entry.is_dir() {
        return Ok(entry);
    }
    // One fetch at a time: apt's state is shared, too.
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    if !entry.is_dir() {
        println!("fetching {name} into {}", cache.display());
        let parts = tempfile::Builder::new().prefix("part-").tempdir_in(&cache)?;
        let dir = parts.path().join(name);
        fs::create_dir(&dir)?;
        make(&dir)?;
        fs::rename(&dir, &entry)?;
    }
    Ok(entry)
}

fn cache() -> Result<PathBuf> {
    let dir = match std::env::var_os("DEPMOD_TESTS_CACHE") {
        Some(dir) => PathBuf::from(dir),
        None => target_dir().join("debian-cache"),
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(fs::canonicalize(dir)?)
}

fn unpack_kernel(label: &Label, dir: &Path) -> Result<()> {
    let archive = Archive::open(label.suite, label.architecture)?;
    // linux-image-amd64 depends on linux-image-6.12.1-amd64, and that, in newer suites, on
    // linux-modules-6.12.1-amd64 and others of the same version.
    let of_image = |name: &&String| name.starts_with("linux-image-");
    let meta = archive.depends(label.package)?;
    let image = meta.iter().find(of_image).context("the meta package names no kernel")?;
    let version = image.trim_start_matches("linux-image-").trim_end_matches("-unsigned");
    let mut packages = vec![image.clone(), format!("linux-headers-{version}")];
    let parts = archive.depends(image)?;
    packages.extend(parts.into_iter().filter(|name| name.starts_with("linux-") && name.ends_with(version)));
    let unpacked = dir.join("unpacked");
    archive.unpack(&packages, &unpacked)?;

    let header = format!("usr/src/linux-headers-{version}");
    let lib = if unpacked.join("usr/lib/modules").is_dir() { "usr/lib/modules" } else { "lib/modules" };
    for (from, to) in [
        (format!("{lib}/{version}"), format!("lib/modules/{version}")),
        ("boot".to_owned(), "boot".to_owned()),
        (format!("{header}/Module.symvers"), format!("{header}/Module.symvers")),
    ] {
        let to = dir.join(to);
        fs::create_dir_all(to.parent().unwrap_or(dir))?;
        // Newer suites have no files in /boot.
        if from != "boot" || unpacked.join(&from).is_dir() {
            fs::rename(unpacked.join(&from), to).with_context(|| format!("the packages hold no {from}"))?;
        }
    }
    fs::create_dir_all(dir.join("boot"))?;
    fs::remove_dir_all(unpacked)?;
    // The headers package has links to itself in the module directory; they dangle here.
    for link in ["build", "source"] {
        let _ = fs::remove_file(dir.join(format!("lib/modules/{version}/{link}")));
    }
    let symvers = fs::read_to_string(dir.join(header).join("Module.symvers"))?;
    fs::write(dir.join(format!("boot/System.map-{version}.symvers")), system_map(&symvers))?;
    Ok(())
}

/// A System.map with one line per symbol that the kernel itself exports according to `Module.symvers`.
fn system_map(symvers: &str) -> String {
    let mut map = String::new();
    for line in symvers.lines() {
        let mut fields = line.split('\t');
        if let (Some(_), Some(symbol), Some("vmlinux")) = (fields.next(), fields.next(), fields.next()) {
            map.push_str("ffffffff81000000 r __ksymtab_");
            map.push_str(symbol);
            map.push('\n');
        }
    }
    map
}

/// apt with its own state for one suite and architecture.
struct Archive {
    config: PathBuf,
}

impl Archive {
    /// Creates the state and fetches the suite's package lists.
    fn open(suite: &str, architecture: &str) -> Result<Self> {
        if !command::exists("apt-get") || !command::exists("dpkg-deb") {
            bail!("apt-get and dpkg-deb are needed to fetch packages of Debian");
        }
        let keyring = ["pgp", "gpg"]
            .map(|suffix| format!("/usr/share/keyrings/debian-archive-keyring.{suffix}"))
            .into_iter()
            .find(|path| Path::new(path).exists())
            .context("the package debian-archive-keyring is needed to verify packages")?;
        let mirror = mirror()?;
        let dir = cache()?.join("apt").join(format!("{suite}-{architecture}"));
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(part))?;
        }
        fs::write(dir.join("state/status"), "")?;
        fs::write(
            dir.join("sources.list"),
            format!("deb [arch={architecture} signed-by={keyring}] {mirror} {suite} main\n"),
        )?;
        let config = dir.join("apt.conf");
        let here = dir.display();
        fs::write(
            &config,
            format!(
                r#"Dir::State "{here}/state";
Dir::State::status "{here}/state/status";
Dir::Cache "{here}/cache";
Dir::Etc::SourceList "{here}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "";
APT::Update::Post-Invoke "";
APT::Update::Post-Invoke-Success "";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
"#
            ),
        )?;
        let archive = Self { config };
        // `--error-on=any`: a package list that cannot be fetched or verified is an error, not a warning.
        command::output(archive.apt("apt-get").args(["update", "--quiet=2", "--error-on=any"]))
            .with_context(|| format!("package lists of {suite} for {architecture}"))?;
        Ok(archive)
    }

    fn apt(&self, program: &str) -> Command {
        let mut apt = Command::new(program);
        apt.env("APT_CONFIG", &self.config).env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
        apt
    }

    fn field(&self, package: &str, field: &str) -> Result<String> {
        let record = command::text(self.apt("apt-cache").args(["show", "--no-all-versions", package]))?;
        let value = record.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        Ok(value.unwrap_or_default().to_owned())
    }

    /// Names in the `Depends` field, first alternatives only.
    fn depends(&self, package: &str) -> Result<Vec<String>> {
        let field = self.field(package, "Depends")?;
        let names = field.split(',').filter_map(|part| part.split_whitespace().next());
        Ok(names.map(str::to_owned).collect())
    }

    fn download(&self, packages: &[impl AsRef<str>], to: &Path) -> Result<()> {
        let mut apt = self.apt("apt-get");
        apt.current_dir(to).args(["download", "--quiet=2"]).args(packages.iter().map(AsRef::as_ref));
        command::output(&mut apt).map(|_| ())
    }

    fn unpack(&self, packages: &[impl AsRef<str>], to: &Path) -> Result<()> {
        let downloads = tempfile::tempdir_in(cache()?)?;
        self.download(packages, downloads.path())?;
        for entry in fs::read_dir(downloads.path())? {
            command::output(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(to))?;
        }
        Ok(())
    }
}

/// The Debian mirror of the machine's own apt configuration.
///
/// # Errors
/// When it names none.
pub fn mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var("DEPMOD_TESTS_MIRROR") {
        return Ok(mirror);
    }
    let targets = command::text(Command::new("apt-get").env_remove("APT_CONFIG").args([
        "indextargets",
        "--no-release-info",
        "--format",
        "$(REPO_URI) $(COMPONENT)",
    ]))?;
    let mirrors = targets.lines().filter_map(|line| line.strip_suffix(" main"));
    let debian = mirrors.into_iter().find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    debian.map(str::to_owned).context(
        "apt knows no Debian mirror (an address that ends in /debian with the component main); \
         DEPMOD_TESTS_MIRROR can name one",
    )
}

fn only_entry(dir: &Path) -> Result<String> {
    let mut entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let entry = entries.next().with_context(|| format!("{} is empty", dir.display()))??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::system_map;

    #[test]
    fn system_map_has_only_the_kernels_own_symbols() {
        let symvers = "0x1\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x2\tsnd\tsound/snd\tEXPORT_SYMBOL\t\n";
        assert_eq!(system_map(symvers), "ffffffff81000000 r __ksymtab_printk\n");
    }
}
