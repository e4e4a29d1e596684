//! Measured boot: what was chosen goes into the TPM's event log.

use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams};
use uefi::proto::tcg::v2::{HashLogExtendEventFlags, PcrEventInputs, Tcg};
use uefi::proto::tcg::{EventType, PcrIndex};

use crate::error::{Doing, Result};

/// PCR of the initrd, which the kernel's stub extends as well: whoever seals to it already depends
/// on what was chosen, and nobody else is disturbed.
pub const PCR: u32 = 9;

/// Extends [`PCR`] with `chosen` and logs it as an `EV_IPL` event with that content. Says whether
/// there is a TPM to do so.
///
/// # Errors
/// When there is one and it refuses.
pub fn measure(chosen: &[u8]) -> Result<bool> {
    let Ok(handle) = boot::get_handle_for_protocol::<Tcg>() else { return Ok(false) };
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the protocol is used only within this function, and others may have it open as well.
    let tcg = unsafe { boot::open_protocol::<Tcg>(params, OpenProtocolAttributes::GetProtocol) };
    let mut tcg = tcg.doing("open the TPM")?;
    if !tcg.get_capability().doing("ask the TPM")?.tpm_present() {
        return Ok(false);
    }
    let event =
        PcrEventInputs::new_in_box(PcrIndex(PCR), EventType::IPL, chosen).doing("make a TPM event")?;
    tcg.hash_log_extend_event(HashLogExtendEventFlags::empty(), chosen, &event).doing("log a TPM event")?;
    Ok(true)
}
