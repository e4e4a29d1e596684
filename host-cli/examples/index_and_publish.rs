//! Indexes a module directory on disk without the command. The directory is the only argument.

use std::path::PathBuf;

use depmod::Run;
use depmod_core::Options;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let directory = match std::env::args().nth(1) {
        Some(directory) => PathBuf::from(directory),
        None => std::env::temp_dir().join(format!("depmod-example-{}", std::process::id())),
    };
    std::fs::create_dir_all(&directory)?;
    let options = Options::new(directory.to_str().ok_or("no UTF-8")?, "6.1");
    let mut messages = Vec::new();
    let outcome = Run::new(&options).publish(&mut messages)?;
    messages.iter().for_each(|message| println!("{message}"));
    println!("{} modules indexed in {}", outcome.listed.list.modules().len(), directory.display());
    Ok(())
}
