//! Generated module directories: any number of modules, reproducible bytes.
//!
//! Module 3 of one directory is module 3 of every other with the same [`Shape`]. A module needs only modules
//! of lower numbers, so a small directory is the beginning of a large one. As in real kernels, most modules
//! need a few libraries, and these need a few common ones: dependency chains stay short for any number of
//! modules, and so the outputs grow linearly with the number of modules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::debian::Kernel;
use crate::elf_builder::{Crc, Elf, RawSymbol};
use crate::random::Random;
use crate::system::VERSION;

/// Size of one module.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Exports of a library; one in twenty modules is a library, the others export nothing.
    pub exports: usize,
    /// Undefined symbols, each with an entry in `__versions`.
    pub needs: usize,
    /// Aliases: device names with wildcards.
    pub aliases: usize,
    /// Local symbols, which depmod ignores.
    pub locals: usize,
}

/// An average module of Debian's kernel.
pub const REAL: Shape = Shape { exports: 60, needs: 40, aliases: 5, locals: 120 };

/// A minimal module, so that 100,000 of them fit on a disk: one block each.
pub const SMALL: Shape = Shape { exports: 12, needs: 12, aliases: 3, locals: 8 };

/// One in this many modules is a library.
const LIBRARY: usize = 20;
/// The first libraries are also needed by other libraries.
const HUBS: usize = 10;
/// Symbols exported by the kernel itself.
const KERNEL_SYMBOLS: usize = 4000;

/// Writes a module directory with `count` modules below `root`.
///
/// # Errors
/// When the file system refuses.
pub fn kernel(root: PathBuf, count: usize, shape: Shape) -> Result<Kernel> {
    let kernel = Kernel { root, version: VERSION.to_owned() };
    let dir = kernel.modules();
    let mut order = String::new();
    for number in 0..count {
        let path = path(number);
        let file = dir.join(&path);
        if number % 500 == 0 {
            fs::create_dir_all(file.parent().unwrap_or(&dir))?;
        }
        fs::write(file, module(number, shape))?;
        order.push_str(&path);
        order.push('\n');
    }
    write_side_files(&dir, &order)?;
    Ok(kernel)
}

fn write_side_files(dir: &Path, order: &str) -> Result<()> {
    for (name, content) in
        [("modules.order", order), ("modules.builtin", ""), ("modules.builtin.modinfo", "")]
    {
        fs::write(dir.join(name), content)?;
    }
    Ok(())
}

/// Path of a module in the module directory; 500 modules per directory.
pub fn path(number: usize) -> String {
    format!("kernel/drivers/group{:03}/generated_{number}.ko", number / 500)
}

/// The bytes of a module.
pub fn module(number: usize, shape: Shape) -> Vec<u8> {
    let mut random = Random::new(number as u64);
    let mut elf = Elf::new()
        .modinfo(format!("description=Generated module {number}"))
        .modinfo("license=GPL")
        .modinfo(format!("vermagic={VERSION} SMP preempt mod_unload modversions"));
    for _ in 0..shape.aliases {
        let (vendor, device) = (random.below(0x2000), random.below(0x10000));
        elf = elf.modinfo(format!("alias=pci:v{vendor:08X}d{device:08X}sv*sd*bc*sc*i*"));
    }
    for local in 0..shape.locals {
        // Unique names would be most of the file; their offset is irrelevant.
        let value = local as u64 * 16;
        elf = elf.raw_symbol(RawSymbol { name: 1, info: 0x02, section: 1, value });
    }
    let mut seen = Vec::new();
    for need in 0..shape.needs {
        let name = needed(number, need, shape, &mut random);
        if !seen.contains(&name) {
            elf = elf.version(&name, crc(&name)).need(&name);
            seen.push(name);
        }
    }
    if number.is_multiple_of(LIBRARY) {
        for export in 0..shape.exports {
            let name = exported(number, export);
            let crc = crc(&name);
            elf = elf.export(&name, Crc::InSection(crc)).ksymtab_strings(format!("{name}\0"));
        }
    }
    elf.build()
}

/// One symbol in four comes from another module.
fn needed(number: usize, need: usize, shape: Shape, random: &mut Random) -> String {
    let libraries = number.div_ceil(LIBRARY);
    let libraries = if number.is_multiple_of(LIBRARY) { libraries.min(HUBS) } else { libraries };
    let is_hub = number.is_multiple_of(LIBRARY) && number / LIBRARY < HUBS;
    if !need.is_multiple_of(4) || libraries == 0 || is_hub {
        return format!("kernel_function_{}", random.below(KERNEL_SYMBOLS));
    }
    // A module needs many symbols of few others.
    let library = (number.wrapping_mul(7) + random.below(3)) % libraries;
    exported(library * LIBRARY, random.below(shape.exports))
}

fn exported(number: usize, export: usize) -> String {
    format!("generated_{number}_function_{export}")
}

fn crc(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |crc, byte| (crc ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_reproducible_and_match_their_shape() {
        assert_eq!(module(7, REAL), module(7, REAL));
        assert_ne!(module(7, REAL), module(8, REAL));
        let sizes = (0..100).map(|number| module(number, SMALL).len());
        assert!(sizes.clone().max().unwrap() <= 4096, "{:?}", sizes.max());
    }

    #[test]
    fn modules_need_only_lower_numbers() {
        let mut random = Random::new(1);
        for number in 0..1000 {
            for need in (0..40).step_by(4) {
                let name = needed(number, need, REAL, &mut random);
                if let Some(rest) = name.strip_prefix("generated_") {
                    let (library, _) = rest.split_once('_').unwrap();
                    assert!(library.parse::<usize>().unwrap() < number, "{number} needs {name}");
                }
            }
        }
    }
}
