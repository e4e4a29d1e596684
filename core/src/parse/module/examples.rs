//! For tests: minimal modules.

use alloc::{string::String, vec::Vec};

use crate::parse::elf::section_index;

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
    let names = b"\0.modinfo\0.symtab\0.strtab\0.shstrtab\0";
    let sections = [(1, modinfo), (10, symtab), (18, strtab), (26, names.to_vec())];

    let mut file = [0; 64].to_vec();
    let mut headers = [0; 64].to_vec();
    for (name, bytes) in sections {
        let mut header = [0; 64];
        header[0] = name;
        header[24..32].copy_from_slice(&(file.len() as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        headers.extend(header);
        file.extend(bytes);
    }
    let table = file.len() as u64;
    file.extend(headers);
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[40..48].copy_from_slice(&table.to_le_bytes());
    file[58] = 64;
    file[60] = 5;
    file[62] = 4;
    file
}
