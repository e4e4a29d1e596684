//! A source of one's own: a module directory with one file.

use depmod_core::{DirEntry, EntryKind, FileKind, IoError, Options, Source, Stat, run};

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
    let files = run(&Options::new("/d", "6.1"), &OneModule(include_bytes!("modules/virtio.ko")), &mut ())?;
    println!("{:?}", files.lookup()?.find("virtio-bus")?);
    Ok(())
}
