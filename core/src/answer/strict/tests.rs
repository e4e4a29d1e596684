use alloc::{string::String, string::ToString, vec::Vec};

use super::*;
use crate::{
    decompress::PureDecoder,
    limits::Limits,
    list::ModuleList,
    options::{Options, Selection},
    parse::{
        kernel::KernelExports,
        module::{ExportDetail, Facts, FactsBuilder, LoadError, ModinfoKey},
    },
    run::InTurn,
    source::MemorySource,
};

const VERMAGIC: &str = "6.1 SMP mod_unload modversions ";
const SYMVERS: &[u8] = b"0x00000001\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x00000002\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\
    0x00000003\tgpl_only\tvmlinux\tEXPORT_SYMBOL_GPL\t\n\
    0x00000004\tspaced\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n\
    0x00000005\tfor_kvm\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:kvm-*\n";

/// A module by its exports, needs and lines of `.modinfo`.
struct Module {
    name: &'static str,
    load: Load,
}

fn module(
    name: &'static str,
    exports: &[(&str, u64)],
    needs: &[(&str, u64)],
    info: &[(ModinfoKey, &str)],
) -> Module {
    let mut builder = FactsBuilder::default();
    exports.iter().for_each(|(name, crc)| builder.export(name.as_bytes(), *crc));
    for (name, crc) in needs {
        builder.need(name.as_bytes(), *crc, name.contains("weak"));
    }
    builder.need(b"module_layout", if name == "foreign" { 9 } else { 1 }, false);
    info.iter().for_each(|(key, value)| builder.modinfo(*key, value.as_bytes()));
    for (key, value) in [(ModinfoKey::Vermagic, VERMAGIC), (ModinfoKey::License, "GPL")] {
        if !info.iter().any(|(known, _)| *known == key) {
            builder.modinfo(key, value.as_bytes());
        }
    }
    builder.detail_exports(|_| ExportDetail { in_table: true, ..ExportDetail::default() });
    Module { name, load: Ok(builder.finish().unwrap()) }
}

fn list(names: &[&str]) -> ModuleList {
    let mut source = MemorySource::new();
    let paths: Vec<String> = names.iter().map(|name| ["/m/6.1/", name, ".ko"].concat()).collect();
    paths.iter().for_each(|path| source.insert(path.as_bytes(), *b""));
    let order: String = names.iter().map(|name| [name, ".ko\n"].concat()).collect();
    source.insert(b"/m/6.1/modules.order", order.into_bytes());
    let files = paths.into_iter().map(Into::into).collect();
    let options = Options::new("/m/6.1", "6.1").selection(Selection::Files(files));
    ModuleList::of_operands(&options, &source, &mut ()).unwrap()
}

fn judge(modules: Vec<Module>, kernel: Option<&KernelExports>) -> Verdict {
    judge_first(usize::MAX, modules, kernel)
}

fn judge_first(asked: usize, modules: Vec<Module>, kernel: Option<&KernelExports>) -> Verdict {
    let list = list(&modules.iter().map(|module| module.name).collect::<Vec<_>>());
    let loads: Vec<Load> = modules.into_iter().map(|module| module.load).collect();
    let modules = Modules { version: b"6.1", files: list.modules(), loads: &loads, shadowed: &[], asked };
    strict(&modules, kernel, &Check::ALL)
}

fn lines(verdict: &Verdict) -> Vec<String> {
    let line = |cause: &Cause| [cause.explanation.check().name(), ": ", &cause.to_string()].concat();
    verdict.causes.iter().map(line).collect()
}

fn kernel() -> KernelExports {
    let mut kernel = KernelExports::from_symvers(SYMVERS).unwrap();
    kernel.vermagic = Some(VERMAGIC.into());
    kernel
}

fn good() -> Vec<Module> {
    Vec::from([
        module("bus", &[("bus_add", 7)], &[(".printk", 2), ("gpl_only", 3), (".weak_gone", 0)], &[]),
        module("disk", &[], &[("bus_add", 7), ("printk", 2)], &[(ModinfoKey::Depends, "bus")]),
        module("kvm_intel", &[], &[("for_kvm", 5), ("spaced", 4)], &[(ModinfoKey::ImportNamespace, "NS")]),
    ])
}

#[test]
fn good_modules_have_no_findings() {
    let verdict = judge(good(), Some(&kernel()));
    assert_eq!(lines(&verdict), [""; 0]);
    assert_eq!((verdict.not_checked, verdict.modules), (Vec::new(), 3));
}

#[test]
fn each_fault_is_found_once() {
    let kernel = kernel();
    for (bad, expected) in [
        (
            module("x", &[], &[("printk", 8)], &[]),
            "crc: x.ko wants printk 0x00000008, the kernel has 0x00000002",
        ),
        (
            module("x", &[], &[("bus_add", 8)], &[]),
            "crc: x.ko wants bus_add 0x00000008, bus.ko has 0x00000007",
        ),
        (module("x", &[], &[("gone", 8)], &[]), "unresolved: x.ko needs gone, which nobody provides"),
        (
            module("x", &[], &[("gone", 8)], &[(ModinfoKey::Depends, "bus,not-there")]),
            "unresolved: x.ko needs 1 symbol of not_there, which is not there",
        ),
        (
            module("x", &[], &[("gpl_only", 3)], &[(ModinfoKey::License, "Proprietary")]),
            "gpl: x.ko (license 'Proprietary') uses 1 symbol for GPL modules only: gpl_only",
        ),
        (
            module("x", &[], &[("spaced", 4)], &[]),
            "namespace: x.ko does not import NS, but uses 1 symbol of it: spaced",
        ),
        (
            module("x", &[], &[("for_kvm", 5)], &[]),
            "namespace: x.ko does not import module:kvm-*, but uses 1 symbol of it: for_kvm",
        ),
        (
            module("x", &[], &[], &[(ModinfoKey::Vermagic, "6.2 SMP ")]),
            "vermagic: x.ko has the version magic '6.2 SMP', not '6.1 SMP mod_unload modversions'",
        ),
        (
            module("x", &[("bus_add", 7)], &[], &[]),
            "duplicate: x.ko exports 1 symbol that bus.ko exports: bus_add",
        ),
        (
            module("x", &[("printk", 2)], &[], &[]),
            "duplicate: x.ko exports 1 symbol that the kernel exports: printk",
        ),
        (
            Module { name: "x", load: Err(LoadError::TooShort { size: 3 }) },
            "corrupt: x.ko: 3 bytes are too short for a module",
        ),
    ] {
        let mut modules = good();
        modules.push(bad);
        let verdict = judge(modules, Some(&kernel));
        assert_eq!(lines(&verdict), [expected]);
        assert_eq!(verdict.findings().count(), 1);
    }
}

#[test]
fn a_cycle_is_told_once_however_it_is_entered() {
    let modules = Vec::from([
        module("into", &[], &[("a", 1)], &[]),
        module("one", &[("a", 1)], &[("b", 1)], &[]),
        module("two", &[("b", 1)], &[("a", 1)], &[]),
    ]);
    assert_eq!(lines(&judge(modules, Some(&kernel()))), ["cycle: one -> two -> one"]);
}

#[test]
fn a_module_of_another_kernel_has_one_cause() {
    let mut modules = good();
    let magic = [(ModinfoKey::Vermagic, "6.0 SMP ")];
    modules.push(module("foreign", &[], &[("printk", 8), ("gone", 1)], &magic));
    let verdict = judge(modules, Some(&kernel()));
    let line = "crc: foreign.ko was built for another kernel: module_layout 0x00000009, not 0x00000001";
    assert_eq!(lines(&verdict), [line]);
    assert_eq!(verdict.findings().count(), 4);
}

#[test]
fn what_follows_from_an_unreadable_module_is_its_fault() {
    let mut modules = good();
    modules[0].load = Err(LoadError::TooShort { size: 3 });
    let verdict = judge(modules, Some(&kernel()));
    let line = "corrupt: bus.ko: 3 bytes are too short for a module; 1 module needs 1 symbol of it";
    assert_eq!(lines(&verdict), [line]);
}

#[test]
fn without_the_kernel_most_modules_are_right() {
    let mut modules = good();
    assert_eq!(lines(&judge(good(), None)), [""; 0]);
    modules.push(module("x", &[], &[("printk", 8), ("gone", 8)], &[]));
    let verdict = judge(modules, None);
    let line = "crc: x.ko wants printk 0x00000008, most other modules has 0x00000002";
    assert_eq!(lines(&verdict), [line.replace("has", "have")]);
    let gaps: Vec<_> = verdict.not_checked.iter().map(|gap| (gap.check, gap.why)).collect();
    assert_eq!(
        gaps,
        [
            (Check::Vermagic, Gap::KernelVermagic),
            (Check::Crc, Gap::KernelVersions),
            (Check::Unresolved, Gap::KernelSymbols),
            (Check::Gpl, Gap::KernelSymbols),
            (Check::Namespace, Gap::KernelSymbols),
        ]
    );
    // A System.map has names alone.
    let map = KernelExports::from_system_map(b"0 r __ksymtab_printk\n0 r __ksymtab_module_layout\n").unwrap();
    let mut modules = good();
    modules.truncate(2);
    modules.push(module("x", &[], &[("printk", 8)], &[]));
    let verdict = judge(modules, Some(&map));
    assert_eq!(lines(&verdict)[0], line.replace("has", "have"));
    assert_eq!(lines(&verdict).len(), 2, "bus needs gpl_only, which the map does not name");
}

#[test]
fn a_question_about_one_file() {
    let bad = || module("x", &[("disk_add", 1)], &[("bus_add", 8)], &[]);
    let mut modules = Vec::from([bad()]);
    modules.extend(good());
    modules.push(module("also_bad", &[], &[("gone", 1)], &[]));
    modules.push(module("user", &[], &[("disk_add", 2)], &[]));
    let verdict = judge_first(1, modules, Some(&kernel()));
    assert_eq!(
        lines(&verdict),
        [
            "crc: x.ko wants bus_add 0x00000008, bus.ko has 0x00000007",
            "crc: user.ko wants disk_add 0x00000002, x.ko has 0x00000001",
        ]
    );
    assert_eq!(verdict.modules, 1);
}

#[test]
fn namespaces_among_the_names_are_no_exports() {
    let mut builder = FactsBuilder::default();
    builder.export(b"one", 0);
    builder.export(b"NS", 0);
    builder.detail_exports(|name| ExportDetail { in_table: name == b"one", ..ExportDetail::default() });
    builder.modinfo(ModinfoKey::Vermagic, VERMAGIC.as_bytes());
    let facts = builder.finish().unwrap();
    let again = Facts::from_bytes(facts.as_bytes().to_vec()).unwrap();
    // `two` shares the string NS.
    let modules = Vec::from([Module { name: "one", load: Ok(facts) }, module("two", &[("NS", 0)], &[], &[])]);
    assert_eq!(lines(&judge(modules, Some(&kernel()))), [""; 0]);
    assert!(again.is_detailed());
}

#[test]
fn modules_are_loaded_with_details() {
    use crate::parse::module::{Detail, examples};

    let mut source = MemorySource::new();
    source.insert(b"/a.ko", examples::module(&["a"], &["b"], &["license=GPL", "depends=b", "alias=x"]));
    let (mut decoder, limits) = (PureDecoder::new(), Limits::DEFAULT);
    let facts = InTurn::new(&source, &mut decoder, &limits).detail(Detail::Full).load_one(b"/a.ko").unwrap();
    assert!(facts.is_detailed());
    assert!(facts.values(ModinfoKey::License).eq([&b"GPL"[..]]));
    let mut decoder = PureDecoder::new();
    let facts = InTurn::new(&source, &mut decoder, &limits).load_one(b"/a.ko").unwrap();
    assert!(!facts.is_detailed() && facts.values(ModinfoKey::License).next().is_none());
}
