//! A source of one's own, and a faulty one for tests: every call of a run fails once.

use depmod_core::{DirEntry, EntryKind, FaultySource, FileKind, IoError, Options, Source, Stat, run};

/// One module directory that holds one file.
struct OneModule(&'static [u8]);

impl Source for OneModule {
    type File = &'static [u8];

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let entry = DirEntry { name: "virtio.ko".into(), kind: EntryKind::File };
        if dir == b"/d" { Ok(vec![entry]) } else { Err(IoError::not_found()) }
    }
    fn stat(&self, _: &[u8]) -> Result<Stat, IoError> {
        Ok(Stat { kind: FileKind::File, id: (0, 1), size: self.0.len() as u64, root_owned: true })
    }
    fn open(&self, path: &[u8]) -> Result<&'static [u8], IoError> {
        if path == b"/d/virtio.ko" { Ok(self.0) } else { Err(IoError::not_found()) }
    }
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let (source, options) = (OneModule(include_bytes!("modules/virtio.ko")), Options::new("/d", "6.1"));
    let calls = FaultySource::counting(&source);
    println!("{:?}", run(&options, &calls, &mut ())?.lookup()?.find("virtio-bus")?);
    for number in 0..calls.calls() {
        let faulty = FaultySource::new(&source, number, IoError::no_memory());
        println!("call {number} fails: {:?}", run(&options, &faulty, &mut ()).err());
    }
    Ok(())
}
