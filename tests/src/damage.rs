//! A copy of a kernel whose modules may be damaged, so that they do not load: `--strict` must find the damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Result;

use crate::debian::Kernel;
use crate::elf_builder::{Crc, Elf};
use crate::product;
use crate::subset::Subset;

/// The copy.
#[derive(Debug)]
pub struct Copy {
    subset: Subset,
    version: String,
    /// `None` is that of tests.
    program: Option<PathBuf>,
}

/// The exit status and the lines of an answer.
pub type Answer = (i32, Vec<String>);

impl Copy {
    /// A copy of a kernel with plain modules, with its image or without.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn new(kernel: &Kernel, with_image: bool) -> Result<Self> {
        let subset = Subset::whole(kernel)?;
        if with_image {
            fs::create_dir_all(subset.root().join("boot"))?;
            fs::copy(kernel.image(), subset.root().join(format!("boot/vmlinuz-{}", kernel.version)))?;
        }
        Ok(Self { subset, version: kernel.version.clone(), program: None })
    }

    /// Takes another program than that of tests.
    pub fn with_program(self, program: &Path) -> Self {
        Self { program: Some(program.into()), ..self }
    }

    /// The value for `-b`.
    pub fn root(&self) -> &Path {
        self.subset.root()
    }

    /// The version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The module directory.
    pub fn modules(&self) -> PathBuf {
        self.subset.modules()
    }

    /// The file of a module.
    ///
    /// # Panics
    /// When there is none.
    pub fn module(&self, name: &str) -> PathBuf {
        let mut directories = vec![self.modules().join("kernel")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
                if entry.path().is_dir() {
                    directories.push(entry.path());
                } else if entry.file_name() == format!("{name}.ko").as_str() {
                    return entry.path();
                }
            }
        }
        panic!("no module {name}");
    }

    /// Writes a file in the place of one, which may be linked to the kernel's own.
    ///
    /// # Panics
    /// When the file system refuses.
    pub fn replace(path: &Path, bytes: &[u8]) {
        let _ = fs::remove_file(path);
        fs::create_dir_all(path.parent().expect("a module has a directory")).expect("a directory");
        fs::write(path, bytes).expect("a file can be written");
    }

    /// Replaces the only place, or the first one, where a module has these bytes.
    ///
    /// # Panics
    /// When it has none.
    pub fn edit(&self, name: &str, from: &[u8], to: &[u8]) {
        let path = self.module(name);
        let mut bytes = fs::read(&path).expect("a module");
        let at = bytes.windows(from.len()).position(|window| window == from);
        let at = at.unwrap_or_else(|| panic!("{name} has no {}", String::from_utf8_lossy(from)));
        bytes[at..at + to.len()].copy_from_slice(to);
        Self::replace(&path, &bytes);
    }

    /// Changes the CRC that a module wants of a symbol: it stands in the eight bytes before the name.
    ///
    /// # Panics
    /// When it wants no such symbol.
    pub fn change_crc(&self, name: &str, symbol: &str) {
        let path = self.module(name);
        let mut bytes = fs::read(&path).expect("a module");
        // A whole entry of `__versions`: names elsewhere have no such tail.
        let entry = [&[0, 0, 0, 0], symbol.as_bytes(), &vec![0; 56 - symbol.len()]].concat();
        let at = bytes.windows(entry.len()).position(|window| window == entry);
        let at = at.unwrap_or_else(|| panic!("{name} wants no {symbol}"));
        bytes[at - 1] ^= 0x55;
        Self::replace(&path, &bytes);
    }

    /// Adds a module beside the kernel's own.
    pub fn extra(&self, name: &str, bytes: &[u8]) {
        Self::replace(&self.modules().join("extra").join(name), bytes);
    }

    /// Everything that can be wrong, but a cycle, in modules that have nothing to do with each other. Returns how
    /// the line of each cause begins, in their order.
    pub fn damage(&self) -> Vec<String> {
        self.change_crc("zram", "_printk");
        self.edit("nbd", b"\0kfree\0", b"\0kfr__\0");
        let release = self.version.split(['-', '+']).next().unwrap_or_default();
        let foreign = self.version.replacen(release, &release.replace('1', "9"), 1);
        self.edit(
            "dummy",
            format!("vermagic={}", self.version).as_bytes(),
            format!("vermagic={foreign}").as_bytes(),
        );
        self.edit("virtio_blk", b"license=GPL\0", b"license=XYZ\0");
        self.edit("ansi_cprng", b"import_ns=", b"import_xx=");
        let double = fs::read(self.module("crc7")).expect("a module");
        self.extra("crc7_again.ko", &double);
        // Others need its exports.
        let whole = fs::read(self.module("failover")).expect("a module");
        Self::replace(&self.module("failover"), &whole[..whole.len() / 2]);
        [
            "corrupt kernel/net/core/failover.ko: ",
            &format!("vermagic kernel/drivers/net/dummy.ko has the version magic '{foreign}"),
            "crc kernel/drivers/block/zram/zram.ko wants _printk 0x",
            "unresolved kernel/drivers/block/nbd.ko needs kfr__, which nobody provides",
            "gpl kernel/drivers/block/virtio_blk.ko (license 'XYZ') uses ",
            "namespace kernel/crypto/ansi_cprng.ko does not import CRYPTO_INTERNAL",
            "duplicate extra/crc7_again.ko exports ",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The same as can be found without knowing the kernel's own symbols.
    pub fn without_kernel(damage: Vec<String>) -> Vec<String> {
        let alone = ["corrupt", "vermagic", "crc", "duplicate"];
        damage.into_iter().filter(|line| alone.iter().any(|check| line.starts_with(check))).collect()
    }

    /// Adds two modules that need each other.
    pub fn cycle(&self, vermagic: &str) {
        let module = |own: &str, other: &str| {
            let elf = Elf::new().modinfo("license=GPL").modinfo(format!("vermagic={vermagic}"));
            elf.export(own, Crc::Absolute(1)).need(other).version(other, 1).build()
        };
        self.extra("one.ko", &module("one", "two"));
        self.extra("two.ko", &module("two", "one"));
    }

    /// The version magic of a module.
    ///
    /// # Panics
    /// When it has none.
    pub fn vermagic(&self, name: &str) -> String {
        let bytes = fs::read(self.module(name)).expect("a module");
        let key = b"vermagic=";
        let at = bytes.windows(key.len()).position(|window| window == key).expect("a version magic");
        let text = &bytes[at + key.len()..];
        String::from_utf8_lossy(text.split(|&b| b == 0).next().unwrap_or_default()).into_owned()
    }

    /// `depmod -b ROOT WORDS…`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut depmod = Command::new(self.program.as_deref().unwrap_or_else(|| product::binary()));
        depmod
            .env("LC_ALL", "C")
            .arg("-b")
            .arg(self.root())
            .args(words)
            .output()
            .expect("depmod can be started")
    }

    /// The same with the version.
    ///
    /// # Panics
    /// When it is killed.
    pub fn strict(&self, words: &[&str]) -> Answer {
        let output = self.run(&[words, &[&*self.version]].concat());
        (output.status.code().expect("an exit status"), lines(&output.stdout))
    }

    /// Whether it has index files.
    pub fn is_indexed(&self) -> bool {
        self.modules().join("modules.dep.bin").exists()
    }
}

/// The lines of a text.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

/// The lines of causes, without blanks before and between.
pub fn causes(lines: &[String]) -> Vec<String> {
    let causes = lines.iter().filter(|line| line.starts_with("  ") && !line.contains("not checked: "));
    causes.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
