//! The modules for a modalias or an alias, from a `.bin` file in memory.

use depmod_core::Index;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let index = Index::parse(include_bytes!("modules/modules.alias.bin"))?;
    for query in ["virtio:d00000002v00001AF4", "crypto-twofish-asm", "net-pf-17"] {
        println!("{query}: {:?}", index.find_all(query)?);
    }
    Ok(())
}
