use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use bstr::{BString, ByteSlice};

use super::*;
use crate::{
    answer::{Lookup, ModprobeConfig},
    decompress::PureDecoder,
    diagnostic::Diagnostic,
    limits::Limits,
    list::config::Rule,
    options::Options,
    output::{IndexFiles, Output},
    parse::{kernel::KernelExports, module::examples::module},
    run::{self, InTurn, Load},
    source::MemorySource,
};

const DIRECTORY: &str = "/lib/modules/6.1";

/// Four modules in a chain, `a` → `b` → `c` → `d`, with a short cut from `a` to `c`, and the system around them.
fn source() -> MemorySource {
    let mut source = MemorySource::new();
    let mut insert = |path: &str, bytes: &[u8]| source.insert(path.as_bytes(), bytes);
    insert("/c/a.conf", b"search extra built-in\nexternal * /opt\nblacklist x\n");
    let mut insert = |path: &str, bytes: &[u8]| insert(&[DIRECTORY, path].concat(), bytes);
    insert("/modules.order", b"kernel/a.ko\nkernel/b.ko\nkernel/c.ko\nkernel/d.ko\n");
    insert("/modules.builtin", b"kernel/fs/ext4.ko\nkernel/drivers/loop.ko\n");
    insert("/modules.builtin.modinfo", b"loop.alias=block-major-7-*\0ext4.alias=fs-ext4\0");
    let info =
        ["alias=pci:v1d2sv*", "alias=pci:v1d*", "firmware=a.bin", "softdep=pre: x post: y", "weakdep=z"];
    insert("/kernel/a.ko", &module(&[], &["b1", "printk", "c1", "b2", "c2"], &info));
    insert("/kernel/b.ko", &module(&["b1", "b2"], &["c1"], &["alias=pci:v1d2sv3*"]));
    insert("/kernel/c.ko", &module(&["c1", "c2"], &["d1", "printk"], &[]));
    insert("/kernel/d.ko", &module(&["d1"], &[], &["alias=dee-x"]));
    insert("/extra/d.ko", &module(&["d1"], &["gone"], &[]));
    source.insert(b"/opt/d.ko", module(&["d1"], &[], &[]));
    source
}

fn options() -> Options {
    Options::new(DIRECTORY, "6.1").config_paths(["/c"])
}

fn files(source: &MemorySource) -> IndexFiles {
    run::run(&options(), source, &mut ()).unwrap()
}

/// The answer of `ask`, which has a lookup and a loader of modules that notes what it loads.
fn ask<T>(
    source: &MemorySource,
    ask: impl FnOnce(&Lookup<'_>, &mut dyn FnMut(&[u8]) -> Load) -> T,
) -> (T, Vec<String>) {
    let files = files(source);
    let config = ModprobeConfig::load(source, &["/m"], &Limits::DEFAULT, &mut ()).unwrap();
    let lookup = files.lookup().unwrap().config(&config);
    let (mut decoder, limits) = (PureDecoder::default(), Limits::DEFAULT);
    let mut turn = InTurn::new(source, &mut decoder, &limits);
    let mut loaded = Vec::new();
    let answer = ask(&lookup, &mut |path| {
        loaded.push(String::from_utf8(path.to_vec()).unwrap());
        turn.load_one(&[DIRECTORY.as_bytes(), b"/", path].concat())
    });
    (answer, loaded)
}

fn link(module: &str, symbols: &[&str]) -> Link {
    Link { module: module.into(), symbols: symbols.iter().map(|symbol| BString::from(*symbol)).collect() }
}

#[test]
fn a_module_and_what_is_around_it() {
    let (found, loaded) =
        ask(&source(), |lookup, load| explain_module(lookup, b"a", Some(load)).unwrap().unwrap());
    assert_eq!(loaded, ["kernel/a.ko"]);
    assert_eq!((found.name.to_string(), found.path.to_string()), ("a".into(), "kernel/a.ko".into()));
    assert_eq!(found.needs, ["d", "c", "b"]);
    assert_eq!(found.links.modules, [link("b", &["b1", "b2"]), link("c", &["c1", "c2"])]);
    assert_eq!(found.links.others, 1);
    assert_eq!(found.aliases, ["pci:v1d*", "pci:v1d2sv*"]);
    assert_eq!(found.firmware, ["a.bin"]);
    assert_eq!((&found.soft_before[..], &found.soft_after[..]), (&["x".into()][..], &["y".into()][..]));
    assert_eq!(found.weak, ["z"]);
    assert!(found.needed_by.is_empty() && found.unlisted.is_empty() && found.is_indexed);

    let (found, _) =
        ask(&source(), |lookup, load| explain_module(lookup, b"d", Some(load)).unwrap().unwrap());
    assert_eq!(found.path, "extra/d.ko");
    let through = |module: &str, through: Option<&str>| Dependent {
        module: module.into(),
        through: through.map(BString::from),
    };
    assert_eq!(found.needed_by, [through("a", Some("c")), through("b", Some("c")), through("c", None)]);
    assert_eq!(ask(&source(), |lookup, load| explain_module(lookup, b"gone", Some(load))).0, Ok(None));
}

#[test]
fn a_module_newer_than_the_indexes_is_told() {
    let source = source();
    let files = files(&source);
    let lookup = files.lookup().unwrap();
    let mut newer = MemorySource::new();
    newer.insert(b"/d.ko", module(&["d1"], &["b1"], &[]));
    let (mut decoder, limits) = (PureDecoder::default(), Limits::DEFAULT);
    let mut turn = InTurn::new(&newer, &mut decoder, &limits);
    let found = explain_module(&lookup, b"d", Some(&mut |_| turn.load_one(b"/d.ko"))).unwrap().unwrap();
    assert_eq!(found.unlisted, ["b"]);
    let found = explain_module(&lookup, b"d", Some(&mut |_| turn.load_one(b"/gone.ko"))).unwrap().unwrap();
    assert!(found.unreadable.is_some() && found.needed_by.len() == 3);
    let error = chain(&lookup, b"a", b"d", &mut |_| turn.load_one(b"/d.ko")).unwrap_err();
    assert!(error.to_string().starts_with("the index files are out of date: a needs d there"), "{error}");
    let error = chain(&lookup, b"a", b"d", &mut |_| turn.load_one(b"/gone.ko")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read kernel/a.ko");
}

#[test]
fn the_shortest_chain() {
    let chain_of = |from: &str, to: &str| {
        let (links, loaded) =
            ask(&source(), |lookup, load| chain(lookup, from.as_bytes(), to.as_bytes(), load).unwrap());
        let line = |link: ChainLink| {
            format!("{} {} {}", link.from, link.to, bstr::join(",", link.symbols).escape_ascii())
        };
        (links.map(|links| links.into_iter().map(line).collect::<Vec<_>>()), loaded)
    };
    let (links, loaded) = chain_of("a", "d");
    assert_eq!(links.unwrap(), ["a c c1,c2", "c d d1"], "not through b");
    assert_eq!(loaded, ["kernel/a.ko", "kernel/b.ko", "kernel/c.ko"]);
    assert_eq!(chain_of("a", "b"), (Some(vec!["a b b1,b2".into()]), vec!["kernel/a.ko".into()]));
    assert_eq!(chain_of("d", "a"), (None, vec![]));
    assert_eq!(chain_of("a", "a"), (None, vec![]));
    assert_eq!(chain_of("a", "ext4"), (None, vec![]));
}

#[test]
fn a_file_by_itself() {
    let (found, _) = ask(&source(), |lookup, _| {
        let mut other = MemorySource::new();
        let info = ["softdep=pre: x", "weakdep=w v", "alias=n"];
        other.insert(b"/tmp/new-x.ko", module(&["d1"], &["c2", "d1", "printk"], &info));
        let (mut decoder, limits) = (PureDecoder::default(), Limits::DEFAULT);
        let facts = InTurn::new(&other, &mut decoder, &limits).load_one(b"/tmp/new-x.ko").unwrap();
        explain_file(lookup, b"/tmp/new-x.ko", &facts).unwrap()
    });
    assert_eq!((found.name.to_string(), found.is_indexed), ("new_x".into(), false));
    assert_eq!(found.links.modules, [link("c", &["c2"]), link("d", &["d1"])]);
    assert_eq!(found.needs, ["d", "c"]);
    assert_eq!(
        (found.weak, found.soft_before, found.aliases),
        (vec!["w".into(), "v".into()], vec!["x".into()], vec!["n".into()])
    );
}

#[test]
fn words() {
    let mut source = source();
    source.insert(b"/m", *b"alias mine a\nalias mine b\nblacklist b\n");
    let subject_of = |query: &str| {
        ask(&source, |lookup, _| {
            subject(lookup, query.as_bytes(), b"kernel/fs/ext4.ko\nkernel/drivers/loop.ko\n").unwrap()
        })
        .0
    };
    let matches = |found: &[(&str, &str)]| -> Vec<AliasMatch> {
        found
            .iter()
            .map(|(pattern, module)| AliasMatch { pattern: (*pattern).into(), module: (*module).into() })
            .collect()
    };
    assert_eq!(subject_of("a"), Subject::Module("a".into()));
    let modules = matches(&[("pci:v1d*", "a"), ("pci:v1d2sv*", "a"), ("pci:v1d2sv3*", "b")]);
    let alias = ExplainedAlias { modules, blacklisted: vec!["b".into()], ..ExplainedAlias::default() };
    assert_eq!(subject_of("pci:v1d2sv3"), Subject::Alias(alias));
    let alias = ExplainedAlias {
        configured: vec!["a".into(), "b".into()],
        blacklisted: vec!["b".into()],
        ..ExplainedAlias::default()
    };
    assert_eq!(subject_of("mine"), Subject::Alias(alias));
    let builtin = matches(&[("fs_ext4", "ext4")]);
    assert_eq!(
        subject_of("fs-ext4"),
        Subject::Alias(ExplainedAlias { builtin, ..ExplainedAlias::default() })
    );
    let aliases = vec!["block_major_7_*".into()];
    let path = Some("kernel/drivers/loop.ko".into());
    assert_eq!(subject_of("loop"), Subject::Builtin(Builtin { name: "loop".into(), path, aliases }));
    let patterns = matches(&[("pci:v1d2sv*", "a"), ("pci:v1d2sv3*", "b"), ("pci:v1d*", "a")]);
    assert_eq!(subject_of("pci:v2d2sv4"), Subject::Unknown { names: vec![], patterns });
    assert_eq!(subject_of("ext3"), Subject::Unknown { names: vec!["ext4".into()], patterns: vec![] });
    for unknown in ["", "a]", "zzzzzzzz"] {
        assert_eq!(subject_of(unknown), Subject::Unknown { names: vec![], patterns: vec![] }, "{unknown}");
    }
}

fn named_files(
    options: &Options,
    source: &MemorySource,
    name: &str,
    messages: &mut Vec<Diagnostic>,
) -> FilesOfName {
    let (mut decoder, limits) = (PureDecoder::default(), Limits::DEFAULT);
    let mut turn = InTurn::new(source, &mut decoder, &limits);
    files_of_name(options, source, name.as_bytes(), &mut |path| turn.load_one(path), messages).unwrap()
}

fn losers(found: &FilesOfName) -> Vec<String> {
    let line = |(file, rule): &(NamedFile, Rule)| {
        format!("{} {rule} {:?}", file.path, file.external.as_ref().map(|line| line.line))
    };
    found.losers.iter().map(line).collect()
}

#[test]
fn files_with_one_name() {
    let (mut source, mut messages) = (source(), Vec::new());
    let found = named_files(&options(), &source, "d", &mut messages);
    let rule = "search, which prefers extra (/c/a.conf:1)";
    assert_eq!(losers(&found), [format!("kernel/d.ko {rule} None"), format!("/opt/d.ko {rule} Some(2)")]);
    let winner = found.winner.unwrap();
    assert_eq!((winner.path.to_string(), winner.external), ("extra/d.ko".into(), None));
    assert_eq!(messages.len(), 1, "the line for modprobe alone: {messages:?}");
    assert_eq!(named_files(&options(), &source, "gone", &mut messages), FilesOfName::default());
    let nowhere = Options::new("/nowhere", "6.1");
    assert!(files_of_name(&nowhere, &source, b"d", &mut |_| unreachable!(), &mut ()).is_err());

    // As a run: the best readable file.
    source.insert(b"/lib/modules/6.1/extra/d.ko", *b"");
    let found = named_files(&options(), &source, "d", &mut messages);
    let dep = files(&source).get(Output::Dep).to_vec();
    assert!(dep.starts_with_str("kernel/a.ko:") && dep.contains_str("kernel/d.ko:"), "{}", dep.as_bstr());
    assert_eq!(found.winner.as_ref().unwrap().path, "kernel/d.ko");
    assert_eq!(
        losers(&found),
        [
            "extra/d.ko this file cannot be read as a module None",
            "/opt/d.ko no line prefers either, and it comes first Some(2)"
        ]
    );
    for path in ["/lib/modules/6.1/kernel/d.ko", "/opt/d.ko"] {
        source.insert(path.as_bytes(), *b"");
    }
    let found = named_files(&options(), &source, "d", &mut messages);
    assert_eq!(
        (found.winner.as_ref().unwrap().path.to_string(), losers(&found).len()),
        ("extra/d.ko".into(), 2)
    );
    assert!(losers(&found)[0].contains("search, which"));
}

#[test]
fn a_symbol() {
    let source = source();
    let (mut decoder, limits) = (PureDecoder::default(), Limits::DEFAULT);
    let listed = run::list(&options(), &source, &mut ()).unwrap();
    let mut turn = InTurn::new(&source, &mut decoder, &limits).detail(crate::parse::module::Detail::Full);
    let loads: Vec<Load> = listed.list.modules().iter().map(|file| turn.load_one(file.path())).collect();
    let kernel = KernelExports::from_symvers(
        b"0x7\tprintk\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n0x8\td1\tvmlinux\tEXPORT_SYMBOL\t\n",
    )
    .unwrap();
    let of = |name: &str, kernel| explain_symbol(name.as_bytes(), listed.list.modules(), &loads, kernel);
    let printk = of("printk", Some(&kernel));
    let exporter = &printk.exporters[0];
    assert_eq!((exporter.by.to_string(), exporter.crc, exporter.gpl_only), ("the kernel".into(), 7, true));
    assert_eq!(exporter.namespace, "NS");
    let users: Vec<_> = printk.users.iter().map(|user| user.module.to_string()).collect();
    assert_eq!(users, ["a", "c"]);
    let two = of("d1", Some(&kernel));
    let by: Vec<_> = two.exporters.iter().map(|exporter| exporter.by.to_string()).collect();
    assert_eq!(by, ["the kernel", "extra/d.ko"]);
    assert_eq!(of("prinkt", Some(&kernel)).nearest, ["printk"]);
    assert!(of("printk", None).exporters.is_empty() && of("printk", None).nearest.is_empty());
}

#[test]
fn versions_that_differ() {
    use crate::parse::module::FactsBuilder;

    let load = |exports: &[(&str, u64)], needs: &[(&str, u64)]| -> Load {
        let mut builder = FactsBuilder::default();
        exports.iter().for_each(|(name, crc)| builder.export(name.as_bytes(), *crc));
        needs.iter().for_each(|(name, crc)| builder.need(name.as_bytes(), *crc, *crc == 9));
        Ok(builder.finish().unwrap())
    };
    let mut source = MemorySource::new();
    let names = ["p", "q", "r", "s", "t"];
    names.iter().for_each(|name| source.insert(format!("{DIRECTORY}/{name}.ko").as_bytes(), *b""));
    let order: String = names.iter().map(|name| format!("{name}.ko\n")).collect();
    source.insert(format!("{DIRECTORY}/modules.order").as_bytes(), order.as_bytes());
    let listed = run::list(&options(), &source, &mut ()).unwrap();
    let loads = [
        load(&[("f", 1)], &[]),
        load(&[("f", 2)], &[]),
        load(&[], &[("f", 2)]),
        load(&[], &[("f", 1), ("g", 1)]),
        load(&[], &[("f", 9)]),
    ];
    let unversioned = [load(&[("f", 0)], &[]), load(&[], &[("f", 1)]), load(&[], &[("f", 0)])];
    let found = explain_symbol(b"f", &listed.list.modules()[..3], &unversioned, None);
    assert!(found.users.iter().all(|user| user.agrees.is_none()) && found.users.len() == 2);
    let found = explain_symbol(b"f", listed.list.modules(), &loads, None);
    assert_eq!(found.exporters.iter().map(|exporter| exporter.crc).collect::<Vec<_>>(), [1, 2]);
    let users: Vec<_> =
        found.users.iter().map(|user| (user.module.to_string(), user.agrees, user.weak)).collect();
    assert_eq!(
        users,
        [("r".into(), Some(true), false), ("s".into(), Some(false), false), ("t".into(), Some(false), true)]
    );
}
