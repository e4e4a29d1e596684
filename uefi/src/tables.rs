//! Tables that firmware leaves in memory: ACPI's, and a device tree.

use core::slice;

use depmod_core::Limits;
use depmod_core::parts::boot::hardware::{
    AcpiId, DeviceTree, PhysicalMemory, TREE_HEADER_LEN, TreeDevice, acpi_code, acpi_ids,
};
use uefi::system::with_config_table;
use uefi::table::cfg::ConfigTableEntry;
use uefi::{Guid, guid};

/// GUID of the device tree (UEFI 2.10 §4.6).
const DEVICE_TREE_GUID: Guid = guid!("b1b621d5-f19c-41a5-830b-d9152c69aae0");

/// The machine's memory; firmware maps each address to itself.
struct Memory;

impl PhysicalMemory for Memory {
    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(address).ok().filter(|&start| start != 0)?;
        start.checked_add(length).filter(|&end| end <= isize::MAX as usize)?;
        // SAFETY: firmware says that a table of this length is there; Linux relies on that as well. Nothing writes to
        // it while the program runs.
        Some(unsafe { slice::from_raw_parts(start as *const u8, length) })
    }
}

/// Calls `each` with the IDs of all devices that ACPI names.
pub fn each_acpi_id(limits: &Limits, each: &mut dyn FnMut(&AcpiId)) {
    let Some(rsdp) = table(ConfigTableEntry::ACPI2_GUID) else { return };
    acpi_code(&Memory, rsdp, limits, &mut |code| acpi_ids(code).for_each(|id| each(&id)));
}

/// Calls `each` with all devices of the device tree.
pub fn each_tree_device(limits: &Limits, each: &mut dyn FnMut(&TreeDevice<'_>)) {
    let Some(address) = table(DEVICE_TREE_GUID) else { return };
    let size = Memory.bytes(address, TREE_HEADER_LEN).and_then(DeviceTree::size);
    let Some(size) = size.filter(|&size| size <= limits.firmware_table_size) else { return };
    DeviceTree::new(Memory.bytes(address, size).unwrap_or_default()).for_each(|device| each(&device));
}

/// The address of a table.
fn table(guid: Guid) -> Option<u64> {
    with_config_table(|entries| {
        let entry = entries.iter().find(|entry| entry.guid == guid)?;
        Some(entry.address as usize as u64)
    })
}
