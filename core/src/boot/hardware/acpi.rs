//! Devices that ACPI names: the IDs in the tables' code.
//!
//! A device has a hardware ID, `_HID`, and compatible ones, `_CID`. In the byte code (AML, ACPI 6.5 §20.2) they are
//! mostly constants:
//!
//! ```text
//! 08 5f 48 49 44  0c 41 d0 03 03         Name (_HID, EisaId ("PNP0303"))
//! 08 5f 48 49 44  0d 4c 4e 52 4f … 00    Name (_HID, "LNRO0005")
//! 08 5f 43 49 44  12 0b 02 0c … 0c …     Name (_CID, Package () {EisaId (…), EisaId (…)})
//! 14 1c 5f 48 49 44  00 …                Method (_HID) {…}: each constant in it may be the result
//! ```
//!
//! The code is not run. Bytes that look like an ID count, so that a device is never missed; one that is not there, or
//! is switched off, may be found too. Its module is then loaded in vain, as on machines where Linux finds the device
//! and its driver does not.

use core::fmt::Write;

use super::Modalias;

/// An ID such as `PNP0303`, `LNRO0005` or `VMBUS`.
pub type AcpiId = heapless::String<{ MAX_LEN }>;

/// Longest ID: a vendor of four characters and a number of four digits, with room for those that do not keep to it.
const MAX_LEN: usize = 12;
/// The longest ID as a constant, with the byte before it and the NUL.
const MAX_CONSTANT: usize = MAX_LEN + 2;
/// Shortest ID.
const MIN_LEN: usize = 4;

const DWORD: u8 = 0x0c;
const STRING: u8 = 0x0d;
const PACKAGE: u8 = 0x12;
/// Bytes of a method that are looked at.
const METHOD_BODY: usize = 96;
/// Bytes of a package that are looked at.
const PACKAGE_BODY: usize = 128;

/// The IDs in a DSDT or SSDT, in the order of the table, with repetitions.
///
/// ```
/// use depmod_core::parts::boot::hardware::acpi_ids;
/// let aml = b"\x08_HID\x0c\x41\xd0\x03\x03\x08_CID\x0dLNRO0005\0";
/// assert!(acpi_ids(aml).eq(["PNP0303", "LNRO0005"]));
/// ```
pub fn acpi_ids(table: &[u8]) -> impl Iterator<Item = AcpiId> {
    let names = table.windows(4).enumerate().filter(|(_, name)| is_id_name(name));
    names.flat_map(move |(at, _)| {
        let value = at.checked_add(4).and_then(|at| table.get(at..)).unwrap_or_default();
        let body = match value.first() {
            Some(&DWORD) => value.get(..5),
            Some(&STRING) => value.get(..value.len().min(MAX_CONSTANT)),
            Some(&PACKAGE) => value.get(..value.len().min(PACKAGE_BODY)),
            _ => value.get(..value.len().min(METHOD_BODY)),
        };
        constants(body.unwrap_or_default())
    })
}

fn is_id_name(name: &[u8]) -> bool {
    matches!(name, b"_HID" | b"_CID")
}

/// The constants in these bytes that can be IDs, up to the next name of an ID.
fn constants(body: &[u8]) -> impl Iterator<Item = AcpiId> {
    let end = body.windows(4).position(is_id_name).unwrap_or(body.len());
    let body = body.get(..end).unwrap_or_default();
    let only_first = matches!(body.first(), Some(&(DWORD | STRING)));
    let mut rest =
        if only_first { body.get(..body.len().min(MAX_CONSTANT)).unwrap_or_default() } else { body };
    core::iter::from_fn(move || {
        while let Some((&first, after)) = rest.split_first() {
            let (id, after) = match (first, after) {
                (DWORD, &[a, b, c, d, ref after @ ..]) => (eisa_id([a, b, c, d]), after),
                (STRING, text) => {
                    let id = text_id(text);
                    let length = id.as_ref().map_or(0, |id| id.len());
                    (id, text.get(length..).unwrap_or_default())
                }
                _ => (None, after),
            };
            rest = if only_first {
                &[]
            } else if id.is_some() {
                after
            } else {
                rest.get(1..).unwrap_or_default()
            };
            if id.is_some() {
                return id;
            }
        }
        None
    })
}

/// Three letters of five bits each, then four hexadecimal digits (ACPI 6.5 §19.3.4 `EISAID`).
fn eisa_id([a, b, c, d]: [u8; 4]) -> Option<AcpiId> {
    let letters = u16::from_be_bytes([a, b]);
    let mut id = AcpiId::new();
    for shift in [10, 5, 0] {
        let letter = u8::try_from(letters >> shift & 0x1f).ok()?;
        if !(1..=26).contains(&letter) {
            return None;
        }
        id.push(char::from(letter.checked_add(b'@')?)).ok()?;
    }
    write!(id, "{:04X}", u16::from_be_bytes([c, d])).ok()?;
    // The highest bit is zero.
    (a & 0x80 == 0).then_some(id)
}

fn text_id(text: &[u8]) -> Option<AcpiId> {
    let end = text.iter().position(|&byte| byte == 0)?;
    let text = text.get(..end).filter(|text| (MIN_LEN..=MAX_LEN).contains(&text.len()))?;
    let text = core::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| AcpiId::try_from(text).ok())?
}

/// The modalias of an ID. Linux has one modalias for all IDs of a device; drivers' aliases name one of them.
#[must_use]
pub fn acpi_modalias(id: &AcpiId) -> Modalias {
    let mut out = Modalias::new();
    let fits = write!(out, "acpi:{id}:");
    debug_assert!(fits.is_ok());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn ids(table: &[u8]) -> Vec<AcpiId> {
        acpi_ids(table).collect()
    }

    #[test]
    fn constants_of_all_forms() {
        assert_eq!(ids(b"\x08_HID\x0c\x41\xd0\x0a\x08"), ["PNP0A08"]);
        assert_eq!(ids(b"\x08_HID\x0dVMBUS\0\x08_ADR\0"), ["VMBUS"]);
        let package = b"\x08_CID\x12\x0b\x02\x0c\x41\xd0\x0c\x0b\x0dACPI0010\0";
        assert_eq!(ids(package), ["PNP0C0B", "ACPI0010"]);
    }

    #[test]
    fn each_constant_of_a_method_counts() {
        let method =
            b"\x14\x20_HID\0\xa0\x0b\x93\x0aWIN8\x01\xa4\x0dINT33BB\0\xa4\x0c\x41\xd0\x0d\x40\x14\x08_STA\0";
        assert_eq!(ids(method), ["INT33BB", "PNP0D40"]);
    }

    #[test]
    fn a_constant_ends_where_it_ends() {
        let two = b"\x08_HID\x0c\x41\xd0\x03\x03\x0dNOTANID\0\x08_UID\x0d0\0";
        assert_eq!(ids(two), ["PNP0303"]);
    }

    #[test]
    fn other_bytes_are_no_ids() {
        for table in [
            &b"_HID"[..],
            b"_HID\x0c\0\0\0\0",
            b"_HID\x0da device\0",
            b"_HID\x0dNOEND",
            b"_CID\x0c\xc1\xd0\x03\x03",
        ] {
            assert_eq!(ids(table), [""; 0], "{table:?}");
        }
    }

    #[test]
    fn modaliases_have_colons_on_both_sides() {
        assert_eq!(acpi_modalias(&ids(b"_HID\x0dLNRO0005\0")[0]), "acpi:LNRO0005:");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_give_short_ids(table in prop::collection::vec(any::<u8>(), 0..300)) {
            for id in acpi_ids(&[b"_CID\x12", &table[..], b"_HID"].concat()) {
                prop_assert!((MIN_LEN..=MAX_LEN).contains(&id.len()));
                prop_assert!(acpi_modalias(&id).starts_with("acpi:"));
            }
        }
    }
}
