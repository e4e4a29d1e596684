//! The tool for the UEFI shell: the Linux command's index files, on any volume.

use alloc::{format, string::String, vec::Vec};

use depmod_core::decompress::PureDecoder;
use depmod_core::diagnostic::Diagnostic;
use depmod_core::host::{AnySource, Reporter, Source};
use depmod_core::limits::Limits;
use depmod_core::output::Output;
use depmod_core::pipeline::{Gathered, Loaded, Request, Resolved, Stopped, Tables};
use depmod_core::tree::{TreeError, locate};

use crate::console::{self, Console};
use crate::error::{Error, Result};
use crate::modules::Stored;
use crate::options::Index;
use crate::shell;

const MODULE_DIRECTORY: &str = "lib/modules";

/// Makes the index files of `index.version`, and writes or prints them. What is said about single modules
/// goes to the console.
///
/// # Errors
/// When there are no modules, or not all files can be made and written; old files are then as they were.
pub fn run(index: &Index, mut console: Console) -> Result<()> {
    let (volume, base) = shell::locate(index.base.as_deref().unwrap_or("/"))?;
    let module_directory = index.module_dir.as_deref().unwrap_or(MODULE_DIRECTORY);
    let below = |base: &str| format!("{base}/{module_directory}/{}", index.version);
    let limits = Limits::DEFAULT;
    let stored = Stored::open(&volume, &base, &limits)?;
    if stored.is_archive() && index.out.is_none() && !index.dry_run {
        return Err(Error::NoOutput(base));
    }
    let modules = stored.modules(&limits)?;
    let directory = if stored.is_archive() {
        locate(&modules, b"/", Some(&index.version))?.directory
    } else {
        let directory = below(&base).into_bytes();
        modules.stat(&directory).map_err(|_| {
            let (below, version) = (base.clone().into(), Some(index.version.clone()));
            TreeError::NoModules { below, version }
        })?;
        directory
    };
    let mut said = Vec::new();
    let made = outputs(&AnySource::new(&modules), &directory, index, &mut said);
    said.into_iter().for_each(|message| console.report(message));
    let (files, links) = made?;
    if index.dry_run {
        print(&links);
        files.iter().filter(|(output, _)| !output.is_index()).for_each(|(_, text)| print(text));
        return Ok(());
    }
    print(&links);
    let named: Vec<_> = files.iter().map(|(output, bytes)| (output.file_name(), &**bytes)).collect();
    match &index.out {
        Some(out) => {
            let (volume, out) = shell::locate(out)?;
            volume.replace_files(&below(&out), &named)
        }
        None => volume.replace_files(&below(&base), &named),
    }
}

type Files = Vec<(Output, Vec<u8>)>;

/// All files, and the links that `-v` shows.
fn outputs(
    source: &AnySource<'_>,
    directory: &[u8],
    index: &Index,
    said: &mut Vec<Diagnostic>,
) -> Result<(Files, Vec<u8>)> {
    let mut request = Request::new(directory, index.version.as_bytes());
    request.trace_links = index.verbose;
    let stopped = |Stopped| Error::Stopped;
    let gathered = Gathered::new(&request, source, said).map_err(stopped)?;
    let results = gathered.load(source, &mut PureDecoder::default(), &request.limits);
    let loaded = Loaded::new(gathered.catalog(), results, said);
    let tables = Tables::new(&request, &gathered, &loaded);
    let mut links = Vec::new();
    let resolved = Resolved::new(&tables, &mut links, said).map_err(stopped)?;
    let emit = |output| Ok((output, resolved.emit(output, said).map_err(stopped)?));
    let files = Output::ALL.into_iter().map(emit).collect::<Result<Files>>()?;
    Ok((files, links))
}

/// Line by line, so that the copy stays small.
fn print(text: &[u8]) {
    for line in text.split_inclusive(|&b| b == b'\n') {
        console::print(format_args!("{}", String::from_utf8_lossy(line)));
    }
}
