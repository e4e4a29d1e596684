//! What all superblocks have in common.

use alloc::{string::String, vec::Vec};

use bstr::BString;

/// Bytes at the start of a device that hold all superblocks but those at its end: the last is that of btrfs.
pub(super) const HEAD_LEN: usize = 0x1_1000;

/// What a device holds, according to its superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Superblock {
    /// The format.
    pub kind: Kind,
    /// Its UUID: letters in lower case and digits alone, without hyphens or colons.
    pub id: String,
    /// Its label, or the name of a volume group, of a logical volume (`GROUP/VOLUME`) or of an array.
    pub label: BString,
    /// Names and aliases of the modules that Linux needs for it.
    pub modules: Vec<String>,
}

/// A kind of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file system, with its name in Linux.
    FileSystem(&'static str),
    /// Swap space, where a hibernated system may be.
    Swap,
    /// A LUKS container. What is inside cannot be read.
    Luks,
    /// A physical volume of LVM.
    PhysicalVolume,
    /// A logical volume of LVM.
    LogicalVolume,
    /// A member of an array (md).
    Array,
}

impl Kind {
    /// For reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FileSystem(name) => name,
            Self::Swap => "swap",
            Self::Luks => "LUKS",
            Self::PhysicalVolume => "LVM",
            Self::LogicalVolume => "logical volume",
            Self::Array => "md",
        }
    }
}

impl Superblock {
    /// One that needs no module so far.
    pub(super) fn new(kind: Kind, id: String, label: impl Into<BString>) -> Self {
        Self { kind, id, label: label.into(), modules: Vec::new() }
    }

    /// Adds a module that is needed.
    pub(super) fn needs(mut self, module: &str) -> Self {
        self.modules.push(module.into());
        self
    }

    /// Adds one that is needed under a condition.
    pub(super) fn needs_if(self, condition: bool, module: &str) -> Self {
        if condition { self.needs(module) } else { self }
    }
}

/// A UUID as it is compared: letters in lower case and digits alone. Tools write the same one in several forms
/// (`6F30-11AB`, `6f3011ab:…`).
pub(super) fn plain_id(text: &[u8]) -> String {
    let plain = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    plain.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// The plain form of a UUID of these bytes.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A text of fixed length: it ends at the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A text of fixed length in little-endian UTF-16.
pub(super) fn utf16(field: &[u8]) -> String {
    let units = field.as_chunks::<2>().0.iter().map(|&unit| u16::from_le_bytes(unit));
    char::decode_utf16(units.take_while(|&unit| unit != 0)).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_in_one_form() {
        assert_eq!(hex(&[0x6f, 0x30, 0x01, 0xab]), "6f3001ab");
        assert_eq!(plain_id(b"6F30-01ab"), "6f3001ab");
        assert_eq!(plain_id(b"6f3001ab:\xfc-"), "6f3001ab");
    }
}
