//! Child devices of the devices that firmware sees; PCI aliases do not reach their drivers.

use core::fmt::Write;

use super::{AcpiId, Modalias, PciFunction, TreeDevice, UsbInterface};

/// A child device, which appears after the driver of its parent is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its modalias.
    pub modalias: Modalias,
    /// The reason for expecting it, for the report.
    pub why: &'static str,
}

/// The children of a device, with capacity for every rule.
pub type Children = heapless::Vec<Child, 12>;

type Upper = (&'static str, &'static str);

const SCSI_DISK: Upper = ("scsi:t-0x00", "disk at a SCSI, SATA or USB controller");
const SCSI_CD: Upper = ("scsi:t-0x05", "CD or DVD at a SCSI, SATA or USB controller");
const NVME: Upper =
    ("pci:v00000000d00000000sv00000000sd00000000bc01sc08i02", "NVMe disk behind a RAID controller");
const MMC: Upper = ("mmc:block", "SD card or eMMC");
const USB_STORAGE: Upper =
    ("usb:v0000p0000d0000dc00dsc00dp00ic08isc06ip50in00", "USB stick or disk, plugged in sooner or later");
const USB_UAS: Upper = ("usb:v0000p0000d0000dc00dsc00dp00ic08isc06ip62in00", "fast USB disk (UAS)");
const USB_KEYBOARD: Upper =
    ("usb:v0000p0000d0000dc00dsc00dp00ic03isc01ip01in00", "USB keyboard, for pass phrases");
const HID: Upper = ("hid:b0003g0001v00000000p00000000", "USB keyboard, the part above usbhid");
const HID_I2C: Upper = ("hid:b0018g0001v00000000p00000000", "keyboard or touchpad over I2C");
const SERIO: Upper = ("serio:ty06pr00id00ex00", "PS/2 keyboard");
const PMEM_REGION: Upper = ("nd:t2", "region of persistent memory");
const PMEM: Upper = ("nd:t4", "persistent memory");

/// Devices without an address of their own that firmware could read: any of these may be there
/// (Virtual I/O Device 1.3 §5).
const VIRTIO_ANY: &[Upper] = &[
    ("virtio:d00000001v00000000", "a network card over virtio-mmio"),
    ("virtio:d00000002v00000000", "a disk over virtio-mmio"),
    ("virtio:d00000003v00000000", "a console over virtio-mmio"),
    ("virtio:d00000008v00000000", "a SCSI controller over virtio-mmio"),
    ("virtio:d00000009v00000000", "a directory of the host over virtio-mmio"),
    ("virtio:d00000010v00000000", "graphics over virtio-mmio"),
    ("virtio:d00000012v00000000", "a keyboard over virtio-mmio"),
    ("virtio:d0000001Av00000000", "a file system of the host over virtio-mmio"),
    SCSI_DISK,
    SCSI_CD,
];
/// The same for Hyper-V; the GUIDs of Linux `include/linux/hyperv.h`.
const VMBUS_ANY: &[Upper] = &[
    ("vmbus:d96361baa104294db60572e2ffb1dc7f", "a SCSI controller of Hyper-V"),
    ("vmbus:32264132cb86a2449b5c50d1417354f5", "an IDE disk of Hyper-V"),
    ("vmbus:635161f83edfc546913ff2d2f965ed0e", "a network card of Hyper-V"),
    ("vmbus:6dad12f9172bea48bd65f927a61c7684", "a keyboard of Hyper-V"),
    ("vmbus:9eb6a8cf4a5bc04cb98b8ba1a1f3f95a", "a mouse of Hyper-V"),
    ("vmbus:02780ada77e3ac4a8e770558eb1073f8", "graphics of Hyper-V"),
    ("vmbus:1df6c444444400449d52802e27ede19f", "PCI devices of Hyper-V"),
    SCSI_DISK,
    SCSI_CD,
];
const XEN_ANY: &[Upper] = &[
    ("xen:vbd", "a disk of Xen"),
    ("xen:vif", "a network card of Xen"),
    ("xen:vscsi", "a SCSI disk of Xen"),
];

/// Children of ACPI devices. SD and eMMC controllers are those of Linux `sdhci-acpi.c`.
#[rustfmt::skip]
const BY_ACPI_ID: &[(&[&str], &[Upper])] = &[
    (&["LNRO0005"], VIRTIO_ANY),
    (&["VMBUS", "VMBus", "MSFT1000"], VMBUS_ANY),
    (&["ACPI0012"], &[PMEM_REGION, PMEM]),
    (&["PNP0303", "PNP030B", "PNP0320"], &[SERIO]),
    (&["PNP0C50", "ACPI0C50"], &[HID_I2C]),
    (&["80860F14", "80860F16", "80865ACA", "80865ACC", "80865AD0", "INT33BB", "INT33C6", "INT3436", "INT344D",
       "PNP0D40", "PNP0FFF", "QCOM8051", "QCOM8052", "AMDI0040", "AMDI0041"], &[MMC]),
];

/// Children by the name of a node: generic names of the Devicetree Specification 0.4 §2.2.2.
const BY_NODE_NAME: &[(&str, &[Upper])] = &[
    ("mmc", &[MMC]),
    ("sdhci", &[MMC]),
    ("sata", &[SCSI_DISK, SCSI_CD]),
    ("scsi", &[SCSI_DISK, SCSI_CD]),
    ("ufs", &[SCSI_DISK]),
    ("ufshc", &[SCSI_DISK]),
    ("usb", USB_ANY),
];
const USB_ANY: &[Upper] = &[USB_STORAGE, USB_UAS, SCSI_DISK, SCSI_CD, USB_KEYBOARD, HID];

/// Groups in which Linux may put a HID device that it finds: generic, touch, sensors, and those whose own driver is
/// known before its report descriptor is read (Linux `include/linux/hid.h`).
const HID_GROUPS: [u16; 9] = [0x0001, 0x0002, 0x0004, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104, 0x0105];

/// Children by class and subclass; `None` matches any subclass. The first matching row counts.
#[rustfmt::skip]
const BY_CLASS: &[(u8, Option<u8>, &[Upper])] = &[
    // Mass storage: SCSI, IDE, ATA, SATA (AHCI) and SAS disks all go through the SCSI layer.
    (0x01, Some(0x00), &[SCSI_DISK, SCSI_CD]),
    (0x01, Some(0x01), &[SCSI_DISK, SCSI_CD]),
    (0x01, Some(0x05), &[SCSI_DISK, SCSI_CD]),
    (0x01, Some(0x06), &[SCSI_DISK, SCSI_CD]),
    (0x01, Some(0x07), &[SCSI_DISK, SCSI_CD]),
    // RAID: SCSI disks, or NVMe disks visible only through the controller's driver (Intel VMD).
    (0x01, Some(0x04), &[SCSI_DISK, SCSI_CD, NVME]),
    // The NVMe driver creates block devices itself.
    (0x01, Some(0x08), &[]),
    (0x01, None,       &[SCSI_DISK, SCSI_CD]),
    // SD host controllers.
    (0x08, Some(0x05), &[MMC]),
    // USB host controllers with any interface.
    (0x0c, Some(0x03), USB_ANY),
];

/// Xen's PCI device.
const XEN_PLATFORM: (u16, u16) = (0x5853, 0x0001);

const VIRTIO_VENDOR: u16 = 0x1af4;
/// PCI device IDs of virtio.
const VIRTIO_DEVICES: core::ops::RangeInclusive<u16> = 0x1000..=0x107f;
/// From this ID on, the ID is this value plus the device type; below it, the type is the subsystem ID.
const VIRTIO_MODERN: u16 = 0x1040;
const VIRTIO_SCSI: u16 = 8;

/// The expected children of a PCI function.
///
/// Virtio: device types as in Linux `drivers/virtio/virtio_pci_{modern,legacy}*.c`.
#[must_use]
pub fn children(function: &PciFunction) -> Children {
    let mut out = Children::new();
    let [base, sub, _] = function.class;
    if function.vendor == VIRTIO_VENDOR && VIRTIO_DEVICES.contains(&function.device) {
        // The virtio device type decides, not the class.
        let kind = function.device.checked_sub(VIRTIO_MODERN).unwrap_or(function.subsystem_device);
        let mut modalias = Modalias::new();
        let fits = write!(modalias, "virtio:d{kind:08X}v{:08X}", function.subsystem_vendor);
        debug_assert!(fits.is_ok());
        push(&mut out, Child { modalias, why: "the device behind a virtio PCI function" });
        if kind == VIRTIO_SCSI {
            extend(&mut out, &[SCSI_DISK, SCSI_CD]);
        }
        return out;
    }
    if (function.vendor, function.device) == XEN_PLATFORM {
        extend(&mut out, XEN_ANY);
        return out;
    }
    let fits = |&&(b, s, _): &&(u8, Option<u8>, _)| b == base && s.is_none_or(|s| s == sub);
    if let Some((_, _, uppers)) = BY_CLASS.iter().find(fits) {
        extend(&mut out, uppers);
    }
    out
}

/// The expected children of a device of ACPI.
#[must_use]
pub fn acpi_children(id: &AcpiId) -> Children {
    let mut out = Children::new();
    let known = BY_ACPI_ID.iter().find(|(ids, _)| ids.contains(&id.as_str()));
    known.iter().for_each(|(_, uppers)| extend(&mut out, uppers));
    out
}

/// The expected children of a node of a device tree.
#[must_use]
pub fn tree_children(device: &TreeDevice<'_>) -> Children {
    let mut out = Children::new();
    if device.compatible().any(|name| name == b"virtio,mmio") {
        extend(&mut out, VIRTIO_ANY);
    }
    let known = BY_NODE_NAME.iter().find(|(name, _)| device.name == name.as_bytes());
    known.iter().for_each(|(_, uppers)| extend(&mut out, uppers));
    out
}

/// The expected children of a USB interface.
#[must_use]
pub fn usb_children(interface: &UsbInterface) -> Children {
    let mut out = Children::new();
    match interface.interface_class {
        [0x03, ..] => {
            let UsbInterface { vendor, product, .. } = interface;
            for group in HID_GROUPS {
                let mut modalias = Modalias::new();
                let fits = write!(modalias, "hid:b0003g{group:04X}v{vendor:08X}p{product:08X}");
                debug_assert!(fits.is_ok());
                push(&mut out, Child { modalias, why: "keyboard or the like, the part above usbhid" });
            }
        }
        [0x08, ..] => extend(&mut out, &[SCSI_DISK, SCSI_CD]),
        _ => {}
    }
    out
}

fn extend(out: &mut Children, uppers: &[Upper]) {
    for &(alias, why) in uppers {
        let mut modalias = Modalias::new();
        let fits = modalias.push_str(alias);
        debug_assert!(fits.is_ok());
        push(out, Child { modalias, why });
    }
}

fn push(out: &mut Children, child: Child) {
    let fits = out.push(child);
    debug_assert!(fits.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec::Vec};

    fn function(vendor: u16, device: u16, subsystem_device: u16, class: [u8; 3]) -> PciFunction {
        PciFunction { vendor, device, subsystem_vendor: vendor, subsystem_device, class }
    }

    fn above(function: PciFunction) -> Vec<String> {
        children(&function).iter().map(|child| child.modalias.as_str().into()).collect()
    }

    #[test]
    fn virtio_types_determine_children() {
        let modern = function(0x1af4, 0x1042, 0x1100, [1, 0, 0]);
        assert_eq!(above(modern), ["virtio:d00000002v00001AF4"]);
        let transitional = function(0x1af4, 0x1001, 2, [1, 0, 0]);
        assert_eq!(above(transitional), ["virtio:d00000002v00001AF4"]);
        let scsi = function(0x1af4, 0x1004, 8, [1, 0, 0]);
        assert_eq!(above(scsi), ["virtio:d00000008v00001AF4", "scsi:t-0x00", "scsi:t-0x05"]);
        let ivshmem = function(0x1af4, 0x1110, 0x1100, [5, 0, 0]);
        assert_eq!(above(ivshmem), [""; 0]);
    }

    #[test]
    fn classes_determine_children() {
        let of = |class| above(function(0x8086, 1, 0, class));
        assert_eq!(of([1, 6, 1]), ["scsi:t-0x00", "scsi:t-0x05"]);
        assert_eq!(of([1, 8, 2]), [""; 0]);
        assert_eq!(of([1, 0x80, 0])[0], "scsi:t-0x00");
        assert_eq!(of([8, 5, 1]), ["mmc:block"]);
        assert_eq!(of([1, 4, 0])[2], "pci:v00000000d00000000sv00000000sd00000000bc01sc08i02");
        assert_eq!(of([0xc, 3, 0x30]).len(), 6);
        assert_eq!(of([2, 0, 0]), [""; 0]);
    }

    #[test]
    fn children_of_every_rule_fit() {
        for &(base, sub, uppers) in BY_CLASS {
            let children = children(&function(1, 1, 1, [base, sub.unwrap_or(0x55), 0]));
            let texts: Vec<_> = children.iter().map(|child| child.modalias.as_str()).collect();
            assert_eq!(texts, uppers.iter().map(|upper| upper.0).collect::<Vec<_>>());
        }
    }

    #[test]
    fn usb_interfaces_have_children() {
        let of =
            |class| usb_children(&UsbInterface { interface_class: class, ..UsbInterface::default() }).len();
        assert_eq!((of([8, 6, 80]), of([3, 1, 1]), of([9, 0, 0])), (2, HID_GROUPS.len(), 0));
        let keyboard = UsbInterface {
            vendor: 0x5ac,
            product: 0x250,
            interface_class: [3, 1, 1],
            ..UsbInterface::default()
        };
        assert_eq!(usb_children(&keyboard)[0].modalias, "hid:b0003g0001v000005ACp00000250");
        assert_eq!(usb_children(&keyboard)[5].modalias, "hid:b0003g0102v000005ACp00000250");
    }

    #[test]
    fn buses_that_firmware_cannot_list_have_all_their_devices() {
        let of = |id: &str| acpi_children(&AcpiId::try_from(id).unwrap());
        for (ids, uppers) in BY_ACPI_ID {
            assert!(ids.iter().all(|id| of(id).len() == uppers.len()));
        }
        assert_eq!(of("LNRO0005")[1].modalias, "virtio:d00000002v00000000");
        assert_eq!(of("VMBUS")[3].modalias, "vmbus:6dad12f9172bea48bd65f927a61c7684");
        assert_eq!(of("PNP0A08").len(), 0);
        assert_eq!(above(function(0x5853, 1, 1, [0xff, 0x80, 0])), ["xen:vbd", "xen:vif", "xen:vscsi"]);
    }
}
