//! `cargo xtask kernels`: fetches real kernels into the cache, for conformance runs and benchmarks.

use anyhow::Result;
use depmod_tests::debian::{self, LABELS};

/// Fetches the kernels in `args` (`--all`: all kernels) and prints their paths.
///
/// # Errors
/// When a label is unknown or its kernel cannot be fetched.
pub(crate) fn main(args: &[String]) -> Result<()> {
    if args.is_empty() || args.iter().any(|arg| arg == "--list") {
        for label in LABELS {
            println!("{:22} {:10} {:6} {}", label.name, label.suite, label.architecture, label.package);
        }
        return Ok(());
    }
    let all = args.iter().any(|arg| arg == "--all");
    let labels: Vec<&str> = if all {
        LABELS.iter().map(|label| label.name).collect()
    } else {
        args.iter().map(String::as_str).collect()
    };
    for label in labels {
        let kernel = debian::kernel(label)?;
        println!("{label:22} {} {}", kernel.version, kernel.root.display());
    }
    Ok(())
}
