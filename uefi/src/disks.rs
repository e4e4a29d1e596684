//! Disks and partitions from the firmware's drivers, and requests for the way to the root file system.

use alloc::vec;
use alloc::vec::Vec;

use depmod_core::parts::boot::root::{BlockDevice, Partition, RootOptions, RootSearch};
use depmod_core::{Limits, Request};
use uefi::Handle;
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams, ScopedProtocol};
use uefi::proto::ProtocolPointer;
use uefi::proto::device_path::DevicePath;
use uefi::proto::device_path::media::{HardDrive, PartitionSignature};
use uefi::proto::media::block::BlockIO;
use uefi::proto::media::disk::DiskIo;

use crate::console::Console;
use crate::pci;

/// Classes of PCI functions with disks behind them: controllers of disks, hosts of SD cards and of USB.
const STORAGE: [&[u8]; 3] = [&[0x01], &[0x08, 0x05], &[0x0c, 0x03]];

/// Requests for what the kernel's options name. Disks are read only if these name any; one that cannot be read is
/// reported and left out.
#[must_use]
pub fn root_requests(options: &str, limits: &Limits, console: Console) -> Vec<Request> {
    let options = RootOptions::parse(options);
    let mut search = RootSearch::new(limits);
    if options.name_disks() {
        STORAGE.iter().for_each(|class| pci::connect(class));
        for handle in boot::find_handles::<BlockIO>().unwrap_or_default() {
            let Some(disk) = Disk::open(handle) else { continue };
            let partition = partition(handle);
            let number = partition.as_ref().map_or(0, |partition| partition.number);
            if !search.look_at(&disk, partition) {
                console.warning(format_args!(
                    "cannot read a disk of {} bytes, partition {number}; not searched for the root file system",
                    disk.size()
                ));
            }
        }
        for found in search.superblocks() {
            let label = found.label.escape_ascii();
            console.info(format_args!("disk {} '{}' '{label}'", found.kind.name(), found.id));
        }
    }
    search.requests(&options)
}

/// A disk or partition with a medium.
struct Disk {
    io: ScopedProtocol<DiskIo>,
    medium: u32,
    block_size: u32,
    size: u64,
}

impl Disk {
    fn open(handle: Handle) -> Option<Self> {
        let block = open::<BlockIO>(handle)?;
        let medium = block.media();
        if !medium.is_media_present() {
            return None;
        }
        let blocks = medium.last_block().checked_add(1)?;
        Some(Self {
            io: open::<DiskIo>(handle)?,
            medium: medium.media_id(),
            block_size: medium.block_size(),
            size: blocks.checked_mul(medium.block_size().into())?,
        })
    }
}

impl BlockDevice for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn block_size(&self) -> u32 {
        self.block_size
    }

    fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.io.read_disk(self.medium, offset, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// The partition that a device is; the last such part of its path counts.
fn partition(handle: Handle) -> Option<Partition> {
    let path = open::<DevicePath>(handle)?;
    let drives = path.node_iter().filter_map(|node| <&HardDrive>::try_from(node).ok());
    let drive = drives.last()?;
    match drive.partition_signature() {
        PartitionSignature::Guid(guid) => Some(Partition::gpt(drive.partition_number(), guid.to_bytes())),
        PartitionSignature::Mbr(signature) => Some(Partition::mbr(drive.partition_number(), signature)),
        _ => None,
    }
}

fn open<P: ProtocolPointer + ?Sized>(handle: Handle) -> Option<ScopedProtocol<P>> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the protocols are used only in this file, for reading, and there is one thread. Exclusive access would
    // disconnect the file systems of the disk.
    unsafe { boot::open_protocol::<P>(params, OpenProtocolAttributes::GetProtocol) }.ok()
}
