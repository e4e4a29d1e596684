//! Plans against `modprobe --show-depends` and `--resolve-alias`, on a real kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use depmod_core::index::{Index, Scratch};
use depmod_core::limits::Limits;
use depmod_core::output::Output;
use depmod_core::plan::{Found, Indexes, Request, resolve};
use depmod_tests::oracle::Oracle;
use depmod_tests::{command, debian};

/// A module directory that kmod itself has indexed.
struct Tree {
    root: tempfile::TempDir,
    version: String,
    files: BTreeMap<Output, Vec<u8>>,
}

impl Tree {
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

    fn indexes(&self) -> Indexes<'_> {
        Indexes::new(|output| &self.files[&output], Limits::DEFAULT.steps).unwrap()
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
    same_orders(&Tree::of("bookworm-cloud-amd64"));
}

#[test]
fn every_module_of_a_compressed_kernel_loads_in_modprobes_order() {
    same_orders(&Tree::of("trixie-cloud-amd64"));
}

fn same_orders(tree: &Tree) {
    let indexes = tree.indexes();
    let dir = PathBuf::from("lib/modules").join(&tree.version);
    let mut scratch = Box::new(Scratch::new());
    let modules = Index::parse(&tree.files[&Output::DepIndex]).unwrap();
    let mut entries = modules.entries(&mut scratch);
    let mut compared = 0;
    while let Some((name, _)) = entries.next_entry().unwrap() {
        let stack = resolve(&indexes, &[Request::new(name, "test")]).unwrap();
        let ours: Vec<String> = stack
            .load_order()
            .map(|module| {
                let path = String::from_utf8(module.path.clone()).unwrap();
                format!("insmod {} ", tree.root.path().join(&dir).join(path).display())
            })
            .collect();
        let name = String::from_utf8(name.to_vec()).unwrap();
        let mut theirs = tree.modprobe("--show-depends", &name);
        // It names a module again where a soft dependency comes back to it.
        let mut seen = BTreeSet::new();
        theirs.retain(|line| !line.starts_with("builtin ") && seen.insert(line.clone()));
        assert_eq!(ours, theirs, "{name}");
        compared += 1;
    }
    assert!(compared > 1000, "only {compared} modules");
}

#[test]
fn names_and_aliases_resolve_as_in_modprobe() {
    let tree = Tree::of("bookworm-cloud-amd64");
    let indexes = tree.indexes();
    // Every 40th alias made concrete, and what has surprises.
    let aliases = String::from_utf8(tree.files[&Output::Alias].clone()).unwrap();
    let words = aliases.lines().skip(1).step_by(40).filter_map(|line| line.split(' ').nth(1));
    let concrete = words.map(|alias| alias.replace('*', "0").replace('?', "a"));
    let queries =
        ["ext4", "fs-ext4", "crypto-crc32c", "unix", "net-pf-1", "symbol:virtio_break_device", "gone", "a]"];
    let queries: Vec<String> = queries.into_iter().map(str::to_owned).chain(concrete).collect();
    assert!(queries.len() > 50);
    for query in &queries {
        let ours = match indexes.find(query.as_bytes()).unwrap() {
            Found::Modules(names) | Found::Builtin(names) => names,
            Found::Nobody => Vec::new(),
        };
        let ours: Vec<String> = ours.into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
        let mut theirs = tree.modprobe("--resolve-alias", query);
        let mut seen = BTreeSet::new();
        theirs.retain(|name| seen.insert(name.clone()));
        assert_eq!(ours, theirs, "{query}");
    }
}
