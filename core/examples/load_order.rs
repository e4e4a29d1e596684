//! The load order for a list of modaliases, with the reason for each module.

use depmod_core::{MemorySource, Options, Request, plan, run};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut source = MemorySource::new();
    source.insert(b"/lib/modules/6.1/virtio.ko", *include_bytes!("modules/virtio.ko"));
    source.insert(b"/lib/modules/6.1/virtio_blk.ko", *include_bytes!("modules/virtio_blk.ko"));
    source.insert(b"/lib/modules/6.1/twofish-x86_64.ko", *include_bytes!("modules/twofish-x86_64.ko"));
    let files = run(&Options::new("/lib/modules/6.1", "6.1"), &source, &mut ())?;

    let requests = ["virtio:d00000002v00001AF4", "pci:v00008086d00001234"].map(Request::from);
    let order = plan(&files.lookup()?, &requests)?;
    for module in order.to_load() {
        println!("{}: {}", module.path, module.reason);
    }
    for request in order.missing() {
        println!("no module for {request}");
    }
    Ok(())
}
