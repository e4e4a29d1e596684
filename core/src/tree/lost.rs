//! A tree against its `modules.order`.
//!
//! FAT takes `xt_DSCP.ko` and `xt_dscp.ko` for one name, and whoever copies a kernel there gets one of
//! the two and no error. The kernel build's own list tells what is lost.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::ToString,
    vec::Vec,
};

use crate::{
    catalog::{Catalog, ModuleFile},
    diagnostic::Diagnostic,
    host::Reporter,
};

/// Says which modules of `order` are not in the catalog: a warning for each that another one stands in
/// for, and one warning for all the others, which a tree may lack on purpose.
pub(super) fn report(order: &[u8], catalog: &Catalog, reporter: &mut impl Reporter) {
    let paths: BTreeSet<&[u8]> = catalog.modules().iter().filter_map(ModuleFile::order_path).collect();
    let folded: BTreeMap<Vec<u8>, &[u8]> =
        paths.iter().map(|path| (path.to_ascii_lowercase(), *path)).collect();
    let mut others: usize = 0;
    let named: BTreeSet<&[u8]> = order.split(|&b| b == b'\n').filter(|path| !path.is_empty()).collect();
    for path in named.into_iter().filter(|path| !paths.contains(path)) {
        match folded.get(&path.to_ascii_lowercase()) {
            Some(other) => {
                reporter.report(Diagnostic::CaseFolded { path: path.to_vec(), other: other.to_vec() });
            }
            None => {
                others = others.saturating_add(1);
                reporter.report(Diagnostic::OrderMissing { path: path.to_vec() });
            }
        }
    }
    if others > 0 {
        reporter.report(Diagnostic::OrderIncomplete { count: others.to_string().into() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ModuleTree, Place};
    use crate::host::MemoryHost;
    use crate::limits::Limits;
    use alloc::{string::ToString, vec::Vec};

    #[test]
    fn names_that_a_file_system_has_folded() {
        let mut host = MemoryHost::new();
        for module in ["xt_DSCP.ko.xz", "a.ko.xz"] {
            host.insert(&[b"/m/6.1/kernel/", module.as_bytes()].concat(), *b"x");
        }
        let order = *b"kernel/xt_DSCP.ko\nkernel/xt_dscp.ko\nkernel/a.ko\nkernel/b.ko\nkernel/b.ko\n";
        host.insert(b"/m/6.1/modules.order", order);
        let place = Place { directory: b"/m/6.1".to_vec(), version: "6.1".into() };
        let mut said = Vec::new();
        let tree = ModuleTree::open(&host, &place, &Limits::DEFAULT, &mut said).unwrap();
        tree.report_lost(&mut said);
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
