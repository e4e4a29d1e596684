//! Measured boot: the load order goes into the TPM's event log.

use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::tcg::v2::{HashLogExtendEventFlags, PcrEventInputs, Tcg};
use uefi::proto::tcg::{EventType, PcrIndex};

use crate::error::{Doing, Result};

/// PCR of the initrd, which the kernel's stub extends as well: secrets sealed to it depend on the initrd anyway,
/// and other secrets are unaffected.
pub const PCR: u32 = 9;

/// Extends [`PCR`] with the text, and logs it as the content of an `EV_IPL` event. Without a TPM returns false.
///
/// # Errors
/// The TPM refuses.
pub fn measure(text: &[u8]) -> Result<bool> {
    let Ok(handle) = boot::get_handle_for_protocol::<Tcg>() else { return Ok(false) };
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the protocol is used only in this function; other programs may have it open as well.
    let tcg = unsafe { boot::open_protocol::<Tcg>(params, OpenProtocolAttributes::GetProtocol) };
    let mut tcg = tcg.doing("open the TPM")?;
    if !tcg.get_capability().doing("ask the TPM")?.tpm_present() {
        return Ok(false);
    }
    let event = PcrEventInputs::new_in_box(PcrIndex(PCR), EventType::IPL, text).doing("make a TPM event")?;
    tcg.hash_log_extend_event(HashLogExtendEventFlags::empty(), text, &event).doing("log a TPM event")?;
    Ok(true)
}
