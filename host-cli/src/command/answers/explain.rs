//! `depmod explain`: a module's dependencies and dependents, and the modules behind names, aliases and symbols.

use core::num::NonZero;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::thread;

use bstr::{BString, ByteSlice};
use clap::Parser;
use depmod_core::parts::answer::{
    ExplainedModule, Lookup, Subject, chain, explain_file, explain_module, explain_symbol, files_of_name,
    subject,
};
use depmod_core::parts::diagnostic::Chain;
use depmod_core::parts::name::{file_name, is_module_file, module_name};
use depmod_core::parts::parse::elf::ElfError;
use depmod_core::parts::parse::module::{Detail, LoadError};
use depmod_core::parts::run::InTurn;
use depmod_core::{Limits, Source};

use super::explained::{Answer, Module, unknown};
use super::indexes::{ForBoth, Origin, with_lookup};
use super::kernel::Kernel;
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
X to Y, or from Y to X. Index files answer; symbols and firmware of a module stand in the module
alone, which is slow for large compressed ones: --from-index leaves them out. For symbol:NAME, all
modules and the kernel image are read.

Examples:
  depmod explain nvme
  depmod explain iwlmvm rfkill
  depmod explain /lib/modules/6.1.0-50-amd64/updates/dkms/zfs.ko
  depmod explain symbol:usb_register_driver
  depmod explain pci:v00008086d000010D3sv00000000sd00000000bc02sc00i00
  depmod explain --format json e1000e | jq -r '.needed_by[].module'

Exit status: 0 done, 1 nothing is named X, or X cannot be explained."
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
    #[arg(
        long,
        conflicts_with_all = ["from_modules", "other"],
        help = "Read no module: its symbols, firmware and other files of its name are not told"
    )]
    from_index: bool,
    #[arg(long, help = "As text: whole lists")]
    long: bool,
    #[arg(long, value_enum, value_name = "FORM", default_value_t, help = "Show the answer as text or json")]
    format: Format,
}

impl Command for Explain {
    fn answer(self, out: &mut Out) -> Result<u8, Failure> {
        let target = self.kernel.target()?;
        let mut report = Report::new(Color::Auto);
        let answer = match (self.word.as_bytes().strip_prefix(b"symbol:"), &self.other) {
            (Some(_), Some(_)) => return Err(no_chain(&self.word)),
            (None, Some(other)) if other.as_bytes().starts_with(b"symbol:") => return Err(no_chain(other)),
            (Some(_), None) if self.from_index => {
                return Err("a symbol's users are in the modules: leave out --from-index".into());
            }
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
        let origin = match () {
            () if self.from_modules => Origin::Modules,
            () if self.from_index => Origin::Index,
            () => Origin::Any,
        };
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
        if let Some(path) = self.file(word).filter(|_| !self.command.from_index) {
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
        let is_read = !self.command.from_index;
        let module = explain_module(self.lookup, name, if is_read { Some(&mut load) } else { None });
        let module = module.map_err(|error| Chain(&error).to_string())?;
        let module = module.ok_or_else(|| format!("the index files have no {}", name.escape_ascii()))?;
        if is_read {
            return self.with_files(module, report);
        }
        let size = DiskSource.stat(&path_of(self.target, &module.path)).ok().map(|stat| stat.size);
        let (files, firmware) = (Default::default(), Vec::new());
        Ok(Module { module, size, files, is_read, firmware, is_next: false })
    }

    fn of_file(&self, path: &[u8], report: &mut Report) -> Result<Answer, Failure> {
        let name: Vec<u8> = module_name(path).collect();
        let indexed = self.lookup.path(&name).map_err(|error| Chain(&error).to_string())?;
        if indexed.is_some_and(|indexed| is_same(path, &path_of(self.target, indexed))) {
            return Ok(Answer::Module(Box::new(self.module(&name, report)?)));
        }
        let mut decoder = HostDecoder::default();
        let limits = Limits::DEFAULT;
        let mut turn = InTurn::new(&DiskSource, &mut decoder, &limits).detail(Detail::Full);
        let facts = turn.load_one(path).map_err(|error| unusable(path, &error))?;
        if facts.is_no_module() {
            return Err(format!("{} is no kernel module: it has no .modinfo", path.escape_ascii()).into());
        }
        let module = explain_file(self.lookup, path, &facts).map_err(|error| Chain(&error).to_string())?;
        let mut module = self.with_files(module, report)?;
        module.is_next = module.files.winner.as_ref().is_some_and(|winner| is_same(path, &winner.absolute));
        Ok(Answer::Module(Box::new(module)))
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
        Ok(Module { module, size, files, is_read: true, firmware, is_next: false })
    }

    fn chain(&self, other: &OsString) -> Result<Answer, Failure> {
        let (one, other) = (self.one_module(&self.command.word)?, self.one_module(other)?);
        if one.name() == other.name() {
            return Err(format!("both words name the module {}", one.name()).into());
        }
        let builtin = [&one, &other].into_iter().filter(|end| matches!(end, End::Builtin(_)));
        let builtin: Vec<BString> = builtin.map(|end| end.name().clone()).collect();
        let (one, other) = (one.name().clone(), other.name().clone());
        if !builtin.is_empty() {
            return Ok(Answer::Chain { from: one, to: other, links: None, builtin });
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
        Ok(Answer::Chain { from: one, to: other, links, builtin })
    }

    /// The module that a word of a chain stands for.
    fn one_module(&self, word: &OsString) -> Result<End, Failure> {
        let shown = word.display();
        match self.subject(word.as_bytes())? {
            Subject::Module(name) => Ok(End::Module(name)),
            Subject::Builtin(builtin) => Ok(End::Builtin(builtin.name)),
            Subject::Alias(alias) => {
                let mut names: Vec<&BString> = alias.modules.iter().map(|found| &found.module).collect();
                names.extend(&alias.configured);
                let end = if names.is_empty() { End::Builtin } else { End::Module };
                if names.is_empty() {
                    names.extend(alias.builtin.iter().map(|found| &found.module));
                }
                names.dedup();
                match &*names {
                    [name] => Ok(end((*name).clone())),
                    names => {
                        let names = bstr::join(", ", names);
                        Err(format!("{shown} stands for {}; name one", names.as_bstr()).into())
                    }
                }
            }
            Subject::Unknown { names, .. } => Err(unknown(word.as_bytes(), &names)),
            _ => Err(unknown(word.as_bytes(), &[])),
        }
    }
}

/// One end of a chain.
enum End {
    Module(BString),
    Builtin(BString),
}

impl End {
    fn name(&self) -> &BString {
        match self {
            Self::Module(name) | Self::Builtin(name) => name,
        }
    }
}

/// The failure for a chain to a symbol.
fn no_chain(symbol: &OsString) -> Failure {
    let symbol = symbol.display();
    format!("a chain leads from module to module; who exports and needs it: depmod explain {symbol}").into()
}

/// Whether two paths lead to one file.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let identity = |path: &[u8]| DiskSource.stat(path).ok().map(|stat| stat.id);
    one == other || identity(one).is_some_and(|id| identity(other) == Some(id))
}

/// The failure for a file that is no module, or cannot be read.
fn unusable(path: &[u8], error: &LoadError) -> Failure {
    let shown = path.escape_ascii();
    match error {
        LoadError::Io(cause) => Failure::cannot_read(path, cause),
        LoadError::Elf(cause @ ElfError::NotElf) => format!("{shown} is no kernel module: {cause}").into(),
        error => format!("{shown} is no usable module: {}", Chain(error)).into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Explain::command().debug_assert();
    }
}
