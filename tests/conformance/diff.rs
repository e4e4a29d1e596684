//! `depmod diff` between real kernels, against a script that reads text files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use depmod_tests::debian::{self, Kernel};
use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::oracle::Oracle;
use depmod_tests::outcome::OUTPUTS;
use depmod_tests::{command, product, workspace};
use serde_json::Value;

/// Names by kind of change.
type Changes = BTreeMap<String, BTreeSet<String>>;

/// Debian's 6.1 and 6.12 for cloud machines.
struct Kernels {
    dir: tempfile::TempDir,
    old: Kernel,
    new: Kernel,
}

impl Kernels {
    /// The kernels below one root, with kmod's index files.
    fn get() -> &'static Self {
        static KERNELS: OnceLock<Kernels> = OnceLock::new();
        KERNELS.get_or_init(|| {
            let [old, new] =
                ["bookworm-cloud-amd64", "trixie-cloud-amd64"].map(|name| debian::kernel(name).unwrap());
            let kernels = Self { dir: tempfile::tempdir().unwrap(), old, new };
            for kernel in [&kernels.old, &kernels.new] {
                let modules = kernels.modules(kernel);
                fs::create_dir_all(&modules).unwrap();
                symlink(kernel.modules().join("kernel"), modules.join("kernel")).unwrap();
                for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
                    fs::copy(kernel.modules().join(name), modules.join(name)).unwrap();
                }
                let mut depmod = Oracle::get().tool("depmod");
                depmod.arg("-b").arg(kernels.dir.path()).args(["-C", "/dev/null"]).arg(&kernel.version);
                command::run(&mut depmod).unwrap();
                let index = kernels.index_files(kernel);
                fs::create_dir_all(&index).unwrap();
                for name in OUTPUTS {
                    fs::copy(modules.join(name), index.join(name)).unwrap();
                }
                let bare = kernels.without_index(kernel);
                fs::create_dir_all(&bare).unwrap();
                symlink(modules.join("kernel"), bare.join("kernel")).unwrap();
                for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
                    fs::copy(modules.join(name), bare.join(name)).unwrap();
                }
            }
            kernels
        })
    }

    /// The module directory, with index files.
    fn modules(&self, kernel: &Kernel) -> PathBuf {
        self.dir.path().join("lib/modules").join(&kernel.version)
    }

    /// Index files and nothing else.
    fn index_files(&self, kernel: &Kernel) -> PathBuf {
        self.dir.path().join("index").join(&kernel.version)
    }

    /// A module directory without index files.
    fn without_index(&self, kernel: &Kernel) -> PathBuf {
        self.dir.path().join("bare").join(&kernel.version)
    }

    /// What the script says.
    fn expected(&self) -> &'static Changes {
        static EXPECTED: OnceLock<Changes> = OnceLock::new();
        EXPECTED.get_or_init(|| {
            let mut script = Command::new("python3");
            script.arg(workspace().join("tests/conformance/diff_expected.py"));
            script.args([self.modules(&self.old), self.modules(&self.new)]);
            let found: Value = serde_json::from_slice(&command::output(&mut script).unwrap()).unwrap();
            let names = |list: &Value| list.as_array().unwrap().iter().map(text).collect();
            found.as_object().unwrap().iter().map(|(kind, list)| (kind.clone(), names(list))).collect()
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn diff(options: &[&str], old: &Path, new: &Path) -> Output {
    product::depmod().args(["diff", "-C", "/dev/null"]).args(options).args([old, new]).output().unwrap()
}

/// The exit status and the answer.
fn answer(options: &[&str], old: &Path, new: &Path) -> (i32, Value) {
    let output = diff(&[&["--format", "json"], options].concat(), old, new);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn changes(answer: &Value) -> Changes {
    let mut changes = Changes::new();
    for change in answer["changes"].as_array().unwrap() {
        let name = ["pattern", "symbol", "module"].into_iter().find_map(|name| change[name].as_str());
        let new = changes.entry(text(&change["kind"])).or_default().insert(name.unwrap().to_owned());
        assert!(new, "twice: {change}");
    }
    changes
}

#[test]
fn two_releases_differ_as_their_text_files_do() {
    let kernels = Kernels::get();
    let expected = kernels.expected();
    for kind in
        ["driver-lost", "module-lost", "module-gained", "became-builtin", "became-module", "symbol-lost"]
    {
        assert!(expected.contains_key(kind), "{kind}");
    }
    let (old, new) = (&kernels.old, &kernels.new);
    let pairs = [
        (kernels.modules(old), kernels.modules(new)),
        (kernels.index_files(old), kernels.index_files(new)),
        (kernels.index_files(old), kernels.without_index(new)),
        (kernels.without_index(old), kernels.modules(new)),
    ];
    for (old, new) in pairs {
        let (status, answer) = answer(&[], &old, &new);
        let what = format!("{} and {}", old.display(), new.display());
        assert_eq!((status, &answer["versions_compared"]), (3, &Value::Bool(false)), "{what}");
        assert!(changes(&answer) == *expected, "{what}");
    }

    // Versions instead of directories.
    let mut by_version = product::depmod();
    by_version.args(["diff", "--format", "json", "-b"]).arg(kernels.dir.path());
    let output = by_version.args([&old.version, &new.version]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(changes(&serde_json::from_slice(&output.stdout).unwrap()) == *expected);
}

#[test]
fn versions_of_symbols_are_those_of_the_kernels_builds() {
    let kernels = Kernels::get();
    // Symbol → version and module.
    let symvers = |kernel: &Kernel| -> BTreeMap<String, (String, String)> {
        let text = fs::read_to_string(kernel.symvers()).unwrap();
        let fields = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let of_modules = fields.filter(|fields| fields[2] != "vmlinux");
        let name = |path: &str| path.rsplit('/').next().unwrap().replace('-', "_");
        of_modules.map(|fields| (fields[1].into(), (fields[0].into(), name(fields[2])))).collect()
    };
    let (old, new) = (symvers(&kernels.old), symvers(&kernels.new));
    let mut expected = BTreeMap::new();
    for (symbol, (from, module)) in &old {
        if let Some((to, other)) = new.get(symbol)
            && (module == other && from != to)
        {
            expected.insert(symbol.clone(), (from.clone(), to.clone()));
        }
    }
    assert!(expected.len() > 1000, "{}", expected.len());
    let (old, new) = (kernels.modules(&kernels.old), kernels.modules(&kernels.new));
    let (status, answer) = answer(&["--from-modules"], &old, &new);
    assert_eq!((status, &answer["versions_compared"]), (3, &Value::Bool(true)));
    let of_versions =
        answer["changes"].as_array().unwrap().iter().filter(|change| change["kind"] == "symbol-version");
    let told: BTreeMap<_, _> = of_versions
        .map(|change| (text(&change["symbol"]), (text(&change["from"]), text(&change["to"]))))
        .collect();
    assert!(told == expected, "{} and {}", told.len(), expected.len());
    let mut others = changes(&answer);
    others.remove("symbol-version");
    assert!(others == *kernels.expected());
}

#[test]
fn a_kernel_does_not_differ_from_itself() {
    let kernels = Kernels::get();
    let (modules, index) = (kernels.modules(&kernels.old), kernels.index_files(&kernels.old));
    let bare = kernels.without_index(&kernels.old);
    for (old, new, options) in [
        (&modules, &modules, &[][..]),
        (&index, &index, &[]),
        (&index, &bare, &[]),
        (&bare, &modules, &["--from-modules"]),
    ] {
        let (status, answer) = answer(options, old, new);
        assert_eq!((status, &answer["changes"]), (0, &Value::Array(Vec::new())), "{options:?}");
        let output = diff(options, old, new);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().next().unwrap().ends_with(": nothing changed"), "{text}");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn lost_devices_come_first_and_lists_are_capped() {
    let kernels = Kernels::get();
    let expected = kernels.expected();
    let (old, new) = (kernels.modules(&kernels.old), kernels.modules(&kernels.new));
    let short = String::from_utf8(diff(&[], &old, &new).stdout).unwrap();
    let long = String::from_utf8(diff(&["--long"], &old, &new).stdout).unwrap();
    for text in [&short, &long] {
        let lost = expected["driver-lost"].len();
        let first = text.lines().next().unwrap();
        assert!(first.ends_with(&format!("{lost} devices lose their driver")), "{first}");
        let headings: Vec<&str> =
            text.lines().filter(|line| !line.starts_with(' ') && line.contains(": ")).skip(2).collect();
        assert_eq!(headings[0], format!("devices that lose their driver: {lost}"));
        let counts: Vec<usize> = headings
            .iter()
            .map(|heading| heading.rsplit(": ").next().unwrap().replace(',', "").parse().unwrap())
            .collect();
        let mut sizes: Vec<usize> = expected.values().map(BTreeSet::len).collect();
        let mut counted = counts.clone();
        counted.sort_unstable();
        sizes.sort_unstable();
        assert_eq!(counted, sizes);
    }
    for name in expected.values().flatten() {
        assert!(long.contains(name.as_str()), "{name}");
    }
    let blocks = short.split("\n\n").map(|block| block.lines().count());
    assert!(blocks.max().unwrap() <= 14, "{short}");
    assert!(short.lines().count() < long.lines().count() / 2);
    assert!(short.contains("--long shows all"), "{short}");
}

#[test]
fn changes_come_before_more_harmless_ones() {
    let kernels = Kernels::get();
    let (_, answer) = answer(&[], &kernels.modules(&kernels.old), &kernels.modules(&kernels.new));
    let kinds: Vec<String> =
        answer["changes"].as_array().unwrap().iter().map(|change| text(&change["kind"])).collect();
    let mut order: Vec<&String> = kinds.iter().collect();
    order.dedup();
    assert_eq!(order[0], "driver-lost");
    assert_eq!(order.len(), kernels.expected().len(), "kinds are together: {order:?}");
}

#[test]
fn bad_input_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let directory = |name: &str, module: Elf| {
        let path = dir.path().join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("a.ko"), module.build()).unwrap();
        for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            fs::write(path.join(name), "").unwrap();
        }
        path
    };
    let good = directory("6.1", Elf::new().export("a", Crc::Absolute(1)));
    let refused = |old: &Path, new: &Path, why: &str| {
        for (old, new) in [(old, new), (new, old)] {
            for options in [&[][..], &["--format", "json"]] {
                let output = diff(options, old, new);
                let message = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{message}");
                assert!(message.contains(why) && message.starts_with("depmod: "), "{why}: {message}");
                assert!(!message.contains("panicked"), "{message}");
            }
        }
    };
    refused(&good, &dir.path().join("missing"), "No such file or directory");
    refused(&good, Path::new("no-version"), "no-version is no version; a directory is written ./no-version");
    let empty = dir.path().join("empty");
    fs::create_dir_all(&empty).unwrap();
    refused(&good, &empty, "is neither a module directory nor one of index files");
    fs::create_dir(empty.join("kernel")).unwrap();
    let output = diff(&[], &good, &empty);
    assert_eq!(output.status.code(), Some(3), "its module is lost");

    // Cut anywhere, an index is an error and no change.
    let kernels = Kernels::get();
    let index = kernels.index_files(&kernels.old);
    let broken = dir.path().join("broken");
    fs::create_dir_all(&broken).unwrap();
    for name in ["modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.alias.bin"] {
        for other in OUTPUTS {
            fs::copy(index.join(other), broken.join(other)).unwrap();
        }
        let bytes = fs::read(index.join(name)).unwrap();
        for end in [1, 11, 12, bytes.len() / 2, bytes.len() - 1] {
            if end < bytes.len() {
                fs::write(broken.join(name), &bytes[..end]).unwrap();
                refused(&index, &broken, "broken");
            }
        }
    }
}

#[test]
fn other_directories_are_refused_and_what_may_have_been_meant_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("one/lib/modules/6.1");
    fs::create_dir_all(good.join("kernel")).unwrap();
    for version in ["6.1", "6.2"] {
        fs::create_dir_all(dir.path().join("two/usr/lib/modules").join(version)).unwrap();
    }
    fs::create_dir(dir.path().join("etc")).unwrap();
    fs::write(dir.path().join("etc/modules.conf"), "").unwrap();
    let neither = "is neither a module directory nor one of index files";
    for (name, said) in [
        ("one", format!("{neither}; did you mean its lib/modules/6.1?\n")),
        ("one/lib/modules", format!("{neither}; did you mean its 6.1?\n")),
        ("two", format!("{neither}; in usr/lib/modules there are 6.1 and 6.2\n")),
        ("etc", format!("{neither}\n")),
        ("etc/modules.conf", "is not a directory\n".into()),
    ] {
        let output = diff(&[], &dir.path().join(name), &good);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{name}");
        assert!(stderr.starts_with("depmod: FATAL: ") && stderr.ends_with(&said), "{name}: {stderr}");
    }
}
