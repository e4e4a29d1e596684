//! Superblocks that were found, and what they lie in.

use alloc::{string::String, vec::Vec};

use super::gpt::guid_id;
use super::superblock::{Superblock, hex};

/// A partition, as firmware describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// Its number on the disk, from 1.
    pub number: u32,
    /// Its UUID, `PARTUUID` in Linux, in lower case without hyphens.
    pub id: String,
}

impl Partition {
    /// One of a GUID partition table; the GUID's bytes are as in the table.
    #[must_use]
    pub fn gpt(number: u32, guid: [u8; 16]) -> Self {
        Self { number, id: guid_id(guid) }
    }

    /// One of a master boot record with this signature. Linux makes an UUID of both.
    ///
    /// ```
    /// # use depmod_core::parts::boot::root::Partition;
    /// assert_eq!(Partition::mbr(2, [0x78, 0x56, 0x34, 0x12]).id, "1234567802");
    /// ```
    #[must_use]
    pub fn mbr(number: u32, signature: [u8; 4]) -> Self {
        let [a, b, c, d] = signature;
        let [.., last] = number.to_be_bytes();
        Self { number, id: hex(&[d, c, b, a, last]) }
    }
}

/// A superblock, and what it lies in.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) superblock: Superblock,
    /// The layer that it was found in; `None` for a device of the firmware.
    pub(super) below: Option<usize>,
    /// The partition, if it is one of the firmware's devices.
    pub(super) partition: Option<Partition>,
}

/// All layers, each after the one that it lies in.
#[derive(Debug, Default)]
pub(super) struct Layers(pub(super) Vec<Layer>);

impl Layers {
    /// A layer, and all that it lies in.
    pub(super) fn down(&self, at: usize) -> impl Iterator<Item = usize> {
        core::iter::successors(Some(at), |&at| self.0.get(at)?.below)
    }

    /// All that lies in a layer.
    pub(super) fn up(&self, at: usize) -> impl Iterator<Item = usize> {
        (0..self.0.len()).filter(move |&other| other != at && self.down(other).any(|below| below == at))
    }
}
