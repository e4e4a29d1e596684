//! Comparison of a module directory with its `modules.order`.
//!
//! On FAT, `xt_DSCP.ko` and `xt_dscp.ko` are the same name, and copying a kernel there silently loses one of
//! them. The kernel build's own list reveals the loss.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use crate::{
    diagnostic::{Diagnostic, Reporter},
    list::{ModuleFile, ModuleList},
};

/// Reports modules of `order` that are missing from the list: a warning for each module replaced by another,
/// and one warning for all others, which a directory may omit on purpose.
pub(super) fn report(order: &[u8], list: &ModuleList, reporter: &mut dyn Reporter) {
    let paths: BTreeSet<&[u8]> = list.modules().iter().filter_map(ModuleFile::order_path).collect();
    let folded: BTreeMap<Vec<u8>, &[u8]> =
        paths.iter().map(|path| (path.to_ascii_lowercase(), *path)).collect();
    let mut others: usize = 0;
    let named: BTreeSet<&[u8]> = order.split(|&b| b == b'\n').filter(|path| !path.is_empty()).collect();
    for path in named.into_iter().filter(|path| !paths.contains(path)) {
        match folded.get(&path.to_ascii_lowercase()) {
            Some(other) => {
                reporter.report(Diagnostic::CaseFolded { path: path.into(), other: (*other).into() });
            }
            None => {
                others = others.saturating_add(1);
                reporter.report(Diagnostic::OrderMissing { path: path.into() });
            }
        }
    }
    if others > 0 {
        reporter.report(Diagnostic::OrderIncomplete { count: others });
    }
}

#[cfg(test)]
mod tests {
    use crate::{options::Options, run, source::MemorySource};
    use alloc::{string::ToString, vec::Vec};

    #[test]
    fn case_folded_modules_are_reported() {
        let mut source = MemorySource::new();
        for module in ["xt_DSCP.ko.xz", "a.ko.xz"] {
            source.insert(&[b"/m/6.1/kernel/", module.as_bytes()].concat(), *b"x");
        }
        let order = *b"kernel/xt_DSCP.ko\nkernel/xt_dscp.ko\nkernel/a.ko\nkernel/b.ko\nkernel/b.ko\n";
        source.insert(b"/m/6.1/modules.order", order);
        let mut said = Vec::new();
        let listed = run::list(&Options::new("/m/6.1", "6.1"), &source, &mut said).unwrap();
        super::report(&order, &listed.list, &mut said);
        let texts: Vec<_> = said.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "modules.order names kernel/b.ko, which is not there",
                "no kernel/xt_dscp.ko, only kernel/xt_DSCP.ko: names differ in case alone",
                "1 more modules of modules.order are not there",
            ]
        );
    }
}
