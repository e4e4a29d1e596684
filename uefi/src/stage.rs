//! The stage before the kernel: an entry in, a running kernel out.

use alloc::{string::String, vec::Vec};

use depmod_core::entry::{BootEntry, Hardware, MAX_SIZE};
use depmod_core::hardware::{children, usb_children};
use depmod_core::host::Source;
use uefi::boot;
use uefi::proto::loaded_image::LoadedImage;

use crate::console::Console;
use crate::error::{Doing, Error, Result};
use crate::initrd::Initrd;
use crate::kernel::Kernel;
use crate::options::DEFAULT_ENTRY;
use crate::volume::{Volume, from_firmware};
use crate::{pci, usb};

/// Boots the entry at `path`, or the one beside the program. Comes back only on failure.
pub fn run(path: Option<&str>, console: Console) -> Error {
    match boot_entry(path, console) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn boot_entry(path: Option<&str>, console: Console) -> Result<core::convert::Infallible> {
    let volume = Volume::of_program()?;
    let path = match path {
        Some(path) => path.into(),
        None => beside_program()?,
    };
    let bytes = volume
        .read(path.as_bytes(), MAX_SIZE as u64)
        .map_err(|cause| Error::File { path: path.clone().into_bytes(), cause })?;
    let entry = BootEntry::parse(&bytes).map_err(|cause| Error::Entry { path, cause })?;
    for problem in &entry.problems {
        console.error(format_args!("{problem}"));
    }
    if entry.hardware == Hardware::Auto {
        for modalias in hardware(console)? {
            console.info(format_args!("needs {modalias}"));
        }
    }
    let initrds = entry.initrds.iter().map(|path| volume.read_file(path)).collect::<Result<Vec<_>>>()?;
    let kernel = Kernel::load(&volume.read_file(&entry.linux)?, &entry.options)?;
    let initrd = if initrds.is_empty() { None } else { Some(Initrd::publish(initrds)?) };
    let error = kernel.start();
    drop(initrd);
    Err(error)
}

/// What this machine's hardware is called, what stands above it included.
fn hardware(console: Console) -> Result<Vec<String>> {
    let mut modaliases = Vec::new();
    for (location, function) in pci::functions()? {
        let modalias = function.modalias();
        console.info(format_args!("pci {location} {modalias}"));
        modaliases.push(String::from(modalias.as_str()));
        modaliases.extend(children(&function).iter().map(|child| String::from(child.modalias.as_str())));
    }
    for interface in usb::interfaces() {
        let modalias = interface.modalias();
        console.info(format_args!("usb {modalias}"));
        modaliases.push(String::from(modalias.as_str()));
        modaliases.extend(usb_children(&interface).iter().map(|child| String::from(child.modalias.as_str())));
    }
    Ok(modaliases)
}

fn beside_program() -> Result<String> {
    let image = boot::open_protocol_exclusive::<LoadedImage>(boot::image_handle())
        .doing("find the program's own path")?;
    let mut path = String::new();
    for node in image.file_path().into_iter().flat_map(|path| path.node_iter()) {
        if let Ok(part) = <&uefi::proto::device_path::media::FilePath>::try_from(node)
            && let Ok(part) = part.path_name().to_cstring16()
        {
            path.push('/');
            path.push_str(&from_firmware(&part));
        }
    }
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    Ok(alloc::format!("{dir}/{DEFAULT_ENTRY}"))
}
