//! What firmware's PXE keeps of the server that it got the program from: a BOOTP packet (RFC 951, RFC 2131, RFC 2132).
//!
//! ```text
//! offset  20   siaddr: IPv4 address of the server
//!        108   file: path on it, up to a zero byte; 128 bytes
//!        236   99 130 83 99, then options: code, length, value
//!                54  4  server's address, if siaddr is zero
//!                67  n  path, if `file` is empty
//!               255     end
//! ```

use alloc::string::String;
use core::net::Ipv4Addr;

use bstr::ByteSlice as _;

const SERVER: usize = 20;
const FILE: core::ops::Range<usize> = 108..236;
const OPTIONS: usize = 236;
const MAGIC: &[u8] = &[99, 130, 83, 99];

const PAD: u8 = 0;
const SERVER_IDENTIFIER: u8 = 54;
const BOOT_FILE: u8 = 67;
const END: u8 = 255;

/// A file on a TFTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootFile {
    /// The server's address.
    pub server: Ipv4Addr,
    /// The file's path, as the server of addresses gave it.
    pub path: String,
}

impl BootFile {
    /// Reads a packet; `None` if it names no server, or no file in UTF-8.
    #[must_use]
    pub fn from_packet(packet: &[u8]) -> Option<Self> {
        let address = |bytes: &[u8]| Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?));
        let server = address(packet.get(SERVER..)?)
            .filter(|server| !server.is_unspecified())
            .or_else(|| address(option(packet, SERVER_IDENTIFIER)?))?;
        let path = text(packet.get(FILE)?).or_else(|| text(option(packet, BOOT_FILE)?))?;
        Some(Self { server, path })
    }

    /// The directory of the file, without a slash at its end; empty for the server's root.
    #[must_use]
    pub fn directory(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(directory, _)| directory)
    }
}

/// The text before the first zero byte, if there is any.
fn text(field: &[u8]) -> Option<String> {
    let (text, _) = field.split_once_str(b"\0").unwrap_or((field, b""));
    (!text.is_empty()).then(|| text.to_str().ok().map(String::from))?
}

/// The value of an option.
fn option(packet: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = packet.get(OPTIONS..)?.strip_prefix(MAGIC)?;
    loop {
        let (&code, after) = rest.split_first()?;
        match code {
            PAD => rest = after,
            END => return None,
            code => {
                let (&size, after) = after.split_first()?;
                let (value, after) = after.split_at_checked(usize::from(size))?;
                if code == wanted {
                    return Some(value);
                }
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;

    fn packet(server: [u8; 4], file: &[u8], options: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; OPTIONS];
        packet[SERVER..SERVER + 4].copy_from_slice(&server);
        packet[FILE.start..FILE.start + file.len()].copy_from_slice(file);
        packet.extend(MAGIC);
        packet.extend(options);
        packet
    }

    #[test]
    fn fields_come_before_options() {
        let options = [53, 1, 5, PAD, 54, 4, 10, 0, 0, 9, 67, 5, b'b', b'/', b'c', 0, 0, END];
        let file = BootFile::from_packet(&packet([10, 0, 0, 2], b"x/a.efi", &options)).unwrap();
        assert_eq!((file.server.octets(), &*file.path, file.directory()), ([10, 0, 0, 2], "x/a.efi", "x"));
        let file = BootFile::from_packet(&packet([0; 4], b"", &options)).unwrap();
        assert_eq!((file.server.octets(), &*file.path, file.directory()), ([10, 0, 0, 9], "b/c", "b"));
        let file = BootFile::from_packet(&packet([10, 0, 0, 2], b"a.efi", &[])).unwrap();
        assert_eq!(file.directory(), "");
        assert_eq!(BootFile::from_packet(&packet([10, 0, 0, 2], b"", &options[..12])), None);
        assert_eq!(BootFile::from_packet(&packet([10, 0, 0, 2], b"\xff", &[])), None);
    }

    proptest! {
        #[test]
        fn any_packet_is_read(bytes: Vec<u8>, options: Vec<u8>) {
            let _ = BootFile::from_packet(&bytes);
            let _ = BootFile::from_packet(&packet([0; 4], b"", &options));
        }
    }
}
