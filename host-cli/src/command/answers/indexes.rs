//! The index files of a module directory: the stored ones, or those of a new run.

use depmod_core::parts::answer::{IndexDirectory, Lookup, ModprobeConfig};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::{Diagnostic, IndexFiles, Limits, Reporter, Severity};

use super::Failure;
use super::lookup::no_index;
use crate::command::report::{Report, say};
use crate::command::settings::Target;
use crate::run::Run;
use crate::source::DiskSource;

/// Where the index files are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The stored ones, or if they are missing or corrupt, those of the modules.
    Any,
    /// The stored ones.
    Index,
    /// Those of the modules.
    Modules,
}

/// Calls `ask` once, with a lookup in the index files.
pub(super) fn with_lookup(
    target: &Target,
    origin: Origin,
    report: &mut Report,
    ask: &mut dyn FnMut(Lookup<'_>, &mut Report) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let limits = Limits::DEFAULT;
    let files = IndexDirectory::new(&DiskSource, target.dirname.as_slice(), &limits);
    if origin != Origin::Modules {
        match files.lookup() {
            Ok(lookup) => return ask(lookup, report),
            Err(error) if origin == Origin::Index => return Err(no_index(&error, target)),
            Err(error) if error.is_missing() => {}
            Err(error) => {
                say(Severity::Warning, &format!("{}; all modules are read instead", Chain(&error)));
            }
        }
    }
    let computed = from_modules(target, report)?;
    let lookup = computed.lookup().map_err(|error| Chain(&error).to_string())?;
    ask(lookup, report)
}

/// Index files of a new run.
fn from_modules(target: &Target, report: &mut Report) -> Result<IndexFiles, Failure> {
    let options = target.options();
    let (_, indexed) = Run::new(&options).make(&mut ForBoth(report))?;
    Ok(indexed.files)
}

/// Accepts lines for `modprobe` in configuration directories of `-C`.
pub(super) struct ForBoth<'r>(pub(super) &'r mut Report);

impl Reporter for ForBoth<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        match &diagnostic {
            Diagnostic::ConfigBadLine { command, .. } if ModprobeConfig::is_command(command) => {}
            _ => self.0.report(diagnostic),
        }
    }
}
