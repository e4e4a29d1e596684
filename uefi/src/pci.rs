//! PCI functions from the firmware's drivers.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::fmt;

use depmod_core::parts::boot::hardware::{CONFIG_LEN, PciFunction};
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::unsafe_protocol;
use uefi::{Handle, Status};

use crate::error::{Doing, Result};

/// Segment, bus, device and function, shown as Linux shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PciAddress(pub [usize; 4]);

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [segment, bus, device, function] = self.0;
        write!(f, "{segment:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

/// All PCI functions, sorted by address, without those that cannot be read.
///
/// # Errors
/// The firmware cannot list them.
pub fn functions() -> Result<Vec<(PciAddress, PciFunction)>> {
    let handles = match boot::find_handles::<PciIo>() {
        // A machine without PCI.
        Err(error) if error.status() == Status::NOT_FOUND => Vec::new(),
        handles => handles.doing("list PCI functions")?,
    };
    let mut functions = Vec::new();
    for function in handles.into_iter().filter_map(read) {
        // Less code than a sort.
        if let Err(at) = functions.binary_search(&function) {
            functions.insert(at, function);
        }
    }
    Ok(functions)
}

/// Connects drivers to all functions whose class begins like this: in fast boot mode, firmware leaves those alone that it
/// does not boot from, and lists nothing behind them.
pub(crate) fn connect(class: &[u8]) {
    for handle in boot::find_handles::<PciIo>().unwrap_or_default() {
        if read(handle).is_some_and(|(_, function)| function.class.starts_with(class)) {
            // One that has its drivers stays as it is.
            let _ = boot::connect_controller(handle, &[], None, true);
        }
    }
}

fn read(handle: Handle) -> Option<(PciAddress, PciFunction)> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the protocol is used only in this function, and there is one thread. Exclusive access would
    // disconnect the drivers of the boot disk.
    let mut pci =
        unsafe { boot::open_protocol::<PciIo>(params, OpenProtocolAttributes::GetProtocol) }.ok()?;
    let address = pci.address()?;
    let mut config = [0; CONFIG_LEN];
    pci.read_config(&mut config)?;
    Some((address, PciFunction::parse(&config)?))
}

type Access = unsafe extern "efiapi" fn(*mut PciIo, u32, u32, usize, *mut c_void) -> Status;

/// `EFI_PCI_IO_PROTOCOL` (UEFI 2.10 §14.4) up to the last member used here.
#[repr(C)]
#[unsafe_protocol("4cf5b200-68b8-4ca5-9eec-b23e3f50029a")]
struct PciIo {
    poll_mem: *const c_void,
    poll_io: *const c_void,
    mem_read: *const c_void,
    mem_write: *const c_void,
    io_read: *const c_void,
    io_write: *const c_void,
    pci_read: Access,
    pci_write: *const c_void,
    copy_mem: *const c_void,
    map: *const c_void,
    unmap: *const c_void,
    allocate_buffer: *const c_void,
    free_buffer: *const c_void,
    flush: *const c_void,
    get_location:
        unsafe extern "efiapi" fn(*mut PciIo, *mut usize, *mut usize, *mut usize, *mut usize) -> Status,
}

/// `EfiPciIoWidthUint32`.
const WIDTH_U32: u32 = 2;

impl PciIo {
    fn address(&mut self) -> Option<PciAddress> {
        let [mut segment, mut bus, mut device, mut function] = [0; 4];
        // SAFETY: `self` is the protocol, and the other pointers are local variables.
        let status = unsafe { (self.get_location)(self, &mut segment, &mut bus, &mut device, &mut function) };
        status.is_success().then_some(PciAddress([segment, bus, device, function]))
    }

    fn read_config(&mut self, config: &mut [u8; CONFIG_LEN]) -> Option<()> {
        let mut words = [0_u32; CONFIG_LEN / 4];
        // SAFETY: `words` has room for that many units of that width.
        let status = unsafe { (self.pci_read)(self, WIDTH_U32, 0, words.len(), words.as_mut_ptr().cast()) };
        for (to, word) in config.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        status.is_success().then_some(())
    }
}
