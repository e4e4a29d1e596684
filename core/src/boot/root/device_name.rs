//! Names of block devices as the kernel's options and an initrd's tools write them.
//!
//! ```text
//! UUID=…  LABEL=…  PARTUUID=…  PARTLABEL=…              tags; quotes may be around the value
//! /dev/disk/by-uuid/…  by-label  by-partuuid  by-partlabel
//! /dev/vg/root  /dev/mapper/vg-root                     logical volumes; `-` in a name is `--`
//! /dev/sda2  /dev/nvme0n1p2                             names in the order in which Linux finds disks
//! ```
//!
//! Firmware does not know Linux's order, so of the last kind only the partition's number counts.

use alloc::{string::String, string::ToString, vec::Vec};

use super::superblock::plain_id;

/// What a device is named by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceName {
    /// The UUID of its content.
    Id(String),
    /// The label of its content.
    Label(String),
    /// The UUID of the partition.
    PartitionId(String),
    /// The name of the partition in a GUID partition table.
    PartitionName(String),
    /// The number of the partition on its disk; `None` is a whole disk.
    Number(Option<u32>),
    /// A logical volume, `GROUP/VOLUME`.
    Volume(String),
    /// A volume group.
    Group(String),
    /// A name in `/dev/mapper`: a logical volume, or what lies in a LUKS container.
    Mapped(String),
    /// Any array.
    Array,
    /// Anything else.
    Other,
}

impl DeviceName {
    /// Parses a name.
    pub(super) fn parse(name: &str) -> Self {
        if let Some((tag, value)) = name.split_once('=') {
            return Self::tagged(tag, value.trim_matches('"').into());
        }
        let Some(path) = name.strip_prefix("/dev/") else { return Self::Other };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts[..] {
            ["disk", by, value] => Self::tagged(by, unescaped(value)),
            ["mapper", name] => Self::Mapped(name.into()),
            ["md", _] => Self::Array,
            [name] if name.starts_with("md") => Self::Array,
            [name] if name.starts_with("dm-") => Self::Other,
            [name] => Self::Number(partition_number(name)),
            [group, volume] => Self::Volume([group, "/", volume].concat()),
            _ => Self::Other,
        }
    }

    fn tagged(tag: &str, value: String) -> Self {
        match tag {
            "UUID" | "by-uuid" => Self::Id(plain_id(value.as_bytes())),
            "LABEL" | "by-label" => Self::Label(value),
            // `PARTUUID=…/PARTNROFF=1` is a partition behind the named one.
            "PARTUUID" | "by-partuuid" if !value.contains('/') => {
                Self::PartitionId(plain_id(value.as_bytes()))
            }
            "PARTLABEL" | "by-partlabel" => Self::PartitionName(value),
            _ => Self::Other,
        }
    }
}

/// The name of a logical volume, `GROUP/VOLUME`, in `/dev/mapper`.
pub(super) fn mapped(volume: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    for &byte in volume {
        name.extend_from_slice(match byte {
            b'-' => b"--",
            b'/' => b"-",
            _ => core::slice::from_ref(&byte),
        });
    }
    name
}

/// udev writes bytes that are not plain as `\x20`.
fn unescaped(text: &str) -> String {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::new();
    loop {
        rest = match rest {
            [b'\\', b'x', high, low, after @ ..] if hex_byte(*high, *low).is_some() => {
                bytes.extend(hex_byte(*high, *low));
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
            [] => return String::from_utf8_lossy(&bytes).to_string(),
        };
    }
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Disks whose names end in a number: a partition's follows behind a `p`.
const NUMBERED: [&str; 5] = ["nvme", "mmcblk", "loop", "nbd", "pmem"];

fn partition_number(name: &str) -> Option<u32> {
    let disk = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if NUMBERED.iter().any(|numbered| name.starts_with(numbered)) && !disk.ends_with('p') {
        return None;
    }
    name.strip_prefix(disk)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_name() {
        let forms = [
            ("UUID=6F30-11ab", DeviceName::Id("6f3011ab".into())),
            ("UUID=\"6f30\"", DeviceName::Id("6f30".into())),
            ("LABEL=my root", DeviceName::Label("my root".into())),
            ("PARTUUID=1234-02", DeviceName::PartitionId("123402".into())),
            ("PARTUUID=1234-02/PARTNROFF=1", DeviceName::Other),
            ("PARTLABEL=Linux", DeviceName::PartitionName("Linux".into())),
            ("/dev/disk/by-uuid/6F30", DeviceName::Id("6f30".into())),
            ("/dev/disk/by-label/my\\x20r\\xc3\\xb6\\xzz", DeviceName::Label("my r\u{f6}\\xzz".into())),
            ("/dev/disk/by-id/x", DeviceName::Other),
            ("/dev/mapper/vg-root", DeviceName::Mapped("vg-root".into())),
            ("/dev/vg/root", DeviceName::Volume("vg/root".into())),
            ("/dev/md/0", DeviceName::Array),
            ("/dev/md127", DeviceName::Array),
            ("/dev/dm-0", DeviceName::Other),
            ("/dev/sda2", DeviceName::Number(Some(2))),
            ("/dev/vda", DeviceName::Number(None)),
            ("/dev/nvme0n1p12", DeviceName::Number(Some(12))),
            ("/dev/nvme0n1", DeviceName::Number(None)),
            ("8:1", DeviceName::Other),
        ];
        for (name, expected) in forms {
            assert_eq!(DeviceName::parse(name), expected, "{name}");
        }
        assert_eq!(mapped(b"v-g/the-root"), b"v--g-the--root");
    }
}
