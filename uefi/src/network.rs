//! Files from the server that firmware's PXE got the program from, by TFTP.
//!
//! TFTP knows sizes and contents of files, and no directories: modules come in an archive.

use alloc::{ffi::CString, vec::Vec};
use core::cell::RefCell;
use core::fmt;
use core::net::IpAddr;

use depmod_core::IoError;
use depmod_core::parts::boot::BootFile;
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams, ScopedProtocol};
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::network::pxe::BaseCode;
use uefi::{CStr8, Status};

use crate::error::io_error;

/// Bytes of a packet in the firmware.
const PACKET_LEN: usize = 1472;

/// The server of the program.
pub struct BootServer {
    protocol: RefCell<ScopedProtocol<BaseCode>>,
    file: BootFile,
}

impl fmt::Debug for BootServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl BootServer {
    /// The server of the program, if it came from one by IPv4.
    #[must_use]
    pub fn of_program() -> Option<Self> {
        let image = boot::open_protocol_exclusive::<LoadedImage>(boot::image_handle()).ok()?;
        let params =
            OpenProtocolParams { handle: image.device()?, agent: boot::image_handle(), controller: None };
        // SAFETY: there is one thread, and the network card stays. Exclusive access would stop its driver.
        let protocol =
            unsafe { boot::open_protocol::<BaseCode>(params, OpenProtocolAttributes::GetProtocol) }.ok()?;
        let mode = protocol.mode();
        if !mode.started() || mode.using_ipv6() {
            return None;
        }
        // The last answer counts; a proxy knows the file, where the server of addresses does not.
        let answers = [
            (mode.pxe_reply_received(), mode.pxe_reply()),
            (mode.proxy_offer_received(), mode.proxy_offer()),
            (mode.dhcp_ack_received(), mode.dhcp_ack()),
        ];
        let file = answers
            .into_iter()
            .filter(|(received, _)| *received)
            .find_map(|(_, packet)| BootFile::from_packet(AsRef::<[u8; PACKET_LEN]>::as_ref(packet)))?;
        Some(Self { protocol: RefCell::new(protocol), file })
    }

    /// The program's directory on the server; no slash at the end.
    #[must_use]
    pub fn directory(&self) -> &str {
        self.file.directory()
    }

    /// The size of a file in bytes.
    ///
    /// # Errors
    /// The file is missing, or the server does not answer, or does not tell sizes (RFC 2349).
    pub fn size(&self, path: &str) -> Result<u64, IoError> {
        let name = file_name(path)?;
        let size = self.protocol.borrow_mut().tftp_get_file_size(&self.address(), c_str8(&name)?);
        size.map_err(|error| failure(&error))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Self::size`], or the file does not fit into memory.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, IoError> {
        let size = usize::try_from(self.size(path)?).map_err(|_| IoError::too_large())?;
        let name = file_name(path)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| IoError::no_memory())?;
        bytes.resize(size, 0);
        let mut protocol = self.protocol.borrow_mut();
        let read = protocol.tftp_read_file(&self.address(), c_str8(&name)?, Some(&mut bytes));
        let read = read.map_err(|error| failure(&error))?;
        // It had this size when the server was asked.
        if usize::try_from(read) == Ok(size) {
            Ok(bytes)
        } else {
            Err(IoError::fault("Unexpected end of file"))
        }
    }

    fn address(&self) -> IpAddr {
        IpAddr::V4(self.file.server)
    }
}

/// A server answers with an error to whatever it does not give; the firmware does not keep the reason.
fn failure(error: &uefi::Error) -> IoError {
    match error.status() {
        Status::TFTP_ERROR => IoError::other("The server has no such file, or refuses it"),
        _ => io_error(error),
    }
}

/// Servers take paths from their own root.
fn file_name(path: &str) -> Result<CString, IoError> {
    CString::new(path.trim_start_matches('/')).map_err(|_| IoError::other("Not a possible file name here"))
}

fn c_str8(name: &CString) -> Result<&CStr8, IoError> {
    CStr8::from_bytes_with_nul(name.as_bytes_with_nul())
        .map_err(|_| IoError::other("Not a possible file name here"))
}
