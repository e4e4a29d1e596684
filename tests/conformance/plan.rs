//! Load orders and aliases against `modprobe --show-depends` and `--resolve-alias`, on real kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use bstr::BString;
use depmod_core::parts::answer::{LoadOrder, schedule};
use depmod_core::parts::name::module_name;
use depmod_core::{Found, Index, Lookup, Output, Reason, Request, Scratch, plan};
use depmod_tests::oracle::Oracle;
use depmod_tests::{command, debian};

/// A module directory that kmod itself has indexed.
pub(crate) struct Indexed {
    pub(crate) root: tempfile::TempDir,
    pub(crate) version: String,
    pub(crate) files: BTreeMap<Output, Vec<u8>>,
}

impl Indexed {
    pub(crate) fn of(label: &str) -> Self {
        let kernel = debian::kernel(label).unwrap();
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("lib/modules").join(&kernel.version);
        fs::create_dir_all(&dir).unwrap();
        symlink(kernel.modules().join("kernel"), dir.join("kernel")).unwrap();
        for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            fs::copy(kernel.modules().join(name), dir.join(name)).unwrap();
        }
        let mut depmod = Oracle::get().depmod(["-b"]);
        command::run(depmod.arg(root.path()).arg(&kernel.version)).unwrap();
        let read = |output: Output| (output, fs::read(dir.join(output.file_name())).unwrap());
        Self { root, version: kernel.version, files: Output::ALL.map(read).into() }
    }

    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup::new(|output| &self.files[&output]).unwrap()
    }

    pub(crate) fn modprobe(&self, option: &str, query: &str) -> Vec<String> {
        let mut modprobe = Oracle::get().tool("modprobe");
        modprobe
            .args(["-S", &self.version, option, query, "-d"])
            .arg(self.root.path())
            .arg("-C")
            .arg("/dev/null");
        let output = modprobe.output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

#[test]
fn every_module_of_a_plain_kernel_loads_in_modprobes_order() {
    same_orders(&Indexed::of("bookworm-cloud-amd64"));
}

#[test]
fn every_module_of_a_compressed_kernel_loads_in_modprobes_order() {
    same_orders(&Indexed::of("trixie-cloud-amd64"));
}

fn same_orders(indexed: &Indexed) {
    let lookup = indexed.lookup();
    let dir = PathBuf::from("lib/modules").join(&indexed.version);
    let mut scratch = Box::new(Scratch::new());
    let modules = Index::parse(&indexed.files[&Output::DepIndex]).unwrap();
    let mut entries = modules.entries(&mut scratch);
    let mut compared = 0;
    while let Some((name, _)) = entries.next_entry().unwrap() {
        let order = plan(&lookup, &[Request::new(name, "test")]).unwrap();
        let ours: Vec<String> = order
            .to_load()
            .map(|module| {
                let path = String::from_utf8(module.path.to_vec()).unwrap();
                format!("insmod {} ", indexed.root.path().join(&dir).join(path).display())
            })
            .collect();
        let name = String::from_utf8(name.to_vec()).unwrap();
        let mut theirs = indexed.modprobe("--show-depends", &name);
        // modprobe repeats a module that a soft dependency names again.
        let mut seen = BTreeSet::new();
        theirs.retain(|line| !line.starts_with("builtin ") && seen.insert(line.clone()));
        assert_eq!(ours, theirs, "{name}");
        same_schedule(indexed, &lookup, &name, &order);
        compared += 1;
    }
    assert!(compared > 1000, "only {compared} modules");
}

/// The schedule is the same order, but for what a further softdep line adds; and no module shares a wave with one
/// that it needs.
fn same_schedule(indexed: &Indexed, lookup: &Lookup<'_>, name: &str, order: &LoadOrder) {
    let schedule = schedule(lookup, &[Request::from(name)], false).unwrap();
    let softdeps = String::from_utf8_lossy(&indexed.files[&Output::Softdep]);
    let lines = |name: &BString| {
        let lines = softdeps.lines().filter_map(|line| line.strip_prefix("softdep ")?.split(' ').next());
        lines.filter(|of| **of == *name).count()
    };
    let loaded: Vec<&BString> = order.to_load().map(|module| &module.name).collect();
    let scheduled: Vec<&BString> = schedule.modules.iter().map(|module| &module.name).collect();
    if loaded.iter().all(|name| lines(name) < 2) {
        assert_eq!(scheduled, loaded, "{name}");
    } else {
        assert!(loaded.iter().all(|name| scheduled.contains(name)), "{name}");
    }
    let waves: BTreeMap<BString, usize> =
        schedule.modules.iter().map(|module| (module.name.clone(), module.wave.unwrap())).collect();
    let dep = String::from_utf8_lossy(&indexed.files[&Output::Dep]);
    let module_name = |path: &str| BString::from(module_name(path.as_bytes()).collect::<Vec<u8>>());
    for line in dep.lines() {
        let (path, needs) = line.split_once(':').unwrap();
        let Some(wave) = waves.get(&module_name(path)) else { continue };
        for need in needs.split_whitespace() {
            assert!(waves[&module_name(need)] < *wave, "{name}: {path} and {need}");
        }
    }
    let reasons = schedule.modules.iter().flat_map(|module| &module.reasons);
    for reason in reasons {
        match reason {
            Reason::Requested(request) => assert_eq!(request.query, name),
            Reason::NeededBy(other) | Reason::Before(other) | Reason::After(other) => {
                assert!(waves.contains_key(other), "{name}: {other}");
            }
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn names_and_aliases_resolve_as_in_modprobe() {
    let indexed = Indexed::of("bookworm-cloud-amd64");
    let lookup = indexed.lookup();
    // Every 40th alias as a concrete modalias, and special cases.
    let aliases = String::from_utf8(indexed.files[&Output::Alias].clone()).unwrap();
    let words = aliases.lines().skip(1).step_by(40).filter_map(|line| line.split(' ').nth(1));
    let concrete = words.map(|alias| alias.replace('*', "0").replace('?', "a"));
    let queries =
        ["ext4", "fs-ext4", "crypto-crc32c", "unix", "net-pf-1", "symbol:virtio_break_device", "gone", "a]"];
    let queries: Vec<String> = queries.into_iter().map(str::to_owned).chain(concrete).collect();
    assert!(queries.len() > 50);
    for query in &queries {
        let ours = match lookup.find(query).unwrap() {
            Found::Modules(names) | Found::Builtin(names) => names,
            Found::Nothing => Vec::new(),
        };
        let ours: Vec<String> =
            ours.into_iter().map(|name| String::from_utf8(name.into()).unwrap()).collect();
        let mut theirs = indexed.modprobe("--resolve-alias", query);
        let mut seen = BTreeSet::new();
        theirs.retain(|name| seen.insert(name.clone()));
        assert_eq!(ours, theirs, "{query}");
    }
}
