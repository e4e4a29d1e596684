//! Load orders and aliases against `modprobe --show-depends` and `--resolve-alias`, on real kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use depmod_core::{Found, Index, Lookup, Output, Request, Scratch, plan};
use depmod_tests::oracle::Oracle;
use depmod_tests::{command, debian};

/// A module directory indexed by kmod itself.
struct Indexed {
    root: tempfile::TempDir,
    version: String,
    files: BTreeMap<Output, Vec<u8>>,
}

impl Indexed {
    fn of(label: &str) -> Self {
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

    fn lookup(&self) -> Lookup<'_> {
        Lookup::new(|output| &self.files[&output]).unwrap()
    }

    fn modprobe(&self, option: &str, query: &str) -> Vec<String> {
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
        compared += 1;
    }
    assert!(compared > 1000, "only {compared} modules");
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
