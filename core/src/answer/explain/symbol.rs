//! The exporters of a symbol, the modules that need it, and those built against another version of it.

use alloc::vec::Vec;

use bstr::BString;

use super::super::{
    nearest::closest,
    strict::{ExportedBy, needed_name},
};
use crate::{
    list::ModuleFile,
    parse::{
        kernel::KernelExports,
        module::{ExportDetail, Facts},
    },
    run::Load,
};

/// Proposals for an unknown symbol.
const PROPOSED: usize = 5;

/// All about a symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplainedSymbol {
    /// Its exporters: the kernel, then modules in their order. The last one wins: the index of symbols names it, and
    /// users of the symbol depend on it.
    pub exporters: Vec<SymbolExporter>,
    /// The modules that need it, in their order.
    pub users: Vec<SymbolUser>,
    /// Close names, if there is no exporter and no user.
    pub nearest: Vec<BString>,
}

/// An exporter of the symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolExporter {
    /// The module or the kernel.
    pub by: ExportedBy,
    /// Its version; 0 if it has none.
    pub crc: u64,
    /// Whether only modules under the GPL may use it.
    pub gpl_only: bool,
    /// The namespace to import; mostly empty.
    pub namespace: BString,
}

/// A module that needs the symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolUser {
    /// Its name.
    pub module: BString,
    /// The version that it was built against; 0 if it does not say.
    pub crc: u64,
    /// Whether it also loads without the symbol.
    pub weak: bool,
    /// Whether the winning exporter has this version; `None` if one of both is unknown.
    pub agrees: Option<bool>,
}

/// A symbol, by all modules (with details) and the exports of the kernel, if they are known.
#[must_use]
pub fn explain_symbol(
    name: &[u8],
    files: &[ModuleFile],
    loads: &[Load],
    kernel: Option<&KernelExports>,
) -> ExplainedSymbol {
    let mut symbol = ExplainedSymbol::default();
    for export in kernel.into_iter().flat_map(KernelExports::iter).filter(|export| export.name == name) {
        let (crc, gpl_only, namespace) = (export.crc, export.gpl_only, export.namespace.into());
        symbol.exporters.push(SymbolExporter { by: ExportedBy::Kernel, crc, gpl_only, namespace });
    }
    let loaded = || files.iter().zip(loads).filter_map(|(file, load)| Some((file, load.as_ref().ok()?)));
    for (file, facts) in loaded() {
        let by = || ExportedBy::Module(file.printed_path().into());
        let own = exports(facts).filter(|(export, ..)| *export == name);
        symbol.exporters.extend(own.last().map(|(_, crc, detail)| SymbolExporter {
            by: by(),
            crc,
            gpl_only: detail.gpl_only,
            namespace: detail.namespace.into(),
        }));
        if let Some(need) = facts.needs().find(|need| needed_name(need.name) == Some(name)) {
            let (crc, weak) = (need.crc, need.weak);
            symbol.users.push(SymbolUser { module: file.name().into(), crc, weak, agrees: None });
        }
    }
    let version = symbol.exporters.last().map_or(0, |exporter| exporter.crc);
    for user in &mut symbol.users {
        user.agrees = (version != 0 && user.crc != 0).then_some(user.crc == version);
    }
    if symbol.exporters.is_empty() && symbol.users.is_empty() {
        let of_modules = loaded().flat_map(|(_, facts)| exports(facts)).map(|(name, ..)| name);
        let of_kernel = kernel.into_iter().flat_map(KernelExports::iter).map(|export| export.name);
        symbol.nearest = closest(name, &mut of_modules.chain(of_kernel), PROPOSED);
    }
    symbol
}

/// The exports of a module; only those in its export tables, if it has any.
fn exports(facts: &Facts) -> impl Iterator<Item = (&[u8], u64, ExportDetail<'_>)> {
    let has_tables = facts.exports_in_detail().any(|(_, detail)| detail.in_table);
    let all = facts.exports_in_detail().filter(move |(_, detail)| detail.in_table || !has_tables);
    all.map(|(export, detail)| (export.name, export.crc, detail))
}
