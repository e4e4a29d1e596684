//! `cargo xtask demo`: indexes a real kernel and shows the result.
//!
//! It indexes the running kernel's modules if they exist, else Debian's cloud kernel, fetched into the cache.
//! The module directory is only read; the eleven files go below `target/demo`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use depmod_core::parts::name::is_module_file;
use depmod_core::{Found, IndexFiles, Output};
use depmod_tests::{command, debian, product, target_dir};

/// The kernel to fetch if the running kernel has no modules.
const LABEL: &str = "bookworm-cloud-amd64";

/// Aliases of common devices, to show a lookup.
const DEVICES: [(&str, &str); 3] = [
    ("a SCSI disk", "scsi:t-0x00"),
    ("a virtio network card", "virtio:d00000001v00001AF4"),
    ("a Btrfs file system", "fs-btrfs"),
];

/// Builds the command, runs it and prints the result.
///
/// # Errors
/// When no kernel is available, or the run fails.
pub(crate) fn main(_: &[String]) -> Result<()> {
    let (root, version) = kernel()?;
    let out = target_dir().join("demo");
    fs::remove_dir_all(&out).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let mut depmod = Command::new(product::release()?);
    depmod.arg("-b").arg(&root).arg("-o").arg(&out).arg(&version);
    println!("$ {}", command::line(&depmod));
    let start = Instant::now();
    command::run(&mut depmod)?;
    let seconds = start.elapsed().as_secs_f64();

    let made = out.join("lib/modules").join(&version);
    println!(
        "{} modules indexed in {seconds:.3} s:\n",
        modules_in(&root.join("lib/modules").join(&version))?
    );
    for output in Output::ALL {
        let path = made.join(output.file_name());
        println!("{:>9} bytes  {}", fs::metadata(&path)?.len(), path.display());
    }
    println!("\nModules that modprobe would find:");
    let files = Output::ALL.into_iter().map(|output| Ok((output, fs::read(made.join(output.file_name()))?)));
    let files = IndexFiles::new(files.collect::<std::io::Result<_>>()?);
    let lookup = files.lookup()?;
    for (device, alias) in DEVICES {
        let found = match lookup.find(alias)? {
            Found::Modules(names) => names.join(&b' ').escape_ascii().to_string(),
            Found::Builtin(names) => {
                format!("{} (built into the kernel)", names.join(&b' ').escape_ascii())
            }
            Found::Nothing => "nothing".to_owned(),
        };
        println!("  {device}: {found}");
    }
    Ok(())
}

/// The root directory and the version of the kernel to index.
fn kernel() -> Result<(PathBuf, String)> {
    let version = command::text(Command::new("uname").arg("-r"))?;
    let running = Path::new("/lib/modules").join(&version);
    if modules_in(&running).is_ok_and(|modules| modules > 0) {
        println!("The running kernel has modules: {}", running.display());
        return Ok((PathBuf::from("/"), version));
    }
    println!("The running kernel ({version}) has no modules here; Debian's {LABEL} is used instead.");
    let kernel = debian::kernel(LABEL)?;
    Ok((kernel.root, kernel.version))
}

fn modules_in(directory: &Path) -> Result<usize> {
    let mut modules = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            modules += modules_in(&entry.path())?;
        } else if is_module_file(entry.file_name().as_encoded_bytes()) {
            modules += 1;
        }
    }
    Ok(modules)
}
