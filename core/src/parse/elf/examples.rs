//! For tests: minimal ELF files.

use alloc::vec::Vec;

/// A 64-bit little-endian file with these sections and `.shstrtab`. The first byte has this address.
pub(crate) fn elf(address: u64, sections: Vec<(&str, Vec<u8>)>) -> Vec<u8> {
    let (mut file, mut headers, mut names) = ([0; 64].to_vec(), [0; 64].to_vec(), Vec::from([0]));
    let count = sections.len() as u8 + 1;
    let mut add = |name: usize, bytes: Vec<u8>| {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&(name as u32).to_le_bytes());
        header[16..24].copy_from_slice(&(address + file.len() as u64).to_le_bytes());
        header[24..32].copy_from_slice(&(file.len() as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        headers.extend(header);
        file.extend(bytes);
    };
    for (name, bytes) in sections {
        add(names.len(), bytes);
        names.extend(name.bytes().chain([0]));
    }
    let name = names.len();
    names.extend(b".shstrtab\0");
    add(name, names);
    let table = file.len() as u64;
    file.extend(headers);
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[40..48].copy_from_slice(&table.to_le_bytes());
    file[58] = 64;
    // The null section stands in front of the others.
    file[60] = count + 1;
    file[62] = count;
    file
}
