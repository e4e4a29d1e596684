//! Indexes a module directory on disk without the command, with two threads and a cache.

use core::num::NonZero;
use std::{env::temp_dir, fs, process::id};

use depmod::Run;
use depmod_core::Options;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let root = temp_dir().join(format!("depmod-example-{}", id()));
    let (modules, cache) = (root.join("lib/modules/6.1"), root.join("cache"));
    fs::create_dir_all(&modules)?;
    fs::create_dir_all(&cache)?;
    fs::write(modules.join("virtio.ko"), include_bytes!("modules/virtio.ko"))?;
    fs::write(modules.join("virtio_blk.ko"), include_bytes!("modules/virtio_blk.ko"))?;

    let options = Options::new(modules.as_os_str().as_encoded_bytes(), "6.1");
    let run = Run::new(&options).jobs(NonZero::new(2).ok_or("no threads")?);
    let mut messages = Vec::new();
    let finished = run.cache(Some(cache.as_os_str().as_encoded_bytes())).publish(&mut messages)?;
    messages.iter().for_each(|message| println!("{message}"));
    println!("{} modules indexed:", finished.modules().len());
    print!("{}", fs::read_to_string(modules.join("modules.dep"))?);
    Ok(fs::remove_dir_all(root)?)
}
