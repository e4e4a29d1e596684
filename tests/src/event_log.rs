//! The TPM's event log in Linux's format, `binary_bios_measurements`.
//!
//! The first event has the old format and lists the hash algorithms; the others have the new format, all
//! numbers little-endian (TCG PC Client Platform Firmware Profile 1.05, §10.2):
//!
//! ```text
//! u32 PCR   u32 type   u32 digests   { u16 algorithm, digest }…   u32 size   data
//! ```

use anyhow::{Context, Result};

/// `EV_IPL`: measurements of boot loaders.
pub const EV_IPL: u32 = 13;

const SHA256: u16 = 0xb;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The extended register.
    pub pcr: u32,
    /// Its type.
    pub kind: u32,
    /// The SHA-256 digest, if that bank is active.
    pub sha256: Vec<u8>,
    /// The event data.
    pub data: Vec<u8>,
}

/// All events except the first.
///
/// # Errors
/// When the log is truncated, or uses a hash that its first event does not list.
pub fn parse(log: &[u8]) -> Result<Vec<Event>> {
    let mut rest = Rest(log);
    rest.take(4 + 4 + 20)?;
    let size = rest.u32()?;
    let mut header = Rest(rest.take(size)?);
    // Signature, platform class, versions, word size.
    header.take(16 + 4 + 4)?;
    let mut sizes = Vec::new();
    for _ in 0..header.u32()? {
        sizes.push((header.u16()?, usize::from(header.u16()?)));
    }
    let mut events = Vec::new();
    while !rest.0.is_empty() {
        let (pcr, kind) = (rest.u32()?, rest.u32()?);
        let mut sha256 = Vec::new();
        for _ in 0..rest.u32()? {
            let algorithm = rest.u16()?;
            let (_, size) = sizes.iter().find(|(id, _)| *id == algorithm).context("unknown hash")?;
            let digest = rest.take(u32::try_from(*size)?)?;
            if algorithm == SHA256 {
                sha256 = digest.to_vec();
            }
        }
        let size = rest.u32()?;
        events.push(Event { pcr, kind, sha256, data: rest.take(size)?.to_vec() });
    }
    Ok(events)
}

struct Rest<'l>(&'l [u8]);

impl<'l> Rest<'l> {
    fn take(&mut self, count: u32) -> Result<&'l [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count)?).context("the log is cut")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.take(2)?.try_into()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_parse() {
        let mut log = vec![0; 28];
        let mut header = [0; 24].to_vec();
        header.extend_from_slice(b"\x02\0\0\0\x04\0\x01\0\x0b\0\x02\0\0");
        log.push(u8::try_from(header.len()).unwrap());
        log.extend_from_slice(&[0; 3]);
        log.extend_from_slice(&header);
        log.extend_from_slice(b"\x09\0\0\0\x0d\0\0\0\x02\0\0\0\x04\0s\x0b\0SH\x03\0\0\0abc");
        let event = Event { pcr: 9, kind: EV_IPL, sha256: b"SH".to_vec(), data: b"abc".to_vec() };
        assert_eq!(parse(&log).unwrap(), [event]);
        assert!(parse(&log[..log.len() - 1]).is_err());
    }
}
