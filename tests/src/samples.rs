//! The small modules in `core/examples/modules`, for the examples and documentation of the core.
//!
//! `DEPMOD_BLESS=1 cargo test -p depmod-tests --lib samples` rewrites them.

use depmod_core::{MemorySource, Options, Output, run};

use crate::elf_builder::{Crc, Elf};

/// File names and contents.
pub fn files() -> Vec<(&'static str, Vec<u8>)> {
    let virtio = Elf::new()
        .modinfo("alias=virtio-bus")
        .export("register_virtio_driver", Crc::Absolute(0x6b29_41b2))
        .build();
    let virtio_blk = Elf::new()
        .modinfo("alias=virtio:d00000002v*")
        .modinfo("softdep=pre: crypto-twofish-asm")
        .need("register_virtio_driver")
        .version("register_virtio_driver", 0x6b29_41b2)
        .build();
    let twofish = Elf::new().modinfo("alias=crypto-twofish").modinfo("alias=crypto-twofish-asm").build();
    let modules = [("virtio.ko", virtio), ("virtio_blk.ko", virtio_blk), ("twofish-x86_64.ko", twofish)];
    let mut source = MemorySource::new();
    for (name, bytes) in &modules {
        source.insert(format!("/d/kernel/{name}").as_bytes(), bytes.clone());
    }
    let files = run(&Options::new("/d", "6.1"), &source, &mut ()).expect("valid modules");
    let index = ("modules.alias.bin", files.get(Output::AliasIndex).to_vec());
    modules.into_iter().chain([index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_files_are_up_to_date() {
        let dir = crate::workspace().join("core/examples/modules");
        let bless = std::env::var_os("DEPMOD_BLESS").is_some();
        for (name, bytes) in files() {
            let path = dir.join(name);
            if bless {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(&path, &bytes).unwrap();
            }
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name}");
        }
    }
}
