//! Paths of the UEFI shell: `fs0:\dir`, `\dir`, `dir`, with either slash.

use alloc::{format, string::String};

use uefi::boot;
use uefi::proto::device_path::{DevicePath, FfiDevicePath};
use uefi::proto::media::fs::SimpleFileSystem;
use uefi::proto::unsafe_protocol;
use uefi::{CStr16, CString16};
use uefi_raw::protocol::shell::ShellProtocol;

use crate::error::{Doing, Error, Result};
use crate::volume::{Volume, from_firmware};

/// The shell's protocol; `uefi::proto::shell::Shell` has no mappings yet.
#[repr(transparent)]
#[unsafe_protocol(ShellProtocol::GUID)]
struct Shell(ShellProtocol);

/// The volume of a path, and the absolute path on it. Without a mapping in the path it is the volume of the
/// shell's current directory; without a shell, the program's own.
///
/// # Errors
/// The volume is unknown or cannot be opened.
pub fn locate(word: &str) -> Result<(Volume, String)> {
    let Some(shell) = shell() else {
        return match split(word, None) {
            (None, path) => Ok((Volume::of_program()?, path)),
            (Some(mapping), _) => Err(Error::Volume(mapping)),
        };
    };
    // SAFETY: a null name stands for the current directory; the shell owns the result.
    let current = unsafe { (shell.0.get_cur_dir)(core::ptr::null()) };
    let current = if current.is_null() {
        None
    } else {
        // SAFETY: a text with a NUL, which stays valid until the current directory changes.
        Some(from_firmware(unsafe { CStr16::from_ptr(current.cast()) }))
    };
    let (mapping, path) = split(word, current.as_deref());
    let volume = match mapping {
        Some(mapping) => shell.volume(&mapping)?,
        None => Volume::of_program()?,
    };
    Ok((volume, path))
}

/// Whether there is a shell.
#[must_use]
pub fn is_there() -> bool {
    shell().is_some()
}

fn shell() -> Option<boot::ScopedProtocol<Shell>> {
    let handle = boot::get_handle_for_protocol::<Shell>().ok()?;
    let params = boot::OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the shell outlives this program, and keeps its protocol open itself.
    unsafe { boot::open_protocol(params, boot::OpenProtocolAttributes::GetProtocol) }.ok()
}

impl Shell {
    fn volume(&self, mapping: &str) -> Result<Volume> {
        let unknown = || Error::Volume(mapping.into());
        let name = CString16::try_from(&*format!("{mapping}:")).map_err(|_| unknown())?;
        // SAFETY: the name ends in a NUL.
        let path = unsafe { (self.0.get_device_path_from_map)(name.as_ptr().cast()) };
        if path.is_null() {
            return Err(unknown());
        }
        // SAFETY: a complete device path, which stays valid as long as the mapping.
        let mut path: &DevicePath = unsafe { DevicePath::from_ffi_ptr(path.cast::<FfiDevicePath>()) };
        let handle = boot::locate_device_path::<SimpleFileSystem>(&mut path).map_err(|_| unknown())?;
        let params = boot::OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
        // SAFETY: the driver outlives this program. Exclusive access would take the volume from the shell.
        let volume = unsafe { boot::open_protocol(params, boot::OpenProtocolAttributes::GetProtocol) };
        Volume::open_volume(volume.doing("open the volume")?)
    }
}

/// Mapping and absolute path; missing parts come from the current directory (`FS0:/dir`).
fn split(word: &str, current: Option<&str>) -> (Option<String>, String) {
    let word = word.replace('\\', "/");
    let parts = |path: &str| match path.split_once(':') {
        Some((mapping, path)) => (Some(String::from(mapping)), String::from(path)),
        None => (None, String::from(path)),
    };
    match parts(&word) {
        (None, path) => {
            let (mapping, directory) = current.map_or((None, String::new()), parts);
            if path.starts_with('/') { (mapping, path) } else { (mapping, format!("{directory}/{path}")) }
        }
        (mapping, path) if path.starts_with('/') => (mapping, path),
        (mapping, path) => (mapping, format!("/{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn paths() {
        let of = |word, current| {
            let (mapping, path) = split(word, current);
            alloc::format!("{} {path}", mapping.unwrap_or_default())
        };
        let here = Some("FS1:/EFI/tools");
        assert_eq!(of(r"fs0:\lib", here), "fs0 /lib");
        assert_eq!(of("fs0:lib/x", here), "fs0 /lib/x");
        assert_eq!(of("fs0:", here), "fs0 /");
        assert_eq!(of(r"\lib", here), "FS1 /lib");
        assert_eq!(of("../lib", here), "FS1 /EFI/tools/../lib");
        assert_eq!(of("lib", Some("FS1:/")), "FS1 //lib");
        assert_eq!(of("lib", None), " /lib");
        assert_eq!(of("/lib", None), " /lib");
    }
}
