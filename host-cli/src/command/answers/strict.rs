//! `--strict`: checks of whether modules will load, as part of a classic run or for single files.
//!
//! ```text
//! 6.1.0-50-amd64: 2 causes, 219 findings in 218 of 4,230 modules
//!   crc         217 modules were built for another kernel (first: extra/zfs.ko): module_layout 0x…, not 0x…
//!   unresolved  kernel/net/x.ko needs foo_bar, which nobody provides
//! kernel symbols: 10,487 from /boot/vmlinuz-6.1.0-50-amd64
//! ```

use core::num::NonZero;
use std::cell::RefCell;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::thread;

use bstr::BString;
use depmod_core::parts::answer::{
    Cause, Count, ExportedBy, ExportsFile, FoundExports, KernelPlace, LeftOut, LoadFinding, Modules,
    NotChecked, Verdict, find_kernel_exports, strict,
};
use depmod_core::parts::list::config::Config;
use depmod_core::parts::list::{ModuleFile, ModuleList};
use depmod_core::parts::parse::module::Detail;
use depmod_core::parts::run::{self, Hooks, Listed, Load, Next};
use depmod_core::{Diagnostic, Options, Reporter, Selection, Severity, Stopped};
use serde_json::{Map, Value, json};

use super::keep_going::{self, Kept, keep_going};
use super::style::{Style, plural};
use super::{Failure, Format, Out, json, versions};
use crate::codecs::HostDecoder;
use crate::command::checks::Strict;
use crate::command::index::index;
use crate::command::report::{Report, say};
use crate::command::settings::{Mode, Settings, Target};
use crate::command::status::{DONE, FAILED, FINDINGS};
use crate::run::{Progress, Run};
use crate::source::DiskSource;
use crate::threads::Threads;

impl Strict {
    /// Executes the run, or checks the named files; returns the exit status.
    ///
    /// # Errors
    /// When the run failed. Findings are shown nevertheless.
    pub(in crate::command) fn run(
        &self,
        settings: &Settings,
        report: &mut Report,
        progress: &dyn Progress,
    ) -> Result<u8, Stopped> {
        let options = settings.options();
        // The image is decoded while modules are read.
        thread::scope(|scope| {
            let kernel = scope.spawn(|| kernel_exports(&settings.target, &options));
            let kernel = RefCell::new(Some(kernel));
            let kernel = || {
                let thread = kernel.borrow_mut().take();
                thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
            };
            if settings.mode == Mode::Files {
                let answer = self.ask(settings, &options, &kernel, report)?;
                return Ok(answer.map_or(FAILED, |answer| self.tell(settings, &answer, &[])));
            }
            let answer = RefCell::new(None);
            let inspect = |list: &ModuleList, found: &[ModuleFile], loads: &[Load]| {
                let shadowed = shadowed(&options, list.modules(), found);
                let modules = Modules::new(&options.version, list.modules(), loads).shadowed(&shadowed);
                *answer.borrow_mut() = Some(self.judge(&modules, kernel()));
            };
            let run = Run::new(&options)
                .output(&settings.target.outdirname)
                .jobs(settings.jobs)
                .progress(progress)
                .inspect(&inspect);
            let done = match settings.keep_going {
                true => keep_going(run, settings, report),
                false => index(run, settings, report).map(|status| Kept { status, left_out: Vec::new() }),
            };
            let left_out = done.as_ref().map_or(&[][..], |done| &*done.left_out);
            let status =
                answer.borrow().as_ref().map_or(FAILED, |answer| self.tell(settings, answer, left_out));
            done.map(|done| if done.status == DONE { status } else { done.status })
        })
    }

    /// Checks whether files will load on a kernel.
    fn ask(
        &self,
        settings: &Settings,
        options: &Options,
        kernel: &dyn Fn() -> FoundExports,
        report: &mut Report,
    ) -> Result<Option<Answer>, Stopped> {
        if let Err(Failure::Because(why)) = versions::check(&settings.target) {
            report.line(Severity::Fatal, why.as_bytes());
            return Ok(None);
        }
        let absolute = |path: &Vec<u8>| -> BString {
            match std::env::current_dir() {
                Ok(dir) if !path.starts_with(b"/") => {
                    [dir.into_os_string().into_vec(), path.clone()].join(&b'/')
                }
                _ => path.clone(),
            }
            .into()
        };
        let files = Selection::Files(settings.files.iter().map(absolute).collect());
        let options = options.clone().kernel_symbols(None);
        let (all, all_loads) = load_all(&options.clone().selection(Selection::All), settings.jobs, report)?;
        // Messages about the module directory have been reported.
        let (named, named_loads) = match load_all(&options.selection(files), settings.jobs, &mut ()) {
            Ok(loaded) => loaded,
            Err(stopped) => {
                return match stopped.diagnostic() {
                    // The classic run has kmod's words for it.
                    Diagnostic::CreateModule { path, cause } => {
                        let text = format!("cannot read {}: {cause}", path.escape_ascii());
                        report.line(Severity::Fatal, text.as_bytes());
                        Ok(None)
                    }
                    other => Err(report.stop(other.clone())),
                };
            }
        };
        let asked = named.modules().len();
        let mut files = named.modules().to_vec();
        let mut loads = named_loads;
        for (file, load) in all.modules().iter().zip(all_loads) {
            // A named file replaces the module of its name.
            if !named.modules().iter().any(|named| named.name() == file.name()) {
                files.push(file.clone());
                loads.push(load);
            }
        }
        let version = &settings.target.version;
        let modules = Modules::new(version, &files, &loads).asked(asked);
        Ok(Some(self.judge(&modules, kernel())))
    }

    fn judge(&self, modules: &Modules<'_>, kernel: FoundExports) -> Answer {
        let exports = kernel.exports.as_ref().map(|(exports, _)| exports);
        let verdict = strict(modules, exports, &self.checks.checks);
        Answer { verdict, kernel }
    }

    /// Shows the answer; returns the exit status.
    fn tell(&self, settings: &Settings, answer: &Answer, left_out: &[LeftOut]) -> u8 {
        let mut out = Out::new();
        let version = &settings.target.version;
        match self.format {
            Format::Json => {
                let mut object = self.json(version, answer);
                if settings.keep_going {
                    object.insert("left_out".into(), left_out.iter().map(keep_going::of_left_out).collect());
                }
                out.json(&Value::Object(object));
            }
            Format::Text => {
                let paint = match settings.show {
                    true => Style::new(settings.color, &std::io::stderr()),
                    false => Style::new(settings.color, &std::io::stdout()),
                };
                let text = self.text(version, answer, paint);
                // Standard output is for the text files.
                if settings.show {
                    // A closed pipe is not an error.
                    let _ = std::io::stderr().write_all(&text);
                } else {
                    out.bytes(&text);
                }
            }
        }
        if let Err(why) = out.finish() {
            say(Severity::Fatal, &why.to_string());
            return FAILED;
        }
        match answer {
            Answer { verdict, .. } if !verdict.causes.is_empty() => FINDINGS,
            // An omitted check that was asked for is not a success.
            Answer { verdict, .. }
                if self.checks.named && verdict.not_checked.iter().any(|gap| !gap.why.is_partial()) =>
            {
                FAILED
            }
            Answer { kernel, .. } if settings.has_named_symbols() && kernel.exports.is_none() => FAILED,
            _ => DONE,
        }
    }

    fn text(&self, version: &[u8], answer: &Answer, paint: Style) -> Vec<u8> {
        let Answer { verdict, kernel } = answer;
        let painted = match summary(verdict) {
            summary if !verdict.causes.is_empty() => paint.bad(&summary),
            summary if !verdict.not_checked.is_empty() => paint.incomplete(&summary),
            summary => paint.good(&summary),
        };
        let mut lines = vec![format!("{}: {}", Harmless(version), painted)];
        for cause in &verdict.causes {
            let check = cause.explanation.check().name();
            lines.push(format!("  {}  {cause}", paint.bad(&format!("{check:10}"))));
            if self.long {
                for finding in &cause.findings {
                    lines.push(format!("                {}: {}", Harmless(&finding.file), finding.fault));
                }
            }
        }
        for NotChecked { check, why } in &verdict.not_checked {
            let gap = NotChecked { check: *check, why: *why };
            lines
                .push(format!("  {}  not checked: {gap}", paint.incomplete(&format!("{:10}", check.name()))));
        }
        for (file, why) in &kernel.refused {
            lines.push(format!("no kernel symbols from {}: {why}", Harmless(file.path())));
        }
        match &kernel.exports {
            Some((exports, file)) => {
                lines.push(format!(
                    "kernel symbols: {} from {}",
                    Count(exports.len()),
                    Harmless(file.path())
                ));
            }
            None if kernel.refused.is_empty() => {
                let release = Harmless(version);
                lines.push(format!(
                    "no kernel symbols: there is no boot/vmlinuz-{release}, and nothing in its place"
                ));
            }
            None => {}
        }
        let mut text = lines.join("\n").into_bytes();
        text.push(b'\n');
        text
    }

    fn json(&self, version: &[u8], answer: &Answer) -> Map<String, Value> {
        let Answer { verdict, kernel } = answer;
        let mut object = json::answer("strict", Some(version));
        object.insert("modules".into(), json!(verdict.modules));
        object.insert("checks".into(), self.checks.checks.iter().map(|check| check.name()).collect());
        let symbols = kernel.exports.as_ref().map(|(exports, file)| {
            let mut object = of_file(file);
            object.insert("count".into(), json!(exports.len()));
            Value::Object(object)
        });
        object.insert("kernel_symbols".into(), symbols.unwrap_or(Value::Null));
        let refused = kernel.refused.iter().map(|(file, why)| {
            let mut object = of_file(file);
            object.insert("message".into(), json!(why));
            Value::Object(object)
        });
        object.insert("refused".into(), refused.collect());
        let not_checked = verdict.not_checked.iter().map(
            |gap| json!({ "kind": gap.check.name(), "partial": gap.why.is_partial(), "message": gap.to_string() }),
        );
        object.insert("not_checked".into(), not_checked.collect());
        object.insert("causes".into(), verdict.causes.iter().map(of_cause).collect());
        let findings = verdict.findings().map(|(number, finding)| of_finding(number, finding));
        object.insert("findings".into(), findings.collect());
        object
    }
}

/// Loads modules only.
struct LoadOnly<'t> {
    threads: Threads<'t, DiskSource>,
    loads: Vec<Load>,
}

impl Hooks for LoadOnly<'_> {
    fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
        self.threads.find(walk)
    }

    fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
        self.threads.load(list)
    }

    fn loaded(&mut self, _: &Listed, loads: &mut Vec<Load>, _: &mut dyn Reporter) -> Next {
        self.loads = std::mem::take(loads);
        Next::Finish
    }
}

/// The result of the checks.
struct Answer {
    verdict: Verdict,
    kernel: FoundExports,
}

/// The modules of a run, loaded with details.
pub(super) fn load_all(
    options: &Options,
    jobs: NonZero<usize>,
    reporter: &mut dyn Reporter,
) -> Result<(ModuleList, Vec<Load>), Stopped> {
    let threads = Threads::new(&DiskSource, &options.limits, jobs);
    let mut hooks = LoadOnly { threads: threads.detail(Detail::Full), loads: Vec::new() };
    let outcome = run::run_with(options, &DiskSource, &mut hooks, reporter)?;
    Ok((outcome.listed.list, hooks.loads))
}

/// The exports of a module directory's kernel.
pub(super) fn kernel_exports(target: &Target, options: &Options) -> FoundExports {
    let place = KernelPlace::new(&target.base, &target.dirname, &target.version);
    let mut decoder = HostDecoder::default();
    find_kernel_exports(&DiskSource, place, options.kernel_symbols.as_ref(), &mut decoder, &options.limits)
}

/// Files with the name of one in the list, without a preference in the configuration.
fn shadowed(options: &Options, list: &[ModuleFile], found: &[ModuleFile]) -> Vec<ModuleFile> {
    if found.len() <= list.len() {
        return Vec::new();
    }
    // A fault of the machine has already ended the run.
    let Ok(config) =
        Config::load(&DiskSource, &options.config_paths, &options.version, &options.limits, &mut ())
    else {
        return Vec::new();
    };
    let winners: std::collections::HashMap<&[u8], &ModuleFile> =
        list.iter().map(|file| (file.name(), file)).collect();
    let prefers = |one: &ModuleFile, other: &ModuleFile| {
        config.prefer_new(&options.directory, one.path(), other.path())
    };
    let tied = |file: &&ModuleFile| {
        winners.get(file.name()).is_some_and(|winner| {
            winner.path() != file.path() && prefers(winner, file) == prefers(file, winner)
        })
    };
    found.iter().filter(tied).cloned().collect()
}

fn summary(verdict: &Verdict) -> String {
    let Verdict { causes, not_checked, modules } = verdict;
    let modules = plural(*modules, "module");
    if causes.is_empty() {
        let but = if not_checked.is_empty() { "" } else { " in what could be checked" };
        return format!("{modules}, nothing found{but}");
    }
    let findings = verdict.findings().count();
    let files: std::collections::HashSet<_> = verdict.findings().map(|(_, finding)| &finding.file).collect();
    let (causes, findings) = (plural(causes.len(), "cause"), plural(findings, "finding"));
    format!("{causes}, {findings} in {} of {modules}", files.len())
}

fn of_file(file: &ExportsFile) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("kind".into(), json!(file.kind()));
    json::text(&mut object, "file", file.path());
    object
}

fn of_cause(cause: &Cause) -> Value {
    json!({
        "kind": cause.explanation.check().name(),
        "message": cause.to_string(),
        "modules": cause.modules(),
        "findings": cause.findings.len(),
    })
}

fn of_finding(cause: usize, finding: &LoadFinding) -> Value {
    use depmod_core::parts::answer::LoadFault;

    let mut object = Map::new();
    object.insert("kind".into(), json!(finding.check().name()));
    object.insert("cause".into(), json!(cause));
    json::text(&mut object, "file", &finding.file);
    json::text(&mut object, "module", &finding.module);
    if let Some(symbol) = finding.symbol() {
        json::text(&mut object, "symbol", symbol);
    }
    match finding.provider() {
        Some(ExportedBy::Module(path)) => json::text(&mut object, "provider", path),
        Some(ExportedBy::Kernel) => json::text(&mut object, "provider", b"vmlinux"),
        _ => {}
    }
    match &finding.fault {
        LoadFault::Crc { needed, provided, .. } => {
            object.insert("needed_crc".into(), json!(format!("{needed:#010x}")));
            object.insert("provided_crc".into(), json!(format!("{provided:#010x}")));
        }
        LoadFault::Vermagic { found, expected } => {
            json::text(&mut object, "found", found);
            json::text(&mut object, "expected", expected);
        }
        LoadFault::GplOnly { license, .. } => json::text(&mut object, "license", license),
        LoadFault::Namespace { namespace, .. } => json::text(&mut object, "namespace", namespace),
        LoadFault::DuplicateFile { other } => json::text(&mut object, "other", other),
        LoadFault::Cycle { modules } => {
            json::texts(&mut object, "modules", &mut modules.iter().map(|name| name.as_slice()));
        }
        _ => {}
    }
    object.insert("message".into(), json!(finding.fault.to_string()));
    Value::Object(object)
}

/// Bytes that are harmless on a terminal.
struct Harmless<'t>(&'t [u8]);

impl core::fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        use core::fmt::Write;

        let text = String::from_utf8_lossy(self.0);
        text.chars().try_for_each(|c| f.write_char(if c.is_control() { '?' } else { c }))
    }
}
