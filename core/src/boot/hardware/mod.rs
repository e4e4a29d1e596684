//! From hardware to modaliases: the strings by which Linux finds a driver for a device.
//!
//! Linux names a device by what its bus tells of it and looks the name up among the patterns that
//! modules carry. For PCI the name comes from the configuration space:
//!
//! ```text
//! pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00
//!     vendor   device   subsystem's v. and d. class, subclass, interface
//! ```
//!
//! matches virtio_pci's `pci:v00001AF4d*sv*sd*bc*sc*i*`. That alone gives no disk: virtio_pci makes a
//! second device, `virtio:d00000002v00001AF4`, which virtio_blk drives. Firmware sees the PCI
//! function only, so [`children`] tells what stands above a function.
//!
//! Nothing here needs an allocator.
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
mod pci;
mod usb;

pub use above::{Child, Children, children, usb_children};
pub use pci::{CONFIG_LEN, PciFunction};
pub use usb::UsbInterface;

/// A modalias. Every form built here fits.
pub type Modalias = heapless::String<80>;
