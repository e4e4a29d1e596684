//! `depmod.efi`.
#![cfg_attr(target_os = "uefi", no_main, no_std)]

#[cfg(target_os = "uefi")]
mod firmware;

/// On other systems there is nothing to run; `cargo xtask efi` builds the program.
#[cfg(not(target_os = "uefi"))]
fn main() {
    eprintln!("This program runs in UEFI firmware: build it with `cargo xtask efi`.");
}
