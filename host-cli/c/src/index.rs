//! Answers from the index files of one module directory.

use depmod::Run;
use depmod::source::DiskSource;
use depmod_core::parts::answer::{IndexDirectory, PLANNED_WITH, StoredFiles, verify};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::parts::list::config::Config;
use depmod_core::{
    Found, Index as Table, IndexFiles, Limits, Options, Output, Reason, Request, Source, Unplanned, plan,
};

use crate::list::List;

/// The index files of a module directory, as they were when it was opened.
pub struct Index {
    files: IndexFiles,
}

impl Index {
    /// Reads and checks the files.
    pub(crate) fn open(directory: &[u8]) -> Result<Self, String> {
        let limits = Limits::DEFAULT;
        let stored = IndexDirectory::new(&DiskSource, directory, &limits);
        let mut files = Vec::new();
        for output in PLANNED_WITH {
            files.push((output, stored.file(output).map_err(|error| reason(&error))?.to_vec()));
        }
        Ok(Self { files: IndexFiles::new(files) })
    }

    /// The modules for a name, an alias or a modalias, each with its path; built-in modules have none.
    pub(crate) fn lookup(&self, query: &[u8]) -> Result<List, String> {
        let lookup = self.files.lookup().map_err(|error| reason(&error))?;
        let mut list = List::default();
        match lookup.find(query).map_err(|error| reason(&error))? {
            Found::Modules(names) => {
                for name in names {
                    list.push(&name, Some(self.path(&name)?));
                }
            }
            Found::Builtin(names) => names.iter().for_each(|name| list.push(name, None)),
            Found::Nothing => {}
        }
        Ok(list)
    }

    /// The modules for all queries in load order, each with its path.
    pub(crate) fn plan(&self, queries: &[&[u8]]) -> Result<List, String> {
        let lookup = self.files.lookup().map_err(|error| reason(&error))?;
        let requests: Vec<Request> = queries.iter().copied().map(Request::from).collect();
        let order = plan(&lookup, &requests).map_err(|error| reason(&error))?;
        for unplanned in &order.unplanned {
            if let Unplanned::Missing { reason: Reason::Requested(request), .. } = unplanned {
                return Err(format!("no module or alias named {}", request.query.escape_ascii()));
            }
        }
        let mut list = List::default();
        order.to_load().for_each(|module| list.push(&module.name, Some(&module.path)));
        Ok(list)
    }

    /// The path of a module, as in `modules.dep`.
    fn path(&self, name: &[u8]) -> Result<&[u8], String> {
        let modules = Table::parse(self.files.get(Output::DepIndex)).map_err(|error| reason(&error))?;
        let line = modules.get(name).map_err(|error| reason(&error))?;
        Ok(line.and_then(|line| line.split(|&byte| byte == b':').next()).unwrap_or_default())
    }
}

/// What is wrong with the index files of a directory: names of files, each with what is wrong with it.
pub(crate) fn findings(directory: &[u8], version: &[u8]) -> Result<List, String> {
    let options =
        Options::new(directory, version).config_paths(Config::PATHS.iter().map(|path| path.to_vec()));
    let stored = StoredFiles::read(&options, &DiskSource);
    let expected = Run::new(&options).build(&mut ()).map_err(|stopped| reason(&stopped))?;
    let exists = |path: &[u8]| {
        let below = [directory, b"/", path].concat();
        DiskSource.stat(if path.starts_with(b"/") { path } else { &below }).is_ok()
    };
    let mut list = List::default();
    for finding in verify(&stored, &expected, exists).findings {
        list.push(finding.file.file_name().as_bytes(), Some(finding.fault.to_string().as_bytes()));
    }
    Ok(list)
}

fn reason(error: &dyn core::error::Error) -> String {
    Chain(error).to_string()
}
