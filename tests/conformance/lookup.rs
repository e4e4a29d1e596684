//! `depmod lookup` against `modprobe --resolve-alias`.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use depmod_tests::elf_builder::{Crc, Elf};
use depmod_tests::oracle::Oracle;
use depmod_tests::product;
use depmod_tests::queries::queries;
use depmod_tests::system::{System, VERSION};
use serde_json::Value;

use crate::plan::Indexed;

/// A root directory with two modules, indexed.
pub(crate) fn small() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    System::new()
        .module(
            "kernel/nvme-core.ko",
            Elf::new().export("core", Crc::Absolute(1)).modinfo("softdep=pre: crypto-x gone"),
        )
        .module("kernel/nvme.ko", Elf::new().need("core").modinfo("alias=pci:v1*").modinfo("alias=pci:v*d2"))
        .module("kernel/x.ko", Elf::new().modinfo("alias=crypto-x").modinfo("alias=pci:v1d*"))
        .file("modules.builtin", "kernel/loop.ko\n")
        .file("modules.builtin.modinfo", "loop.alias=block-major-7-*\0")
        .file("modules.order", "kernel/x.ko\n")
        .lay_out(&root);
    let status = product::depmod().arg("-b").arg(&root).arg(VERSION).status().unwrap();
    assert!(status.success());
    dir
}

/// `depmod lookup` in that directory, without the machine's configuration.
pub(crate) fn command(name: &str, dir: &Path, words: &[&str]) -> Command {
    let mut command = product::depmod();
    command.arg(name).arg("-b").arg(dir.join("root")).args(["-k", VERSION]);
    if !words.contains(&"-C") {
        command.args(["-C", "/dev/null"]);
    }
    command.args(words).stdin(Stdio::null());
    command
}

fn lookup(dir: &Path, words: &[&str]) -> Output {
    command("lookup", dir, words).output().unwrap()
}

fn fed(mut command: Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn as_modprobe(label: &str) {
    let indexed = Indexed::of(label);
    let modules = indexed.root.path().join("lib/modules").join(&indexed.version);
    let mut queries = queries(&modules, 5000).unwrap();
    // Names of built-in modules, some of which are aliases of others: crc64-rocksoft.
    let builtin = fs::read_to_string(modules.join("modules.builtin")).unwrap();
    let names = builtin.lines().filter_map(|path| path.rsplit('/').next()?.strip_suffix(".ko"));
    queries.extend(names.map(Into::into));
    let mut expected = Vec::new();
    for some in queries.chunks(1000) {
        let mut modprobe = Oracle::get().tool("modprobe");
        modprobe.args(["-S", &indexed.version, "-C", "/dev/null", "-d"]).arg(indexed.root.path()).arg("-aR");
        expected.extend(modprobe.args(some).output().unwrap().stdout);
    }
    assert!(expected.len() > 10_000);
    let mut ours = product::depmod();
    ours.args(["lookup", "-C", "/dev/null", "-k", &indexed.version, "-b"]).arg(indexed.root.path());
    let found = fed(ours, queries.join("\n").as_bytes());
    assert_eq!(text(&found.stderr), "");
    assert!(found.status.success());
    assert!(found.stdout == expected, "{label}: the answers differ");
}

#[test]
fn thousands_of_queries_of_a_plain_kernel_are_answered_as_by_modprobe() {
    as_modprobe("bookworm-cloud-amd64");
}

#[test]
fn thousands_of_queries_of_a_compressed_kernel_are_answered_as_by_modprobe() {
    as_modprobe("trixie-cloud-amd64");
}

/// Lines of `modprobe.d`, good and bad, with their subjects.
const CONFIG: &str = "alias foo-x nvme\nalias foo_* x\nalias nvme x\nalias crypto-x nvme-core\nalias chain foo-x\n\
    alias gone-target nosuch\nalias loop x\nblacklist x\nalias q1 m1\nalias q* m3\nalias q1 m1\nalias q[-x]z m5\n\
    install inst /bin/true\nremove remv /bin/true\ninstall nv* /bin/x\nalias bad] x\nalias one\n  alias indented x\n\
    alias cont \\\n x\nalias t2 dir/foo-bar.ko\n# alias comment x\nnonsense\noptions x a=1\nsoftdep virt pre: x\n";

#[test]
fn modprobe_d_is_obeyed_as_by_modprobe() {
    let dir = small();
    let config = dir.path().join("modprobe.d");
    fs::create_dir(&config).unwrap();
    fs::write(config.join("a.conf"), CONFIG).unwrap();
    fs::write(config.join("b.conf"), "alias q1 m2").unwrap();
    fs::write(config.join("c.txt"), "alias q1 none").unwrap();
    let path = config.to_str().unwrap();
    let queries = "foo-x foo_x foo-yy nvme crypto-x chain gone-target loop x q1 q2 q-z q_z qxz inst remv nvme-core \
        bad] one indented cont t2 comment virt pci:v1d2 nonsense";
    for query in queries.split_whitespace() {
        let mut modprobe = Oracle::get().tool("modprobe");
        modprobe.args(["-S", VERSION, "-C", path, "-R", query, "-d"]).arg(dir.path().join("root"));
        let theirs = modprobe.output().unwrap();
        let ours = lookup(dir.path(), &["-C", path, query]);
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{query}");
        assert_eq!(ours.status.success(), theirs.status.success(), "{query}");
        assert!(text(&ours.stderr).contains("a.conf:16: ignoring bad line starting with 'alias'"));
    }
}

#[test]
fn where_queries_come_from() {
    let dir = small();
    assert_eq!(
        text(&lookup(dir.path(), &["nvme-core", "pci:v1d2", "loop"]).stdout),
        "nvme_core\nx\nnvme\nnvme\nloop\n"
    );
    let lines = fed(command("lookup", dir.path(), &[]), b"nvme\n\nnvme-core\nlast");
    assert_eq!((text(&lines.stdout), lines.status.code()), ("nvme\nnvme_core\n".into(), Some(0)));
    let nulls = fed(command("lookup", dir.path(), &["-0", "x", "-", "loop"]), b"nvme\0nvme-core\0");
    assert_eq!(text(&nulls.stdout), "x\nnvme\nnvme_core\nloop\n");
}

#[test]
fn one_object_a_query() {
    let dir = small();
    let found = lookup(dir.path(), &["--format", "json", "pci:v1d2", "gone"]);
    let lines: Vec<Value> =
        text(&found.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["schema"], 1);
    assert_eq!(lines[0]["command"], "lookup");
    assert_eq!(lines[0]["kernel"], VERSION);
    assert_eq!(lines[0]["query"], "pci:v1d2");
    assert_eq!(lines[0]["modules"], serde_json::json!(["x", "nvme", "nvme"]));
    assert_eq!(lines[1]["modules"], serde_json::json!([]));
}

#[test]
fn unknown_names_have_proposals() {
    let dir = small();
    let found = lookup(dir.path(), &["nvem"]);
    assert_eq!(found.status.code(), Some(1));
    assert_eq!(text(&found.stderr), "depmod: WARNING: no module or alias named nvem; did you mean nvme?\n");
    let found = lookup(dir.path(), &["nvem", "nvme"]);
    assert_eq!((found.status.code(), text(&found.stdout)), (Some(0), "nvme\n".into()));
    assert_eq!(lookup(dir.path(), &["gone", "a]"]).status.code(), Some(1));
}

#[test]
fn broken_indexes_give_an_offset_and_no_answer() {
    let dir = small();
    let modules = dir.path().join("root/lib/modules").join(VERSION);
    let path = modules.join("modules.alias.bin");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 3]).unwrap();
    let broken = lookup(dir.path(), &["crypto-x"]);
    assert_eq!((broken.status.code(), text(&broken.stdout)), (Some(1), String::new()));
    assert!(text(&broken.stderr).contains("modules.alias.bin: corrupt index: "), "{}", text(&broken.stderr));
    assert!(text(&broken.stderr).contains(" at offset 0x"));
    assert!(lookup(dir.path(), &["nvme"]).status.success(), "a name needs no aliases");
    fs::remove_file(modules.join("modules.dep.bin")).unwrap();
    let none = lookup(dir.path(), &["nvme"]);
    assert_eq!(none.status.code(), Some(1));
    let run = format!("depmod -b {} 6.1.0", dir.path().join("root").display());
    let said = text(&none.stderr);
    assert!(said.contains(&format!("modules.dep.bin: No such file or directory; \"{run}\" makes")), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = small();
    let mut child = command("lookup", dir.path(), &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all("nvme\n".repeat(100_000).as_bytes());
    drop(stdin);
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((status.code(), &*said), (Some(0), ""));
}
