//! Requests for this machine's hardware, and for the devices expected above it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use depmod_core::parts::boot::hardware::{
    Child, Children, acpi_children, acpi_modalias, children, tree_children, usb_children,
};
use depmod_core::parts::boot::{Bus, HardwareUse};
use depmod_core::{Limits, Request};

use crate::console::Console;
use crate::error::Result;
use crate::{cpu, pci, tables, usb};

/// Looks at the buses that the entry names.
///
/// # Errors
/// The firmware cannot list PCI functions.
pub fn requests(hardware: HardwareUse, limits: &Limits, console: Console) -> Result<Vec<Request>> {
    let mut requests = Requests { list: Vec::new(), console };
    if hardware.includes(Bus::Pci) {
        for (address, function) in pci::functions()? {
            let modalias = function.modalias();
            console.info(format_args!("pci {address} {modalias}"));
            requests.add(&modalias, format!("PCI {address}"), &children(&function));
        }
    }
    if hardware.includes(Bus::Usb) {
        usb::connect();
        for interface in usb::interfaces() {
            let modalias = interface.modalias();
            console.info(format_args!("usb {modalias}"));
            requests.add(&modalias, "USB".into(), &usb_children(&interface));
        }
    }
    if hardware.includes(Bus::Acpi) {
        tables::each_acpi_id(limits, &mut |id| {
            requests.find("acpi", &acpi_modalias(id), format!("ACPI {id}"), &acpi_children(id));
        });
    }
    if hardware.includes(Bus::DeviceTree) {
        tables::each_tree_device(limits, &mut |device| {
            let modalias = device.modalias().to_string();
            requests.find(
                "of",
                &modalias,
                format!("device tree {}", device.name.escape_ascii()),
                &tree_children(device),
            );
        });
    }
    let mut modalias = String::new();
    if hardware.includes(Bus::Cpu) && cpu::write_modalias(&mut modalias).is_some() {
        requests.find("cpu", &modalias, "processor".into(), &Children::new());
    }
    Ok(requests.list)
}

struct Requests {
    list: Vec<Request>,
    console: Console,
}

impl Requests {
    /// A device, and the children that it may have. Most origins have an address: equal devices are one request.
    fn add(&mut self, modalias: &str, origin: String, children: &[Child]) {
        self.add_one(modalias, origin.clone());
        for child in children {
            self.add_one(&child.modalias, format!("{origin}: {}", child.why));
        }
    }

    /// The same for a device that may be listed often: each modalias is shown once.
    fn find(&mut self, bus: &str, modalias: &str, origin: String, children: &[Child]) {
        if !self.has(modalias) {
            self.console.info(format_args!("{bus} {modalias}"));
            self.add(modalias, origin, children);
        }
    }

    fn has(&self, modalias: &str) -> bool {
        self.list.iter().any(|other| other.query == modalias.as_bytes())
    }

    fn add_one(&mut self, modalias: &str, origin: String) {
        if !self.has(modalias) {
            self.list.push(Request::new(modalias, origin));
        }
    }
}
