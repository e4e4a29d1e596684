//! `--keep-going`: an index of the modules that are right, without the others.
//!
//! A module that cannot be read, or that is in a dependency cycle, is left out, and so is every module that needs
//! it. The result is that of a run on a module directory without their files:
//!
//! ```text
//! a.ko   is cut                      left out: could not be read
//! b.ko   depends=a                   left out: needs a, which could not be read
//! c.ko   depends=b                   left out: needs b, which is left out
//! d.ko   needs a symbol of e.ko      left out: is in a dependency cycle
//! e.ko   needs a symbol of d.ko      left out: is in a dependency cycle
//! f.ko   depends=g                   stays
//! ```
//!
//! Stages begin again with a new list after every step, because another file with the name of a module that is left
//! out takes its place, and the modules that need it stay. Symbols of an unreadable module are not known; what
//! needs it is known from `depends=` in the modules' `.modinfo`.

use alloc::{collections::BTreeSet, vec::Vec};
use core::{fmt, mem};

use bstr::BString;

use crate::{
    diagnostic::Reporter,
    list::{ModuleFile, ModuleList},
    name::module_name,
    options::{Options, Selection, Unresolved},
    parse::module::{Facts, ModinfoKey},
    resolve::{self, DependencyGraph, TopologicalOrder},
    run::{self, Listed, Load, Next},
    source::IoError,
};

/// A module that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: BString,
    /// The path of its file.
    pub path: BString,
    /// The reason.
    pub reason: Omission,
}

/// The reason for leaving a module out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Omission {
    /// The file is no usable module.
    Unreadable(IoError),
    /// It needs itself.
    Cycle,
    /// It needs a module that is left out.
    Needs {
        /// The name of that module.
        module: BString,
        /// Why it is left out.
        reason: NeedOmission,
    },
}

/// The reason for leaving out a needed module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedOmission {
    /// The file is no usable module.
    Unreadable,
    /// It needs itself.
    Cycle,
    /// It needs a module that is left out.
    Needs,
}

impl Omission {
    /// The kind of reason, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Cycle => "cycle",
            Self::Needs { .. } => "needs",
        }
    }

    fn of_need(&self) -> NeedOmission {
        match self {
            Self::Unreadable(_) => NeedOmission::Unreadable,
            Self::Cycle => NeedOmission::Cycle,
            Self::Needs { .. } => NeedOmission::Needs,
        }
    }
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => f.write_str("could not be read"),
            Self::Cycle => f.write_str("is in a dependency cycle"),
            Self::Needs { module, reason } => write!(
                f,
                "needs {module}, which {}",
                match reason {
                    NeedOmission::Unreadable => "could not be read",
                    NeedOmission::Cycle => "is in a dependency cycle",
                    NeedOmission::Needs => "is left out",
                }
            ),
        }
    }
}

/// The modules that a run leaves out. A host's [`Hooks`](crate::parts::run::Hooks) ask it for each file that the
/// walk finds, and for each list of loaded modules, which have all [details](crate::parts::parse::module::Detail).
#[derive(Debug, Default)]
pub struct KeepGoing {
    left_out: Vec<LeftOut>,
    /// Path and direct dependencies of each module when a cycle was found, in list order.
    needs: Vec<(BString, Vec<BString>)>,
    /// Path and facts of each module in an earlier attempt, in list order.
    loaded: Vec<(BString, Load)>,
}

impl KeepGoing {
    /// The modules that are left out so far, in the order of the attempts and of their lists.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Whether a file is left out.
    #[must_use]
    pub fn omits(&self, file: &ModuleFile) -> bool {
        self.left_out.iter().any(|left_out| left_out.path == file.path())
    }

    /// The modules of a list, if all of them were loaded in the earlier attempt. They are in the same order then.
    #[must_use]
    pub fn loaded_before(&mut self, list: &ModuleList) -> Option<Vec<Load>> {
        let mut loaded = mem::take(&mut self.loaded).into_iter();
        if self.left_out.is_empty() {
            return None;
        }
        let load = |file: &ModuleFile| loaded.find(|(path, _)| *path == file.path()).map(|(_, load)| load);
        list.modules().iter().map(load).collect()
    }

    /// Looks for modules to leave out, and reports why as kmod would. If there are any, stages begin again without
    /// them. Named files are never left out.
    pub fn check(
        &mut self,
        options: &Options,
        listed: &Listed,
        loads: &mut Vec<Load>,
        reporter: &mut dyn Reporter,
    ) -> Next {
        if options.selection != Selection::All {
            return Next::Continue;
        }
        let files = listed.list.modules();
        let mut new = unreadable(files, loads, reporter);
        if new.is_empty() {
            new = self.dependants(files, loads);
        }
        if new.is_empty() {
            new = self.cycles(options, listed, loads, reporter);
        }
        if new.is_empty() {
            return Next::Continue;
        }
        self.left_out.extend(new);
        let paths = files.iter().map(|file| BString::from(file.path()));
        self.loaded = paths.zip(mem::take(loads)).collect();
        Next::ListAgain
    }

    /// The modules that need one that is left out, if no other file has its name.
    fn dependants(&self, files: &[ModuleFile], loads: &[Load]) -> Vec<LeftOut> {
        let present: BTreeSet<&[u8]> = files.iter().map(ModuleFile::name).collect();
        let omitted = |module: BString| {
            let absent = self.left_out.iter().find(|left_out| left_out.name == module)?;
            let reason = absent.reason.of_need();
            (!present.contains(module.as_slice())).then_some(Omission::Needs { module, reason })
        };
        let mut new = Vec::new();
        // Both are in the order of the list.
        let mut linked = self.needs.as_slice();
        for (file, load) in files.iter().zip(loads) {
            let mut needs: Vec<BString> = load.iter().flat_map(depends).collect();
            if let Some(at) = linked.iter().position(|(path, _)| *path == file.path())
                && let Some([(_, names), rest @ ..]) = linked.get(at..)
            {
                needs.extend(names.iter().cloned());
                linked = rest;
            }
            if let Some(reason) = needs.into_iter().find_map(omitted) {
                new.push(left_out(file, reason));
            }
        }
        new
    }

    /// The modules in dependency cycles.
    fn cycles(
        &mut self,
        options: &Options,
        listed: &Listed,
        loads: &mut Vec<Load>,
        reporter: &mut dyn Reporter,
    ) -> Vec<LeftOut> {
        // Symbols without a provider are reported once all modules that are left out are known.
        let options = options.clone().unresolved(Unresolved::Ignore).trace_links(false);
        // There are no errors any more.
        let facts: Vec<Option<Facts>> = mem::take(loads).into_iter().map(Result::ok).collect();
        let symbols = listed.symbols(&options, &facts);
        let graph = resolve::resolve(&options, &listed.list, &facts, &symbols, reporter).graph;
        let files = listed.list.modules();
        let members = members(&graph);
        if !members.is_empty() {
            self.needs = files
                .iter()
                .zip(graph.modules())
                .map(|(file, module)| needs(files, &graph, file, module))
                .collect();
        }
        drop(symbols);
        *loads = facts.into_iter().flatten().map(Ok).collect();
        let cyclic = files.iter().zip(graph.modules()).filter(|(_, module)| members.contains(module));
        cyclic.map(|(file, _)| left_out(file, Omission::Cycle)).collect()
    }
}

fn left_out(file: &ModuleFile, reason: Omission) -> LeftOut {
    LeftOut { name: file.name().into(), path: file.path().into(), reason }
}

/// The modules without usable facts; their defects are reported.
fn unreadable(files: &[ModuleFile], loads: &[Load], reporter: &mut dyn Reporter) -> Vec<LeftOut> {
    let mut new = Vec::new();
    for (file, load) in files.iter().zip(loads) {
        let cause = match load {
            Ok(facts) if !facts.exports_invalid() => continue,
            Ok(_) => IoError::invalid(),
            Err(error) => error.cause(),
        };
        run::report_unreadable(reporter, file.path(), load);
        new.push(left_out(file, Omission::Unreadable(cause)));
    }
    new
}

/// The names in `depends=`.
fn depends(facts: &Facts) -> impl Iterator<Item = BString> {
    let names = facts.values(ModinfoKey::Depends).flat_map(|list| list.split(|&byte| byte == b','));
    names.filter(|name| !name.is_empty()).map(|name| module_name(name).collect::<Vec<u8>>().into())
}

/// The members of dependency cycles.
fn members(graph: &DependencyGraph) -> Vec<resolve::ModuleIndex> {
    let unnumbered = TopologicalOrder::new(graph).err().unwrap_or_default();
    resolve::report_components(graph, &unnumbered, usize::MAX).cycles.into_iter().flatten().collect()
}

/// The path of a module, and the names of the modules that it needs.
fn needs(
    files: &[ModuleFile],
    graph: &DependencyGraph,
    file: &ModuleFile,
    module: resolve::ModuleIndex,
) -> (BString, Vec<BString>) {
    let name = |&needed: &resolve::ModuleIndex| Some(files.get(usize::try_from(needed).ok()?)?.name().into());
    (file.path().into(), graph.dependencies(module).iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decompress::PureDecoder,
        diagnostic::{Diagnostic, Stopped},
        limits::Limits,
        output::IndexFiles,
        parse::module::{Detail, examples::module},
        run::{Hooks, InTurn, run_with},
        source::{FaultySource, MemorySource, Source},
    };
    use alloc::string::{String, ToString};

    struct Keeping<'h, S> {
        in_turn: InTurn<'h, S>,
        options: &'h Options,
        keep_going: KeepGoing,
    }

    impl<S: Source> Hooks for Keeping<'_, S> {
        fn find(&mut self, walk: &mut dyn Iterator<Item = ModuleFile>) -> Vec<ModuleFile> {
            walk.filter(|file| !self.keep_going.omits(file)).collect()
        }

        fn load(&mut self, list: &ModuleList) -> Result<Vec<Load>, Diagnostic> {
            self.keep_going.loaded_before(list).map_or_else(|| self.in_turn.load(list), Ok)
        }

        fn loaded(&mut self, listed: &Listed, loads: &mut Vec<Load>, reporter: &mut dyn Reporter) -> Next {
            self.keep_going.check(self.options, listed, loads, reporter)
        }
    }

    fn source(modules: &[(&str, Vec<u8>)]) -> MemorySource {
        let mut source = MemorySource::new();
        source.insert(b"/m/modules.order", *b"k/a.ko\nk/c.ko\n");
        modules.iter().for_each(|(path, bytes)| source.insert(path.as_bytes(), bytes.clone()));
        source
    }

    fn kernel() -> Vec<(&'static str, Vec<u8>)> {
        Vec::from([
            ("/m/k/a.ko", module(&["a"], &["b"], &["depends=b"])),
            ("/m/k/b.ko", module(&["b"], &["a"], &["depends=a"])),
            ("/m/k/bad.ko", b"#!/bin/sh\n".to_vec()),
            ("/m/k/c.ko", module(&["c"], &["a"], &[])),
            ("/m/k/d.ko", module(&["d"], &["e"], &["depends=e", "alias=d"])),
            ("/m/k/e.ko", module(&["e"], &[], &["depends="])),
            ("/m/k/f.ko", module(&["f"], &[], &["depends=e,bad"])),
        ])
    }

    fn run<S: Source>(source: &S, options: &Options) -> (Result<IndexFiles, Stopped>, Vec<String>) {
        let mut decoder = PureDecoder::default();
        let in_turn = InTurn::new(source, &mut decoder, &options.limits).detail(Detail::Full);
        let mut hooks = Keeping { in_turn, options, keep_going: KeepGoing::default() };
        let outcome = run_with(options, source, &mut hooks, &mut ());
        let left_out = hooks.keep_going.left_out().iter();
        let lines = left_out.map(|left_out| alloc::format!("{} {}", left_out.name, left_out.reason));
        (outcome.map(|outcome| outcome.indexed.unwrap().files), lines.collect())
    }

    #[test]
    fn the_rest_is_indexed_as_without_the_modules_left_out() {
        let options = Options::new("/m", "6.1");
        let kernel = kernel();
        let (files, left_out) = run(&source(&kernel), &options);
        assert_eq!(
            left_out,
            [
                "bad could not be read",
                "f needs bad, which could not be read",
                "a is in a dependency cycle",
                "b is in a dependency cycle",
                "c needs a, which is in a dependency cycle",
            ]
        );
        assert_eq!(files, run::run(&options, &source(&kernel[4..6]), &mut ()));
        assert_eq!(run(&source(&kernel[4..6]), &options), (files, Vec::new()));
    }

    #[test]
    fn named_files_are_not_left_out() {
        let options =
            Options::new("/m", "6.1").selection(Selection::Files(Vec::from(["/m/k/bad.ko".into()])));
        let (files, left_out) = run(&source(&kernel()), &options);
        assert_eq!(
            (files.unwrap().get(crate::output::Output::Dep), left_out),
            (&b"k/bad.ko:\n"[..], Vec::new())
        );
    }

    #[test]
    fn faults_of_the_machine_end_the_run() {
        let (source, options) = (source(&kernel()), Options::new("/m", "6.1").limits(Limits::DEFAULT));
        let counting = FaultySource::counting(&source);
        let (files, _) = run(&counting, &options);
        assert!(files.is_ok() && counting.calls() > 20);
        for call in 0..counting.calls() {
            let faulty = FaultySource::new(&source, call, IoError::no_memory());
            let stopped = run(&faulty, &options).0.expect_err("a fault ends the run");
            assert!(stopped.to_string().contains("Cannot allocate memory"), "call {call}: {stopped}");
        }
    }
}
