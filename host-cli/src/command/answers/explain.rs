//! `depmod explain`: a module's dependencies and dependents, and the modules behind names, aliases and symbols.

use core::num::NonZero;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::thread;

use bstr::{BString, ByteSlice};
use clap::Parser;
use depmod_core::parts::answer::{
    Builtin, ChainLink, ExplainedAlias, ExplainedModule, ExplainedSymbol, FilesOfName, FirmwareFile,
    FoundExports, Lookup, Subject, chain, explain_file, explain_module, explain_symbol, files_of_name,
    subject,
};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::parts::name::{file_name, is_module_file, module_name};
use depmod_core::parts::run::InTurn;
use depmod_core::{Limits, Source};

use super::indexes::{ForBoth, Origin, with_lookup};
use super::kernel::Kernel;
use super::lookup::did_you_mean;
use super::planned::{firmware_directories, path_of};
use super::strict::{kernel_exports, load_all};
use super::{Command, Failure, Format, Out, explain_json, explain_text};
use crate::codecs::HostDecoder;
use crate::command::args::Color;
use crate::command::report::Report;
use crate::command::settings::Target;
use crate::command::status::{DONE, FAILED};
use crate::source::DiskSource;

/// The words after `depmod explain`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod explain",
    no_binary_name = true,
    about = "Tell why: what a module needs and by which symbols, who needs it, which file counts, who matches.",
    after_help = "\
X is a module, a module's file, symbol:NAME, an alias or a modalias. With Y, the shortest chain from
X to Y, or from Y to X. Index files answer; the symbols of a module are read from the module, and
for symbol:NAME all modules and the kernel image are read.

Examples:
  depmod explain nvme
  depmod explain iwlmvm rfkill
  depmod explain /lib/modules/6.1.0-50-amd64/updates/dkms/zfs.ko
  depmod explain symbol:usb_register_driver
  depmod explain pci:v00008086d000010D3sv00000000sd00000000bc02sc00i00
  depmod explain --format json e1000e | jq -r '.needed_by[].module'

Exit status: 0 done, 1 nothing answers to X, or X cannot be explained."
)]
pub(super) struct Explain {
    #[arg(value_name = "X", help = "Module, module's file, symbol:NAME, alias or modalias")]
    word: OsString,
    #[arg(value_name = "Y", help = "Another module")]
    other: Option<OsString>,
    #[command(flatten)]
    kernel: Kernel,
    #[arg(long, help = "Read all modules, even where there are index files")]
    from_modules: bool,
    #[arg(long, help = "As text: whole lists")]
    long: bool,
    #[arg(long, value_enum, value_name = "FORM", default_value_t, help = "Show the answer as text or json")]
    format: Format,
}

/// An answer.
pub(super) enum Answer {
    Module(Box<Module>),
    Chain {
        /// The first module of the question.
        from: BString,
        to: BString,
        /// `None` if neither needs the other.
        links: Option<Vec<ChainLink>>,
    },
    Alias(ExplainedAlias),
    Builtin(Builtin),
    Symbol {
        symbol: ExplainedSymbol,
        kernel: FoundExports,
        /// Modules that cannot be read.
        unreadable: Vec<BString>,
    },
    Unknown(Subject),
}

/// A module with facts of the file system.
pub(super) struct Module {
    pub(super) module: ExplainedModule,
    /// Bytes of its file; `None` if there is none.
    pub(super) size: Option<u64>,
    pub(super) files: FilesOfName,
    /// Each firmware that it names.
    pub(super) firmware: Vec<(BString, Vec<FirmwareFile>)>,
}

impl Command for Explain {
    fn answer(self, out: &mut Out) -> Result<u8, Failure> {
        let target = self.kernel.target()?;
        let mut report = Report::new(Color::Auto);
        let answer = match (self.word.as_bytes().strip_prefix(b"symbol:"), &self.other) {
            (Some(_), Some(_)) => return Err("a symbol has no chain; name two modules".into()),
            (Some(symbol), None) => of_symbol(symbol, &target, &mut report)?,
            (None, _) => self.ask_indexes(&target, &mut report)?,
        };
        let is_unknown = match &answer {
            Answer::Unknown(_) => true,
            Answer::Symbol { symbol, .. } => symbol.exporters.is_empty() && symbol.users.is_empty(),
            _ => false,
        };
        let query = self.word.as_bytes();
        match self.format {
            Format::Json => out.json(&explain_json::of(query, &target.version, &answer)),
            Format::Text => explain_text::show(query, &target.version, &answer, self.long, out)?,
        }
        Ok(if is_unknown { FAILED } else { DONE })
    }
}

impl Explain {
    fn ask_indexes(&self, target: &Target, report: &mut Report) -> Result<Answer, Failure> {
        let config = self.kernel.modprobe_config(report)?;
        let origin = if self.from_modules { Origin::Modules } else { Origin::Any };
        let mut answer = None;
        with_lookup(target, origin, report, &mut |lookup, report| {
            let asked = Asked { command: self, target, lookup: &lookup.config(&config) };
            answer = Some(match &self.other {
                Some(other) => asked.chain(other)?,
                None => asked.word(report)?,
            });
            Ok(())
        })?;
        // The lookup has been asked.
        answer.ok_or_else(|| "no answer".into())
    }
}

/// A question to index files.
struct Asked<'a> {
    command: &'a Explain,
    target: &'a Target,
    lookup: &'a Lookup<'a>,
}

impl Asked<'_> {
    fn word(&self, report: &mut Report) -> Result<Answer, Failure> {
        let word = self.command.word.as_bytes();
        if let Some(path) = self.file(word) {
            return self.of_file(&path, report);
        }
        Ok(match self.subject(word)? {
            Subject::Module(name) => Answer::Module(Box::new(self.module(&name, report)?)),
            Subject::Alias(alias) => Answer::Alias(alias),
            Subject::Builtin(builtin) => Answer::Builtin(builtin),
            unknown => Answer::Unknown(unknown),
        })
    }

    /// The path of a word that names a module's file: as it is, or below the module directory.
    fn file(&self, word: &[u8]) -> Option<Vec<u8>> {
        if !is_module_file(file_name(word)) {
            return None;
        }
        let paths = [word.to_vec(), path_of(self.target, word)];
        let found = paths.iter().find(|path| DiskSource.stat(path).is_ok()).cloned();
        found.or_else(|| word.contains(&b'/').then(|| word.to_vec()))
    }

    fn subject(&self, word: &[u8]) -> Result<Subject, Failure> {
        // A file that is not there is the module of its name.
        let name: Vec<u8> =
            if is_module_file(file_name(word)) { module_name(word).collect() } else { word.to_vec() };
        let builtin = [self.target.dirname.as_slice(), b"/modules.builtin"].concat();
        let builtin = DiskSource.read(&builtin, Limits::DEFAULT.text_size).unwrap_or_default();
        Ok(subject(self.lookup, &name, &builtin).map_err(|error| Chain(&error).to_string())?)
    }

    fn module(&self, name: &[u8], report: &mut Report) -> Result<Module, Failure> {
        let mut decoder = HostDecoder::default();
        let limits = Limits::DEFAULT;
        let mut turn = InTurn::new(&DiskSource, &mut decoder, &limits);
        let mut load = |path: &[u8]| turn.load_one(&path_of(self.target, path));
        let module = explain_module(self.lookup, name, &mut load);
        let module = module.map_err(|error| Chain(&error).to_string())?;
        let module = module.ok_or_else(|| format!("the index files have no {}", name.escape_ascii()))?;
        self.with_files(module, report)
    }

    fn of_file(&self, path: &[u8], report: &mut Report) -> Result<Answer, Failure> {
        let identity = |path: &[u8]| DiskSource.stat(path).ok().map(|stat| stat.id);
        let name: Vec<u8> = module_name(path).collect();
        if self.lookup.find(&name).is_ok_and(|found| found.modules().iter().any(|found| *found == name)) {
            let module = self.module(&name, report)?;
            let asked = identity(path);
            if asked.is_some() && asked == identity(&path_of(self.target, &module.module.path)) {
                return Ok(Answer::Module(Box::new(module)));
            }
        }
        let mut decoder = HostDecoder::default();
        let limits = Limits::DEFAULT;
        let facts = InTurn::new(&DiskSource, &mut decoder, &limits).load_one(path);
        let facts =
            facts.map_err(|error| format!("cannot read {}: {}", path.escape_ascii(), Chain(&error)))?;
        let module = explain_file(self.lookup, path, &facts).map_err(|error| Chain(&error).to_string())?;
        Ok(Answer::Module(Box::new(self.with_files(module, report)?)))
    }

    fn with_files(&self, module: ExplainedModule, report: &mut Report) -> Result<Module, Failure> {
        let options = self.target.options();
        let mut decoder = HostDecoder::default();
        let mut turn = InTurn::new(&DiskSource, &mut decoder, &options.limits);
        let mut load = |path: &[u8]| turn.load_one(path);
        let files = files_of_name(&options, &DiskSource, &module.name, &mut load, &mut ForBoth(report))?;
        let path = if module.is_indexed { path_of(self.target, &module.path) } else { module.path.to_vec() };
        let size = DiskSource.stat(&path).ok().map(|stat| stat.size);
        let directories = firmware_directories(&self.command.kernel, self.target);
        let firmware = module.firmware.iter();
        let firmware = firmware.map(|name| (name.clone(), directories.find(name))).collect();
        Ok(Module { module, size, files, firmware })
    }

    fn chain(&self, other: &OsString) -> Result<Answer, Failure> {
        let (one, other) = (self.one_module(&self.command.word)?, self.one_module(other)?);
        if one == other {
            return Err(format!("both words name the module {one}").into());
        }
        let mut decoder = HostDecoder::default();
        let limits = Limits::DEFAULT;
        let mut turn = InTurn::new(&DiskSource, &mut decoder, &limits);
        let mut load = |path: &[u8]| turn.load_one(&path_of(self.target, path));
        let mut between = |from: &BString, to: &BString| {
            chain(self.lookup, from, to, &mut load).map_err(|error| Chain(&error).to_string())
        };
        let links = match between(&one, &other)? {
            None => between(&other, &one)?,
            links => links,
        };
        Ok(Answer::Chain { from: one, to: other, links })
    }

    /// The module that a word of a chain stands for.
    fn one_module(&self, word: &OsString) -> Result<BString, Failure> {
        let shown = word.display();
        match self.subject(word.as_bytes())? {
            Subject::Module(name) => Ok(name),
            Subject::Alias(alias) => {
                let mut names: Vec<&BString> = alias.modules.iter().map(|found| &found.module).collect();
                names.extend(&alias.configured);
                names.dedup();
                match &*names {
                    [name] => Ok((*name).clone()),
                    [] => Err(format!("{shown} is built into the kernel").into()),
                    names => {
                        Err(format!("{shown} stands for {}; name one", bstr::join(", ", names).as_bstr())
                            .into())
                    }
                }
            }
            Subject::Builtin(_) => Err(format!("{shown} is built into the kernel").into()),
            Subject::Unknown { names, .. } => Err(unknown(word.as_bytes(), &names)),
            _ => Err(unknown(word.as_bytes(), &[])),
        }
    }
}

/// Reads all modules and the kernel image.
fn of_symbol(name: &[u8], target: &Target, report: &mut Report) -> Result<Answer, Failure> {
    let options = target.options();
    let jobs = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let (list, loads) = load_all(&options, jobs, &mut ForBoth(report))?;
    let kernel = kernel_exports(target, &options);
    let exports = kernel.exports.as_ref().map(|(exports, _)| exports);
    let symbol = explain_symbol(name, list.modules(), &loads, exports);
    let unreadable = list.modules().iter().zip(&loads).filter(|(_, load)| load.is_err());
    let unreadable = unreadable.map(|(file, _)| file.printed_path().into()).collect();
    Ok(Answer::Symbol { symbol, kernel, unreadable })
}

/// A failure with similar words.
pub(super) fn unknown(query: &[u8], names: &[BString]) -> Failure {
    let query = OsString::from_vec(query.to_vec());
    format!("nothing answers to {}{}", query.display(), did_you_mean(names)).into()
}

impl Module {
    /// The module's defects: a kind, the file, and a sentence.
    pub(super) fn findings(&self) -> Vec<(&'static str, BString, String)> {
        let Self { module, size, files, .. } = self;
        let mut findings = Vec::new();
        let mut find = |kind, file: &BString, message| findings.push((kind, file.clone(), message));
        let path = &module.path;
        if let Some(error) = &module.unreadable {
            let kind = if size.is_none() { "no-file" } else { "unreadable" };
            let cause = error.cause();
            find(kind, path, format!("{} cannot be read: {cause}", path.escape_ascii()));
        }
        if !module.unlisted.is_empty() {
            let names = bstr::join(", ", &module.unlisted);
            let names = names.escape_ascii();
            find("out-of-date", path, format!("it uses symbols of {names}, which modules.dep does not say"));
        }
        if let Some(winner) = files.winner.as_ref().filter(|winner| module.is_indexed && winner.path != *path)
        {
            let message =
                format!("the index files are out of date: {} counts now", winner.path.escape_ascii());
            find("out-of-date", &winner.path, message);
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Explain::command().debug_assert();
    }
}
