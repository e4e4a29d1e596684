//! All eleven files of a module directory in memory.

use depmod_core::{MemorySource, Options, Output, run};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut source = MemorySource::new();
    source.insert(b"/lib/modules/6.1/kernel/virtio.ko", *include_bytes!("modules/virtio.ko"));
    source.insert(b"/lib/modules/6.1/kernel/virtio_blk.ko", *include_bytes!("modules/virtio_blk.ko"));
    source.insert(b"/lib/modules/6.1/modules.builtin", *b"kernel/fs/ext4.ko\n");

    let mut messages = Vec::new();
    let files = run(&Options::new("/lib/modules/6.1", "6.1"), &source, &mut messages)?;
    for (output, bytes) in &files {
        println!("{}: {} bytes", output.file_name(), bytes.len());
    }
    print!("{}", String::from_utf8_lossy(files.get(Output::Dep)));
    println!("a virtio disk needs {:?}", files.lookup()?.find("virtio:d00000002v00001AF4")?.modules());
    messages.iter().for_each(|message| println!("{}: {message}", message.severity().word()));
    Ok(())
}
