//! USB interfaces, from their descriptors.

use core::fmt::Write;

use super::Modalias;

/// The identification of a USB interface (USB 2.0 §9.6.1, §9.6.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsbInterface {
    /// `idVendor`.
    pub vendor: u16,
    /// `idProduct`.
    pub product: u16,
    /// `bcdDevice`: the release.
    pub release: u16,
    /// Class, subclass and protocol of the device.
    pub device_class: [u8; 3],
    /// Class, subclass and protocol of the interface.
    pub interface_class: [u8; 3],
    /// `bInterfaceNumber`.
    pub interface: u8,
}

impl UsbInterface {
    /// The modalias as in Linux's `/sys/bus/usb/devices/*/modalias`.
    ///
    /// ```
    /// use depmod_core::parts::boot::hardware::UsbInterface;
    /// let stick = UsbInterface {
    ///     vendor: 0x46f4, product: 1, release: 0, device_class: [0; 3], interface_class: [8, 6, 80], interface: 0,
    /// };
    /// assert_eq!(stick.modalias(), "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00");
    /// ```
    #[must_use]
    pub fn modalias(&self) -> Modalias {
        let Self { vendor, product, release, interface, .. } = self;
        let [device, device_sub, device_protocol] = self.device_class;
        let [class, sub, protocol] = self.interface_class;
        let mut out = Modalias::new();
        let fits = write!(
            out,
            "usb:v{vendor:04X}p{product:04X}d{release:04X}\
             dc{device:02X}dsc{device_sub:02X}dp{device_protocol:02X}\
             ic{class:02X}isc{sub:02X}ip{protocol:02X}in{interface:02X}"
        );
        debug_assert!(fits.is_ok());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modaliases_contain_every_field() {
        let all = UsbInterface {
            vendor: 0x1d6b,
            product: 0x0002,
            release: 0x0601,
            device_class: [9, 0xa, 1],
            interface_class: [0xff, 0xb, 2],
            interface: 3,
        };
        assert_eq!(all.modalias(), "usb:v1D6Bp0002d0601dc09dsc0Adp01icFFisc0Bip02in03");
    }
}
