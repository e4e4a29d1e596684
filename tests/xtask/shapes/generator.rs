//! Module directories of unusual shapes: each shows one thing that grows.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::system::VERSION;

/// A shape: its name, the quantity that grows, and its generator.
pub(super) struct Shape {
    pub name: &'static str,
    pub about: &'static str,
    pub write: fn(&mut Directory) -> Result<()>,
}

const fn shape(name: &'static str, about: &'static str, write: fn(&mut Directory) -> Result<()>) -> Shape {
    Shape { name, about, write }
}

pub(super) const SHAPES: &[Shape] = &[
    shape("chain", "4,000 modules, each needs the one before", |dir| {
        (0..4000).try_for_each(|n| dir.graph_module(n, n.checked_sub(1)))
    }),
    shape("hub", "4,000 modules need one", |dir| {
        (0..4000).try_for_each(|n| dir.graph_module(n, (n > 0).then_some(0)))
    }),
    shape("collector", "one module needs 4,000", |dir| {
        (0..4000).try_for_each(|n| dir.graph_module(n, None))?;
        dir.graph_module(4000, 0..4000)
    }),
    shape("dense", "400 modules, each needs all before", |dir| {
        (0..400).try_for_each(|n| dir.graph_module(n, 0..n))
    }),
    shape("ladder", "2,000 layers of two modules, each needs both below", |dir| {
        (0..2000).try_for_each(|n| dir.graph_module(n, (n & !1).saturating_sub(2)..n & !1))
    }),
    shape("ring", "a cycle of 4,000 modules", |dir| {
        (0..4000).try_for_each(|n| dir.graph_module(n, Some((n + 1) % 4000)))
    }),
    shape("rings", "2,000 cycles of two modules", |dir| {
        (0..4000).try_for_each(|n| dir.graph_module(n, Some(n ^ 1)))
    }),
    shape("exports", "200,000 symbols exported by one module", |dir| {
        let exports = (0..200_000).fold(Elf::new(), |elf, n| elf.export(symbol(n), Crc::Absolute(1)));
        dir.module("kernel/exports.ko", &exports)
    }),
    shape("needs", "200,000 unknown symbols needed by one module", |dir| {
        let needs = (0..200_000).fold(Elf::new(), |elf, n| elf.need(symbol(n)).version(symbol(n), 1));
        dir.module("kernel/needs.ko", &needs)
    }),
    shape("long symbols", "10,000 symbols of 500 bytes, exported and needed", |dir| {
        let long = |n: usize| format!("{:0>500}", symbol(n));
        let exports = (0..10_000).fold(Elf::new(), |elf, n| elf.export(long(n), Crc::Absolute(1)));
        dir.module("kernel/exports.ko", &exports)?;
        dir.module("kernel/needs.ko", &(0..10_000).fold(Elf::new(), |elf, n| elf.need(long(n))))
    }),
    shape("aliases", "100,000 aliases in 1,000 modules", |dir| {
        (0..1000).try_for_each(|n| {
            let alias = |a: usize| format!("pci:v{n:08X}d{a:08X}sv*sd*bc*sc*i*");
            dir.module(&path(n), &aliases((0..100).map(alias)))
        })
    }),
    shape("one alias of all", "20,000 modules with the same alias", |dir| {
        (0..20_000).try_for_each(|n| dir.module(&path(n), &aliases(["usb:same*".to_owned()])))
    }),
    shape("shared prefixes", "3,000 aliases, each a prefix of the next", |dir| {
        dir.module("kernel/prefixes.ko", &aliases((1..=3000).map(|n| "a".repeat(n))))
    }),
    shape("nested wildcards", "2,000 aliases of more and more wildcards", |dir| {
        dir.module("kernel/wildcards.ko", &aliases((1..=2000).map(|n| "a*".repeat(n))))
    }),
    shape("one long alias", "an alias of 3 MB", |dir| {
        dir.module("kernel/long.ko", &aliases(["a".repeat(3 << 20)]))
    }),
    shape("one long module information", "a description of 60 MB", |dir| {
        let elf = Elf::new().modinfo("description=".to_owned() + &"d".repeat(60 << 20)).modinfo("alias=x");
        dir.module("kernel/description.ko", &elf)
    }),
    shape("large section", "a section of 200 MB that depmod does not need", |dir| {
        let bytes = vec![7; 200 << 20];
        dir.module("kernel/large.ko", &Elf::new().section(".debug_info", bytes).modinfo("alias=x"))
    }),
    shape("soft dependencies", "1,000 modules with 100 lines each", |dir| {
        (0..1000).try_for_each(|n| {
            let line =
                |elf: Elf, line: usize| elf.modinfo(format!("softdep=pre: {} post: a{line}", name(n + 1)));
            dir.module(&path(n), &(0..100).fold(Elf::new(), line))
        })
    }),
    shape("long names", "3,000 modules with names of 240 bytes", |dir| {
        (0..3000)
            .try_for_each(|n| dir.module(&format!("kernel/{n:0>240}.ko"), &Elf::new().modinfo("alias=x")))
    }),
    shape("deep", "a module at each of 200 levels", |dir| {
        let level = |n: usize| format!("kernel/{}{}.ko", "d/".repeat(n), name(n));
        (0..200).try_for_each(|n| dir.module(&level(n), &Elf::new()))
    }),
    shape("wide", "10,000 directories with one module", |dir| {
        (0..10_000).try_for_each(|n| dir.module(&format!("kernel/{n}/{}.ko", name(n)), &Elf::new()))
    }),
    shape("no modules", "50,000 files that are no modules", |dir| {
        (0..50_000).try_for_each(|n| dir.file(&format!("kernel/{n}.txt"), b""))
    }),
    shape("empty modules", "20,000 files of 0 bytes", |dir| {
        (0..20_000).try_for_each(|n| dir.file(&path(n), b""))
    }),
    shape("duplicates", "10,000 files of one name, and one in updates", |dir| {
        // Without a rule, the file that the file system lists first would win.
        dir.module("updates/same.ko", &Elf::new())?;
        (0..10_000).try_for_each(|n| dir.module(&format!("kernel/{n}/same.ko"), &Elf::new()))
    }),
    shape("links", "4,000 modules and a link to each", |dir| {
        (0..4000).try_for_each(|n| {
            dir.graph_module(n, n.checked_sub(1))?;
            dir.link(&format!("updates/{}.ko", name(n)), &format!("../{}", path(n)))
        })
    }),
    shape("dangling links", "20,000 links to nothing", |dir| {
        (0..20_000).try_for_each(|n| dir.link(&path(n), "/nowhere"))
    }),
    shape("link to itself", "a directory with a link to itself and 20 modules", |dir| {
        (0..20).try_for_each(|n| dir.graph_module(n, None))?;
        dir.link("kernel/again", ".")
    }),
    shape("linked directories", "three directories that link to each other", |dir| {
        let names = ["a", "b", "c"];
        for from in names {
            dir.module(&format!("kernel/{from}/{from}.ko"), &Elf::new())?;
            for to in names {
                dir.link(&format!("kernel/{from}/to-{to}"), &format!("../{to}"))?;
            }
        }
        Ok(())
    }),
    shape("order", "1,000 modules and a modules.order of 100,000 lines", |dir| {
        (0..1000).try_for_each(|n| dir.module(&path(n), &Elf::new()))?;
        dir.order = (0..100_000).rev().fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "{}", path(n));
            text
        });
        Ok(())
    }),
    shape("built-in modules", "100,000 lines in modules.builtin and modules.builtin.modinfo", |dir| {
        let lines = (0..100_000).fold(String::new(), |text, n| text + &path(n) + "\n");
        let info = (0..100_000).fold(String::new(), |text, n| text + &format!("{}.alias=x:{n}*\0", name(n)));
        dir.file("modules.builtin", lines.as_bytes())?;
        dir.file("modules.builtin.modinfo", info.as_bytes())
    }),
    shape("overrides", "2,000 modules and as many override lines", |dir| {
        dir.config = (0..2000).fold(String::new(), |text, n| text + &format!("override {} * up\n", name(n)));
        (0..2000).try_for_each(|n| {
            dir.module(&path(n), &Elf::new())?;
            dir.module(&format!("up/{}.ko", name(n)), &Elf::new())
        })
    }),
    shape("search list", "a search line of 2,000 directories, each with one of 2,000 duplicates", |dir| {
        dir.config = (0..2000).fold("search".to_owned(), |text, n| text + &format!(" s{n}")) + "\n";
        (0..2000).try_for_each(|n| dir.module(&format!("s{n}/same{}.ko", n / 2), &Elf::new()))
    }),
    shape("bad lines", "200,000 bad lines of configuration", |dir| {
        dir.config = "nonsense here\n".repeat(200_000);
        dir.module("kernel/a.ko", &Elf::new())
    }),
];

/// The module directory that a shape is written to.
pub(super) struct Directory {
    modules: PathBuf,
    order: String,
    config: String,
}

impl Directory {
    /// Writes a shape below a root directory.
    pub(super) fn write(root: &Path, shape: &Shape) -> Result<()> {
        let modules = root.join("lib/modules").join(VERSION);
        fs::create_dir_all(&modules)?;
        let mut dir = Self { modules, order: String::new(), config: String::new() };
        (shape.write)(&mut dir)?;
        let order = core::mem::take(&mut dir.order);
        dir.file("modules.order", order.as_bytes())?;
        for name in ["modules.builtin", "modules.builtin.modinfo"] {
            if !dir.modules.join(name).exists() {
                dir.file(name, b"")?;
            }
        }
        fs::write(config(root), &dir.config)?;
        Ok(())
    }

    /// A module that exports its own symbol and needs those of others.
    fn graph_module(&mut self, number: usize, needs: impl IntoIterator<Item = usize>) -> Result<()> {
        let elf = Elf::new().export(symbol(number), Crc::Absolute(1));
        self.module(&path(number), &needs.into_iter().fold(elf, |elf, need| elf.need(symbol(need))))
    }

    /// A module, which becomes the next one of `modules.order`.
    fn module(&mut self, path: &str, elf: &Elf) -> Result<()> {
        self.order.push_str(path);
        self.order.push('\n');
        self.file(path, &elf.build())
    }

    fn file(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.modules.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&self.modules))?;
        Ok(fs::write(file, content)?)
    }

    fn link(&self, path: &str, target: &str) -> Result<()> {
        let link = self.modules.join(path);
        fs::create_dir_all(link.parent().unwrap_or(&self.modules))?;
        Ok(symlink(target, link)?)
    }
}

/// The configuration of a shape, for `-C`.
pub(super) fn config(root: &Path) -> PathBuf {
    root.join("depmod.conf")
}

fn aliases(aliases: impl IntoIterator<Item = String>) -> Elf {
    aliases.into_iter().fold(Elf::new(), |elf, alias| elf.modinfo(format!("alias={alias}")))
}

fn name(number: usize) -> String {
    format!("module_{number}")
}

fn path(number: usize) -> String {
    format!("kernel/group{:03}/{}.ko", number / 500, name(number))
}

fn symbol(number: usize) -> String {
    format!("function_{number}")
}
