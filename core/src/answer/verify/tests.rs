//! Each file with each kind of damage.

use super::*;
use crate::{
    Limits, MemorySource,
    index::{Index, IndexBuilder},
    parse::module::examples::module,
    run::{self, run},
};
use alloc::{
    format,
    string::{String, ToString},
};

fn options() -> Options {
    Options::new("/m/6.1", "6.1")
}

/// A kernel with something in every index file.
fn kernel(tag: &str) -> MemorySource {
    let mut source = MemorySource::new();
    source.insert(b"/m/6.1/modules.builtin", format!("kernel/ext4.ko\nkernel/{tag}fs.ko\n").as_bytes());
    source.insert(b"/m/6.1/modules.builtin.modinfo", format!("ext4.alias=fs-{tag}\0").as_bytes());
    source.insert(b"/m/6.1/modules.order", *b"kernel/bus.ko\nkernel/disk.ko\n");
    let names = [format!("{tag}_bus_add"), format!("alias=pci:v{tag}*"), format!("weakdep=weak_{tag}")];
    let [symbol, alias, weak] = names.each_ref().map(String::as_str);
    source.insert(b"/m/6.1/kernel/bus.ko", module(&[symbol, "bus_del"], &[], &[alias, "alias=pci:v2*"]));
    let soft = format!("softdep=pre: {tag}");
    let info = [&*soft, weak, "alias=pci:v2*", "alias=devname:disk", "alias=char-major-10-229"];
    source.insert(b"/m/6.1/kernel/disk.ko", module(&[], &[symbol, "bus_del"], &info));
    if tag == "b" {
        source.insert(
            b"/m/6.1/kernel/fuse.ko",
            module(&[], &[], &["alias=devname:fuse", "alias=char-major-1-2"]),
        );
    }
    source
}

fn index(source: &MemorySource) -> IndexFiles {
    run(&options(), source, &mut ()).unwrap()
}

fn stored(files: &IndexFiles) -> StoredFiles {
    StoredFiles { files: files.iter().map(|(output, bytes)| (output, Ok(bytes.to_vec()))).collect() }
}

impl StoredFiles {
    fn with(&self, output: Output, stored: Result<Vec<u8>, IoError>) -> Self {
        let mut new = self.clone();
        new.files.iter_mut().find(|(other, _)| *other == output).unwrap().1 = stored;
        new
    }
}

/// The same entries with a node after its children.
fn post_order(bytes: &[u8]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut scratch = content::scratch();
    let index = Index::parse(bytes).unwrap();
    let mut walk = index.entries(&mut scratch);
    while let Some((key, value)) = walk.next_entry().unwrap() {
        entries.push((key.to_vec(), value.bytes.to_vec(), value.priority));
    }
    crate::index::post_order(&entries)
}

fn old(files: &IndexFiles) -> StoredFiles {
    let mut stored = stored(files);
    for (output, bytes) in &mut stored.files {
        match output {
            Output::Weakdep => *bytes = Err(IoError::not_found()),
            _ if output.is_index() => *bytes = Ok(post_order(bytes.as_ref().unwrap())),
            _ => {}
        }
    }
    stored
}

fn full(stored: &StoredFiles, files: &IndexFiles) -> Verified {
    verify(stored, files, |path| !path.ends_with(b"fuse.ko"))
}

fn quick(stored: &StoredFiles, source: &MemorySource, times: &Times) -> Verified {
    let options = options();
    let listed = run::list(&options, source, &mut ()).unwrap();
    verify_quick(stored, &options, &listed, times)
}

fn kinds(verified: &Verified, file: Output) -> Vec<&'static str> {
    let findings = verified.findings.iter().filter(|finding| finding.file == file);
    findings.map(FileFinding::kind).collect()
}

#[test]
fn what_is_right_has_no_finding() {
    let source = kernel("a");
    let files = index(&source);
    for stored in [stored(&files), old(&files)] {
        assert_eq!(full(&stored, &files).findings, []);
        assert_eq!(quick(&stored, &source, &Times::default()).findings, []);
    }
}

#[test]
fn a_missing_weakdep_is_right_for_older_indexes_alone() {
    let files = index(&kernel("a"));
    let without = stored(&files).with(Output::Weakdep, Err(IoError::not_found()));
    assert_eq!(kinds(&full(&without, &files), Output::Weakdep), ["missing"]);
}

#[test]
fn old_kmod_leaves_aliases_of_builtins_empty() {
    let source = kernel("a");
    let files = index(&source);
    let verified = full(&old(&files).with(Output::BuiltinAliasIndex, Ok(Vec::new())), &files);
    let finding = FileFinding { file: Output::BuiltinAliasIndex, fault: FileFault::EmptyByOldKmod };
    assert_eq!(verified.findings, core::slice::from_ref(&finding));
    assert_eq!(verified.damage[0].to_string(), "1 alias of 1 built-in module unknown: ext4");
    let new = full(&stored(&files).with(Output::BuiltinAliasIndex, Ok(Vec::new())), &files);
    assert_eq!(new.findings[0].fault, FileFault::Empty);
    let quick =
        quick(&old(&files).with(Output::BuiltinAliasIndex, Ok(Vec::new())), &source, &Times::default());
    assert_eq!(quick.findings, [finding]);
}

#[test]
fn every_file_spoilt_in_every_way() {
    let files = index(&kernel("a"));
    let others = index(&kernel("b"));
    for good in [stored(&files), old(&files)] {
        for output in Output::ALL {
            let Some(bytes) = good.get(output).map(<[u8]>::to_vec) else { continue };
            let kinds = |bytes: Result<Vec<u8>, IoError>| {
                let verified = full(&good.with(output, bytes), &files);
                assert_eq!(verified.wrong(), BTreeSet::from([output]), "{:?}", verified.findings);
                (kinds(&verified, output), verified.damage.iter().any(|damage| damage.file == output))
            };
            let name = output.file_name();
            assert_eq!(kinds(Err(IoError::not_found())), (["missing"].into(), true), "{name}");
            assert_eq!(kinds(Err(IoError::exec_format())), (["unreadable"].into(), true), "{name}");
            assert_eq!(kinds(Ok(Vec::new())), (["empty"].into(), true), "{name}");
            for at in 1..bytes.len() {
                let (cut, _) = kinds(Ok(bytes[..at].to_vec()));
                assert!(!cut.is_empty(), "{name} cut at {at}");
            }
            let (cut, damage) = kinds(Ok(bytes[..bytes.len() - 1].to_vec()));
            assert_eq!((&*cut, damage), (&["cut"][..], true), "{name}");
            for at in 0..bytes.len() {
                for change in [1, 0x20, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= change;
                    kinds(Ok(changed));
                }
            }
            for tail in [&b"\0"[..], b"x", b"x y z\n", b"\n", b"\xff\xff\xff\xff"] {
                let found = kinds(Ok([&bytes, tail].concat())).0;
                let devname = output == Output::Devname && tail.starts_with(b"x ");
                let expected = match tail.ends_with(b"\n") {
                    _ if output.is_index() => "trailing",
                    _ if devname => "extra",
                    true => "corrupt",
                    false => "trailing",
                };
                assert_eq!(found, [expected], "{name} {tail:?}");
            }
            let (foreign, _) = kinds(Ok(others.get(output).to_vec()));
            assert!(foreign.iter().any(|kind| ["lacks", "extra", "differs"].contains(kind)), "{name}");
        }
    }
}

#[test]
fn of_another_generation_than_its_twin() {
    let (files, others) = (index(&kernel("a")), index(&kernel("b")));
    for (text, twin) in TWINS {
        for (wrong, neighbour) in [(text, twin), (twin, text)] {
            let stored = stored(&files).with(wrong, Ok(others.get(wrong).to_vec()));
            let verified = full(&stored, &files);
            let generation = FileFinding { file: wrong, fault: FileFault::Generation { neighbour } };
            assert!(verified.findings.contains(&generation), "{wrong:?} {:?}", verified.findings);
            let times = Times { newest: None, files: [(wrong, 1), (neighbour, 2)].into() };
            assert!(quick(&stored, &kernel("a"), &times).findings.contains(&generation), "{wrong:?}");
        }
    }
    // All of one generation, but not of this one.
    let verified = full(&stored(&others), &files);
    assert!(verified.findings.iter().all(|finding| finding.kind() != "generation"));
    assert_eq!(verified.wrong().len(), 11);
}

#[test]
fn files_that_do_not_exist_are_named() {
    let (files, source) = (index(&kernel("a")), kernel("a"));
    let others = stored(&index(&kernel("b")));
    let finding = |file| FileFinding { file, fault: FileFault::NoFile { path: "kernel/fuse.ko".into() } };
    for verified in [full(&others, &files), quick(&others, &source, &Times::default())] {
        assert!(verified.findings.contains(&finding(Output::Dep)));
        assert!(verified.findings.contains(&finding(Output::DepIndex)));
    }
    let quick = quick(&stored(&files), &kernel("b"), &Times::default());
    assert_eq!(kinds(&quick, Output::Dep), ["lacks"]);
    assert_eq!(quick.findings[0].fault.to_string(), "lacks an entry of fuse: kernel/fuse.ko");
}

#[test]
fn a_quick_look_sees_form_and_times() {
    let source = kernel("a");
    let files = index(&source);
    for good in [stored(&files), old(&files)] {
        for output in Output::ALL {
            let Some(bytes) = good.get(output).map(<[u8]>::to_vec) else { continue };
            let kinds = |bytes: Result<Vec<u8>, IoError>| {
                kinds(&quick(&good.with(output, bytes), &source, &Times::default()), output)
            };
            assert_eq!(kinds(Err(IoError::not_found())), ["missing"]);
            assert_eq!(kinds(Ok(Vec::new())), ["empty"]);
            assert_eq!(kinds(Ok(bytes[..bytes.len() - 1].to_vec())), ["cut"]);
            assert!(!kinds(Ok([&bytes[..], b"\0"].concat())).is_empty());
        }
    }
    let times = Times {
        newest: Some(("kernel/disk.ko".into(), 5)),
        files: [(Output::Dep, 5), (Output::AliasIndex, 4)].into(),
    };
    let verified = quick(&stored(&files), &source, &times);
    assert_eq!(verified.findings.len(), 1);
    assert_eq!(verified.findings[0].fault.to_string(), "is stale: kernel/disk.ko is newer");
    assert_eq!(verified.findings[0].file, Output::AliasIndex);
}

#[test]
fn other_priorities_are_told() {
    let files = index(&kernel("a"));
    let mut builder = IndexBuilder::new();
    let mut scratch = content::scratch();
    let index = Index::parse(files.get(Output::AliasIndex)).unwrap();
    let mut walk = index.entries(&mut scratch);
    let mut entries = Vec::new();
    while let Some((key, value)) = walk.next_entry().unwrap() {
        entries.push((key.to_vec(), value));
    }
    for (key, value) in &entries {
        builder.insert(key.iter().copied(), value.bytes, 9 - value.priority).unwrap();
    }
    let other = builder.finish(&Limits::DEFAULT).unwrap();
    let verified = full(&stored(&files).with(Output::AliasIndex, Ok(other)), &files);
    assert_eq!(kinds(&verified, Output::AliasIndex), ["order"]);
}

#[test]
fn damage_has_one_name_in_both_looks() {
    let source = kernel("a");
    let files = index(&source);
    for good in [stored(&files), old(&files)] {
        for output in Output::ALL.into_iter().filter(|output| output.is_index()) {
            let Some(bytes) = good.get(output).map(<[u8]>::to_vec) else { continue };
            let name = output.file_name();
            let form = |bytes: Vec<u8>| {
                let stored = good.with(output, Ok(bytes));
                let looks = [full(&stored, &files), quick(&stored, &source, &Times::default())];
                let [full, quick] = looks.map(|look| {
                    let kinds = kinds(&look, output).into_iter();
                    kinds.filter(|kind| ["cut", "corrupt", "foreign"].contains(kind)).collect::<Vec<_>>()
                });
                assert_eq!(full, quick, "{name}");
                full
            };
            for at in 1..bytes.len() {
                assert_eq!(form(bytes[..at].to_vec()), ["cut"], "{name} cut at {at}");
            }
            for at in 0..bytes.len() {
                for change in [1, 0x20, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= change;
                    form(changed);
                }
            }
        }
    }
}
