//! The checks, module by module.

use alloc::{string::ToString, vec::Vec};

use bstr::BString;
use hashbrown::HashMap;

use super::{
    Cause, Check, Explanation, ExportedBy, Gap, LoadFault, LoadFinding, Modules, NotChecked, Verdict,
    exporters::{Exporter, Exporters, Twice, needed_name},
    group::Causes,
};
use crate::sort::sort_by;
use crate::{
    diagnostic::Chain,
    list::ModuleFile,
    parse::{
        kernel::KernelExports,
        module::{Facts, ModinfoKey, Need},
    },
    resolve::{DependencyGraph, ModuleIndex, TopologicalOrder, report_components},
};

/// Checks modules.
#[must_use]
pub fn strict(modules: &Modules<'_>, kernel: Option<&KernelExports>, checks: &[Check]) -> Verdict {
    let facts: Vec<Option<&Facts>> = modules.loads.iter().map(|load| load.as_ref().ok()).collect();
    let exporters = Exporters::new(kernel, &facts);
    let mut judge = Judge {
        modules,
        kernel,
        checks,
        facts: &facts,
        exporters: &exporters,
        by_name: (0..).zip(modules.files).map(|(number, file)| (file.name(), number)).collect(),
        votes: HashMap::new(),
        vermagic: BString::default(),
        graph: DependencyGraph::default(),
        causes: Causes::default(),
    };
    judge.vermagic = judge.expected_vermagic();
    judge.vote();
    for number in (0..).take(modules.files.len()) {
        judge.module(number);
    }
    judge.cycles();
    judge.duplicates();
    let judged = modules.asked.min(modules.files.len());
    let causes: Vec<Cause> = core::mem::take(&mut judge.causes).sorted();
    Verdict { causes, not_checked: judge.not_checked(), modules: judged }
}

/// A version of a symbol, and the number of modules that need it.
struct Vote {
    crc: u64,
    count: usize,
}

struct Judge<'a> {
    modules: &'a Modules<'a>,
    kernel: Option<&'a KernelExports>,
    checks: &'a [Check],
    facts: &'a [Option<&'a Facts>],
    exporters: &'a Exporters<'a>,
    by_name: HashMap<&'a [u8], ModuleIndex>,
    /// For symbols of the kernel without known versions.
    votes: HashMap<&'a [u8], Vec<Vote>>,
    /// The kernel's version magic, read or inferred.
    vermagic: BString,
    graph: DependencyGraph,
    causes: Causes,
}

impl<'a> Judge<'a> {
    fn file(&self, number: ModuleIndex) -> Option<&'a ModuleFile> {
        self.modules.files.get(usize::try_from(number).ok()?)
    }

    fn facts(&self, number: ModuleIndex) -> Option<&'a Facts> {
        self.facts.get(usize::try_from(number).ok()?).copied().flatten()
    }

    /// Whether this module is to be checked.
    fn is_asked(&self, number: ModuleIndex) -> bool {
        usize::try_from(number).is_ok_and(|number| number < self.modules.asked)
    }

    /// Whether this module or the provider is to be checked.
    fn concerns(&self, number: ModuleIndex, owner: Option<ModuleIndex>) -> bool {
        self.is_asked(number) || owner.is_some_and(|owner| self.is_asked(owner))
    }

    fn wants(&self, check: Check) -> bool {
        self.checks.contains(&check)
    }

    fn finding(&self, number: ModuleIndex, fault: LoadFault) -> LoadFinding {
        let file = self.file(number);
        let text = |part: fn(&ModuleFile) -> &[u8]| file.map(part).unwrap_or_default().into();
        LoadFinding { module: text(ModuleFile::name), file: text(ModuleFile::printed_path), fault }
    }

    fn provider(&self, owner: Option<ModuleIndex>) -> ExportedBy {
        match owner.and_then(|owner| self.file(owner)) {
            Some(file) => ExportedBy::Module(file.printed_path().into()),
            None => ExportedBy::Kernel,
        }
    }

    /// Whether the versions of the kernel's symbols are unknown.
    fn lacks_versions(&self) -> bool {
        self.kernel.is_none_or(|kernel| !kernel.has_crcs && !kernel.has_details)
    }

    /// The kernel's version magic, or that of most modules for its version.
    fn expected_vermagic(&self) -> BString {
        if let Some(vermagic) = self.kernel.and_then(|kernel| kernel.vermagic.as_ref()) {
            return vermagic.trim_ascii_end().into();
        }
        let version = self.modules.version;
        let mut counts: Vec<(&[u8], usize)> = Vec::new();
        for vermagic in self.facts.iter().flatten().filter_map(|facts| vermagic_of(facts)) {
            if vermagic.split(|&byte| byte == b' ').next() != Some(version) {
                continue;
            }
            match counts.iter_mut().find(|(known, _)| *known == vermagic) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => counts.push((vermagic, 1)),
            }
        }
        // The first of several with equal counts.
        let most = counts.iter().rev().max_by_key(|(_, count)| *count);
        most.map_or(version, |(vermagic, _)| *vermagic).into()
    }

    /// Counts the versions of the kernel's symbols that modules need.
    fn vote(&mut self) {
        if !self.lacks_versions() || !self.wants(Check::Crc) {
            return;
        }
        for need in self.facts.iter().copied().flatten().flat_map(Facts::needs).filter(|need| need.crc != 0) {
            let Some(name) = needed_name(need.name) else { continue };
            if self.exporters.get(name).is_some_and(|exporter| exporter.crc != 0) {
                continue;
            }
            let votes = self.votes.entry(name).or_default();
            match votes.iter_mut().find(|vote| vote.crc == need.crc) {
                Some(vote) => vote.count = vote.count.saturating_add(1),
                None => votes.push(Vote { crc: need.crc, count: 1 }),
            }
        }
    }

    /// Checks one module and its needed symbols.
    fn module(&mut self, number: ModuleIndex) {
        let mut own = Vec::new();
        let mut dependencies: Vec<ModuleIndex> = Vec::new();
        if self.is_asked(number) && self.wants(Check::Corrupt) {
            own.extend(self.corrupt(number));
        }
        if let Some(facts) = self.facts(number).filter(|facts| !facts.is_no_module()) {
            if self.is_asked(number) && self.wants(Check::Vermagic) {
                own.extend(self.vermagic(facts));
            }
            for need in facts.needs() {
                let Some(name) = needed_name(need.name) else { continue };
                let exporter = self.exporters.get(name).copied();
                if let Some(owner) = exporter.and_then(|exporter| exporter.owner)
                    && owner != number
                    && !dependencies.contains(&owner)
                {
                    dependencies.push(owner);
                }
                if self.concerns(number, exporter.and_then(|exporter| exporter.owner)) {
                    self.need(number, facts, Need { name, ..need }, exporter, &mut own);
                }
            }
        }
        self.graph.push(dependencies);
        self.explain(number, own);
    }

    fn corrupt(&self, number: ModuleIndex) -> Option<LoadFault> {
        let load = self.modules.loads.get(usize::try_from(number).ok()?)?;
        let why = match load {
            Err(error) => Chain(error).to_string(),
            Ok(facts) if facts.is_no_module() => NO_MODULE.into(),
            Ok(facts) if facts.exports_invalid() => "its export table does not end".into(),
            Ok(facts) if facts.name_unended() => "the name of a symbol does not end".into(),
            Ok(facts) => facts.needs_discarded()?.to_string(),
        };
        Some(LoadFault::Corrupt { why })
    }

    fn vermagic(&self, facts: &Facts) -> Option<LoadFault> {
        let found = vermagic_of(facts).unwrap_or_default();
        let expected = self.vermagic.as_slice();
        // Without any module for this kernel, only its version is known.
        let same = found == expected || found.split(|&byte| byte == b' ').next() == Some(expected);
        (!same).then(|| LoadFault::Vermagic { found: found.into(), expected: expected.into() })
    }

    /// Checks the use of one symbol.
    fn need(
        &self,
        number: ModuleIndex,
        facts: &Facts,
        need: Need<'_>,
        exporter: Option<Exporter<'_>>,
        found: &mut Vec<LoadFault>,
    ) {
        let Some(exporter) = exporter else {
            if self.kernel.is_some() && !need.weak && self.wants(Check::Unresolved) {
                found.push(LoadFault::Unresolved { symbol: need.name.into() });
            }
            self.outvoted(need, found);
            return;
        };
        let symbol = || BString::from(need.name);
        let provider = || self.provider(exporter.owner);
        if exporter.crc == 0 {
            self.outvoted(need, found);
        } else if need.crc != 0 && need.crc != exporter.crc && self.wants(Check::Crc) {
            let (needed, provided) = (need.crc, exporter.crc);
            found.push(LoadFault::Crc { symbol: symbol(), needed, provided, provider: provider() });
        }
        if exporter.owner == Some(number) {
            return;
        }
        if exporter.gpl_only && self.wants(Check::Gpl) {
            let license = facts.values(ModinfoKey::License).next().unwrap_or_default();
            if !is_gpl(license) {
                let license = license.into();
                found.push(LoadFault::GplOnly { symbol: symbol(), license, provider: provider() });
            }
        }
        if !exporter.namespace.is_empty() && self.wants(Check::Namespace) {
            let name = facts.values(ModinfoKey::Name).next();
            let name = name.or_else(|| self.file(number).map(ModuleFile::name)).unwrap_or_default();
            let imports =
                facts.values(ModinfoKey::ImportNamespace).any(|import| import == exporter.namespace);
            if !is_for_module(exporter.namespace, name) && !imports {
                let namespace = exporter.namespace.into();
                found.push(LoadFault::Namespace { symbol: symbol(), namespace, provider: provider() });
            }
        }
    }

    /// Compares with the version that most modules need.
    fn outvoted(&self, need: Need<'_>, found: &mut Vec<LoadFault>) {
        let Some(votes) = self.votes.get(need.name).filter(|_| need.crc != 0) else { return };
        // The first of several with equal counts.
        let Some(most) = votes.iter().rev().max_by_key(|vote| vote.count) else { return };
        if most.crc != need.crc {
            let (symbol, needed, provided) = (need.name.into(), need.crc, most.crc);
            found.push(LoadFault::Crc { symbol, needed, provided, provider: ExportedBy::Others });
        }
    }

    /// Adds a module's defects to their causes.
    fn explain(&mut self, number: ModuleIndex, faults: Vec<LoadFault>) {
        let other_kernel = faults.iter().find_map(|fault| match fault {
            LoadFault::Crc { symbol, needed, provided, .. } if symbol == "module_layout" => {
                Some(Explanation::OtherKernel { needed: *needed, provided: *provided })
            }
            _ => None,
        });
        let other_magic = || {
            faults.iter().find_map(|fault| match fault {
                LoadFault::Vermagic { found, expected } => {
                    Some(Explanation::Vermagic { found: found.clone(), expected: expected.clone() })
                }
                _ => None,
            })
        };
        let foreign = other_kernel.or_else(other_magic);
        let missing = if faults.iter().any(|fault| matches!(fault, LoadFault::Unresolved { .. })) {
            self.missing_dependency(number)
        } else {
            None
        };
        let file = self.file(number).map(|file| BString::from(file.printed_path())).unwrap_or_default();
        for fault in faults {
            let explanation = match &fault {
                LoadFault::Vermagic { .. } | LoadFault::Crc { .. } | LoadFault::Unresolved { .. }
                    if foreign.is_some() =>
                {
                    foreign.clone()
                }
                LoadFault::Unresolved { .. } if missing.is_some() => missing.clone(),
                _ => None,
            };
            let explanation = explanation.unwrap_or_else(|| alone(&file, &fault));
            let finding = self.finding(number, fault);
            self.causes.add(explanation, finding);
        }
    }

    /// A missing or unreadable module that this one was linked against.
    fn missing_dependency(&self, number: ModuleIndex) -> Option<Explanation> {
        let mut names: Vec<BString> = Vec::new();
        for list in self.facts(number)?.values(ModinfoKey::Depends) {
            for name in list.split(|&byte| byte == b',').filter(|name| !name.is_empty()) {
                let name: Vec<u8> = name.iter().map(|&b| if b == b'-' { b'_' } else { b }).collect();
                match self.by_name.get(name.as_slice()) {
                    None => names.push(name.into()),
                    Some(&known) if self.facts(known).is_none() && self.wants(Check::Corrupt) => {
                        let file = self.file(known)?.printed_path().into();
                        return Some(Explanation::Corrupt { file });
                    }
                    Some(_) => {}
                }
            }
        }
        sort_by(&mut names, &Ord::cmp);
        (!names.is_empty()).then_some(Explanation::MissingModules { names })
    }

    fn cycles(&mut self) {
        if !self.wants(Check::Cycle) {
            return;
        }
        let Err(unnumbered) = TopologicalOrder::new(&self.graph) else { return };
        for cycle in report_components(&self.graph, &unnumbered, usize::MAX).cycles {
            let Some(&first) = cycle.first().filter(|_| cycle.iter().any(|&module| self.is_asked(module)))
            else {
                continue;
            };
            let name = |&module: &ModuleIndex| {
                BString::from(self.file(module).map(ModuleFile::name).unwrap_or_default())
            };
            let modules: Vec<BString> = cycle.iter().map(name).collect();
            let finding = self.finding(first, LoadFault::Cycle { modules: modules.clone() });
            self.causes.add(Explanation::Cycle { modules }, finding);
        }
    }

    fn duplicates(&mut self) {
        if !self.wants(Check::Duplicate) {
            return;
        }
        for &Twice { symbol, owner, other } in &self.exporters.twice {
            if self.concerns(owner, other) {
                let fault = LoadFault::DuplicateSymbol { symbol: symbol.into(), other: self.provider(other) };
                self.explain(owner, Vec::from([fault]));
            }
        }
        for shadowed in self.modules.shadowed {
            if let Some(&winner) = self.by_name.get(shadowed.name())
                && self.is_asked(winner)
            {
                let fault = LoadFault::DuplicateFile { other: shadowed.printed_path().into() };
                self.explain(winner, Vec::from([fault]));
            }
        }
    }

    fn not_checked(&self) -> Vec<NotChecked> {
        let gap = |check: Check| match (check, self.kernel) {
            (Check::Unresolved | Check::Gpl | Check::Namespace, None) => Some(Gap::KernelSymbols),
            (Check::Gpl | Check::Namespace, Some(kernel)) if !kernel.has_details => Some(Gap::KernelDetails),
            (Check::Crc, _) if self.lacks_versions() => Some(Gap::KernelVersions),
            (Check::Vermagic, kernel) if kernel.is_none_or(|kernel| kernel.vermagic.is_none()) => {
                Some(Gap::KernelVermagic)
            }
            _ => None,
        };
        let checks = Check::ALL.into_iter().filter(|&check| self.wants(check));
        checks.filter_map(|check| Some(NotChecked { check, why: gap(check)? })).collect()
    }
}

/// The reason for rejecting other ELF files.
const NO_MODULE: &str = "it is no kernel module: it has no .modinfo";

/// The explanation of a defect without a common cause.
fn alone(file: &BString, fault: &LoadFault) -> Explanation {
    let file = file.clone();
    match fault.clone() {
        LoadFault::Corrupt { .. } => Explanation::Corrupt { file },
        LoadFault::Cycle { modules } => Explanation::Cycle { modules },
        LoadFault::Vermagic { found, expected } => Explanation::Vermagic { found, expected },
        LoadFault::Crc { symbol, provided, provider, .. } => {
            Explanation::Symbol { symbol, provided, provider }
        }
        LoadFault::Unresolved { symbol } => Explanation::Unresolved { symbol },
        LoadFault::GplOnly { license, .. } => Explanation::GplOnly { file, license },
        LoadFault::Namespace { namespace, .. } => Explanation::Namespace { file, namespace },
        LoadFault::DuplicateSymbol { other, .. } => Explanation::DuplicateSymbols { file, other },
        LoadFault::DuplicateFile { other } => Explanation::DuplicateFile { file, other },
    }
}

/// The version magic without the blank at its end.
fn vermagic_of(facts: &Facts) -> Option<&[u8]> {
    facts.values(ModinfoKey::Vermagic).next().map(<[u8]>::trim_ascii_end)
}

/// Whether the kernel accepts a license as compatible with the GPL.
fn is_gpl(license: &[u8]) -> bool {
    const COMPATIBLE: [&[u8]; 6] =
        [b"GPL", b"GPL v2", b"GPL and additional rights", b"Dual BSD/GPL", b"Dual MIT/GPL", b"Dual MPL/GPL"];
    COMPATIBLE.contains(&license)
}

/// Whether a namespace of the form `module:kvm-intel,kvm-amd*` applies to this module, which then cannot import it.
/// Dashes are underscores.
fn is_for_module(namespace: &[u8], module: &[u8]) -> bool {
    let Some(names) = namespace.strip_prefix(b"module:") else { return false };
    let same = |(a, b): (&u8, &u8)| a == b || (b"-_".contains(a) && b"-_".contains(b));
    names.split(|&byte| byte == b',').any(|name| match name.strip_suffix(b"*") {
        Some(beginning) => beginning.len() <= module.len() && beginning.iter().zip(module).all(same),
        None => name.len() == module.len() && name.iter().zip(module).all(same),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_for_modules() {
        let namespace = b"module:kvm-intel,kvm_amd*";
        for (module, expected) in [
            ("kvm_intel", true),
            ("kvm-amd", true),
            ("kvm_amd_x", true),
            ("kvm_intel_x", false),
            ("kvm", false),
        ] {
            assert_eq!(is_for_module(namespace, module.as_bytes()), expected, "{module}");
        }
        assert!(!is_for_module(b"kvm_intel", b"kvm_intel") && !is_for_module(b"module:", b"kvm"));
    }
}
