//! `cargo run --example pages -- man|completions DIR`: the manual pages, or the completions for shells, made of the
//! definition of the command line. `cargo xtask man` and `cargo xtask completions` call it.

mod completions;
mod man;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

/// A file: its name and its content.
type File = (String, Vec<u8>);

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [what, directory] = &*words else { return usage() };
    let files = match &**what {
        "man" => man::pages(),
        "completions" => completions::scripts(),
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
    eprintln!("usage: pages man|completions DIR");
    ExitCode::FAILURE
}

/// Writes the files into a directory, and prints their paths.
fn write(directory: &Path, files: io::Result<Vec<File>>) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, content) in files? {
        let path = directory.join(name);
        fs::write(&path, content)?;
        println!("{}", path.display());
    }
    Ok(())
}
