//! The tables of ACPI in the machine's memory (ACPI 6.5 §5.2).
//!
//! ```text
//! RSDP ─► XSDT ─┬► FADT ─► DSDT      the code with the machine's devices
//!               ├► SSDT              more of it
//!               └► …
//! ```

use scroll::{LE, Pread};

use crate::limits::Limits;

/// The machine's memory by physical address.
pub trait PhysicalMemory {
    /// Bytes at an address; `None` where there is no memory.
    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]>;
}

/// Bytes of each table's header; its length is in them.
const HEADER_LEN: usize = 36;
const LENGTH: usize = 4;

/// Fields of the RSDP.
mod rsdp {
    pub(super) const SIGNATURE: &[u8] = b"RSD PTR ";
    pub(super) const REVISION: usize = 15;
    pub(super) const RSDT: usize = 16;
    pub(super) const XSDT: usize = 24;
    pub(super) const OLD_LEN: usize = 20;
    pub(super) const LEN: usize = 36;
}

/// Fields of the FADT.
mod fadt {
    pub(super) const DSDT: usize = 40;
    pub(super) const X_DSDT: usize = 140;
}

/// Calls `each` with the code of the DSDT and of every SSDT, without headers.
pub fn acpi_code<'m>(
    memory: &'m (impl PhysicalMemory + ?Sized),
    rsdp: u64,
    limits: &Limits,
    each: &mut dyn FnMut(&'m [u8]),
) {
    let Some((root, width)) = root_table(memory, rsdp) else { return };
    let Some((b"XSDT" | b"RSDT", entries)) = table(memory, root, limits) else { return };
    for entry in entries.chunks_exact(width).take(limits.firmware_tables) {
        let address = entry.iter().rev().fold(0, |address, &byte| address << 8 | u64::from(byte));
        match table(memory, address, limits) {
            Some((b"SSDT", code)) => each(code),
            Some((b"FACP", fields)) => {
                if let Some((b"DSDT", code)) = dsdt(fields).and_then(|at| table(memory, at, limits)) {
                    each(code);
                }
            }
            _ => {}
        }
    }
}

/// The address of the table of tables, and the size of its entries.
fn root_table(memory: &(impl PhysicalMemory + ?Sized), address: u64) -> Option<(u64, usize)> {
    let old = memory.bytes(address, rsdp::OLD_LEN)?;
    if !old.starts_with(rsdp::SIGNATURE) {
        return None;
    }
    let rsdt = u64::from(old.pread_with::<u32>(rsdp::RSDT, LE).ok()?);
    if *old.get(rsdp::REVISION)? >= 2 {
        let xsdt = memory.bytes(address, rsdp::LEN)?.pread_with::<u64>(rsdp::XSDT, LE).ok()?;
        if xsdt != 0 {
            return Some((xsdt, 8));
        }
    }
    Some((rsdt, 4))
}

/// The address of the DSDT. `fields` are those of the FADT after its header.
fn dsdt(fields: &[u8]) -> Option<u64> {
    let at = |offset: usize| offset.checked_sub(HEADER_LEN);
    let long = fields.pread_with::<u64>(at(fadt::X_DSDT)?, LE).ok().filter(|&address| address != 0);
    long.or_else(|| fields.pread_with::<u32>(at(fadt::DSDT)?, LE).ok().map(u64::from))
}

/// Signature and content of a table.
fn table<'m>(
    memory: &'m (impl PhysicalMemory + ?Sized),
    address: u64,
    limits: &Limits,
) -> Option<(&'m [u8; 4], &'m [u8])> {
    let header = memory.bytes(address, HEADER_LEN)?;
    let length = usize::try_from(header.pread_with::<u32>(LENGTH, LE).ok()?).ok()?;
    if length > limits.firmware_table_size {
        return None;
    }
    let bytes = memory.bytes(address, length)?;
    Some((bytes.first_chunk()?, bytes.get(HEADER_LEN..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Memory from address 0.
    struct Bytes(Vec<u8>);

    impl PhysicalMemory for Bytes {
        fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
            let start = usize::try_from(address).ok()?;
            self.0.get(start..start.checked_add(length)?)
        }
    }

    impl Bytes {
        fn put(&mut self, at: usize, bytes: &[u8]) {
            self.0.resize(self.0.len().max(at + bytes.len()), 0);
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
        }

        fn table(&mut self, at: usize, signature: &[u8; 4], content: &[u8]) {
            self.put(at, signature);
            self.put(at + LENGTH, &((HEADER_LEN + content.len()) as u32).to_le_bytes());
            self.put(at + HEADER_LEN, content);
        }
    }

    /// RSDP at 0x10, a table of tables at 0x100, FADT at 0x200, DSDT at 0x400, SSDTs at 0x500 and 0x600.
    fn machine(revision: u8) -> Bytes {
        let mut memory = Bytes(Vec::new());
        memory.put(0x10, rsdp::SIGNATURE);
        memory.put(0x10 + rsdp::REVISION, &[revision]);
        memory.put(0x10 + rsdp::RSDT, &0x100_u32.to_le_bytes());
        memory.put(0x10 + rsdp::XSDT, &0x180_u64.to_le_bytes());
        let tables = [0x200_u32, 0x500, 0x700, 0x600];
        memory.table(0x100, b"RSDT", &tables.map(u32::to_le_bytes).concat());
        memory.table(0x180, b"XSDT", &tables.map(|at| u64::from(at).to_le_bytes()).concat());
        let mut fields = Vec::from([0; 120]);
        fields[fadt::DSDT - HEADER_LEN..][..4].copy_from_slice(&0x400_u32.to_le_bytes());
        memory.table(0x200, b"FACP", &fields);
        memory.table(0x400, b"DSDT", b"dsdt");
        memory.table(0x500, b"SSDT", b"first");
        memory.table(0x600, b"SSDT", b"second");
        memory.table(0x700, b"APIC", b"other");
        memory
    }

    fn code(memory: &Bytes, limits: &Limits) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        acpi_code(memory, 0x10, limits, &mut |code| found.push(code.to_vec()));
        found
    }

    #[test]
    fn all_tables_with_code_are_found() {
        for revision in [0, 2] {
            let expected = [&b"dsdt"[..], b"first", b"second"];
            assert_eq!(code(&machine(revision), &Limits::DEFAULT), expected);
        }
        let mut long = machine(2);
        long.put(0x200 + fadt::X_DSDT, &0x500_u64.to_le_bytes());
        assert_eq!(code(&long, &Limits::DEFAULT), [&b"first"[..], b"second"], "no DSDT there");
    }

    #[test]
    fn limits_hold() {
        let few = Limits::DEFAULT.firmware_tables(2);
        assert_eq!(code(&machine(2), &few), [&b"dsdt"[..], b"first"]);
        let mut large = machine(2);
        large.put(0x500 + LENGTH, &u32::MAX.to_le_bytes());
        assert_eq!(code(&large, &Limits::DEFAULT), [&b"dsdt"[..], b"second"]);
        assert_eq!(code(&Bytes(Vec::new()), &Limits::DEFAULT), [&b""[..]; 0]);
    }

    proptest! {
        #[test]
        fn arbitrary_changes_do_not_panic(changes in prop::collection::vec((0..0x680_usize, any::<u8>()), 1..8)) {
            let mut memory = machine(2);
            for (at, byte) in changes {
                memory.put(at, &[byte]);
            }
            prop_assert!(code(&memory, &Limits::DEFAULT).len() <= 1 + Limits::DEFAULT.firmware_tables);
        }
    }
}
