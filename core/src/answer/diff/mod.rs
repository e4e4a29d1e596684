//! Comparison of two kernels, or of two states of one.
//!
//! A device loses its driver if an alias of the first kernel has a module, built in or not, and no alias of the
//! second kernel matches it. Index files suffice for all but versions of symbols, which only modules contain.
//!
//! ```
//! # #[cfg(all(feature = "alloc", feature = "answers"))] {
//! use depmod_core::{MemorySource, Options, run};
//! use depmod_core::parts::answer::{Side, diff};
//!
//! let mut source = MemorySource::new();
//! source.insert(b"/m/6.1/modules.builtin", *b"kernel/fs/ext4.ko\n");
//! source.insert(b"/m/6.2/modules.builtin", *b"kernel/fs/btrfs.ko\n");
//! let files = |version: &str| run(&Options::new(["/m/", version].concat(), version), &source, &mut ());
//! let (old, new) = (files("6.1")?, files("6.2")?);
//! let changes = diff(&Side::of(&old)?, &Side::of(&new)?)?;
//! let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
//! assert_eq!(told, ["ext4", "btrfs"]);
//! assert_eq!(changes[0].kind().word(), "builtin-lost");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod side;

pub use change::{Change, ChangeKind};
pub use side::Side;

use alloc::{collections::BTreeSet, vec::Vec};

use bstr::BString;

use self::side::Module;
use crate::{index::IndexError, name::stem_end, sort::sort_by};

/// All changes, the most serious kinds first, each kind in the order of names.
///
/// # Errors
/// When an index is corrupt, or a search in it takes too long.
pub fn diff(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<Change>, IndexError> {
    let mut changes = aliases(old, new)?;
    modules(old, new, &mut changes);
    builtins(old, new, &mut changes);
    symbols(old, new, &mut changes);
    sort_by(&mut changes, &|a, b| a.kind().cmp(&b.kind()));
    Ok(changes)
}

fn aliases(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<Change>, IndexError> {
    let mut changes = Vec::new();
    let mut seen: BTreeSet<&BString> = BTreeSet::new();
    let (modular, builtin) = (&old.aliases.by_pattern, &old.builtin_aliases.by_pattern);
    for (pattern, modules) in modular.iter().chain(builtin) {
        // Many kernels record no device aliases of built-in modules.
        let is_builtin = modules.iter().any(|module| new.is_builtin(module));
        if !seen.insert(pattern) || is_builtin || new.serves(pattern)? {
            continue;
        }
        let kind = match () {
            () if !pattern.contains(&b':') => ChangeKind::AliasLost,
            () if new.serves_some(pattern) => ChangeKind::DriverNarrowed,
            () => ChangeKind::DriverLost,
        };
        let modules: Vec<BString> = modules.iter().cloned().collect();
        let path = modules.first().map(|module| old.path_of(module)).unwrap_or_default();
        changes.push(Change::Alias { kind, pattern: pattern.clone(), modules, path });
    }
    Ok(changes)
}

fn modules(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<Change>) {
    for (name, module) in &old.modules {
        let Some(other) = new.modules.get(name) else {
            let builtin = new.is_builtin(name);
            let kind = if builtin { ChangeKind::BecameBuiltin } else { ChangeKind::ModuleLost };
            changes.push(Change::Module { kind, name: name.clone(), path: module.path.clone() });
            continue;
        };
        if stem(&module.path) != stem(&other.path) {
            let (from, to) = (module.path.clone(), other.path.clone());
            changes.push(Change::Moved { name: name.clone(), from, to });
        }
        let only = |one: &Module, two: &Module| one.needs.difference(&two.needs).cloned().collect::<Vec<_>>();
        let (added, removed) = (only(other, module), only(module, other));
        if !added.is_empty() || !removed.is_empty() {
            let path = other.path.clone();
            changes.push(Change::Dependencies { name: name.clone(), path, added, removed });
        }
    }
    for (name, module) in new.modules.iter().filter(|(name, _)| !old.modules.contains_key(*name)) {
        let kind = if old.is_builtin(name) { ChangeKind::BecameModule } else { ChangeKind::ModuleGained };
        changes.push(Change::Module { kind, name: name.clone(), path: module.path.clone() });
    }
}

fn builtins(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<Change>) {
    let only = |one: &Side<'_>, two: &Side<'_>, kind| {
        let gone = one.builtin.difference(&two.builtin);
        let gone = gone.filter(|name| !one.modules.contains_key(*name) && !two.modules.contains_key(*name));
        gone.map(|name| Change::Module { kind, name: name.clone(), path: BString::default() })
            .collect::<Vec<_>>()
    };
    changes.extend(only(old, new, ChangeKind::BuiltinLost));
    changes.extend(only(new, old, ChangeKind::BuiltinGained));
}

fn symbols(old: &Side<'_>, new: &Side<'_>, changes: &mut Vec<Change>) {
    let mut push = |kind, symbol: &BString, module: &BString, path, change| {
        let (symbol, module) = (symbol.clone(), module.clone());
        changes.push(Change::Symbol { kind, symbol, module, path, change });
    };
    let version = |side: &Side<'_>, symbol| side.versions.as_ref()?.get(symbol).copied();
    for (symbol, module) in &old.symbols {
        let path = old.path_of(module);
        match new.symbols.get(symbol) {
            // The provider is built in.
            None if new.is_builtin(module) => {}
            None => push(ChangeKind::SymbolLost, symbol, module, path, None),
            Some(other) if other != module => {
                let change = Some((module.clone(), other.clone()));
                push(ChangeKind::SymbolMoved, symbol, module, path, change);
            }
            Some(_) => {
                if let (Some(from), Some(to)) = (version(old, symbol), version(new, symbol))
                    && from != to
                {
                    let [from, to] = [from, to].map(|crc| alloc::format!("{crc:#010x}").into());
                    push(ChangeKind::SymbolVersion, symbol, module, path, Some((from, to)));
                }
            }
        }
    }
    let gained = new.symbols.iter().filter(|(symbol, _)| !old.symbols.contains_key(*symbol));
    for (symbol, module) in gained.filter(|(_, module)| !old.is_builtin(module)) {
        push(ChangeKind::SymbolGained, symbol, module, new.path_of(module), None);
    }
}

/// The path of a module without suffixes: another compression is not another path.
fn stem(path: &[u8]) -> &[u8] {
    path.get(..stem_end(path)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IndexFiles, MemorySource, Options, parse::module::examples::module, run};
    use alloc::string::{String, ToString};

    fn index(files: &[(&str, Vec<u8>)]) -> IndexFiles {
        let mut source = MemorySource::new();
        for (path, bytes) in files {
            source.insert([b"/m/6.1/", path.as_bytes()].concat().as_slice(), bytes.as_slice());
        }
        run(&Options::new("/m/6.1", "6.1"), &source, &mut ()).unwrap()
    }

    fn told(old: &IndexFiles, new: &IndexFiles) -> Vec<String> {
        let changes = diff(&Side::of(old).unwrap(), &Side::of(new).unwrap()).unwrap();
        changes.iter().map(|change| [change.kind().word(), " ", &change.to_string()].concat()).collect()
    }

    fn old() -> IndexFiles {
        index(&[
            ("modules.builtin", b"kernel/fs/ext4.ko\nkernel/fs/gone.ko\nkernel/fs/module.ko\n".to_vec()),
            ("modules.builtin.modinfo", b"gone.alias=fs-gone\0gone.alias=pci:v77*\0".to_vec()),
            ("kernel/drivers/bus.ko", module(&["bus_add", "bus_del", "bus_new"], &[], &["alias=pci:v1*"])),
            (
                "kernel/drivers/net/lost.ko",
                module(&[], &["bus_add"], &["alias=pci:v2d3*", "alias=usb:v5*d*"]),
            ),
            ("kernel/drivers/net/keep.ko.gz", Vec::new()),
            ("kernel/drivers/net/move.ko", module(&[], &["bus_add"], &["alias=pci:v9*", "alias=net-pf-1"])),
            ("kernel/drivers/net/static.ko", module(&["in_kernel_now"], &[], &["alias=pci:v4*"])),
        ])
    }

    #[test]
    fn every_kind_of_change() {
        let new = index(&[
            ("modules.builtin", b"kernel/fs/ext4.ko\nkernel/fs/new.ko\nkernel/net/static.ko\n".to_vec()),
            ("modules.builtin.modinfo", b"static.alias=pci:v4*\0".to_vec()),
            ("kernel/drivers/bus.ko", module(&["bus_add", "bus_old"], &[], &["alias=pci:v*"])),
            ("kernel/drivers/other.ko", module(&["bus_del"], &[], &["alias=usb:v5*d1"])),
            ("kernel/drivers/net/keep.ko", Vec::new()),
            ("kernel/fs/module.ko", module(&["in_kernel_before"], &[], &[])),
            ("kernel/net/move.ko", module(&[], &["bus_add", "bus_del"], &[])),
        ]);
        let expected = [
            "driver-narrowed usb:v5*d* (lost)",
            "alias-lost net_pf_1 (move)",
            "alias-lost fs_gone (gone)",
            "module-lost lost",
            "module-gained other",
            "module-moved move: kernel/drivers/net/move.ko -> kernel/net/move.ko",
            "became-builtin static",
            "became-module module",
            "builtin-lost gone",
            "builtin-gained new",
            "symbol-lost bus_new (bus)",
            "symbol-gained bus_old (bus)",
            "symbol-moved bus_del: bus -> other",
            "dependencies move: +other",
        ];
        assert_eq!(told(&old(), &new), expected);
        let without = index(&[("modules.builtin", Vec::new()), ("modules.builtin.modinfo", Vec::new())]);
        let lost: Vec<String> =
            told(&old(), &without).into_iter().filter(|line| line.starts_with("driver")).collect();
        assert_eq!(
            lost,
            [
                "driver-lost pci:v1* (bus)",
                "driver-lost pci:v2d3* (lost)",
                "driver-lost pci:v4* (static)",
                "driver-lost pci:v9* (move)",
                "driver-lost usb:v5*d* (lost)",
                "driver-lost pci:v77* (gone)",
            ]
        );
    }

    #[test]
    fn a_driver_that_is_built_in_is_not_lost_without_a_built_in_alias() {
        let new = index(&[
            ("modules.builtin", b"kernel/net/static.ko\n".to_vec()),
            ("modules.builtin.modinfo", b"static.license=GPL\0".to_vec()),
        ]);
        let said = told(&old(), &new);
        assert!(said.contains(&"became-builtin static".into()), "{said:?}");
        assert!(said.contains(&"driver-lost pci:v9* (move)".into()), "{said:?}");
        assert!(!said.iter().any(|line| line.contains("pci:v4*")), "{said:?}");
    }

    #[test]
    fn nothing_changed() {
        assert_eq!(told(&old(), &old()), [""; 0]);
    }

    #[test]
    fn subsystems() {
        let of = |path: &str| {
            let change = Change::Module { kind: ChangeKind::ModuleLost, name: "a".into(), path: path.into() };
            change.subsystem().to_string()
        };
        assert_eq!(of("kernel/drivers/net/ethernet/e100.ko"), "drivers/net");
        assert_eq!(of("kernel/drivers/a.ko"), "drivers");
        assert_eq!(of("kernel/fs/ext4/ext4.ko"), "fs");
        assert_eq!(of("updates/dkms/a.ko"), "updates");
        assert_eq!(of("/opt/a.ko"), "external");
        assert_eq!((of("a.ko"), of("")), (".".into(), "built in".into()));
    }
}
