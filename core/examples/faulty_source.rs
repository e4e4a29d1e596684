//! A faulty source, for tests: every call of a run fails once.

use depmod_core::{FaultySource, IoError, MemorySource, Options, run};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut source = MemorySource::new();
    source.insert(b"/d/virtio.ko", *include_bytes!("modules/virtio.ko"));
    let options = Options::new("/d", "6.1");
    let counting = FaultySource::counting(&source);
    run(&options, &counting, &mut ())?;
    for number in 0..counting.calls() {
        let faulty = FaultySource::new(&source, number, IoError::no_memory());
        match run(&options, &faulty, &mut ()) {
            Ok(_) => println!("call {number} may fail"),
            Err(stopped) => println!("call {number} fails: {stopped}"),
        }
    }
    Ok(())
}
