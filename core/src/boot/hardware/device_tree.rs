//! Devices of a flattened device tree, which firmware of many boards installs (Devicetree Specification 0.4 §5).
//!
//! ```text
//! d0 0d fe ed …            header: where the structure and the strings are
//! 00 00 00 01 mmc@fe340000 a node begins
//! 00 00 00 03 len name …   a property; its name is an offset into the strings
//! 00 00 00 02              the node ends
//! 00 00 00 09              the structure ends
//! ```
//!
//! A node with `compatible` is a device, unless its `status`, or that of a node around it, switches it off. Linux makes
//! one modalias of name, type and all compatible names:
//!
//! ```text
//! of:NmmcT(null)Cbrcm,bcm2711-emmc2
//! ```

use core::fmt::{self, Write};

use scroll::{BE, Pread};

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const ALIGN: usize = 4;

/// Positions in the header.
mod field {
    pub(super) const MAGIC: usize = 0;
    pub(super) const TOTAL_SIZE: usize = 4;
    pub(super) const STRUCTURE: usize = 8;
    pub(super) const STRINGS: usize = 12;
}

/// Bytes of a header that [`DeviceTree::size`] needs.
pub const HEADER_LEN: usize = 40;

/// The nodes of a device tree that are devices, in its order. It ends where the structure is damaged.
///
/// ```
/// use depmod_core::parts::boot::hardware::DeviceTree;
/// assert_eq!(DeviceTree::new(b"no device tree").count(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct DeviceTree<'t> {
    structure: &'t [u8],
    strings: &'t [u8],
    /// The node whose properties are read.
    node: Option<Node<'t>>,
    depth: usize,
    /// The outermost node that is switched off.
    off: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node<'t> {
    name: &'t [u8],
    device_type: Option<&'t [u8]>,
    compatible: &'t [u8],
}

/// A node that is a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeDevice<'t> {
    /// Its name without address.
    pub name: &'t [u8],
    /// `device_type`.
    pub device_type: Option<&'t [u8]>,
    /// `compatible`: names, each with a NUL at its end.
    compatible: &'t [u8],
}

impl<'t> DeviceTree<'t> {
    /// The devices of the tree in `bytes`; none if they are no device tree.
    #[must_use]
    pub fn new(bytes: &'t [u8]) -> Self {
        let is_tree = Self::size(bytes).is_some();
        let part = |field| {
            number(bytes, field).filter(|_| is_tree).and_then(|at| bytes.get(at..)).unwrap_or_default()
        };
        Self {
            structure: part(field::STRUCTURE),
            strings: part(field::STRINGS),
            node: None,
            depth: 0,
            off: None,
        }
    }

    /// The size of the tree that begins with this header; `None` if it is no device tree.
    #[must_use]
    pub fn size(header: &[u8]) -> Option<usize> {
        let is_tree = header.pread_with::<u32>(field::MAGIC, BE).ok()? == MAGIC;
        number(header, field::TOTAL_SIZE).filter(|_| is_tree)
    }

    fn token(&mut self) -> Option<u32> {
        let (token, rest) = self.structure.split_first_chunk::<4>()?;
        self.structure = rest;
        Some(u32::from_be_bytes(*token))
    }

    /// Takes `length` bytes, and those up to the next token.
    fn take(&mut self, length: usize) -> Option<&'t [u8]> {
        let bytes = self.structure.get(..length)?;
        self.structure = self.structure.get(length.checked_next_multiple_of(ALIGN)?..).unwrap_or_default();
        Some(bytes)
    }

    fn property(&mut self) -> Option<()> {
        let (length, name) = (self.token()?, self.token()?);
        let value = self.take(usize::try_from(length).ok()?)?;
        let name = self.strings.get(usize::try_from(name).ok()?..)?;
        let name = name.split(|&byte| byte == 0).next()?;
        let text = value.strip_suffix(b"\0").unwrap_or(value);
        if name == b"status" && !matches!(text, b"okay" | b"ok") && self.off.is_none() {
            self.off = Some(self.depth);
        }
        let node = self.node.as_mut()?;
        match name {
            b"compatible" => node.compatible = value,
            b"device_type" => node.device_type = Some(text),
            _ => {}
        }
        Some(())
    }

    /// The node whose properties ended, if it is a device that is on.
    fn finished(&mut self) -> Option<TreeDevice<'t>> {
        let node = self.node.take()?;
        let is_on = self.off.is_none() && !node.compatible.is_empty();
        is_on.then_some(TreeDevice {
            name: node.name,
            device_type: node.device_type,
            compatible: node.compatible,
        })
    }
}

impl<'t> Iterator for DeviceTree<'t> {
    type Item = TreeDevice<'t>;

    fn next(&mut self) -> Option<TreeDevice<'t>> {
        loop {
            let device = match self.token()? {
                BEGIN_NODE => {
                    let device = self.finished();
                    let end = self.structure.iter().position(|&byte| byte == 0)?;
                    let name = self.take(end.checked_add(1)?)?.get(..end)?;
                    let name = name.split(|&byte| byte == b'@').next()?;
                    self.node = Some(Node { name, ..Node::default() });
                    self.depth = self.depth.checked_add(1)?;
                    device
                }
                END_NODE => {
                    let device = self.finished();
                    if self.off == Some(self.depth) {
                        self.off = None;
                    }
                    self.depth = self.depth.checked_sub(1)?;
                    device
                }
                PROPERTY => {
                    // A property after the node's children belongs to no node.
                    let has_node = self.node.is_some();
                    if self.property().is_none() && has_node {
                        return None;
                    }
                    None
                }
                NOP => None,
                _ => return None,
            };
            if device.is_some() {
                return device;
            }
        }
    }
}

impl<'t> TreeDevice<'t> {
    /// The names of what the device is compatible with, the most exact first.
    pub fn compatible(&self) -> impl Iterator<Item = &'t [u8]> {
        self.compatible.split(|&byte| byte == 0).filter(|name| !name.is_empty())
    }

    /// The modalias as in Linux's `/sys/bus/platform/devices/*/modalias`.
    pub fn modalias(&self) -> impl fmt::Display {
        OfModalias(*self)
    }
}

struct OfModalias<'t>(TreeDevice<'t>);

impl fmt::Display for OfModalias<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(device) = self;
        // The kernel's text for a missing type.
        let kind = device.device_type.unwrap_or(b"(null)");
        write!(f, "of:N{}T{}", Text(device.name), Text(kind))?;
        for name in device.compatible() {
            f.write_str("C")?;
            // No blanks in a modalias.
            name.split(|&byte| byte == b' ').enumerate().try_for_each(|(number, part)| {
                write!(f, "{}{}", if number > 0 { "_" } else { "" }, Text(part))
            })?;
        }
        Ok(())
    }
}

/// Names are ASCII (Devicetree Specification 0.4 §2.2.1); other bytes become a question mark.
struct Text<'t>(&'t [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&byte| {
            let is_shown = byte == b' ' || byte.is_ascii_graphic();
            f.write_char(if is_shown { char::from(byte) } else { '?' })
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(bytes.pread_with::<u32>(at, BE).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, string::ToString, vec::Vec};
    use proptest::prelude::*;

    const STRINGS: &[u8] = b"compatible\0device_type\0status\0reg\0";

    /// Writes a structure.
    #[derive(Default)]
    struct Writer(Vec<u8>);

    impl Writer {
        fn begin(mut self, name: &str) -> Self {
            self.0.extend(BEGIN_NODE.to_be_bytes());
            self.0.extend(name.bytes().chain([0]));
            self.pad()
        }

        fn property(mut self, name: &str, value: &[u8]) -> Self {
            let offset = STRINGS.windows(name.len()).position(|at| at == name.as_bytes()).unwrap() as u32;
            for number in [PROPERTY, value.len() as u32, offset] {
                self.0.extend(number.to_be_bytes());
            }
            self.0.extend(value);
            self.pad()
        }

        fn end(mut self) -> Self {
            self.0.extend(END_NODE.to_be_bytes());
            self
        }

        fn pad(mut self) -> Self {
            self.0.resize(self.0.len().next_multiple_of(ALIGN), 0);
            self
        }

        fn tree(self) -> Vec<u8> {
            let structure = [self.0, 9_u32.to_be_bytes().to_vec()].concat();
            let strings = HEADER_LEN + structure.len();
            let total = strings + STRINGS.len();
            let mut bytes = Vec::new();
            for number in [MAGIC as usize, total, HEADER_LEN, strings, HEADER_LEN, 17, 16, 0, 0, 0] {
                bytes.extend((number as u32).to_be_bytes());
            }
            [bytes, structure, STRINGS.to_vec()].concat()
        }
    }

    fn modaliases(tree: &[u8]) -> Vec<String> {
        DeviceTree::new(tree).map(|device| device.modalias().to_string()).collect()
    }

    fn board() -> Vec<u8> {
        let tree = Writer::default().begin("").property("compatible", b"linux,dummy-virt\0");
        let tree = tree.begin("cpus").begin("cpu@0").property("device_type", b"cpu\0");
        let tree = tree.property("compatible", b"arm,cortex-a57\0").end().end();
        let tree =
            tree.begin("bus@1").property("status", b"disabled\0").property("compatible", b"simple-bus\0");
        let tree = tree.begin("mmc@2").property("compatible", b"never\0").end().end();
        let tree = tree.begin("virtio_mmio@a000000").property("reg", &[0; 16]);
        let tree = tree.property("compatible", b"virtio,mmio\0").property("status", b"okay\0").end();
        let tree = tree.begin("sound card").property("compatible", b"a b\0c\0").end();
        tree.end().tree()
    }

    #[test]
    fn devices_that_are_on_have_modaliases() {
        assert_eq!(
            modaliases(&board()),
            [
                "of:NT(null)Clinux,dummy-virt",
                "of:NcpuTcpuCarm,cortex-a57",
                "of:Nvirtio_mmioT(null)Cvirtio,mmio",
                "of:Nsound cardT(null)Ca_bCc",
            ]
        );
        assert_eq!(DeviceTree::size(&board()), Some(board().len()));
    }

    #[test]
    fn damaged_trees_end_early() {
        let tree = board();
        let all = modaliases(&tree).len();
        for end in 0..tree.len() {
            assert!(modaliases(&tree[..end]).len() <= all);
        }
        assert_eq!(modaliases(b"\xd0\x0d\xfe\xee"), [""; 0]);
        assert_eq!(DeviceTree::size(b"\xd0\x0d\xfe\xee\0\0\0\x28"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_changes_do_not_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut tree = board();
            for (at, byte) in changes {
                let at = at.index(tree.len());
                tree[at] = byte;
            }
            prop_assert!(modaliases(&tree).len() < 100);
        }
    }
}
