//! PCI functions, as the firmware's drivers see them.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::fmt;

use depmod_core::hardware::{CONFIG_LEN, PciFunction};
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::unsafe_protocol;
use uefi::{Handle, Status};

use crate::error::{Doing, Result};

/// Where a function is: segment, bus, device, function. `Display` is Linux's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location(pub [usize; 4]);

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [segment, bus, device, function] = self.0;
        write!(f, "{segment:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

/// All functions that the firmware has found, by location. One that cannot be read is left out.
///
/// # Errors
/// When the firmware cannot list its PCI functions.
pub fn functions() -> Result<Vec<(Location, PciFunction)>> {
    let handles = match boot::find_handles::<PciIo>() {
        // A machine without PCI.
        Err(error) if error.status() == Status::NOT_FOUND => Vec::new(),
        handles => handles.doing("list PCI functions")?,
    };
    let mut functions: Vec<_> = handles.into_iter().filter_map(read).collect();
    functions.sort_unstable();
    Ok(functions)
}

fn read(handle: Handle) -> Option<(Location, PciFunction)> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the protocol is used only within this function, where nothing else runs. Exclusive
    // access would disconnect the drivers of our own disk.
    let mut pci =
        unsafe { boot::open_protocol::<PciIo>(params, OpenProtocolAttributes::GetProtocol) }.ok()?;
    let location = pci.location()?;
    let mut config = [0; CONFIG_LEN];
    pci.read_config(&mut config)?;
    Some((location, PciFunction::parse(&config)?))
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
    fn location(&mut self) -> Option<Location> {
        let [mut segment, mut bus, mut device, mut function] = [0; 4];
        // SAFETY: `self` is the protocol, the others are ours.
        let status = unsafe { (self.get_location)(self, &mut segment, &mut bus, &mut device, &mut function) };
        status.is_success().then_some(Location([segment, bus, device, function]))
    }

    fn read_config(&mut self, config: &mut [u8; CONFIG_LEN]) -> Option<()> {
        let mut words = [0_u32; CONFIG_LEN / 4];
        // SAFETY: `words` has room for this many units of this width.
        let status = unsafe { (self.pci_read)(self, WIDTH_U32, 0, words.len(), words.as_mut_ptr().cast()) };
        for (to, word) in config.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        status.is_success().then_some(())
    }
}
