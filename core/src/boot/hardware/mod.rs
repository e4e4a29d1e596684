//! From hardware to modaliases: the strings that Linux uses to find the driver of a device.
//!
//! Linux builds a device's modalias from the bus's data and matches it against the alias patterns of modules.
//! For PCI, the data is in the configuration space:
//!
//! ```text
//! pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00
//!     vendor   device   subsystem's v. and d. class, subclass, interface
//! ```
//!
//! matches virtio_pci's `pci:v00001AF4d*sv*sd*bc*sc*i*`. This driver alone provides no disk: virtio_pci
//! creates a child device, `virtio:d00000002v00001AF4`, whose driver is virtio_blk. Firmware sees only the
//! PCI function, so [`children`] predicts its child devices.
//!
//! Other sources of devices are the code of ACPI's tables ([`acpi_ids`]), a device tree ([`DeviceTree`]), USB
//! descriptors and the processor itself ([`CpuFeatures`]). Buses whose devices firmware cannot list, such as VMBus
//! and virtio-mmio, are expected to have each kind of device that boots, reads keys or reaches the network.
//!
//! This room needs no allocator.
//!
//! ```
//! use depmod_core::parts::boot::hardware::{PciFunction, children};
//! let mut config = [0; 64];
//! config[..4].copy_from_slice(&[0xf4, 0x1a, 0x42, 0x10]); // vendor 1af4, device 1042
//! config[0x0b] = 1; // mass storage
//! config[0x2c..0x2e].copy_from_slice(&[0xf4, 0x1a]);
//! let function = PciFunction::parse(&config).unwrap();
//! assert_eq!(function.modalias(), "pci:v00001AF4d00001042sv00001AF4sd00000000bc01sc00i00");
//! let above = children(&function);
//! assert_eq!(above.iter().next().unwrap().modalias, "virtio:d00000002v00001AF4");
//! ```

mod above;
mod acpi;
mod acpi_tables;
mod cpu;
mod device_tree;
mod pci;
mod usb;

pub use above::{Child, Children, acpi_children, children, tree_children, usb_children};
pub use acpi::{AcpiId, acpi_ids, acpi_modalias};
pub use acpi_tables::{PhysicalMemory, acpi_code};
pub use cpu::{CpuFeatures, X86Word};
pub use device_tree::{DeviceTree, HEADER_LEN as TREE_HEADER_LEN, TreeDevice};
pub use pci::{CONFIG_LEN, PciFunction};
pub use usb::UsbInterface;

/// A modalias, with capacity for every form built here.
pub type Modalias = heapless::String<80>;
