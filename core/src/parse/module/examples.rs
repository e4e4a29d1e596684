//! For tests: minimal modules.

use alloc::{string::String, vec::Vec};

use crate::parse::elf::{examples::elf, section_index};

/// A 64-bit little-endian module with these exports, needs and lines of `.modinfo`. No symbol has a version.
pub(crate) fn module(exports: &[&str], needs: &[&str], modinfo: &[&str]) -> Vec<u8> {
    const GLOBAL: u8 = 0x10;
    // The first string is empty; the first symbol and the first section are null entries.
    let (mut strtab, mut symtab) = (b"\0".to_vec(), [0; 24].to_vec());
    let exports = exports.iter().map(|name| (["__crc_", name].concat(), section_index::ABS));
    let needs = needs.iter().map(|name| (String::from(*name), section_index::UNDEF));
    for (name, section) in exports.chain(needs) {
        let mut symbol = [0; 24];
        symbol[..4].copy_from_slice(&(strtab.len() as u32).to_le_bytes());
        symbol[4] = GLOBAL;
        symbol[6..8].copy_from_slice(&section.to_le_bytes());
        symtab.extend(symbol);
        strtab.extend(name.bytes().chain([0]));
    }
    let modinfo = modinfo.iter().flat_map(|line| line.bytes().chain([0])).collect();
    elf(0, Vec::from([(".modinfo", modinfo), (".symtab", symtab), (".strtab", strtab)]))
}
