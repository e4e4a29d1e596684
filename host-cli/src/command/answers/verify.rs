//! `depmod verify`: comparison of the index files with those of a new run.

use core::cell::RefCell;
use std::ffi::OsString;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;

use bstr::BString;
use clap::Parser;
use depmod_core::parts::answer::{
    Count, Damage, FileFault, FileFinding, QuickLook, StoredFiles, Times, Verified, verify,
};
use depmod_core::parts::index::Layout;
use depmod_core::parts::list::config::Config;
use depmod_core::parts::list::{ModuleFile, ModuleList};
use depmod_core::parts::run::{self, Hooks, Listed, Load, Next, SIDE_FILES};
use depmod_core::parts::source::AnySource;
use depmod_core::{Diagnostic, DirEntry, IoError, Options, Output, Reporter, Source, Stat, Stopped};
use serde_json::{Map, Value, json};

use super::style::{Style, plural, some_names};
use super::{Command, Failure, Format, Out, json, versions};
use crate::command::args::{Color, Place, SameVersion};
use crate::command::confine;
use crate::command::report::Report;
use crate::command::settings::{Environment, Target};
use crate::command::status::{DONE, FAILED, FINDINGS};
use crate::run::Run;
use crate::source::{Directories, DiskFile, DiskSource};

/// The arguments of `depmod verify`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "depmod verify",
    no_binary_name = true,
    about = "Check whether the index files are those that depmod would write for these modules.",
    after_help = "\
Entries are compared, not bytes: index files of kmod 28 and later are right in either layout.

Examples:
  depmod verify                                the running kernel's
  depmod verify -b /mnt 6.1.0-50-amd64         those of a system that is mounted
  depmod verify --quick || depmod verify --fix
  depmod verify --format json | jq -r '.findings[] | [.file, .kind, .message] | @tsv'

Exit status: 0 no findings, or repaired with --fix; 3 findings; 1 the check failed."
)]
pub(super) struct Verify {
    #[arg(value_name = "VERSION", help = "Kernel version [default: the running kernel's]")]
    version: Option<OsString>,
    #[command(flatten)]
    same: SameVersion,
    #[command(flatten)]
    place: Place,
    #[arg(long, help = "Check only form, agreement and times, without reading modules")]
    quick: bool,
    #[arg(long, help = "Write new files if there are findings")]
    fix: bool,
    #[arg(long, help = "Show every wrong entry")]
    long: bool,
    #[arg(long, value_enum, value_name = "FORM", default_value_t, help = "Show the answer as text or json")]
    format: Format,
}

impl Verify {
    fn target(&self) -> Result<Target, Diagnostic> {
        let version = self.version.as_ref().or(self.same.kernel.as_ref());
        Target::new(self.place.clone(), None, version.cloned(), &Environment::current())
    }
}

impl Command for Verify {
    fn confine(&self) {
        let target = self.target();
        match target {
            Ok(target) if self.fix => confine::directory(&target.dirname),
            _ => confine::read_only(),
        }
    }

    fn answer(self, out: &mut Out) -> Result<u8, Failure> {
        let target = self.target()?;
        versions::check(&target)?;
        let options = target.options();
        let mut said = Said::default();
        let looked = if self.quick { quick(&options, &mut said) } else { full(&options, &mut said) };
        let mut report = Report::new(Color::Auto);
        // With --fix, the run reports them again.
        if !self.fix || looked.is_err() || said.denied.is_some() {
            said.diagnostics.into_iter().for_each(|diagnostic| report.report(diagnostic));
        }
        let (verified, modules) = looked?;
        if let Some(denied) = said.denied {
            return Err(format!("cannot tell what is right: {denied}").into());
        }
        let fixed = self.fix && !verified.findings.is_empty();
        if fixed {
            Run::new(&options).publish(&mut report)?;
        }
        let configuration = Config::files(&DiskSource, &options.config_paths);
        let answer = Answer { command: &self, options: &options, verified, modules, configuration, fixed };
        match self.format {
            Format::Text => answer.text(out),
            Format::Json => out.json(&answer.json()),
        }
        let unreadable = |finding: &FileFinding| matches!(finding.fault, FileFault::Unreadable(_));
        Ok(match &*answer.verified.findings {
            _ if fixed => DONE,
            [] => DONE,
            findings if findings.iter().all(unreadable) => FAILED,
            _ => FINDINGS,
        })
    }
}

/// The messages of a run.
#[derive(Default)]
struct Said {
    diagnostics: Vec<Diagnostic>,
    /// The first that reports missing permission: the files of a run by root are then unknown.
    denied: Option<Diagnostic>,
}

impl Reporter for Said {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.denied.is_none() && is_denied(&diagnostic) {
            self.denied = Some(diagnostic);
        } else {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// Compares with a new run.
fn full(options: &Options, said: &mut Said) -> Result<(Verified, usize), Stopped> {
    let stored = StoredFiles::read(options, &DiskSource);
    let (listed, indexed) = Run::new(options).make(said)?;
    let exists = |path: &[u8]| {
        let below = [&options.directory, &b"/"[..], path].concat();
        DiskSource.stat(if path.starts_with(b"/") { path } else { &below }).is_ok()
    };
    let verified = verify(&stored, &indexed.files, exists);
    let modules = listed.list.modules().len();
    // The process ends soon; freeing many small pieces of memory would take time.
    core::mem::forget((listed, indexed));
    Ok((verified, modules))
}

/// Verifies without reading modules.
fn quick(options: &Options, said: &mut Said) -> Result<(Verified, usize), Stopped> {
    // The files and the walk take about the same time.
    let stored = OnceLock::new();
    thread::scope(|scope| {
        let look =
            scope.spawn(|| QuickLook::new(stored.get_or_init(|| StoredFiles::read(options, &DiskSource))));
        let watch = Watch::new(options);
        let listed = run::run_with(options, &AnySource::new(&watch), &mut ListOnly(&watch), said)?.listed;
        for name in SIDE_FILES {
            watch.note(&options.path_of(name));
        }
        let files = Output::ALL
            .into_iter()
            .filter_map(|output| {
                Some((output, modified(&rustix::fs::stat(&*options.path_of(output.file_name())).ok()?)))
            })
            .collect();
        let times = Times::new(files).newest(watch.newest.into_inner());
        let modules = listed.list.modules().len();
        let look = look.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((look.finish(options, &listed, &times), modules))
    })
}

/// Time of modification, in nanoseconds since 1970.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the types differ by architecture")]
fn modified(stat: &rustix::fs::Stat) -> i128 {
    (stat.st_mtime as i128).saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i128)
}

/// The file system for one walk; it records the last changed path.
struct Watch<'o> {
    options: &'o Options,
    directories: Directories,
    newest: RefCell<Option<(BString, i128)>>,
}

impl<'o> Watch<'o> {
    fn new(options: &'o Options) -> Self {
        Self { options, directories: Directories::default(), newest: RefCell::default() }
    }

    fn note(&self, path: &[u8]) {
        let Ok(stat) = self.directories.status(path) else { return };
        let (time, mut newest) = (modified(&stat), self.newest.borrow_mut());
        if newest.as_ref().is_none_or(|(_, newest)| *newest < time) {
            *newest = Some((path.into(), time));
        }
    }
}

impl Source for Watch<'_> {
    type File = DiskFile;

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let entries = self.directories.list(dir)?;
        // Writing the index files changes the module directory itself.
        let configuration = self.options.config_paths.iter().any(|path| *path == dir);
        if dir != self.options.directory && !configuration {
            self.note(dir);
        }
        Ok(entries)
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        self.directories.stat(path)
    }

    fn open(&self, path: &[u8]) -> Result<DiskFile, IoError> {
        self.directories.open(path)
    }
}

/// Records the times of modules while their directory is open; loads none.
struct ListOnly<'w, 'o>(&'w Watch<'o>);

impl Hooks for ListOnly<'_, '_> {
    fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
        walk.inspect(|file| self.0.note(file.path())).collect()
    }

    fn listed(&mut self, _: &Listed, _: &mut dyn Reporter) -> Next {
        Next::Finish
    }

    fn load(&mut self, _: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        Ok(Vec::new())
    }
}

/// Whether a diagnostic reports missing permission.
fn is_denied(diagnostic: &Diagnostic) -> bool {
    const EPERM: i32 = 1;
    const EACCES: i32 = 13;
    match diagnostic {
        Diagnostic::LoadModule { cause, .. }
        | Diagnostic::Openat { cause, .. }
        | Diagnostic::Fstatat { cause, .. }
        | Diagnostic::OpenSideFile { cause, .. } => matches!(cause.errno(), Some(EPERM | EACCES)),
        _ => false,
    }
}

/// The result to show.
struct Answer<'a> {
    command: &'a Verify,
    options: &'a Options,
    verified: Verified,
    modules: usize,
    configuration: Vec<BString>,
    fixed: bool,
}

impl Answer<'_> {
    fn text(&self, out: &mut Out) {
        let style = Style::of_stdout();
        let (wrong, all) = (self.verified.wrong(), self.verified.files.len());
        let version = self.options.version.escape_ascii();
        out.line(match wrong.len() {
            0 => format!("{version}: {}", style.good("all index files are right")),
            1 => format!("{version}: {}", style.bad(&format!("1 of {all} index files is wrong"))),
            some => format!("{version}: {}", style.bad(&format!("{some} of {all} index files are wrong"))),
        });
        let what = match self.command.quick {
            true => "a quick look: form, agreement and times, no module read".to_owned(),
            false => format!("compared with what depmod makes of {}", plural(self.modules, "module")),
        };
        let names: Vec<String> =
            self.configuration.iter().map(|path| path.escape_ascii().to_string()).collect();
        let configuration = match &*names {
            [] => "no configuration".to_owned(),
            names => format!("configuration {}", names.join(", ")),
        };
        out.line(style.dim(&format!("{what}; {configuration}")));
        for file in wrong {
            out.line("");
            out.line(style.title(file.file_name()));
            for line in self.lines(file) {
                out.line(format!("  {line}"));
            }
            for damage in self.verified.damage.iter().filter(|damage| damage.file == file) {
                out.line(format!("  {} {damage}", style.bad("breaks:")));
            }
        }
        if self.command.long {
            out.line("");
            self.files(out);
        }
        if self.fixed {
            out.line("");
            out.line(style.good("all index files were made anew"));
        } else if !self.verified.findings.is_empty() {
            out.hint("depmod verify --fix, with the same options, makes all index files anew");
        }
    }

    /// The findings of one file; many entries in one line, except with `--long`.
    fn lines(&self, file: Output) -> Vec<String> {
        const SHOWN: usize = 3;
        let findings = || self.verified.findings.iter().filter(move |finding| finding.file == file);
        // There are few kinds.
        let mut kinds: Vec<(&str, Vec<&FileFinding>)> = Vec::new();
        for finding in findings() {
            match kinds.iter_mut().find(|(kind, _)| *kind == finding.kind()) {
                Some((_, group)) => group.push(finding),
                None => kinds.push((finding.kind(), vec![finding])),
            }
        }
        let mut lines = Vec::new();
        for finding in findings() {
            let Some(at) = kinds.iter().position(|(kind, _)| *kind == finding.kind()) else { continue };
            if kinds[at].1.len() <= SHOWN || self.command.long {
                lines.push(finding.fault.to_string());
                if self.command.long {
                    lines.extend(entries(&finding.fault));
                }
            } else {
                lines.push(together(&kinds.swap_remove(at).1));
            }
        }
        lines
    }

    fn files(&self, out: &mut Out) {
        for file in &self.verified.files {
            let size = file.size.map_or_else(|| "-".into(), |size| Count(size).to_string());
            let layout = match file.layout {
                None => "",
                Some(Layout::PreOrder) => "layout of kmod 34 and later",
                Some(Layout::PostOrder) => "layout of kmod up to 33",
            };
            let line = format!("{:26}{size:>12}  {layout}", file.file.file_name());
            out.line(line.trim_end());
        }
    }

    fn json(&self) -> Value {
        let mut answer = json::answer("verify", Some(&self.options.version));
        json::text(&mut answer, "directory", &self.options.directory);
        answer.insert("quick".into(), json!(self.command.quick));
        let mut configuration = self.configuration.iter().map(|path| path.as_slice());
        json::texts(&mut answer, "configuration", &mut configuration);
        answer.insert("modules".into(), json!(self.modules));
        answer.insert("right".into(), json!(self.verified.findings.is_empty()));
        answer.insert("fixed".into(), json!(self.fixed));
        answer.insert("findings".into(), self.verified.findings.iter().map(finding).collect());
        answer.insert("damage".into(), self.verified.damage.iter().map(damage).collect());
        let file = |file: &depmod_core::parts::answer::VerifiedFile| {
            json!({
                "file": file.file.file_name(),
                "size": file.size,
                "layout": file.layout.map(|layout| match layout {
                    Layout::PreOrder => "pre-order",
                    Layout::PostOrder => "post-order",
                }),
            })
        };
        answer.insert("files".into(), self.verified.files.iter().map(file).collect());
        Value::Object(answer)
    }
}

/// All entries of a finding.
fn entries(fault: &FileFault) -> Vec<String> {
    match fault {
        FileFault::Differs { lacks, extra, .. } if lacks.len() + extra.len() > 1 => {
            let lacks = lacks.iter().map(|entry| format!("  - {}", entry.escape_ascii()));
            let extra = extra.iter().map(|entry| format!("  + {}", entry.escape_ascii()));
            lacks.chain(extra).collect()
        }
        _ => Vec::new(),
    }
}

/// Many findings of one kind and file.
fn together(group: &[&FileFinding]) -> String {
    let (mut lacking, mut spare) = (0, 0);
    let mut names: Vec<&[u8]> = Vec::new();
    let mut missing_files: Vec<&[u8]> = Vec::new();
    for finding in group {
        match &finding.fault {
            FileFault::Differs { module, lacks, extra } => {
                lacking += lacks.len();
                spare += extra.len();
                names.push(module);
            }
            FileFault::NoFile { path } => missing_files.push(path),
            _ => {}
        }
    }
    let (lacks, extra) = (Count(lacking), Count(spare));
    let modules = || format!("{}: {}", plural(names.len(), "module"), some_names(names.iter().copied()));
    match (lacking, spare) {
        _ if !missing_files.is_empty() => format!(
            "names {} files that do not exist: {}",
            Count(missing_files.len()),
            some_names(missing_files.iter().copied())
        ),
        (0, 0) => format!("{} places: the first {}", Count(group.len()), group[0].fault),
        (0, _) => format!("has {extra} entries too many, of {}", modules()),
        (_, 0) => format!("lacks {lacks} entries, of {}", modules()),
        _ => format!("differs: lacks {lacks} entries, has {extra} too many, of {}", modules()),
    }
}

fn finding(finding: &FileFinding) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), json!(finding.kind()));
    object.insert("file".into(), json!(finding.file.file_name()));
    for (name, value) in [("module", finding.module()), ("symbol", finding.symbol())] {
        match value {
            Some(value) => json::text(&mut object, name, value),
            None => {
                object.insert(name.into(), Value::Null);
            }
        }
    }
    match &finding.fault {
        FileFault::Differs { lacks, extra, .. } => {
            for (name, entries) in [("lacks", lacks), ("extra", extra)] {
                json::texts(&mut object, name, &mut entries.iter().map(|entry| entry.as_slice()));
            }
        }
        FileFault::NoFile { path } => json::text(&mut object, "path", path),
        FileFault::Cut { offset } | FileFault::BadLine { offset } | FileFault::Trailing { offset, .. } => {
            object.insert("offset".into(), json!(offset));
        }
        FileFault::Corrupt(depmod_core::IndexError::Corrupt { offset, .. }) => {
            object.insert("offset".into(), json!(offset));
        }
        _ => {}
    }
    let message = format!("{} {}", finding.file.file_name(), finding.fault);
    object.insert("message".into(), json!(message));
    Value::Object(object)
}

fn damage(damage: &Damage) -> Value {
    let mut object = Map::new();
    object.insert("file".into(), json!(damage.file.file_name()));
    object.insert("entries".into(), json!(damage.entries));
    object.insert("devices".into(), json!(damage.devices));
    json::texts(&mut object, "modules", &mut damage.modules.iter().map(|name| name.as_slice()));
    object.insert("message".into(), json!(damage.to_string()));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Verify::command().debug_assert();
    }
}
