//! `cargo run --example pages -- WHAT DIR [END]`, made of the definition of the command line:
//!
//! ```text
//! man          the manual pages
//! completions  the completions for shells
//! share        both, below man, bash-completion, fish and zsh, as in /usr/share
//! ```
//!
//! kmod has pages of three of the names. With `END`, such as `-rs`, they are called `depmod-rs.8` and so on, for packages
//! beside kmod's.
//!
//! `cargo xtask man`, `completions` and `install` call it, and so do recipes of distributions.

mod completions;
mod man;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

/// A file: its name and its content.
type File = (String, Vec<u8>);

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let (what, directory, end) = match &*words {
        [what, directory] => (what, directory, ""),
        [what, directory, end] => (what, directory, &**end),
        _ => return usage(),
    };
    let files = match &**what {
        "man" => man::pages(),
        "completions" => completions::scripts(),
        "share" => share(end),
        _ => return usage(),
    };
    match write(Path::new(directory), files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pages: {directory}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: pages man|completions|share DIR [END]");
    ExitCode::FAILURE
}

/// The pages that kmod has, too.
const ALSO_KMOD: [&str; 3] = ["depmod.8", "depmod.d.5", "modules.dep.5"];

/// All files at their paths below `/usr/share`.
fn share(end: &str) -> io::Result<Vec<File>> {
    let pages = man::pages()?.into_iter().map(|(name, page)| {
        let end = if ALSO_KMOD.contains(&&*name) { end } else { "" };
        let (name, section) = name.rsplit_once('.').unwrap_or((&name, "8"));
        (format!("man/man{section}/{name}{end}.{section}"), page)
    });
    let scripts = completions::scripts()?.into_iter().map(|(name, script)| {
        let directory = match &*name {
            "_depmod" => "zsh/site-functions",
            "depmod.fish" => "fish/vendor_completions.d",
            _ => "bash-completion/completions",
        };
        (format!("{directory}/{name}"), script)
    });
    Ok(pages.chain(scripts).collect())
}

/// Writes the files below a directory, and prints their paths.
fn write(directory: &Path, files: io::Result<Vec<File>>) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, content) in files? {
        let path = directory.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, content)?;
        println!("{}", path.display());
    }
    Ok(())
}
