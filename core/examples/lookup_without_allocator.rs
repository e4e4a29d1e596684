//! The modules for an alias, without an allocator: this file also builds for machines without an operating system.
#![cfg_attr(target_os = "none", no_std)]

use depmod_core::{Index, IndexError, Scratch};

/// Calls `found` with each module that serves an alias.
///
/// # Errors
/// When the index is corrupt.
pub fn modules(index: &[u8], alias: &str, mut found: impl FnMut(&[u8])) -> Result<(), IndexError> {
    let mut scratch = Scratch::new();
    Index::parse(index)?.search(alias, &mut scratch, |module| found(module.bytes))
}

#[cfg(not(target_os = "none"))]
fn main() -> Result<(), IndexError> {
    let index = include_bytes!("modules/modules.alias.bin");
    modules(index, "crypto-twofish-asm", |module| println!("{}", module.escape_ascii()))
}
