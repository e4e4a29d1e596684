//! `cargo xtask rooms`: the imports between the files and folders of a package, for Graphviz.

use anyhow::Result;
use depmod_tests::imports::{Package, dot, reduced};
use depmod_tests::workspace;

/// Prints the rooms of the core, or the folder in `args`: `core/src/list`, `host-cli/src`.
///
/// # Errors
/// When the source cannot be read.
pub(crate) fn main(args: &[String]) -> Result<()> {
    let folder = args.first().map_or("core/src", |folder| folder.trim_end_matches('/'));
    let (package, inside) = folder.split_once("/src").unwrap_or((folder, ""));
    let folders = Package::read(&workspace().join(package).join("src/lib.rs"))?.folders();
    let graph = folders.get(inside.trim_start_matches('/')).cloned().unwrap_or_default();
    print!("{}", dot(folder, &reduced(&graph)));
    Ok(())
}
