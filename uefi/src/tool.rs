//! The shell tool: index files as the Linux command makes them, on any volume.

use alloc::{format, string::String, vec::Vec};

use depmod_core::parts::boot::{DirectoryError, Location, locate};
use depmod_core::parts::decompress::PureDecoder;
use depmod_core::parts::list::{MODULE_DIRECTORY, ModuleList};
use depmod_core::parts::run::{self, Hooks, InTurn, Load};
use depmod_core::parts::source::AnySource;
use depmod_core::{Diagnostic, IndexFiles, Limits, Source};

use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::modules::ModuleStore;
use crate::options::IndexCommand;
use crate::shell;

/// Makes the index files of one kernel version, and writes or prints them. Diagnostics go to the console.
///
/// # Errors
/// There are no modules, or a file cannot be made or written; old files are then unchanged. The reason of
/// [`Error::Stopped`] is on the console.
pub fn run(command: &IndexCommand, mut console: Console) -> Result<()> {
    let (volume, base) = shell::locate(command.base.as_deref().unwrap_or("/"))?;
    let module_directory = command.module_dir.as_deref().unwrap_or(MODULE_DIRECTORY);
    let below = |base: &str| format!("{base}/{module_directory}/{}", command.version);
    let limits = Limits::DEFAULT;
    let store = ModuleStore::open(&volume, &base, &limits)?;
    if store.is_archive() && command.out.is_none() && !command.dry_run {
        return Err(Error::NoOutput(base));
    }
    let modules = store.modules(&limits)?;
    let source = modules.source();
    let version = command.version.clone();
    let location = if store.is_archive() {
        locate(&source, b"/", Some(&version))?
    } else {
        let directory = below(&base);
        if source.stat(directory.as_bytes()).is_err() {
            return Err(DirectoryError::NoModules { below: base.into(), version: Some(version) }.into());
        }
        Location::new(directory, version)
    };
    let files = index(&source, &location, command, &mut console)?;
    if command.dry_run {
        files.iter().for_each(|(_, text)| print(text));
        return Ok(());
    }
    let named: Vec<_> = files.iter().map(|(output, bytes)| (output.file_name(), bytes)).collect();
    match &command.out {
        Some(out) => {
            let (volume, out) = shell::locate(out)?;
            volume.replace_files(&below(&out), &named)
        }
        None => volume.replace_files(&below(&base), &named),
    }
}

/// The run of the core. `-v` prints the links.
fn index(
    source: &AnySource<'_>,
    location: &Location,
    command: &IndexCommand,
    console: &mut Console,
) -> Result<IndexFiles> {
    let options = location.options().trace_links(command.verbose).text_only(command.dry_run);
    let mut decoder = PureDecoder::default();
    let mut hooks = PrintLinks(InTurn::new(source, &mut decoder, &options.limits));
    let outcome = run::run_with(&options, source, &mut hooks, console)?;
    Ok(outcome.complete(console)?.1.files)
}

/// Loads one module after the other, and prints the links.
struct PrintLinks<'h, 's>(InTurn<'h, AnySource<'s>>);

impl Hooks for PrintLinks<'_, '_> {
    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        self.0.load(list)
    }

    fn links(&mut self, lines: &[u8]) -> Result<(), Diagnostic> {
        print(lines);
        Ok(())
    }
}

/// Line by line, so that the copy stays small.
fn print(text: &[u8]) {
    for line in text.split_inclusive(|&b| b == b'\n') {
        console::print(format_args!("{}", String::from_utf8_lossy(line)));
    }
}
