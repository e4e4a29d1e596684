//! PCI functions, from their configuration space.

use core::fmt::Write;

use scroll::{LE, Pread};

use super::Modalias;

/// Bytes of configuration space used by [`PciFunction::parse`]: a header of 64 bytes, then the capabilities
/// of bridges.
pub const CONFIG_LEN: usize = 256;

/// The identification of a PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciFunction {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Subsystem vendor ID, zero if there is none.
    pub subsystem_vendor: u16,
    /// Subsystem ID, zero if there is none.
    pub subsystem_device: u16,
    /// Base class, subclass, programming interface.
    pub class: [u8; 3],
}

/// Positions in the configuration space (PCI Local Bus Specification 3.0 §6.1, PCI-to-PCI Bridge
/// Architecture Specification 1.2 §3.2, PC Card Standard for CardBus bridges).
mod field {
    pub(super) const VENDOR: usize = 0x00;
    pub(super) const DEVICE: usize = 0x02;
    pub(super) const STATUS: usize = 0x06;
    pub(super) const INTERFACE: usize = 0x09;
    pub(super) const SUBCLASS: usize = 0x0a;
    pub(super) const BASE_CLASS: usize = 0x0b;
    pub(super) const HEADER_TYPE: usize = 0x0e;
    pub(super) const SUBSYSTEM: usize = 0x2c;
    pub(super) const BRIDGE_CAPABILITIES: usize = 0x34;
    pub(super) const CARDBUS_SUBSYSTEM: usize = 0x40;
}

const HEADER_LEN: usize = 64;
const STATUS_HAS_CAPABILITIES: u16 = 1 << 4;
/// The top bit marks a device with several functions.
const HEADER_TYPE_MASK: u8 = 0x7f;
/// Subsystem vendor and device of a bridge, four bytes into the capability.
const CAPABILITY_SUBSYSTEM: u8 = 0x0d;
/// Maximal number of capabilities, of at least four bytes each.
const CAPABILITIES_MAX: usize = (CONFIG_LEN - HEADER_LEN) / 4;

impl PciFunction {
    /// Parses a configuration space of at least 64 bytes. `None` if there is no function: all bits then read
    /// as ones.
    #[must_use]
    pub fn parse(config: &[u8]) -> Option<Self> {
        let config = config.get(..config.len().min(CONFIG_LEN))?;
        config.get(..HEADER_LEN)?;
        let word = |at: usize| config.pread_with::<u16>(at, LE).ok();
        let byte = |at: usize| config.get(at).copied();
        let vendor = word(field::VENDOR)?;
        if vendor == u16::MAX {
            return None;
        }
        let subsystem = match byte(field::HEADER_TYPE)? & HEADER_TYPE_MASK {
            0 => Some(field::SUBSYSTEM),
            1 => bridge_subsystem(config),
            2 => Some(field::CARDBUS_SUBSYSTEM),
            _ => None,
        };
        let of_subsystem =
            |offset| subsystem.and_then(|at: usize| word(at.checked_add(offset)?)).unwrap_or(0);
        Some(Self {
            vendor,
            device: word(field::DEVICE)?,
            subsystem_vendor: of_subsystem(0),
            subsystem_device: of_subsystem(2),
            class: [byte(field::BASE_CLASS)?, byte(field::SUBCLASS)?, byte(field::INTERFACE)?],
        })
    }

    /// The modalias as in Linux's `/sys/bus/pci/devices/*/modalias`.
    #[must_use]
    pub fn modalias(&self) -> Modalias {
        let Self { vendor, device, subsystem_vendor, subsystem_device, class: [base, sub, interface] } = self;
        let mut out = Modalias::new();
        let fits = write!(
            out,
            "pci:v{vendor:08X}d{device:08X}sv{subsystem_vendor:08X}sd{subsystem_device:08X}\
             bc{base:02X}sc{sub:02X}i{interface:02X}"
        );
        debug_assert!(fits.is_ok());
        out
    }
}

/// Offset of a bridge's subsystem IDs.
fn bridge_subsystem(config: &[u8]) -> Option<usize> {
    if config.pread_with::<u16>(field::STATUS, LE).ok()? & STATUS_HAS_CAPABILITIES == 0 {
        return None;
    }
    let mut next = *config.get(field::BRIDGE_CAPABILITIES)?;
    // A corrupt list may contain a loop.
    for _ in 0..CAPABILITIES_MAX {
        let at = usize::from(next & !3);
        if at < HEADER_LEN {
            return None;
        }
        if *config.get(at)? == CAPABILITY_SUBSYSTEM {
            return at.checked_add(4);
        }
        next = *config.get(at.checked_add(1)?)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(header_type: u8) -> [u8; 256] {
        let mut config = [0; 256];
        config[..4].copy_from_slice(b"\x36\x1b\x0c\x00");
        config[6] = 0x10;
        config[8..12].copy_from_slice(b"\x05\x02\x04\x06");
        config[14] = header_type;
        config[0x2c..0x30].copy_from_slice(b"\x11\x11\x22\x22");
        config[0x34] = 0x40;
        config[0x40..0x44].copy_from_slice(b"\x33\x33\x44\x44");
        config
    }

    fn subsystem(config: &[u8]) -> (u16, u16) {
        let function = PciFunction::parse(config).unwrap();
        (function.subsystem_vendor, function.subsystem_device)
    }

    #[test]
    fn subsystem_ids_depend_on_the_header_type() {
        let function = PciFunction::parse(&config(0x80)).unwrap();
        assert_eq!(function.modalias(), "pci:v00001B36d0000000Csv00001111sd00002222bc06sc04i02");
        assert_eq!(subsystem(&config(0)[..64]), (0x1111, 0x2222));
        assert_eq!(subsystem(&config(2)), (0x3333, 0x4444));
        assert_eq!(subsystem(&config(3)), (0, 0));
    }

    #[test]
    fn subsystem_ids_of_bridges_are_in_a_capability() {
        let mut config = config(1);
        assert_eq!(subsystem(&config), (0, 0), "list ends in a loop");
        config[0x40..0x42].copy_from_slice(b"\x05\x50");
        config[0x50..0x58].copy_from_slice(b"\x0d\x00\x00\x00\x36\x1b\xcd\xab");
        assert_eq!(subsystem(&config), (0x1b36, 0xabcd));
        assert_eq!(subsystem(&config[..64]), (0, 0), "capabilities not read");
        config[6] = 0;
        assert_eq!(subsystem(&config), (0, 0), "no capabilities");
    }

    #[test]
    fn absent_functions_are_none() {
        assert_eq!(PciFunction::parse(&[0xff; 256]), None);
        assert_eq!(PciFunction::parse(&[0; 63]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(config in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(function) = PciFunction::parse(&config) {
                prop_assert_eq!(function.modalias().len(), 53);
            }
        }
    }
}
