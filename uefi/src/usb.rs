//! USB interfaces, where the firmware has looked at the bus.

use alloc::vec::Vec;

use depmod_core::hardware::UsbInterface;
use uefi::Handle;
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::usb::io::UsbIo;

/// All interfaces that the firmware lists, sorted. Firmware that boots fast has not looked, and
/// lists none; that is no error.
#[must_use]
pub fn interfaces() -> Vec<UsbInterface> {
    let handles = boot::find_handles::<UsbIo>().unwrap_or_default();
    let mut interfaces: Vec<_> = handles.into_iter().filter_map(read).collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    interfaces
}

fn read(handle: Handle) -> Option<UsbInterface> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the protocol is used only within this function, where nothing else runs. Exclusive
    // access would disconnect the keyboard or the stick that we were started from.
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
