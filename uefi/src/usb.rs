//! USB interfaces from the firmware's drivers.

use alloc::vec::Vec;

use depmod_core::parts::boot::hardware::UsbInterface;
use uefi::Handle;
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::usb::io::UsbIo;

use crate::pci;

/// Class and subclass of PCI functions.
const USB_HOST: [u8; 2] = [0x0c, 0x03];

/// All USB interfaces that the firmware lists, sorted. Firmware in fast boot mode does not enumerate the bus and
/// lists none; that is no error.
#[must_use]
pub fn interfaces() -> Vec<UsbInterface> {
    let handles = boot::find_handles::<UsbIo>().unwrap_or_default();
    let mut interfaces = Vec::new();
    for interface in handles.into_iter().filter_map(read) {
        // Less code than a sort.
        if let Err(at) = interfaces.binary_search(&interface) {
            interfaces.insert(at, interface);
        }
    }
    interfaces
}

/// Connects drivers to all USB host controllers: in fast boot mode, firmware leaves them alone.
pub fn connect() {
    pci::connect(&USB_HOST);
}

fn read(handle: Handle) -> Option<UsbInterface> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the protocol is used only in this function, and there is one thread. Exclusive access would
    // disconnect the keyboard or the boot stick.
    let mut usb =
        unsafe { boot::open_protocol::<UsbIo>(params, OpenProtocolAttributes::GetProtocol) }.ok()?;
    let device = usb.device_descriptor().ok()?;
    let interface = usb.interface_descriptor().ok()?;
    Some(UsbInterface {
        vendor: device.id_vendor,
        product: device.id_product,
        release: device.bcd_device,
        device_class: [device.device_class, device.device_subclass, device.device_protocol],
        interface_class: [
            interface.interface_class,
            interface.interface_subclass,
            interface.interface_protocol,
        ],
        interface: interface.interface_number,
    })
}
